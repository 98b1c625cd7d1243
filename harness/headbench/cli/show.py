"""``headbench show``: one task, intervention or result, with where each value came from."""

from __future__ import annotations

import json
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from headbench.cli.printing import say, say_facts

if TYPE_CHECKING:
    from headbench.results.check import Checked
    from headbench.tasks.task import Task


class Kind(StrEnum):
    """What can be shown."""

    TASK = "task"
    INTERVENTION = "intervention"
    RESULT = "result"


def show(
    kind: Annotated[Kind, typer.Argument(help="What to show.")],
    name: Annotated[str, typer.Argument(help="Its name, or the path of a file.")],
    include: Annotated[
        list[Path] | None, typer.Option(help="File or folder of your own extensions; repeat it.")
    ] = None,
    task_args: Annotated[
        str, typer.Option(help="Of a task: show it with these arguments, e.g. table=betas.npz.")
    ] = "",
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
    plot: Annotated[
        Path | None, typer.Option(help="Also draw the result: a .png or .svg (needs matplotlib).")
    ] = None,
) -> None:
    """Show a task, an intervention or a result."""
    if plot is not None:
        _check_plot(kind, plot)
    from headbench import _extensions

    _extensions.include(include or [])
    if kind is Kind.TASK:
        from headbench.tasks.arguments import parse_task_args
        from headbench.tasks.loader import load

        task = load(name, include or [], args=parse_task_args(task_args))
        say(json.dumps(_task_data(task), indent=2)) if as_json else _show_task(task)
    elif kind is Kind.INTERVENTION:
        data = _intervention_data(name)
        say(json.dumps(data, indent=2)) if as_json else _show_intervention(data)
    else:
        from headbench.results.check import read_checked

        found = read_checked(Path(name))
        result = found.result.model_dump(mode="json")
        say(json.dumps(result, indent=2)) if as_json else _show_result(result)
        for line in (_checked(found), *found.unchecked):
            say(line, err=as_json)
        if plot is not None:
            from headbench.cli import plotting

            plotting.plot(found.result, [entry.record for entry in found.entries], plot)
            say(f"drawn in {plot}", err=as_json)


def _check_plot(kind: Kind, path: Path) -> None:
    """Refuse before the result is read what could not be drawn."""
    from headbench.cli import plotting
    from headbench.errors import ConfigError

    if kind is not Kind.RESULT:
        raise ConfigError(
            f"only a result is drawn, not a {kind.value}",
            where=f"--plot {path}",
            hint="headbench show result FILE.json --plot FILE.png",
        )
    plotting.check(path)


# ------------------------------------------------------------------ tasks


def _show_task(task: Task) -> None:
    say(f"task {task.name}, version {task.version}")
    say(f"prompt {task.prompt_hash[:16]}, main metric {task.main_metric}\n")
    say_facts([(key, _text(value), source) for key, value, source in in_force(task)])
    _show_example(task)


def in_force(task: Task) -> list[tuple[str, Any, str]]:
    """Key, value and origin of all that a task says, included or left out.

    A task of several steps shows each step whole: with what it takes from the top level.
    """
    from headbench.scoring import lookup
    from headbench.tasks.schema import Prompt

    data = json.loads(task.config.model_dump_json())
    taken: set[str] = set()
    if data["steps"]:
        taken = set(Prompt.model_fields)
        data["steps"] = [json.loads(step.config.model_dump_json()) for step in task.steps]
    data["parser"] = task.parser
    shown: list[tuple[str, Any, str]] = []
    for key, value in _flat({name: data[name] for name in data if name not in taken}):
        source = _source(task, key)
        if source == "default" and _is_default(value):
            continue
        if key == ("parser",):
            value = lookup.parser(value).id
            source = source if task.config.parser else f"of the scorer {task.scorer}"
        elif key == ("scorer",):
            value = lookup.scorer(value).id
        shown.append((_dotted(key), value, source))
    return shown


def _source(task: Task, key: tuple[str | int, ...]) -> str:
    """Where a value was written: by a step itself, at the top level, or by nobody."""
    origins = task.merged.origins
    origin = origins.get(key) or (origins.get(key[2:]) if key[0] == "steps" else None)
    if origin is None:
        return "default"
    return f"{_short_path(origin.path)}:{origin.line}" if origin.line else str(origin.path)


def _show_example(task: Task) -> None:
    """The first document's prompt, which says more than any template."""
    from headbench.tasks.data.source import AbsentDataError

    try:
        documents = task.documents(limit=1)
    except AbsentDataError as absent:
        say(f"\nno example: {absent}")
        return
    if task.config.sensitive:
        say("\nthe texts of this data set are not shown")
        return
    first = task.steps[0]
    request = task.requests(documents[0], first.name, {}, 0)[0]
    say(f"\nfirst document {documents[0].id}, step {first.name}, {request.kind}")
    for message in request.messages:
        say(f"--- {message['role']}\n{message['content']}")
    say(f"--- target\n{documents[0].target}")


