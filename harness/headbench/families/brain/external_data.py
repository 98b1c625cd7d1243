"""Data sets that do not ship: where each comes from, and files that are checked before use.

What may be shipped is in the package (:mod:`headbench.families.brain.vendored_data`). Everything
else is read from the folder that HEADBENCH_DATA names, or is not to be had as a file at all; either
way a run that asks for it is told its source, licence and hash.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType

from headbench._reading import is_file, read_file, user_path
from headbench.errors import ConfigError, DataError, nearest
from headbench.tasks.data.source import AbsentDataError

ENVIRONMENT = "HEADBENCH_DATA"


@dataclass(frozen=True)
class ExternalSet:
    """A data set that a user must bring.

    Attributes:
        name: As tasks name it.
        gives: What is in it.
        source: Where it comes from, with the commit where one is known.
        licence: As its authors state it.
        folder: Under HEADBENCH_DATA; empty where no reader exists, and ``vector_table`` reads it
            once it is brought into that form.
        files: File -> SHA-256; empty where no file was at hand to be hashed.
    """

    name: str
    gives: str
    source: str
    licence: str
    folder: str = ""
    files: Mapping[str, str] = field(default_factory=dict)


class MissingDataError(AbsentDataError):
    """A data set that is not there; says how to get it.

    Attributes:
        data: Which one.
    """

    def __init__(self, data: ExternalSet, what: str, where: str) -> None:
        self.data = data
        known = ", ".join(f"{name} sha256 {digest}" for name, digest in data.files.items())
        super().__init__(
            what,
            where=where,
            hint=f"{data.gives}; from {data.source}; licence: {data.licence}; "
            + (f"files: {known}" if known else "no hash is on record: note that of your copy"),
        )


_SETS = (
    ExternalSet(
        "natural_stories",
        "self-paced reading times of 10,256 words, token log-probabilities, unigram counts "
        "(freqs_freqs-1.tsv is freqs/freqs-1.tsv there)",
        "GitHub languageMIT/naturalstories @ 4700daad (the May 2025 correction)",
        "CC BY-NC-SA 4.0, not for commercial use",
        "brain/natural_stories",
        {
            "naturalstories_RTS_processed_wordinfo.tsv": (
                "047d2a0b84eff99d90535d1517f7fa7d466b81fbd60e990f2f08caac04d8aa56"
            ),
            "probs_all_stories_gpt3.csv": (
                "6ccee02c20a688d5f7e69a023025d725e8fb06d87e2c7f997b399384c200a0ad"
            ),
            "freqs_freqs-1.tsv": (
                "dfe87aa455e43226eb7f79faa6e5d9926446c3d8346014dd75837f39c3f19add"
            ),
        },
    ),
    ExternalSet(
        "pereira2018",
        "fMRI of 9 and 6 people reading 384 and 243 sentences",
        "the authors of Pereira et al. 2018; packaged by Brain-Score on remote storage",
        "not stated with the files",
    ),
    ExternalSet(
        "blank2014",
        "fMRI of 5 people hearing 8 Natural Stories",
        "Brain-Score, remote storage",
        "not stated with the files",
    ),
    ExternalSet(
        "wehbe2014",
        "fMRI of 8 people reading a chapter, 5,176 words",
        "the authors of Wehbe et al. 2014",
        "not stated with the files",
    ),
    ExternalSet(
        "fedorenko2016",
        "electrocorticography of people reading sentences",
        "Brain-Score, remote storage",
        "not stated with the files",
    ),
    ExternalSet(
        "tuckute2024",
        "fMRI of people reading 1,000 sentences",
        "Brain-Score, remote storage",
        "not stated with the files",
    ),
    ExternalSet(
        "aut_betas",
        "one fMRI map per person and object for 170 people thinking of uses",
        "the authors of arXiv 2604.03480; their code is public, the maps are not in it",
        "not stated",
    ),
    ExternalSet(
        "glasgow_norms",
        "ratings of 5,553 words on nine dimensions",
        "Scott et al. 2019, Behavior Research Methods, supplementary file",
        "as the journal states",
    ),
    ExternalSet(
        "lancaster_norms",
        "sensorimotor ratings of 39,707 words",
        "Lynott et al. 2020, OSF",
        "as OSF states",
    ),
    ExternalSet(
        "concreteness",
        "concreteness ratings of 39,954 lemmas",
        "GitHub ArtsEngine/concreteness @ 0e52728a; Brysbaert et al. 2014",
        "CC BY-NC-ND 3.0",
    ),
    ExternalSet(
        "things_spose",
        "the 66-dimensional human space of 1,854 concepts and 4.7 million triplets",
        "Hebart et al. 2023, OSF",
        "as OSF states",
    ),
    ExternalSet(
        "vice",
        "a 42-dimensional human space of 1,854 concepts",
        "GitHub LukasMut/VICE @ 5f80103e",
        "GPL-3 (of the repository)",
    ),
    ExternalSet(
        "word_similarity",
        "rated pairs: RG-65, WordSim-353, MEN, SimLex-999, SimVerb, MTurk-771",
        "GitHub mfaruqui/eval-word-vectors @ 94b3dd9f",
        "MIT (of the repository); the sets' own terms are not stated there",
    ),
    ExternalSet(
        "typicality",
        "typicality of 1,049 items in the categories of Rosch and of McCloskey and Glucksberg",
        "the data set human-concepts of arXiv 2505.17117",
        "as its page states",
    ),
)
SETS: Mapping[str, ExternalSet] = MappingProxyType({one.name: one for one in _SETS})


def find_set(name: str, root: Path | None = None) -> Path:
    """The folder of a data set whose files are all there and have the hashes on record.

    Args:
        name: A key of :data:`SETS`.
        root: Instead of the folder that HEADBENCH_DATA names.

    Raises:
        ConfigError: No such set.
        MissingDataError: Not there, or there is no file to be had.
        DataError: A file is another version.
    """
    if name not in SETS:
        raise ConfigError(f"no data set {name!r}", where="data", hint=nearest(name, SETS))
    data = SETS[name]
    named = str(root) if root else os.environ.get(ENVIRONMENT, "")
    if not data.folder:
        raise MissingDataError(
            data,
            f"the data set {name} has no public file that headbench reads",
            "bring it as a table of subject, stimulus and vector (task rsa_table)",
        )
    if not named:
        raise MissingDataError(data, f"the data set {name} is missing", f"{ENVIRONMENT} is not set")
    folder = user_path(named) / data.folder
    for file, digest in data.files.items():
        path = folder / file
        if not is_file(path):
            raise MissingDataError(data, f"the data set {name} is missing", f"no file {path}")
        found = hashlib.sha256(read_file(path, f"the data set {name}")).hexdigest()
        if found != digest:
            raise DataError(
                f"{file} is another version of {name} than the one on record",
                where=f"{path}, sha256 {found}",
                hint=f"fetch {data.source}: sha256 {digest}",
            )
    return folder


def refuse_named_set(table: str) -> None:
    """Say where a data set comes from, where a user names it in the place of a file of it.

    Args:
        table: What was given as the file of a table; a file of such a name is left alone.

    Raises:
        MissingDataError: It is the name of a set that does not ship.
    """
    if table in SETS and not is_file(user_path(table)):
        raise MissingDataError(
            SETS[table],
            f"{table} names a data set that headbench may not ship, and no file",
            "bring it as a table, and name the file",
        )
