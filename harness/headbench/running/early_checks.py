"""What shows of a run's interventions before a model library is imported.

Their text, the files that they name, whether any task shows images, and whether the model has the
heads and head maps that are named, where its configuration lies here as a file. Everything is
checked again against the model itself.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from headbench._json import strict_json
from headbench._paths import checkpoints_root
from headbench._reading import is_file, is_folder, read_file, user_path
from headbench.errors import ConfigError, DataError, RefusedError, nearest
from headbench.heads.headmap import HeadMap
from headbench.interventions import method_catalogue
from headbench.interventions.grammar import canonical, parse
from headbench.interventions.head_choice import AnyHeads
from headbench.interventions.method_catalogue import MethodParams
from headbench.interventions.resolve import sweep
from headbench.interventions.vector_files import GivenVectors, locate
from headbench.reference.shipped import LATEST
from headbench.running.spec import RunSpec
from headbench.tasks.task import Task

_LAYERS = ("num_hidden_layers", "n_layer", "n_layers", "num_layers")
_HEADS = ("num_attention_heads", "n_head", "n_heads", "num_heads")


@dataclass(frozen=True)
class Folder:
    """What a checkpoint's folder says without a model library.

    Attributes:
        name: Of the folder.
        layers: ``None``: its configuration does not say it plainly.
        heads: Query heads of a layer; ``None`` likewise.
        maps: Names of the head maps beside it.
    """

    name: str
    layers: int | None
    heads: int | None
    maps: tuple[str, ...]


def check_interventions(spec: RunSpec, tasks: Sequence[Task]) -> None:
    """Refuse what takes neither weights nor a model library to see.

    Args:
        spec: With its model.
        tasks: The run's.

    Raises:
        ConfigError: An intervention cannot be read, or names a head map that is not there.
        DataError: A file that it names is missing or broken.
        RefusedError: The model has no such head, or no task shows what the intervention acts on.
    """
    folder = _folder(spec)
    for text in spec.interventions:
        for one in sweep(parse(text)):
            for part in one.parts:
                method = method_catalogue.get(part.name)
                params = method.params(part)
                if "image" in params.needed(method.needs):
                    _refuse_without_images(canonical(one), tasks)
                _check_files(params, folder)
                if folder is not None and isinstance(params, AnyHeads):
                    _check_heads(params, folder)


def _refuse_without_images(name: str, tasks: Sequence[Task]) -> None:
    if not any(task.needs_images for task in tasks):
        raise RefusedError(
            f"{name} acts on images, and none of the tasks shows any",
            where=f"tasks {', '.join(task.name for task in tasks)}",
            hint="add a task with images: headbench ls tasks marks them",
        )


def _check_files(params: MethodParams, folder: Folder | None) -> None:
    if isinstance(params, GivenVectors):
        locate(params.file, params.tensor)
    if not isinstance(params, AnyHeads) or params.map is None:
        return
    if is_file(params.map):
        if folder is None or params.map not in folder.maps:
            HeadMap.load(Path(params.map))
    elif folder is not None and params.map not in folder.maps:
        raise ConfigError(
            f"{folder.name} has no head map {params.map!r}, and there is no such file",
            hint=nearest(params.map, folder.maps)
            or "make one with: headbench heads --detector ...",
        )


def _check_heads(params: AnyHeads, folder: Folder) -> None:
    for layer, head in params.heads or ():
        beyond = folder.layers is not None and layer >= folder.layers
        if beyond or (folder.heads is not None and head >= folder.heads):
            counts = [
                f"{what} 0 to {count - 1}"
                for what, count in (("layers", folder.layers), ("heads", folder.heads))
                if count is not None
            ]
            raise RefusedError(
                f"{folder.name} has no head {head} in layer {layer}",
                where=f"heads=[[{layer},{head}]]",
                hint=", ".join(counts),
            )


def _folder(spec: RunSpec) -> Folder | None:
    """The subject's folder, where it lies on this machine."""
    args = dict(spec.model_args)
    shipped = args.get("name", "ref-lm") if spec.model == "reference" else spec.model or ""
    if spec.model == "hf":
        place = user_path(args.get("pretrained", ""))
    else:
        place = checkpoints_root() / LATEST.get(shipped, shipped)
    config = place / "config.json"
    if not is_folder(place) or not is_file(config):
        return None
    try:
        told = strict_json(read_file(config, "the configuration").decode())
    except (ValueError, DataError):
        return None  # the adapter says what is wrong with it
    if not isinstance(told, dict):
        return None
    inner = told.get("text_config")
    told = inner if isinstance(inner, dict) else told
    maps = sorted(one.stem.removeprefix("heads-") for one in place.glob("heads-*.json"))
    return Folder(place.name, _count(told, _LAYERS), _count(told, _HEADS), tuple(maps))


def _count(told: dict[str, object], names: Sequence[str]) -> int | None:
    """A count under one of its names; ``None`` where it is absent or another per layer."""
    found = next((told[name] for name in names if name in told), None)
    return found if isinstance(found, int) and not isinstance(found, bool) and found > 0 else None
