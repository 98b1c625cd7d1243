"""Make the packed human data from the public files: run by maintainers, never by a user's run.

    python -m headbench.families.brain.pack_data FOLDER

``FOLDER`` holds ``things_norms``, ``things_triplets``, ``rdm92`` and ``aut`` as they were fetched.
The same sources give the same bytes.
"""

from __future__ import annotations

import csv
import hashlib
import io
import json
import shutil
import sys
import zipfile
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from headbench.families.brain.rdm import condense
from headbench.families.brain.vendored_data import (
    CONCEPTS,
    FOLDER,
    IMAGES,
    PROVENANCE,
    TRIPLETS,
    USES,
)

SCORERS = {
    "davinci": "gpt-ft-davinci-1.csv",
    "t5_base": "t5-base-gt_main2-08-01-1659397977.csv",
    "ocs": "ocs-main.csv",
    "semdis": "SemDis_MEAN.csv",
}
"""Column -> file of the AUT release: two fine-tuned models, two semantic distances."""
SOURCES = {
    CONCEPTS: {
        "source": "GitHub ViCCo-Group/THINGS-data @ 5e0eccac",
        "licence": "CC0-1.0",
        "licence_file": "LICENSE.things_concepts",
        "changes": "rated properties, raters and categories joined by concept; definitions, sizes "
        "and the totals row left out",
    },
    TRIPLETS: {
        "source": "GitHub ChangdeDu/LLMs_core_dimensions @ fd1da6ab",
        "licence": "MIT",
        "licence_file": "LICENSE.things_triplets",
        "changes": "three files joined by triplet; concepts of a triplet in ascending order",
    },
    IMAGES: {
        "source": "GitHub rsagroup/rsatoolbox @ f1f83cad",
        "licence": "MIT",
        "licence_file": "LICENSE.rdm92",
        "changes": "strict upper triangles as float32",
    },
    USES: {
        "source": "GitHub massivetexts/llm_aut_study @ bb952606",
        "licence": "MIT",
        "licence_file": "LICENSE.aut_responses",
        "changes": "object, response, human originality and four of the scorers joined by id",
    },
}


def pack(sources: Path, target: Path) -> None:
    """Write the packed files, their licences and their provenance.

    Args:
        sources: Holds the four folders.
        target: Created where it is absent.
    """
    target.mkdir(parents=True, exist_ok=True)
    makers = {
        CONCEPTS: (_concepts, "things_norms", ("animacy.csv", "Categories_final_20200131.tsv")),
        TRIPLETS: (
            _triplets,
            "things_triplets",
            tuple(f"2171trials_{who}.txt" for who in ("humans", "GPT_4", "ChatGPT_3.5")),
        ),
        IMAGES: (
            _images,
            "rdm92",
            ("92_brainRDMs.mat", "92_behavRDMs.mat", "92_modelRDMs.mat"),
        ),
        USES: (_uses, "aut", ("evaluation.zip",)),
    }
    record: dict[str, Any] = {}
    for name, (maker, folder, files) in makers.items():
        packed = maker([sources / folder / file for file in files])
        (target / name).write_bytes(packed)
        shutil.copyfile(sources / folder / "LICENSE", target / SOURCES[name]["licence_file"])
        record[name] = {
            **SOURCES[name],
            "sha256": hashlib.sha256(packed).hexdigest(),
            "from": {file: _digest(sources / folder / file) for file in files},
        }
    text = json.dumps(record, indent=1, sort_keys=True) + "\n"
    (target / PROVENANCE).write_text(text, encoding="utf-8")


def _concepts(files: Sequence[Path]) -> bytes:
    with files[0].open(encoding="utf-8", newline="") as file:
        rated = list(csv.DictReader(file))
    with files[1].open(encoding="utf-8", newline="") as file:
        table = list(csv.reader(file, delimiter="\t"))
    header = table[0][2:]
    # The second file has a row of totals, orders a few concepts otherwise and numbers only some of
    # the words that stand for several concepts; those follow each other in both files.
    chosen: dict[str, list[str]] = {}
    for row in table[1:]:
        if row[0]:
            marked = [name for name, mark in zip(header, row[2:], strict=True) if mark]
            chosen.setdefault(_word(row[0]), []).append(";".join(marked))
    names = [key.removesuffix("_mean") for key in rated[0] if key.endswith("_mean")]
    columns = [f"{name}_{part}" for name in names for part in ("mean", "sd")]
    rows = [
        [
            row["uniqueID"],
            chosen[_word(row["uniqueID"])].pop(0),
            row["n"],
            *(row[column] for column in columns),
        ]
        for row in rated
    ]
    if any(chosen.values()):
        raise SystemExit("the two files do not list the same concepts")
    return _table(["id", "categories", "raters", *columns], rows)


def _word(concept: str) -> str:
    """The spelling that both files share."""
    return concept.rstrip("0123456789").replace("_", " ").replace("-", " ")


def _triplets(files: Sequence[Path]) -> bytes:
    human, gpt4, chatgpt = (np.loadtxt(file, dtype=np.int64) for file in files)
    ordered = np.sort(human, axis=1)
    for other in (gpt4, chatgpt):
        if (np.sort(other, axis=1) != ordered).any():
            raise SystemExit("the three files do not list the same triplets")
    rows = np.column_stack([ordered, human[:, 2], gpt4[:, 2], chatgpt[:, 2]]).tolist()
    header = ["first", "second", "third", "human_odd", "gpt4_odd", "chatgpt_odd"]
    return _table(header, rows)


def _images(files: Sequence[Path]) -> bytes:
    from safetensors.numpy import save
    from scipy.io import loadmat

    brain, judges, models = (loadmat(file, squeeze_me=True) for file in files)
    fmri = np.array([[one["RDM"] for one in person] for person in brain["RDMs"]])
    arrays = {
        "fmri": fmri,
        "judges": np.array([one["RDM"] for one in judges["rdms_behav_92"]]),
        "models": np.array([one["RDM"].astype(np.float64) for one in models["Models"]]),
    }
    names = json.dumps([str(one["name"]) for one in models["Models"]])
    packed = {name: condense(table).astype(np.float32) for name, table in arrays.items()}
    return bytes(save(packed, metadata={"model_names": names}))


def _uses(files: Sequence[Path]) -> bytes:
    with zipfile.ZipFile(files[0]) as archive:
        tables = {
            name: {row["id"]: row for row in _members(archive, f"evaluation/gt_main2/{file}")}
            for name, file in SCORERS.items()
        }
    rows = [
        [
            key,
            row["prompt"],
            row["response"],
            row["target"],
            *(tables[name].get(key, {}).get("predicted", "") for name in SCORERS),
        ]
        for key, row in tables["semdis"].items()
    ]
    header = ["id", "object", "response", "originality", *(f"by_{name}" for name in SCORERS)]
    return _table(header, rows)


def _members(archive: zipfile.ZipFile, name: str) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(archive.read(name).decode("utf-8"))))


def _table(header: Sequence[str], rows: Iterable[Sequence[object]]) -> bytes:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(header)
    writer.writerows(rows)
    return text.getvalue().encode("utf-8")


def _digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


if __name__ == "__main__":
    if len(sys.argv) != 2 or not Path(sys.argv[1]).is_dir():
        raise SystemExit(f"usage: python -m {__spec__.name} FOLDER")
    pack(Path(sys.argv[1]), FOLDER)
