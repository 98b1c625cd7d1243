"""Recomputing a row's figures from recorded outputs with headbench's own scorers."""

from __future__ import annotations

import csv
import io
import math
import zipfile
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

from headbench.errors import ConfigError, DataError
from headbench.families.chair.rescore_chair import rescore_chair
from headbench.families.needles.judged_cells import JUDGE, SCALE, cell_records
from headbench.families.pope.rescore_pope import rescore_pope
from headbench.families.walls.rescore_walls import rescore_walls
from headbench.guard import published_cells as form
from headbench.guard.comparability import Facts
from headbench.heads.head_lists import import_heads
from headbench.nouns import Document, Record
from headbench.results.figures import Sampling
from headbench.results.joins import unproven
from headbench.results.recorded import read_rows
from headbench.results.rescored import Rescored
from headbench.scoring import lookup
from headbench.scoring.breakdown import by_part
from headbench.scoring.parts import exact

Figures = dict[str, tuple[float, str]]
"""Metric -> (value, unit); fractions in 0..1."""
Paths = dict[str, Path]
FEW = Sampling(draws=2)
"""Only values are compared, so resampling is kept to the least."""


@dataclass(frozen=True)
class Recomputed:
    """The figures of one row, and what they speak of.

    Attributes:
        figures: Metric -> (value, unit).
        facts: What the recorded outputs say of themselves.
    """

    figures: Figures
    facts: Facts


def recompute(recipe: form.Recipe, table: form.Table, data: Path | None) -> Recomputed | None:
    """The figures of one row.

    Args:
        recipe: What to recompute, and from which files.
        table: Gives profile and parser.
        data: Folder of third-party data; ``None``: there is none.

    Returns:
        ``None`` where the recipe needs files that are not there.

    Raises:
        HeadbenchError: The files are there, and are not what the recipe says.
    """
    names = _files(recipe)
    if names and data is None:
        return None
    paths = {name: _inside(data, text) for name, text in names.items()} if data else {}
    if not all(path.is_file() for path in paths.values()):
        return None
    return _figures(recipe, table, paths)


def _figures(recipe: form.Recipe, table: form.Table, paths: Paths) -> Recomputed:
    parser = _stated(table.parser) or "pope_ref"
    match recipe:
        case form.Chair():
            truth = [paths["ground_truth"]]
            profile = _stated(table.profile) or "chair-2018"
            return _of(rescore_chair(paths["predictions"], truth, profile, sampling=FEW))
        case form.Pope():
            log, questions = paths["predictions"], paths["questions"]
            found = rescore_pope(log, questions, parser, sampling=FEW, join=recipe.join)
            reason = unproven(found.result.source["joined by"], recipe.join)
            if reason:
                raise DataError(
                    reason, where=log.name, hint="let the recipe say join: id, or join: order"
                )
            return _of(found)
        case form.Humans():
            return _of(rescore_walls(None, paths["walls"], sampling=FEW))
        case form.Confusion():
            return _confusion(recipe, parser, table.table)
        case form.NeedleCells():
            return _needle_cells(paths["cells"])
        case form.Heads():
            return _heads(paths["file"])
        case form.Agreement():
            return _agreement(paths["first"], paths["second"])
        case form.Correlation():
            return _correlation(recipe, paths["archive"])


def _stated(value: str | None) -> str | None:
    return None if value == form.NOT_STATED else value


_PATHS = ("predictions", "ground_truth", "questions", "walls", "cells", "file", "archive")


def _files(recipe: form.Recipe) -> dict[str, str]:
    """Names of the files that a recipe reads, by its own key."""
    keys = (*_PATHS, "first", "second") if isinstance(recipe, form.Agreement) else _PATHS
    return {key: str(getattr(recipe, key)) for key in keys if hasattr(recipe, key)}


def _inside(data: Path, name: str) -> Path:
    path = (data / name).resolve()
    if not path.is_relative_to(data.resolve()):
        raise ConfigError(
            "a recipe names a file outside the data folder",
            where=name,
            hint="give paths relative to HEADBENCH_DATA",
        )
    return path


def _of(found: Rescored) -> Recomputed:
    figures = {
        name: (float(one.value), one.unit)
        for name, one in found.result.metrics.items()
        if one.value is not None
    }
    task = found.result.task
    facts = Facts(
        n=found.result.coverage.answered,
        parser=task.parser,
        profile=task.profile,
        prompts=found.prompts,
        settings=found.settings,
    )
    return Recomputed(figures, facts)


