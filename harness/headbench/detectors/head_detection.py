"""Running a detector: a model in, a head map out."""

from __future__ import annotations

from collections.abc import Mapping
from typing import cast

from pydantic import JsonValue, ValidationError

from headbench._code import merged, of_things
from headbench.detectors import calibration, detector_catalogue
from headbench.detectors.detector import Detector, DetectorParams, Trials, World, attending_layers
from headbench.errors import ConfigError, RefusedError, nearest
from headbench.heads.headmap import HeadMap
from headbench.jobs import Model
from headbench.models.encoder import EncoderModel
from headbench.models.hf.adapter import HFModel

DIGITS = 6
"""Decimals that are kept of a score."""


def detect(
    detector: str,
    model: Model,
    trials: Trials | None = None,
    *,
    limit: int | None = None,
    seed: int = 0,
    parameters: Mapping[str, object] | None = None,
) -> HeadMap:
    """Score every head of a model.

    Args:
        detector: Name, as in ``headbench heads detect --detector``.
        model: An adapter of ``headbench.models`` with the intervention engine.
        trials: What to measure on; default: what :func:`trials_for` gives.
        limit: Trials; default: the detector's own number. Ignored where trials are given.
        seed: Which calibration documents.
        parameters: The detector's parameters, over their defaults.

    Raises:
        ConfigError: An unknown detector or parameter, or a wrong value.
        RefusedError: A model whose heads cannot be recorded, or without images where they matter.
    """
    found = detector_catalogue.get(detector)
    params = read_params(found, parameters or {})
    kinds = (HFModel, EncoderModel) if found.encoders else (HFModel,)
    if not isinstance(model, kinds) or model.info is None:
        what = "transformers models" if found.encoders else "decoders"
        reason = getattr(model, "unreachable", "")
        raise RefusedError(
            f"the detector {detector!r} reads heads of {what} only",
            where=f"model {model.identity.get('name', '')}" + (f": {reason}" if reason else ""),
            hint="load it with --model hf" + (" or encoder" if found.encoders else ""),
        )
    if trials is None:
        trials = trials_for(found, params, limit, seed)
    if trials.images:
        if not model.images:
            raise RefusedError(
                f"{model.info.name} takes no images, which this detector shows it",
                where=f"detector {detector}",
                hint="use a vision-language model, or data without images",
            )
        model.bind(trials.images.__getitem__)
    for trial in trials.trials:
        model.refuse_overrun(trial.request)
    # Only detectors that say so are given an encoder.
    measured = found.run(cast("HFModel", model), trials, params)
    scores: list[tuple[float, ...] | None] = [None] * model.info.layers
    for layer, row in zip(attending_layers(model), measured.scores, strict=True):
        scores[layer] = tuple(round(float(score), DIGITS) + 0.0 for score in row)
    facts: dict[str, JsonValue] = {
        **trials.facts,
        **measured.facts,
        "parameters": params.model_dump(mode="json"),
        **_code(detector, model),
    }
    return HeadMap(
        detector=detector,
        model=model.info.name,
        layers=len(scores),
        heads=measured.scores.shape[1],
        scores=tuple(scores),
        threshold=found.threshold,
        seed=seed,
        data=facts,
        trials=measured.trials,
    )


def _code(detector: str, model: Model) -> dict[str, JsonValue]:
    """What a head map says of code that is not headbench's own; nothing where there is none."""
    code = merged([detector_catalogue.code_of(detector), of_things(type(model))])
    if not code:
        return {}
    said: dict[str, JsonValue] = {
        "digest": code.digest,
        "files": dict(code.files),
        "packages": dict(code.packages),
    }
    return {"code": said}


def trials_for(
    detector: Detector,
    params: DetectorParams,
    limit: int | None = None,
    seed: int = 0,
    *,
    world: str = "",
    length: int = calibration.LENGTH,
) -> Trials:
    """What a detector measures on: its own data, or calibration documents of a world.

    Args:
        detector: Whose.
        params: Its parameters; a detector with data of its own reads their place from them.
        limit: Documents; default: the detector's own number, or all of its own data.
        seed: Which calibration documents.
        world: ``needles``, ``scenes``, or the detector's own choice.
        length: Words of a needle prompt.

    Raises:
        ConfigError: There is no such world, or one is named for a detector with its own data.
        DataError: The detector's own data is missing or broken.
    """
    if detector.data is None:
        return calibration.load(
            world_of(detector.name, world), limit or detector.limit, seed, length
        )
    if world:
        raise ConfigError(
            f"the detector {detector.name!r} brings its own documents",
            where=f"--data {world}",
            hint="leave --data out; see its parameters",
        )
    return detector.data(params, limit, seed)


def read_params(detector: Detector, given: Mapping[str, object]) -> DetectorParams:
    """A detector's parameters from names and values.

    Raises:
        ConfigError: An unknown name, or a wrong value.
    """
    known = detector.params_model.model_fields
    for name in given:
        if name not in known:
            raise ConfigError(
                f"the detector {detector.name!r} has no parameter {name!r}",
                where=f"--set {name}={given[name]}",
                hint=nearest(name, known),
            )
    try:
        return detector.params_model.model_validate(given)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        key = ".".join(str(part) for part in first["loc"])
        raise ConfigError(
            f"{key} of the detector {detector.name!r}: {first['msg']}",
            where=f"--set {key}={given.get(key)}",
        ) from error


def world_of(detector: str, named: str = "") -> World:
    """The world a detector measures on: the named one, or its own.

    Raises:
        ConfigError: There is no such world.
    """
    if named in ("needles", "scenes"):
        return cast("World", named)
    if named:
        raise ConfigError(
            f"there is no calibration data {named!r}",
            where=f"--data {named}",
            hint=nearest(named, ("needles", "scenes")),
        )
    return detector_catalogue.get(detector).world
