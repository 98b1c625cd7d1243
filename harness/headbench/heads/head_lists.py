"""Head lists in the formats that papers release, read into one :class:`HeadMap`.

* ``retrieval_head``: JSON ``{"layer-head": [score per trial]}`` (Wu et al. 2024, arXiv 2404.15574);
  a head's score is the mean of its trials.
* ``scores``: JSON ``{"layer-head": score}``.
* ``profile``, ``profile_copy``: a profile with ``argmax_heads`` or ``argmax_scores``, or those of
  its second detector ``copy`` (:mod:`headbench.heads.head_profiles`).
* ``duo``: a table of numbers, one line per layer, with ``config.json`` beside it (Xiao et al. 2024,
  arXiv 2410.10819, DuoAttention); heads are key/value heads. The configuration's sizes of sink and
  recent cache (those for deployment, where it names them) go into the map.
* ``rows``: (layer, head) or (layer, head, score) rows, as JSON lists or objects, or CSV.
* ``per_layer``: a list per layer, or an object ``{"layer": list}``: scores of all heads, or the
  indices of the chosen ones.
* ``headbench``: headbench's own format.

Chosen heads without scores get 1, all others 0.
"""

from __future__ import annotations

import csv
import hashlib
import json
import math
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from headbench._csv import csv_errors
from headbench._json import strict_json
from headbench._reading import is_file
from headbench.errors import ConfigError, DataError, nearest
from headbench.heads.head_profiles import is_profile, read_profile
from headbench.heads.headmap import FORMAT, RECENT, SINK, HeadMap, read_text

THRESHOLDS = {"retrieval_head": 0.1, "duo": 0.5}
"""Score from which a head counts as detected, as each paper has it; other formats name none."""
_PAIR = re.compile(r"(\d+)-(\d+)")
_KEYS = ("layer", "head")


@dataclass(frozen=True)
class ListedScores:
    """Scores as a file gave them.

    Attributes:
        cells: (layer, head) -> score.
        full: Whether every head must be there; otherwise absent ones score 0.
        trials: Trials behind each score, where the file says so.
        shape: Layers and heads of the model, where the file says so.
        threshold: Score from which a head counts as detected, where the file says which are.
        model: The model's name, where the file says so.
        seed: Of the detection, where the file says so.
    """

    cells: Mapping[tuple[int, int], float]
    full: bool
    trials: int | None = None
    shape: tuple[int, int] | None = None
    threshold: float | None = None
    model: str = ""
    seed: int | None = None


def import_heads(
    path: str | Path,
    format: str = "auto",
    *,
    shape: tuple[int, int] | None = None,
    threshold: float | None = None,
    model: str = "",
) -> HeadMap:
    """Read a released head list.

    Args:
        path: The file; for ``duo`` its ``config.json`` is read where it lies beside it.
        format: One of the formats above, or ``auto``.
        shape: Layers and heads of the model. Needed where the file holds chosen heads only.
        threshold: ``None`` takes the format's own.
        model: Name of the model; by default what the file or its name says.

    Returns:
        The map; ``detector`` is the format, ``data`` names the file and its digest.

    Raises:
        DataError: The file is unreadable, of another form, incomplete, or exceeds the shape.
        ConfigError: There is no such format.
    """
    path = Path(path)
    text = read_text(path)
    chosen = sniff(text, str(path)) if format == "auto" else format
    if chosen == "headbench":
        return HeadMap.parse(text, where=str(path))
    if chosen not in READERS:
        raise ConfigError(
            f"there is no head-list format {format!r}",
            where=f"format={format}",
            hint=nearest(format, [*READERS, "headbench", "auto"]),
        )
    table = READERS[chosen](text, str(path))
    if shape and table.shape and shape != table.shape:
        raise DataError(
            f"the file is of a model of {table.shape[0]} x {table.shape[1]} heads",
            where=f"{path}, and a shape of {shape[0]} x {shape[1]}",
            hint="leave the shape out",
        )
    scores = _grid(table, shape or table.shape, str(path))
    facts = _duo_facts(path) if chosen == "duo" else DuoFacts()
    return HeadMap(
        detector=chosen,
        model=model or facts.model or table.model or path.stem,
        layers=len(scores),
        heads=len(scores[0]),
        unit="kv" if chosen == "duo" else "query",
        scores=scores,
        threshold=(table.threshold if table.threshold is not None else THRESHOLDS.get(chosen))
        if threshold is None
        else threshold,
        seed=table.seed,
        data={
            "file": path.name,
            "sha256": hashlib.sha256(text.encode()).hexdigest(),
            **facts.window,
        },
        trials=table.trials,
    )


