"""``headbench run``: tasks on a model, baseline and interventions on the same documents."""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, cast

import typer

from headbench._reading import resolved
from headbench.cli.printing import say
from headbench.errors import ConfigError

if TYPE_CHECKING:
    from headbench.nouns import Role
    from headbench.running.run_plan import RunPlan


def run(
    tasks: Annotated[
        str, typer.Option(help="Tasks, groups, tags or YAML files, separated by commas.")
    ] = "",
    task_args: Annotated[
        str,
        typer.Option(
            help="Arguments that task files declare, e.g. table=betas.npz,layers=0,1; for one task "
            "of several TASK.table=FILE."
        ),
    ] = "",
    intervention: Annotated[
        list[str] | None,
        typer.Option(help="For example 'vhr(alpha=2)'; repeat it for more conditions."),
    ] = None,
    model: Annotated[
        str | None,
        typer.Option(
            help="An adapter of 'headbench ls models'; default: a shipped model. One per role: "
            "subject=hf,judge=recorded,encoder=encoder."
        ),
    ] = None,
    model_args: Annotated[
        str,
        typer.Option(
            help="The adapter's arguments, e.g. pretrained=PATH,dtype=bfloat16; with several "
            "roles subject.pretrained=PATH,judge.path=FILE."
        ),
    ] = "",
    template_arg: Annotated[
        list[str] | None,
        typer.Option(
            help="An argument of the model's chat template, e.g. enable_thinking=false; repeat it."
        ),
    ] = None,
    controls: Annotated[
        str | None,
        typer.Option(
            help="Control draws per intervention (default 4), or 'all'. A rank can give p .05 "
            "from 39 draws on."
        ),
    ] = None,
    control_heads: Annotated[
        str | None,
        typer.Option(
            help="Which heads controls take: any (default; gives a p), apart (not its own), low "
            "(with --control-below), layers (other layers), document (chosen for another one)."
        ),
    ] = None,
    control_below: Annotated[
        float | None, typer.Option(help="With --control-heads low: scores below this.")
    ] = None,
    control_match: Annotated[
        str | None,
        typer.Option(
            help="norm: rescale each control until it changes the attention output as much."
        ),
    ] = None,
    limit: Annotated[
        str | None,
        typer.Option(help="Take only the first documents of each task: 24, or a share, 0.5."),
    ] = None,
    num_fewshot: Annotated[
        int | None, typer.Option(min=0, help="Solved examples before each prompt.")
    ] = None,
    fewshot_as_multiturn: Annotated[
        bool, typer.Option("--fewshot-as-multiturn", help="Show the examples as chat turns.")
    ] = False,
    system_instruction: Annotated[
        str | None, typer.Option(help="System turn, in place of what the tasks say.")
    ] = None,
    gen_kwargs: Annotated[
        str, typer.Option(help="Generation settings, e.g. temperature=0.7,max_gen_toks=64.")
    ] = "",
    apply_chat_template: Annotated[
        bool,
        typer.Option("--apply-chat-template", help="The same as --model-args chat_template=on."),
    ] = False,
    device: Annotated[
        str | None, typer.Option(help="The same as --model-args device=..., e.g. cuda:0.")
    ] = None,
    log_samples: Annotated[
        bool,
        typer.Option("--log-samples", help="Taken as lm-eval's; records always hold the outputs."),
    ] = False,
    batch_size: Annotated[
        str | None, typer.Option(help="Rows per batch: a number, or auto (default).")
    ] = None,
    seed: Annotated[int | None, typer.Option(help="Seed of the run (default 0).")] = None,
    draws: Annotated[
        int | None, typer.Option(min=1, help="Random swaps of permutation tests (default 10000).")
    ] = None,
    level: Annotated[
        float | None, typer.Option(help="Confidence level of intervals (default 0.95).")
    ] = None,
    out: Annotated[
        Path,
        typer.Option("--out", "--output-path", help="Folder for results and stored answers."),
    ] = Path("results"),
    include: Annotated[
        list[Path] | None,
        typer.Option(help="File or folder of your own extensions; repeat it."),
    ] = None,
    reasoning_marks: Annotated[
        str,
        typer.Option(
            help="Thoughts cut before reading: closed (default), none, or names, with commas."
        ),
    ] = "",
    allow_overrun: Annotated[
        bool,
        typer.Option(
            "--allow-overrun",
            help="Run prompts longer than the model's configuration allows; recorded.",
        ),
    ] = False,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Check everything, say what would run, and stop.")
    ] = False,
    show_all: Annotated[
        bool,
        typer.Option(
            "--all",
            help="Also print further metrics, p before adjustment, KL, and what controls were.",
        ),
    ] = False,
    replay: Annotated[
        Path | None,
        typer.Option("--from", metavar="RESULT.json", help="Run again what made this result."),
    ] = None,
) -> None:
    """Run tasks on a model: each intervention against the baseline, on the same documents."""
    given = {
        "task_args": task_args,
        "interventions": tuple(intervention or ()),
        "model": model,
        "model_args": model_args,
        "template_arg": tuple(template_arg or ()),
        "controls": int(controls) if controls is not None and controls.isdecimal() else controls,
        "control_heads": control_heads,
        "control_below": control_below,
        "control_match": control_match,
        "limit": _limit(limit),
        "num_fewshot": num_fewshot,
        "fewshot_as_multiturn": fewshot_as_multiturn or None,
        "system_instruction": system_instruction,
        "gen_kwargs": gen_kwargs,
        "apply_chat_template": apply_chat_template or None,
        "device": device,
        "batch_size": batch_size,
        "seed": seed,
        "draws": draws,
        "level": level,
        "include": tuple(str(resolved(folder)) for folder in include or ()),
        "reasoning_marks": split_names(reasoning_marks),
        "allow_overrun": allow_overrun or None,
    }
    del log_samples  # records hold the outputs of every run
    plan = _replayed(replay, tasks, given) if replay else _written(tasks, given)
    if dry_run:
        from headbench.running.dry_run import describe

        for line in describe(plan):
            say(line)
        return
    from rich.console import Console

    from headbench.results.unusable import cut_off, unusable
    from headbench.running.execute import run_plan
    from headbench.running.outcome_table import print_outcome

    outcome = run_plan(plan, out)
    empty = unusable(outcome.run.cells)
    for line in (*empty, *cut_off(outcome.run.cells)):
        say(line, err=True)
    print_outcome(outcome, Console(), full=show_all)
    if empty:
        raise typer.Exit(1)