def _confusion(recipe: form.Confusion, reader: str, where: str) -> Recomputed:
    """POPE's metrics over records made from the counts."""
    if recipe.tp > recipe.positives or recipe.fp > recipe.negatives:
        raise DataError(
            f"{recipe.tp} of {recipe.positives} and {recipe.fp} of {recipe.negatives} cannot be",
            where=where,
        )
    answers = {
        ("yes", "Yes"): recipe.tp,
        ("yes", "No"): recipe.positives - recipe.tp,
        ("no", "Yes"): recipe.fp,
        ("no", "No"): recipe.negatives - recipe.fp,
    }
    scorer, parser = lookup.scorer("pope"), lookup.parser(reader)
    records: list[Record] = []
    for (label, answer), count in answers.items():
        records += [scorer.record(Document("", "", {}, target=label), (answer,), parser)] * count
    figures: Figures = {
        metric.name: (metric.of(records), metric.unit) for metric in lookup.metrics_of(scorer)
    }
    return Recomputed(figures, Facts(n=len(records), parser=parser.id))


def _needle_cells(path: Path) -> Recomputed:
    """``judge``, ``n``, ``score_S`` (how many cells), ``length_L`` (mean of a length)."""
    records = cell_records(read_rows(path).rows)
    counts = Counter(record.parts["score"] for record in records)
    figures: Figures = {
        "judge": (JUDGE.of(records), "points"),
        "n": (len(records), "count"),
        **{f"score_{score}": (counts[float(score)], "count") for score in SCALE},
        **{
            f"length_{exact(float(length))}": (cell.value, "points")
            for length, cell in by_part(JUDGE, records, "length").items()
        },
    }
    return Recomputed(figures, Facts(n=len(records), parser="judge@1"))


def _heads(path: Path) -> Recomputed:
    """``n_heads``, ``trials``, ``above_0.1``, ``above_0.5``, ``zero``, ``head_LAYER-HEAD``."""
    found = import_heads(path, "retrieval_head")
    every = found.ranked()
    figures: Figures = {
        "n_heads": (len(every), "count"),
        "above_0.1": (len(found.above(0.1)), "count"),
        "above_0.5": (len(found.above(0.5)), "count"),
        "zero": (sum(found.score(*head) == 0 for head in every), "count"),
    }
    if found.trials is not None:
        figures["trials"] = (found.trials, "count")
    for layer, head in every:
        figures[f"head_{layer}-{head}"] = (found.score(layer, head), "points")
    return Recomputed(figures, Facts(n=found.trials))


def _agreement(first_file: Path, second_file: Path) -> Recomputed:
    first, second = (
        [line.split() for line in path.read_text("utf-8").splitlines() if line.strip()]
        for path in (first_file, second_file)
    )
    pairs = list(zip(first, second, strict=False))
    same_items = all(sorted(one) == sorted(other) for one, other in pairs)
    if not pairs or len(first) != len(second) or not same_items:
        raise DataError("the two files do not hold the same items", where=str(second_file))
    agreed = sum(one[-1] == other[-1] for one, other in pairs)
    figures: Figures = {
        "agreement": (agreed / len(pairs), "fraction"),
        "n": (len(pairs), "count"),
    }
    return Recomputed(figures, Facts(n=len(pairs)))


def _correlation(recipe: form.Correlation, path: Path) -> Recomputed:
    import numpy as np

    try:
        with zipfile.ZipFile(path) as archive:
            text = archive.read(recipe.member).decode("utf-8")
    except (zipfile.BadZipFile, KeyError, UnicodeDecodeError) as error:
        raise DataError(f"cannot read {recipe.member}", where=str(path)) from error
    rows = list(csv.DictReader(io.StringIO(text)))
    try:
        pairs = np.array([[float(row[recipe.first]), float(row[recipe.second])] for row in rows])
    except (KeyError, ValueError) as error:
        raise DataError(f"no numbers under {error}", where=recipe.member) from error
    r = float(np.corrcoef(pairs.T)[0, 1]) if len(pairs) > 1 else math.nan
    return Recomputed({"r": (r, "points"), "n": (len(pairs), "count")}, Facts(n=len(pairs)))
