"""From an intervention's text to the conditions of a run."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from pathlib import Path

from headbench import _extensions
from headbench.edits import Contrast, Controls, Intervention
from headbench.errors import ConfigError
from headbench.interventions import method_catalogue
from headbench.interventions.grammar import InterventionSpec, MethodSpec, Value, canonical, parse
from headbench.jobs import Condition
from headbench.nouns import ModelInfo

BASELINE = Condition("baseline")


def resolve(text: str, info: ModelInfo, include: Sequence[Path] = ()) -> tuple[Condition, ...]:
    """The conditions of one intervention: one, or one for each value of its sweeps.

    Args:
        text: For example ``vhr(alpha=[1,1.5,2])``.
        info: The model that the run uses.
        include: Python files, or folders of them, that define further methods.

    Raises:
        ConfigError: Not an intervention, an unknown method or parameter, a wrong value.
        RefusedError: Heads that the model does not have.
    """
    _extensions.include(include)
    return tuple(_condition(spec, info) for spec in sweep(parse(text)))


def check_text(text: str) -> None:
    """Refuse what shows in an intervention's text alone: no model is needed, and none imported.

    Raises:
        ConfigError: Not an intervention, an unknown method or parameter, a wrong value.
    """
    for spec in sweep(parse(text)):
        for part in spec.parts:
            method_catalogue.get(part.name).params(part)


def sweep(spec: InterventionSpec) -> tuple[InterventionSpec, ...]:
    """One intervention for each combination of the lists given to scalar parameters.

    The last list varies fastest. An intervention without such lists comes back alone.

    Raises:
        ConfigError: An empty list, which would be no condition at all.
    """
    variants = [[part] for part in spec.parts]  # per part, every combination of its lists so far
    for index, part in enumerate(spec.parts):
        for key, values in _swept(part).items():
            if not values:
                raise ConfigError(
                    f"{part.name}: {key}=[] sweeps over nothing", hint=f"give {key} a value"
                )
            variants[index] = [
                MethodSpec(variant.name, {**variant.params, key: value})
                for variant in variants[index]
                for value in values
            ]
    return tuple(InterventionSpec(parts) for parts in itertools.product(*variants))


def control_conditions(
    condition: Condition, count: int, seed: int, kind: Contrast | None = None
) -> tuple[tuple[Condition, ...], Controls | None]:
    """The control conditions of an intervention, drawn by its methods.

    In a composed intervention every method that declares a control is replaced by its draw, and the
    others stay as they are. Where several are replaced at once, a rank has no p: which sets belong
    together was not drawn.

    Args:
        condition: The intervention.
        count: Draws wanted.
        seed: Fixes the draws; the same seed gives all strengths of a sweep the same heads.
        kind: Controls of another kind than the methods' own.

    Returns:
        The conditions, and the declaration (``None`` where no method has a control of the kind).
    """
    declared = [
        _controls(method, kind, count, seed + place)
        for place, method in enumerate(condition.interventions)
    ]
    real = [controls for controls in declared if controls is not None]
    if not real:
        return (), None
    number = min(len(controls.draws) for controls in real)
    conditions = tuple(
        Condition(
            f"{condition.name}#control-{draw}",
            tuple(
                method if controls is None else controls.draws[draw]
                for method, controls in zip(condition.interventions, declared, strict=True)
            ),
            "control",
            of=condition.name,
            draw=draw,
            code=condition.code,
        )
        for draw in range(number)
    )
    joined = Controls(
        unit=" and ".join(dict.fromkeys(controls.unit for controls in real)),
        draws=tuple(draw for controls in real for draw in controls.draws[:number]),
        possible=min(controls.possible for controls in real),
        excluded=any(controls.excluded for controls in real),
        test=len(real) == 1 and real[0].test and not real[0].excluded,
    )
    return conditions, joined


def _controls(
    method: Intervention, kind: Contrast | None, count: int, seed: int
) -> Controls | None:
    """A method's own controls, or those of a kind; a user's method need not know kinds."""
    if kind is None:
        return method.controls(count, seed)
    contrast = getattr(method, "contrast", None)
    found: Controls | None = None if contrast is None else contrast(kind, count, seed)
    return found


def build(spec: MethodSpec, info: ModelInfo) -> Intervention:
    """One method with its parameters, for a model."""
    method = method_catalogue.get(spec.name)
    return method.build(method.params(spec), info)


def _condition(spec: InterventionSpec, info: ModelInfo) -> Condition:
    if not spec.parts:
        return BASELINE
    methods = tuple(build(part, info) for part in spec.parts)
    return Condition(canonical(spec), methods, "toggle")  # the result format's word for the role


def _swept(part: MethodSpec) -> dict[str, tuple[Value, ...]]:
    """Scalar parameters of ``part`` that were given a list."""
    fields = method_catalogue.get(part.name).params_model.model_fields
    return {
        key: value
        for key, value in part.params.items()
        if isinstance(value, tuple)
        and key in fields
        and method_catalogue.shapes(fields[key].annotation) == {"scalar"}
    }