def _written(tasks: str, given: Mapping[str, object]) -> RunPlan:
    """The run that the options say; what was left out takes the spec's own default."""
    from headbench.running.model_roles import SUBJECT, assign_args, parse_model_args, read_roles
    from headbench.running.run_plan import make_plan
    from headbench.running.spec import make_spec, template_args
    from headbench.tasks.arguments import parse_task_args
    from headbench.tasks.overrides import parse_gen_kwargs

    names = split_names(tasks)
    if not names:
        raise ConfigError(
            "no task was named",
            where="--tasks",
            hint="for example: headbench run --tasks niah,pope --intervention vhr",
        )
    if given["system_instruction"] == "":
        raise ConfigError(
            "an empty system turn says nothing",
            where="--system_instruction ''",
            hint="leave the option out to keep what the tasks say",
        )
    values = {key: value for key, value in given.items() if value not in (None, (), "")}
    if "gen_kwargs" in values:
        values["gen_kwargs"] = parse_gen_kwargs(str(values["gen_kwargs"]))
    if "task_args" in values:
        values["task_args"] = parse_task_args(str(values["task_args"]))
    roles = read_roles(cast("str | None", given["model"]))
    model_args = dict(parse_model_args(str(given["model_args"])))
    for option, key, value in (
        ("--apply_chat_template", "chat_template", "on"),
        ("--device", "device", str(given["device"])),
    ):
        if values.pop(option.removeprefix("--"), None) is not None:
            _say_of_subject(model_args, roles, key, value, option)
    pairs = cast("tuple[str, ...]", values.pop("template_arg", ()))
    if pairs and "chat_template_args" in model_args:
        raise ConfigError(
            "the chat template's arguments are given in two ways",
            where="--template-arg and --model-args chat_template_args=",
            hint="give all of them with --template-arg",
        )
    if pairs and any(role != SUBJECT for role in roles):
        raise ConfigError(
            "the chat template's arguments could be those of several models",
            where=f"--template-arg {pairs[0]}",
            hint="write --model-args 'subject.chat_template_args={...}', a JSON object",
        )
    if pairs:
        model_args["chat_template_args"] = template_args(pairs)
    values |= assign_args(roles, model_args).fields()
    return make_plan(make_spec(tasks=names, **values))


def _say_of_subject(
    args: dict[str, str], roles: Mapping[Role, str], key: str, value: str, option: str
) -> None:
    """Give the subject's adapter an argument that has an option of its own."""
    name = f"subject.{key}" if any(role != "subject" for role in roles) else key
    if args.get(name, value) != value:
        raise ConfigError(
            f"{key} is given in two ways",
            where=f"{option} and --model-args {name}={args[name]}",
            hint="give one of the two",
        )
    args[name] = value


def _limit(text: str | None) -> int | float | None:
    """``24`` documents, or a share such as ``0.5``.

    Raises:
        ConfigError: It is neither.
    """
    if text is None:
        return None
    try:
        value = int(text) if text.isdecimal() else float(text)
    except ValueError:
        value = 0
    if value >= 1 and not isinstance(value, int) and value.is_integer():
        value = int(value)
    if value <= 0 or (value >= 1 and not isinstance(value, int)) or not math.isfinite(value):
        raise ConfigError(
            f"{text!r} is no limit",
            where=f"--limit {text}",
            hint="a number of documents, or a share between 0 and 1",
        )
    return value


def _replayed(path: Path, tasks: str, given: Mapping[str, object]) -> RunPlan:
    """The run that a result holds; options beside it would make it another run."""
    from headbench.running.replay import plan_from_result

    options = {"tasks": tasks, **given, "intervention": given["interventions"]}
    del options["interventions"]
    others = [name for name, value in options.items() if value not in (None, (), "")]
    if others:
        raise ConfigError(
            "--from takes the whole run from the file",
            where=f"also given: {', '.join('--' + name.replace('_', '-') for name in others)}",
            hint="leave them out, or leave --from out",
        )
    return plan_from_result(path)


def split_names(text: str) -> tuple[str, ...]:
    """Names separated by commas, spaces around them ignored."""
    return tuple(name for part in text.split(",") if (name := part.strip()))
