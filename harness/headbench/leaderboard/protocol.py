"""How a number was made: what stands behind every cell, in a few labelled facts."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from headbench.leaderboard.sources import Sources
from headbench.results.schema import Result
from headbench.tasks.task import Task

NOT_RECORDED = "not recorded"


def protocol(result: Result, sources: Sources) -> list[tuple[str, str]]:
    """Label and text of each fact: prompt, parser, profile, decoding, n, and who answered."""
    return list(_facts(result, sources.task(result)))


def _facts(result: Result, task_file: Task | None) -> Iterator[tuple[str, str]]:
    task, run = result.task, result.run
    figure = result.metrics.get(task.main_metric)
    clusters = f" in {figure.clusters:,} clusters" if figure and figure.clusters else ""
    answered, expected = result.coverage.answered, result.coverage.expected
    yield "n", f"{answered:,} of {expected:,} documents{clusters}"
    yield "prompt", _prompt(result, task_file)
    yield "parser", task.parser or NOT_RECORDED
    yield "scorer", task.scorer or NOT_RECORDED
    if task.profile:
        yield "profile", task.profile
    yield "task version", task.version
    asked = run.spec.get("task_args")
    if isinstance(asked, Mapping) and asked:
        given = ", ".join(f"{name}={value}" for name, value in sorted(asked.items()))
        yield "task arguments", given
    yield "data", f"hash {task.data_hash[:12]}" if task.data_hash else NOT_RECORDED
    yield "decoding", _decoding(result, task_file)
    yield "seed", str(run.seed) if result.kind == "measured" else NOT_RECORDED
    yield "model", _model(result)
    if run.versions:
        headbench = run.versions.get("headbench", "?")
        yield "made with", f"headbench {headbench}, result schema {result.schema_version}"
    if run.commit:
        yield "commit", run.commit
    for name, said in sorted(result.source.items()):
        if name in ("origin", "joined by", "no_headline"):
            yield name.replace("_", " "), said


def _prompt(result: Result, task_file: Task | None) -> str:
    """The template where the task file is still the one that was asked, and its hash."""
    digest = result.task.prompt_hash
    if not digest:
        return result.source.get("prompt", NOT_RECORDED)
    if task_file is None:
        return f"hash {digest[:12]}"
    template = task_file.config.doc_to_text
    return f"{template} (hash {digest[:12]})" if template else f"hash {digest[:12]}"


def _decoding(result: Result, task_file: Task | None) -> str:
    """Generation settings: in the task file, or what a log says."""
    if task_file is None:
        measured = result.kind == "measured"
        return "in the prompt's hash" if measured else result.source.get("decoding", NOT_RECORDED)
    if task_file.config.output_type != "generate_until":
        return f"none: the task asks for {task_file.config.output_type}"
    asked = task_file.config.generation_kwargs
    told = f"at most {asked.max_gen_toks:,} new tokens"
    told += f", stops at {', '.join(map(repr, asked.until))}" if asked.until else ""
    if not asked.do_sample:
        return f"greedy, {told}"
    return f"sampled at temperature {asked.temperature:g}, top_p {asked.top_p:g}, {told}"


def _model(result: Result) -> str:
    identity = result.model.identity
    told = [result.model.adapter or "unknown adapter"]
    told += [identity[name] for name in ("dtype", "device", "attention") if name in identity]
    weights = identity.get("weights") or identity.get("fingerprint")
    told += [f"weights {weights[:12]}"] if weights else []
    return ", ".join(told)
