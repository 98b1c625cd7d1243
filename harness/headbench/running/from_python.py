"""``headbench.run`` and ``headbench.compare``: the command line's main verbs, from Python."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from headbench.errors import ConfigError
from headbench.results.comparison import Comparison, compare_files
from headbench.running.model_roles import ROLES, assign_args, read_roles
from headbench.running.spec import make_spec
from headbench.tasks.arguments import parse_task_args

if TYPE_CHECKING:
    from headbench.jobs import Model
    from headbench.running.execute import RunOutcome


def run(
    tasks: str | Sequence[str],
    interventions: str | Sequence[str] = (),
    *,
    model: str | Mapping[str, str] | None = None,
    model_args: Mapping[str, object] | None = None,
    task_args: Mapping[str, object] | None = None,
    out: str | Path = "results",
    **options: object,
) -> RunOutcome:
    """Run tasks under interventions, write the results, and compare each with the baseline.

    Args:
        tasks: Task names, groups, tags or YAML files.
        interventions: For example ``"vhr(alpha=2)"``.
        model: Adapter name; ``None`` takes the shipped model that fits the tasks. One adapter per
            role: ``{"subject": "hf", "judge": "recorded"}``.
        model_args: The adapter's arguments, e.g. ``{"pretrained": "org/name",
            "chat_template_args": {"enable_thinking": False}}``. With several roles, by role:
            ``{"subject": {"pretrained": "org/name"}, "judge": {"path": "judged.jsonl"}}``.
        task_args: Arguments that task files declare, e.g. ``{"table": "betas.npz"}``; those of one
            task of several as ``{"TASK.table": ...}``.
        out: Where results go.
        options: Any other field of :class:`headbench.running.spec.RunSpec`: ``controls``,
            ``limit``, ``batch_size``, ``seed``, ``include``, ``draws``, ``level``, and lm-eval's
            ``num_fewshot``, ``fewshot_as_multiturn``, ``system_instruction``, ``gen_kwargs``.

    Raises:
        HeadbenchError: what is wrong, where, and how to correct it.
    """
    from headbench.running.execute import execute

    spec = make_spec(
        tasks=_listed(tasks),
        interventions=_listed(interventions),
        task_args=_task_args(task_args or {}),
        **_models(model, model_args or {}),
        **options,
    )
    return execute(spec, Path(out))


def load_model(name: str, **args: object) -> Model:
    """Load a model to ask it directly, or for :func:`headbench.detect`.

    Args:
        name: Adapter, as in ``--model``.
        args: Its arguments, as in ``--model-args``.

    Raises:
        HeadbenchError: the adapter is unknown, or refuses its arguments.
    """
    from headbench.models.adapter_catalogue import create

    return create(name, {key: _argument(value) for key, value in args.items()})


def compare(first: str | Path, second: str | Path) -> Comparison:
    """Compare two result files over the same documents.

    Raises:
        HeadbenchError: the results do not share their documents, or cannot be read.
    """
    return compare_files(Path(first), Path(second))


def _models(
    model: str | Mapping[str, str] | None, args: Mapping[str, object]
) -> Mapping[str, object]:
    """The fields of a spec that name the models."""
    if isinstance(model, Mapping):
        model = ",".join(f"{role}={name}" for role, name in model.items())
    flat: dict[str, str] = {}
    for key, value in args.items():
        if key in ROLES and isinstance(value, Mapping):
            flat |= {f"{key}.{name}": _argument(inner) for name, inner in value.items()}
        else:
            flat[key] = _argument(value)
    return assign_args(read_roles(model, "model="), flat).fields()


def _argument(value: object) -> str:
    """An adapter's argument as the command line would write it."""
    if isinstance(value, Mapping):
        return json.dumps(dict(value), sort_keys=True).replace("=", "\\u003d")
    return str(value).lower() if isinstance(value, bool) else str(value)


def _task_args(args: Mapping[str, object]) -> dict[str, str]:
    """Arguments of tasks as the command line would write them.

    Raises:
        ConfigError: the command line would read a value otherwise, so that the command that a run
            prints would give another run.
    """
    found = {name: _value(value) for name, value in args.items()}
    for name, value in found.items():
        if parse_task_args(f"{name}={value}") != {name: value}:
            raise ConfigError(
                f"the value {value!r} cannot be written on the command line",
                where=f"task_args, {name}",
                hint="no blanks at its ends, no ', name=' inside; a task file of your own may have "
                "both",
            )
    return found


def _value(value: object) -> str:
    """A task's argument as the command line would write it."""
    if isinstance(value, list | tuple):
        return ",".join(map(_value, value))
    return "null" if value is None else _argument(value)


def _listed(value: str | Sequence[str]) -> tuple[str, ...]:
    return (value,) if isinstance(value, str) else tuple(value)