def sniff(text: str, where: str = "") -> str:
    """The format of a head list, by its content.

    Raises:
        DataError: It is none of the known ones.
    """
    if not text.lstrip().startswith(("{", "[")):
        first = text.strip().partition("\n")[0]
        if "layer" in first.lower():
            return "rows"
        if first and all(_is_number(cell) for cell in re.split(r"[\s,]+", first.strip())):
            return "duo"
        raise _unknown(where)
    loaded = _json(text, where)
    if isinstance(loaded, dict):
        if loaded.get("format") == FORMAT:
            return "headbench"
        if is_profile(loaded):
            return "profile"
        if loaded and all(_PAIR.fullmatch(key) for key in loaded):
            return "scores" if _numbers(list(loaded.values())) else "retrieval_head"
        if loaded and all(key.isdecimal() for key in loaded):
            return "per_layer"
    elif isinstance(loaded, list) and loaded:
        if all(_is_row(item) for item in loaded):
            return "rows"
        if all(isinstance(item, list) for item in loaded):
            return "per_layer"
    raise _unknown(where)


def read_retrieval_head(text: str, where: str) -> ListedScores:
    """``{"layer-head": [scores]}``: the mean over trials, never clipped."""
    loaded = _json(text, where)
    if not isinstance(loaded, dict):
        raise _wrong("retrieval_head", where)
    cells: dict[tuple[int, int], float] = {}
    trials = set()
    for key, values in loaded.items():
        match = _PAIR.fullmatch(key)
        if not match or not isinstance(values, list) or not values or not _numbers(values):
            raise _wrong("retrieval_head", f"{where}: key {key!r}")
        trials.add(len(values))
        cells[int(match[1]), int(match[2])] = sum(values) / len(values)
    return ListedScores(cells, full=True, trials=trials.pop() if len(trials) == 1 else None)


def read_scores(text: str, where: str) -> ListedScores:
    """``{"layer-head": score}``: all heads of a model, or some of them."""
    loaded = _json(text, where)
    if not isinstance(loaded, dict):
        raise _wrong("scores", where)
    cells: dict[tuple[int, int], float] = {}
    for key, value in loaded.items():
        match = _PAIR.fullmatch(key)
        if not match or not _numbers([value]):
            raise _wrong("scores", f"{where}: key {key!r}")
        pair = (int(match[1]), int(match[2]))
        if pair in cells:  # "2-5" and "02-5"
            raise DataError(
                f"head {pair[0]}-{pair[1]} is listed twice",
                where=f"{where}: key {key!r}",
                hint="keep one entry per head",
            )
        cells[pair] = float(value)
    layers, heads = (1 + max((pair[axis] for pair in cells), default=-1) for axis in (0, 1))
    # A whole table of several layers says how many heads the model has; fewer heads do not.
    whole = layers > 1 and heads > 1 and len(cells) == layers * heads
    return ListedScores(cells, full=whole)


def read_profile_of(detector: str) -> Callable[[str, str], ListedScores]:
    """A reader of one detector of a profile."""

    def reader(text: str, where: str) -> ListedScores:
        loaded = _json(text, where)
        if not isinstance(loaded, dict) or not is_profile(loaded):
            raise _wrong("profile", where)
        cells, shape, lowest = read_profile(loaded, detector, where)
        model, seed = loaded.get("model"), loaded.get("seed")
        return ListedScores(
            cells,
            full=False,
            shape=shape,
            threshold=lowest,
            model=model if isinstance(model, str) else "",
            seed=seed if _is_int(seed) else None,
        )

    return reader