def _task_data(task: Task) -> dict[str, Any]:
    return {
        "name": task.name,
        "version": task.version,
        "prompt_hash": task.prompt_hash,
        "main_metric": task.main_metric,
        "config": json.loads(task.config.model_dump_json()),
        "provenance": dict(task.provenance),
    }


def _flat(value: Any, at: tuple[str | int, ...] = ()) -> list[tuple[tuple[str | int, ...], Any]]:
    """Leaves of nested mappings and lists of mappings."""
    if isinstance(value, dict) and value:
        return [leaf for key, inner in value.items() for leaf in _flat(inner, (*at, key))]
    if isinstance(value, list) and any(isinstance(item, dict) for item in value):
        return [leaf for n, inner in enumerate(value) for leaf in _flat(inner, (*at, n))]
    return [(at, value)]


def _dotted(path: tuple[str | int, ...]) -> str:
    from headbench.tasks.yamlfile import dotted

    return dotted(path)


def _is_default(value: Any) -> bool:
    """Whether a value is an empty default, which is not printed."""
    return value in (None, "", [], {}, False)


def _short_path(path: Path) -> str:
    from headbench._paths import tasks_root

    root = tasks_root()
    return str(path.relative_to(root)) if path.is_relative_to(root) else str(path)


def _text(value: Any) -> str:
    """A value as it is read; blanks alone, which nobody would see, in quotes."""
    if isinstance(value, str) and value.strip():
        return value
    return json.dumps(value, ensure_ascii=False)


# ------------------------------------------------------------------ interventions


def _intervention_data(name: str) -> dict[str, Any]:
    from headbench.interventions import method_catalogue
    from headbench.interventions.strengths import defaults_of

    method = method_catalogue.get(name)
    schema = method.params_model.model_json_schema()
    return {
        "name": method.name,
        "summary": method.summary,
        "source": method.source,
        "needs": sorted(method.needs),
        "defaults": defaults_of(method.name, method.strength) if method.strength else [],
        "parameters": {
            key: {
                "type": _type(said),
                "default": said.get("default"),
                "description": said.get("description", ""),
            }
            for key, said in schema.get("properties", {}).items()
        },
    }


def _type(said: dict[str, Any]) -> str:
    """A parameter's type in a few words."""
    if "enum" in said:
        return " | ".join(map(str, said["enum"]))
    if "anyOf" in said:
        return " | ".join(_type(part) for part in said["anyOf"] if part.get("type") != "null")
    if said.get("type") == "array":
        inner = said.get("items", {})
        return f"list of {_type(inner)}" if inner else "list"
    return str(said.get("type", said.get("const", "value")))


def _show_intervention(data: dict[str, Any]) -> None:
    say(f"{data['name']}: {data['summary']}")
    say(f"source: {data['source']}")
    if data["needs"]:
        say(f"needs: {', '.join(data['needs'])}")
    if data["defaults"]:
        say("defaults of its strength:")
        for line in data["defaults"]:
            say(f"  {line}")
    say("parameters:")
    for name, said in data["parameters"].items():
        default = "" if said["default"] is None else f" = {json.dumps(said['default'])}"
        say(f"  {name}{default}  ({said['type']})")
        if said["description"]:
            say(f"      {' '.join(said['description'].split())}")


# ------------------------------------------------------------------ results


def _show_result(result: dict[str, Any]) -> None:
    """Figures first, then every other value that is not an empty default."""
    task, model, condition = result["task"], result["model"], result["arm"]
    say(f"result {result['id']} ({result['kind']}, {result['status']})")
    say(f"  {task['name']} version {task['version']}, {model['name']}, {condition['name']}")
    if result["reason"]:
        say(f"  {result['reason']}")
    coverage = result["coverage"]
    say(f"  {coverage['answered']:,} of {coverage['expected']:,} documents answered\n")
    for name, figure in result["metrics"].items():
        mark = " *" if name == result["headline"] else ""
        say(f"  {name + mark:<28} {_figure(figure)}")
    say("")
    say_facts(
        [
            (_dotted(key), _text(value), "")
            for key, value in _flat(result)
            if key[0] not in ("metrics", "breakdowns") and not _is_default(value)
        ]
    )


def _checked(found: Checked) -> str:
    """How the figures were checked."""
    if found.result.kind == "published":
        return "a published cell: its figures are not recomputed here"
    return f"the figures were recomputed from the {len(found.entries):,} records next to the file"


def _figure(figure: dict[str, Any]) -> str:
    """``0.8123 [0.7900, 0.8300] n 90``; a dash where the figure is undefined."""
    if figure["value"] is None:
        return f"-  n {figure['n']}"
    shown = _number(figure["value"])
    if figure["low"] is not None and figure["high"] is not None:
        shown += f" [{_number(figure['low'])}, {_number(figure['high'])}]"
    return f"{shown} n {figure['n']}"


def _number(value: int | float) -> str:
    return str(value) if isinstance(value, int) else f"{value:.4f}"
