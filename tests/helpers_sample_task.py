"""A toy task whose metrics are sample statistics, and whose records hold arrays.

The model's word and its tokens give a score; how the features of one document lie to those of the
others is compared with a given geometry, by a statistic of pairs. All of it is an installed package
with entry points, as a user's would be.
"""

from __future__ import annotations

import json
from pathlib import Path

CODE = '''
import hashlib

import numpy as np

from headbench.scoring.scorer import Scorer
from headbench.statistics.metric import SampleStatistic, Weighted


def score(document, outputs, parser, options):
    """A score and features from the words that were said, noisy about the truth."""
    digest = hashlib.sha256(outputs[0].encode() + document.id.encode()).digest()
    noise = np.frombuffer(digest, np.uint8).astype(np.float32) / 255 - 0.5
    truth = document.fields["truth"]
    place = np.array([np.cos(truth), np.sin(truth)], np.float32)
    return {
        "score": float(np.sin(truth) + noise[0]),
        "positive": bool(np.sin(truth) > 0),
        "predicted": float(truth + 4 * noise[1]),
        "observed": truth,
        "features": np.concatenate([place, noise]).astype(np.float16),
        "length": len(outputs[0]),
    }


def prepare(records):
    """The correlation of products of features and of a circle's geometry, over pairs."""
    features = np.array([record.parts["features"] for record in records], dtype=np.float64)
    truth = np.array([record.parts["observed"] for record in records])
    model, human = features @ features.T, np.cos(truth[:, None] - truth)
    for matrix in (model, human):
        np.fill_diagonal(matrix, 0.0)

    def values(weights):
        def total(matrix):
            return ((weights @ matrix) * weights).sum(axis=1)

        pairs = weights.sum(axis=1) ** 2 - (weights**2).sum(axis=1)
        a, b = total(model) / pairs, total(human) / pairs
        spread = (total(model**2) / pairs - a * a) * (total(human**2) / pairs - b * b)
        return (total(model * human) / pairs - a * b) / np.sqrt(spread)

    return Weighted(np.ones(len(records), bool), values)


def score_states(document, outputs, parser, options):
    """The captured state itself, in half precision, beside the truth."""
    (state,) = outputs[0].arrays
    features = np.concatenate([state.ravel(), [np.cos(document.fields["truth"])]])
    return {"features": features.astype(np.float16), "observed": document.fields["truth"]}


GEOMETRY = SampleStatistic("geometry", prepare, True, resampling="bootstrap")
SCORER = Scorer("toy_scorer", 1, score, ("auroc", "spearman", "toy.geometry"), ("length",))
STATES = Scorer("toy_states", 1, score_states, ("toy.geometry",))
'''
POINTS = """
[headbench.scorers]
toy_scorer = toy_kit.kit:SCORER
toy_states = toy_kit.kit:STATES
[headbench.metrics]
toy.geometry = toy_kit.kit:GEOMETRY
"""
TASK = """
task: toy
dataset_path: jsonl
dataset_kwargs: {data_files: toy.jsonl}
doc_to_text: "What colour is thing {{ id }}?"
generation_kwargs: {max_gen_toks: 4}
doc_to_target: truth
scorer: toy_scorer
metric_list:
  - {metric: auroc, main: true}
  - {metric: spearman}
  - {metric: toy.geometry}
breakdown: [length]
metadata: {version: 1}
"""
STATES = """
task: toy_states
dataset_path: jsonl
dataset_kwargs: {data_files: toy.jsonl}
output_type: represent
captures: [{site: residual, layers: [1]}]
doc_to_text: "Thing {{ id }}"
doc_to_target: truth
scorer: toy_states
metric_list:
  - {metric: toy.geometry, main: true}
metadata: {version: 1}
"""


def write_kit(home: Path) -> Path:
    """Write and 'install' the package; the folder to put on the path comes back."""
    kit = home / "toy_kit"
    kit.mkdir(parents=True)
    (kit / "__init__.py").write_text("")
    (kit / "kit.py").write_text(CODE)
    dist = home / "toy_kit-1.0.dist-info"
    dist.mkdir()
    (dist / "METADATA").write_text("Metadata-Version: 2.1\nName: toy-kit\nVersion: 1.0\n")
    (dist / "entry_points.txt").write_text(POINTS)
    return home


def write_task(folder: Path, count: int = 40) -> Path:
    """Write both tasks and their data; the folder is given to ``include``."""
    folder.mkdir(parents=True)
    (folder / "toy.yaml").write_text(TASK)
    (folder / "toy_states.yaml").write_text(STATES)
    rows = [{"id": f"d{place:02}", "truth": 6.28 * place / count} for place in range(count)]
    (folder / "toy.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    return folder
