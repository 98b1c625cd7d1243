"""Human data that ship with the package: THINGS, 92 images, Alternate Uses.

Compact copies of public files with permissive licences, made by
:mod:`headbench.families.brain.pack_data`; ``data/`` holds them with licence and provenance.
"""

from __future__ import annotations

import csv
import hashlib
import json
import math
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

from headbench.errors import DataError
from headbench.families.brain.rdm import Floats, Integers

FOLDER = Path(__file__).resolve().parent / "data"
PROVENANCE = "provenance.json"
CONCEPTS = "things_concepts.csv"
TRIPLETS = "things_triplets.csv"
IMAGES = "rdm92.safetensors"
USES = "aut_responses.csv"
IMAGE_IDS = tuple(f"image-{number:02d}" for number in range(1, 93))
"""Documents of the 92 images, in the order of the RDMs."""
RDM_NAMES = ("models", "judges", "fmri")


@dataclass(frozen=True)
class Concepts:
    """1,854 concepts of THINGS, their rated properties and categories (CC0).

    Attributes:
        ids: ``[concept]``, unique names such as ``bow1``.
        words: ``[concept]``, as a reader sees them: no number, blanks for underscores. Not unique.
        properties: Names of the eleven rated properties.
        means: ``[concept, property]``, ratings 1..7 (manmade .. arousing).
        deviations: ``[concept, property]``, standard deviation over raters.
        raters: ``[concept]``.
        categories: ``[concept]``, names of its categories, possibly none or several.
    """

    ids: tuple[str, ...]
    words: tuple[str, ...]
    properties: tuple[str, ...]
    means: Floats
    deviations: Floats
    raters: Integers
    categories: tuple[tuple[str, ...], ...]

    def single_category(self, least: int = 15) -> tuple[Integers, tuple[str, ...]]:
        """Concepts in exactly one category that has enough of them.

        Args:
            least: Fewest such concepts of a category.

        Returns:
            Indices of the concepts and the category of each.
        """
        lone = [(at, names[0]) for at, names in enumerate(self.categories) if len(names) == 1]
        sizes: dict[str, int] = {}
        for _, name in lone:
            sizes[name] = sizes.get(name, 0) + 1
        kept = [(at, name) for at, name in lone if sizes[name] >= least]
        return np.array([at for at, _ in kept]), tuple(name for _, name in kept)


@dataclass(frozen=True)
class Triplets:
    """2,171 odd-one-out triplets of THINGS concepts with three answers each (MIT).

    Attributes:
        concepts: ``[triplet, 3]``, rows of :class:`Concepts`, ascending.
        odd: Who answered -> ``[triplet]``, the concept chosen: ``human``, ``gpt4``, ``chatgpt``.
    """

    concepts: Integers
    odd: dict[str, Integers]


@dataclass(frozen=True)
class Rdm92:
    """RDMs of 92 object images (MIT; the photographs do not ship).

    Attributes:
        fmri: ``[subject 4, session 2, pair]``, human inferior temporal cortex.
        judges: ``[judge 16, pair]``, similarity judgements.
        models: ``[model 8, pair]``.
        model_names: Of those eight.
    """

    fmri: Floats
    judges: Floats
    models: Floats
    model_names: tuple[str, ...]

    @property
    def subjects(self) -> Floats:
        """Mean of the two sessions: ``[subject, pair]``."""
        return np.asarray(self.fmri.mean(axis=1))


@dataclass(frozen=True)
class UsesResponses:
    """Responses to the Alternate Uses Task with human originality (MIT).

    Attributes:
        ids: ``[response]``.
        objects: ``[response]``, what a use was asked for.
        responses: ``[response]``, the text.
        originality: ``[response]``, mean human rating 1..5.
        predictions: Scorer -> ``[response]``; NaN where it gave none.
    """

    ids: tuple[str, ...]
    objects: tuple[str, ...]
    responses: tuple[str, ...]
    originality: Floats
    predictions: dict[str, Floats]


@cache
def things_concepts() -> Concepts:
    """Concepts of THINGS in their canonical order."""
    rows = _rows(CONCEPTS)
    names = tuple(name.removesuffix("_mean") for name in rows[0] if name.endswith("_mean"))
    ids = tuple(row["id"] for row in rows)
    return Concepts(
        ids,
        tuple(concept_word(one) for one in ids),
        names,
        np.array([[float(row[f"{name}_mean"]) for name in names] for row in rows]),
        np.array([[float(row[f"{name}_sd"]) for name in names] for row in rows]),
        np.array([int(row["raters"]) for row in rows]),
        tuple(tuple(filter(None, row["categories"].split(";"))) for row in rows),
    )


def concept_word(concept: str) -> str:
    """The word of a concept's unique name: ``bow1`` -> ``bow``, ``ice_cream`` -> ``ice cream``."""
    return concept.rstrip("0123456789").replace("_", " ")


@cache
def things_triplets() -> Triplets:
    """Odd-one-out triplets over :func:`things_concepts`."""
    rows = _rows(TRIPLETS)
    concepts = np.array([[int(row[k]) for k in ("first", "second", "third")] for row in rows])
    odd = {
        who: np.array([int(row[f"{who}_odd"]) for row in rows])
        for who in ("human", "gpt4", "chatgpt")
    }
    return Triplets(concepts, odd)


@cache
def rdm92() -> Rdm92:
    """RDMs of the 92 images."""
    from safetensors import safe_open

    with safe_open(_checked(IMAGES), framework="numpy") as file:
        found = {name: np.asarray(file.get_tensor(name), np.float64) for name in RDM_NAMES}
        names = tuple(json.loads(file.metadata()["model_names"]))
    return Rdm92(found["fmri"], found["judges"], found["models"], names)


@cache
def alternate_uses() -> UsesResponses:
    """Alternate Uses responses."""
    rows = _rows(USES)
    scorers = [name.removeprefix("by_") for name in rows[0] if name.startswith("by_")]

    def numbers(column: str) -> Floats:
        return np.array([float(row[column]) if row[column] else math.nan for row in rows])

    return UsesResponses(
        tuple(row["id"] for row in rows),
        tuple(row["object"] for row in rows),
        tuple(row["response"] for row in rows),
        numbers("originality"),
        {name: numbers(f"by_{name}") for name in scorers},
    )


def provenance() -> dict[str, Any]:
    """Where each packed file comes from, with hashes of the source files and of itself."""
    found: dict[str, Any] = json.loads((FOLDER / PROVENANCE).read_text(encoding="utf-8"))
    return found


def _rows(name: str) -> list[dict[str, str]]:
    with _checked(name).open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def _checked(name: str) -> Path:
    path = FOLDER / name
    digest = provenance()[name]["sha256"]
    if not path.is_file() or hashlib.sha256(path.read_bytes()).hexdigest() != digest:
        raise DataError(
            f"{name} is missing or was changed", where=str(path), hint="reinstall headbench"
        )
    return path