def read_duo(text: str, where: str) -> ListedScores:
    """One line per layer, one number per key/value head, separated by blanks, tabs or commas."""
    lines = [re.split(r"[\s,]+", line.strip()) for line in text.splitlines() if line.strip()]
    cells: dict[tuple[int, int], float] = {}
    for layer, line in enumerate(lines):
        for head, cell in enumerate(line):
            if not _is_number(cell):
                raise _wrong("duo", f"{where}: line {layer + 1}: {cell!r}")
            cells[layer, head] = float(cell)
    return ListedScores(cells, full=True)


def read_rows(text: str, where: str) -> ListedScores:
    """(layer, head[, score]) as JSON lists or objects, or as CSV with these column names."""
    if text.lstrip().startswith("["):
        loaded = _json(text, where)
    else:
        lines = text.strip().splitlines()
        separator = "\t" if lines and "\t" in lines[0] else ","
        with csv_errors(where):
            loaded = list(csv.DictReader(lines, delimiter=separator, skipinitialspace=True))
    if not isinstance(loaded, list):
        raise _wrong("rows", where)
    cells: dict[tuple[int, int], float] = {}
    for index, item in enumerate(loaded):
        try:
            fields = [item[key] for key in _KEYS] if isinstance(item, dict) else list(item[:2])
            extra = item.get("score") if isinstance(item, dict) else (item[2:] or [None])[0]
            pair = (int(fields[0]), int(fields[1]))
            score = 1.0 if extra in (None, "") else float(extra)
        except (KeyError, IndexError, TypeError, ValueError) as error:
            raise _wrong("rows", f"{where}: row {index + 1}: {item!r}") from error
        if pair in cells:
            raise DataError(
                f"head {pair[0]}-{pair[1]} is listed twice",
                where=f"{where}: row {index + 1}",
                hint="keep one row per head",
            )
        cells[pair] = score
    return ListedScores(cells, full=False)


def read_per_layer(text: str, where: str) -> ListedScores:
    """One list per layer: scores of all heads, or indices of chosen ones.

    Distinct whole numbers are indices where the lists differ in length or are keyed by layer
    numbers; everything else is scores.
    """
    loaded = _json(text, where)
    if isinstance(loaded, dict) and all(key.isdecimal() for key in loaded):
        lists = {int(key): value for key, value in loaded.items()}
    elif isinstance(loaded, list):
        lists = dict(enumerate(loaded))
    else:
        raise _wrong("per_layer", where)
    for layer, values in lists.items():
        if not isinstance(values, list) or not _numbers(values):
            raise _wrong("per_layer", f"{where}: layer {layer}")
    # Scores cover all heads of all layers: lists of several lengths, or of some layers, cannot be.
    uneven = len({len(values) for values in lists.values()}) > 1 or isinstance(loaded, dict)
    if uneven and all(_distinct_integers(values) for values in lists.values()):
        cells = {(layer, head): 1.0 for layer, values in lists.items() for head in values}
        return ListedScores(cells, full=False)
    return ListedScores(
        {
            (layer, head): float(score)
            for layer, values in lists.items()
            for head, score in enumerate(values)
        },
        full=True,
    )


READERS: dict[str, Callable[[str, str], ListedScores]] = {
    "retrieval_head": read_retrieval_head,
    "scores": read_scores,
    "profile": read_profile_of("argmax"),
    "profile_copy": read_profile_of("copy"),
    "duo": read_duo,
    "rows": read_rows,
    "per_layer": read_per_layer,
}


def _grid(
    table: ListedScores, shape: tuple[int, int] | None, where: str
) -> tuple[tuple[float, ...], ...]:
    """Cells as ``[layer][head]``; the shape is never guessed from a list of chosen heads."""
    if not table.cells:
        raise DataError("the head list is empty", where=where, hint="check the file")
    if below := [pair for pair in table.cells if min(pair) < 0]:
        raise DataError(
            f"layer {below[0][0]}, head {below[0][1]}: an index is below 0",
            where=where,
            hint="layers and heads both count from 0",
        )
    seen = tuple(1 + max(pair[axis] for pair in table.cells) for axis in (0, 1))
    if shape is None and not table.full:
        raise DataError(
            "a list of chosen heads does not say how many heads the model has",
            where=where,
            hint="give the model's layers and heads: --shape 32x32, or shape=(32, 32) in Python",
        )
    layers, heads = shape or seen
    if seen[0] > layers or seen[1] > heads:
        raise DataError(
            f"the list names layer {seen[0] - 1} and head {seen[1] - 1}, and the model has "
            f"layers 0 to {layers - 1} and heads 0 to {heads - 1}",
            where=where,
            hint="check layers and heads; both count from 0",
        )
    broken = [pair for pair, score in table.cells.items() if not math.isfinite(score)]
    if broken:
        raise DataError(
            f"the score of head {broken[0][0]}-{broken[0][1]} is not a finite number",
            where=where,
            hint="the detection run is broken: score the heads again",
        )
    missing = layers * heads - len(table.cells)
    if table.full and missing:
        raise DataError(
            f"{missing} of {layers} x {heads} heads have no score",
            where=where,
            hint="the file is truncated, or of another model",
        )
    return tuple(
        tuple(table.cells.get((layer, head), 0.0) for head in range(heads))
        for layer in range(layers)
    )


@dataclass(frozen=True)
class DuoFacts:
    """What DuoAttention's ``config.json`` says.

    Attributes:
        model: Name of the model; empty where it says none.
        window: Sizes of the cache of a streaming head, by the keys of the map's ``data``.
    """

    model: str = ""
    window: Mapping[str, int] = field(default_factory=dict)


def _duo_facts(path: Path) -> DuoFacts:
    """DuoAttention's ``config.json`` beside the table, where there is one."""
    config = path.parent / "config.json"
    if not is_file(config):
        return DuoFacts()
    loaded = _json(read_text(config), str(config))
    if not isinstance(loaded, dict):
        raise _wrong("duo", str(config))
    name = loaded.get("model_name")
    # The recorded name is a folder on its authors' machine; only its last piece is a name.
    model = name.rstrip("/").rpartition("/")[2] if isinstance(name, str) else ""
    window = {}
    for key in (SINK, RECENT):
        trained, deployed = loaded.get(key), loaded.get(f"deploy_{key}")
        size = trained if deployed is None else deployed  # the sizes that the model is run with
        if size is None:
            return DuoFacts(model)
        if not _is_int(size) or size < 0:
            raise DataError(
                f"{key} cannot be {size!r}", where=str(config), hint="a number of keys, at least 0"
            )
        window[key] = size
    return DuoFacts(model, window)


def _json(text: str, where: str) -> object:
    try:
        return strict_json(text)
    except json.JSONDecodeError as error:
        raise DataError(
            f"not JSON: {error.msg}",
            where=f"{where}: line {error.lineno}, column {error.colno}",
            hint="the file may be truncated: fetch it again",
        ) from error
    except ValueError as error:
        raise DataError(
            f"no head list: {error}", where=where, hint="scores are finite numbers"
        ) from error


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


def _is_int(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _numbers(values: Sequence[object]) -> bool:
    return all(isinstance(value, int | float) and not isinstance(value, bool) for value in values)


def _distinct_integers(values: Sequence[object]) -> bool:
    return all(_is_int(value) for value in values) and len(set(values)) == len(values)


def _is_row(item: object) -> bool:
    if isinstance(item, dict):
        return all(key in item for key in _KEYS)
    return (
        isinstance(item, list)
        and len(item) in (2, 3)
        and _is_int(item[0])
        and _is_int(item[1])
        and _numbers(item)
    )


def _wrong(format: str, where: str) -> DataError:
    return DataError(
        f"this is not a {format} head list", where=where, hint="name the format the file is in"
    )


def _unknown(where: str) -> DataError:
    return DataError(
        "the format of the head list is unknown",
        where=where,
        hint=f"name it: {', '.join(READERS)}",
    )
