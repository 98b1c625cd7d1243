"""`aut_brain`: networks, two stages, the creativity split, and statistics over subjects."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from scipy.stats import binomtest

import headbench
from headbench.errors import DataError
from headbench.families.brain.packed_rows import pack, unpack
from headbench.families.brain.rdm import rdm, square
from headbench.families.brain.rdm_similarity import similarity
from headbench.families.brain.subject_tests import sign_flip_p, sign_p
from headbench.families.brain.table_rsa_statistics import (
    BEYOND,
    CONTRAST,
    GAP,
    HIGH,
    LAYER,
    LOW,
    MEDIAN,
    RSA,
    SIGN,
    SIGN_FLIP,
    SPREAD,
    SUBJECTS,
    WITHOUT,
)
from headbench.nouns import CapturedArrays, Document, Record
from headbench.scoring import lookup
from headbench.scoring.parser import VERBATIM
from headbench.tasks.loader import load, resolve_names
from helpers_tables import simulated, write

OPTIONS = {"method": "spearman", "kind": "correlation", "choose": "subjects"}
OBJECTS = 30
NETWORKS = ("dmn", "fp", "som")


def records(layers: np.ndarray, people: np.ndarray, high: np.ndarray | None = None) -> list[Record]:
    """Records of ``[stimulus, layer, unit]``, people's RDMs, and ``high [subject, stimulus]``."""
    scorer, whole = lookup.scorer("table_rsa"), square(people)
    made = []
    for at, states in enumerate(layers):
        fields = {
            "subjects": len(people),
            "people": pack(whole[:, at]),
            "seen": pack(np.ones(len(people))),
            "people_are": "correlation",
            "place": at,
            "nuisance": {"characters": float(at % 5)},
        }
        if high is not None:
            fields["high"] = pack(high[:, at])
        held = (states[:, None].astype(np.float32),)
        output = CapturedArrays.of(lambda held=held: held)
        options = {**OPTIONS, "layers": list(range(layers.shape[1]))}
        document = Document(f"s{at}", f"s{at}", fields)
        made.append(scorer.record(document, ("an answer", output), VERBATIM, options))
    return made


def people_of(truth: np.ndarray, count: int, noise: float, seed: int = 0) -> np.ndarray:
    random = np.random.default_rng(seed)
    return np.array(
        [rdm(truth + noise * random.standard_normal(truth.shape)) for _ in range(count)]
    )


@pytest.fixture
def truth() -> np.ndarray:
    return np.random.default_rng(5).standard_normal((OBJECTS, 10))


def test_statistics_over_subjects_are_those_of_the_recipe(truth: np.ndarray) -> None:
    people = people_of(truth, 12, 2.0)
    made = records((truth + np.random.default_rng(1).standard_normal(truth.shape))[:, None], people)
    features = np.array([one.parts["features"][0] for one in made], dtype=np.float64)
    each = similarity(rdm(features), people, "spearman")[0]
    rest = np.array([np.delete(np.argsort(np.argsort(people, axis=1), axis=1), s, axis=0).mean(0)
                     for s in range(12)])  # fmt: skip
    ceilings = np.array([similarity(rest[s], people[s], "spearman")[0, 0] for s in range(12)])
    own = np.where(ceilings > 0, each / np.where(ceilings > 0, ceilings, 1), np.nan)
    known = own[np.isfinite(own)]
    assert MEDIAN.of(made) == pytest.approx(np.median(known), abs=1e-5)
    deviation = 1.4826 * np.median(np.abs(known - np.median(known)))
    assert SPREAD.of(made) == pytest.approx(deviation, abs=1e-5)
    assert BEYOND.of(made) == pytest.approx((np.abs(known) > 1).mean())
    assert 0 < BEYOND.of(made) < 1  # what a clip would have hidden
    assert WITHOUT.of(made) == 12 - len(known)
    assert SIGN.of(made) == pytest.approx(binomtest(int((known > 0).sum()), len(known)).pvalue)
    assert SIGN_FLIP.of(made) == pytest.approx(sign_flip_p(known), abs=0.01)


def test_sign_tests_hold_their_level() -> None:
    random = np.random.default_rng(0)
    drawn = [random.standard_normal(12) for _ in range(300)]
    assert np.mean([sign_flip_p(one, flips=199) <= 0.05 for one in drawn]) <= 0.07
    assert np.mean([sign_p(one) <= 0.05 for one in drawn]) <= 0.07
    assert sign_p(np.ones(8)) == pytest.approx(2 / 2**8)
    assert sign_flip_p(np.ones(20) + 0.1 * random.standard_normal(20)) < 0.01
    assert np.isnan(sign_flip_p(np.ones(4)))
    assert np.isnan(sign_p([1, 1, 1, 0, np.nan]))


def test_a_planted_layer_is_chosen_by_other_subjects(truth: np.ndarray) -> None:
    random = np.random.default_rng(2)
    layers = random.standard_normal((OBJECTS, 5, 10))
    layers[:, 3] = truth + 0.5 * random.standard_normal(truth.shape)
    people = people_of(truth, 10, 2.0)
    made = records(layers, people)
    assert LAYER.of(made) == 3
    assert RSA.of(made) == pytest.approx(RSA.of(records(layers[:, [3]], people)), abs=1e-9)
    assert GAP.of(made) == pytest.approx(0, abs=1e-9)
    unrelated = records(random.standard_normal((OBJECTS, 24, 10)), people_of(truth, 10, 20.0))
    assert GAP.of(unrelated) > 0.005


def test_responses_rated_high_are_compared_apart(truth: np.ndarray) -> None:
    """The model has the geometry of the first half of the objects only, which are rated high."""
    random = np.random.default_rng(3)
    model = np.where(np.arange(OBJECTS)[:, None] < 15, truth, random.standard_normal(truth.shape))
    high = np.where(np.arange(OBJECTS) < 15, 1.0, 0.0) * np.ones((8, 1))
    high[0, 15:] = -1  # no rating: in neither part
    made = records(model[:, None], people_of(truth, 8, 1.0), high)
    assert HIGH.of(made) > 0.3
    assert abs(LOW.of(made)) < 0.15
    both = records(model[:, None], people_of(truth, 8, 1.0)[1:], high[1:])
    assert CONTRAST.of(made) == pytest.approx(HIGH.of(both) - LOW.of(both), abs=1e-6)
    assert SUBJECTS.of(made) == 8
    plain = records(model[:, None], people_of(truth, 8, 1.0))
    assert np.isnan(HIGH.of(plain))
    assert np.isnan(CONTRAST.of(plain))


def test_an_answer_without_tokens_takes_no_part(truth: np.ndarray) -> None:
    scorer = lookup.scorer("table_rsa")
    people = people_of(truth, 4, 1.0)
    made = records(truth[:, None], people)
    empty = (np.zeros((1, 0, 10), dtype=np.float32),)
    fields = {
        "subjects": 4,
        "people": pack(square(people)[:, 0]),
        "seen": pack(np.ones(4)),
        "people_are": "correlation",
        "place": 0,
        "nuisance": {"characters": 0.0},
    }
    silent = scorer.record(
        Document("s0", "s0", fields),
        ("", CapturedArrays.of(lambda: empty)),
        VERBATIM,
        {**OPTIONS, "layers": [0]},
    )
    assert "features" not in silent.parts
    rest = np.arange(1, OBJECTS)
    within = square(people)[:, rest][:, :, rest][:, *np.triu_indices(OBJECTS - 1, 1)]
    expected = similarity(rdm(truth[rest]), within, "spearman").mean()
    assert RSA.of([silent, *made[1:]]) == pytest.approx(expected, abs=1e-6)


@pytest.fixture(scope="module")
def table(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three networks of 6 people, who each miss another object, and ratings of what they said."""
    columns = simulated(count=24, subjects=6, noise=1.0)
    random = np.random.default_rng(0)
    kept = np.arange(len(columns["subject"])) % 25 != 0
    vectors = columns.pop("vector")
    columns |= {
        "vector_dmn": vectors,
        "vector_fp": vectors[:, :6],
        "vector_som": random.standard_normal((len(vectors), 9)),
        "creativity": np.where(
            random.random(len(vectors)) < 0.1, np.nan, 1 + 2 * random.random(len(vectors))
        ),
    }
    path = tmp_path_factory.mktemp("table") / "betas.npz"
    return write(path, {name: column[kept] for name, column in columns.items()})


def test_both_stages_of_a_network_run(table: Path, tmp_path: Path) -> None:
    done = headbench.run(
        ("aut_brain_dmn", "aut_brain_late_fp"),
        model="ref-lm-v2",
        task_args={
            "table": table,
            "layers": [1, 2],
            "cutoff": 2.0,
            "prompt": "Question: {{ text }} are what? Answer:",
            "aut_brain_late_fp.most_tokens": 3,
        },
        draws=20,
        out=tmp_path,
    )
    for result in done.results:
        figures = result.metrics
        assert figures["table_rsa"].n == 24
        assert figures["table_subjects"].value == 6
        assert figures["table_best_layer"].value in (1, 2)
        for name in (
            "table_rsa",
            "table_high",
            "table_low",
            "table_sign_flip_p",
            "table_beyond_one",
        ):
            assert figures[name].value is not None, name
    early, late = done.results
    assert early.metrics["table_rsa"].value != late.metrics["table_rsa"].value


def test_the_group_has_three_networks_in_two_stages(table: Path) -> None:
    tasks = resolve_names(["aut_brain"], args={"table": str(table), "cutoff": "2.0"})
    assert [task.config.dataset_kwargs["vectors"] for task in tasks] == [*NETWORKS, *NETWORKS]
    assert [task.steps[-1].config.continues for task in tasks] == [None] * 3 + ["response"] * 3
    assert all("Quality is more important" in task.steps[0].config.doc_to_text for task in tasks)
    sampled = tasks[3].steps[0].config.generation_kwargs
    assert (sampled.temperature, sampled.top_p, sampled.max_gen_toks) == (0.7, 0.95, 1024)
    documents = tasks[0].documents()
    seen = np.array([unpack(one.fields["seen"], 6, "")[:, 0] for one in documents])
    assert seen.sum() == 24 * 6 - 6
    rated = np.array([unpack(one.fields["high"], 6, "")[:, 0] for one in documents])
    assert set(rated.ravel().tolist()) == {-1.0, 0.0, 1.0}


def test_a_network_that_the_table_lacks_is_refused(table: Path, tmp_path: Path) -> None:
    with pytest.raises(DataError, match="vectors of dmn, fp, som, and none called vector_limbic"):
        load("aut_brain_dmn", args={"table": str(table), "vectors": "limbic"}).documents()
    single = write(tmp_path / "single.npz", simulated(count=24))
    with pytest.raises(DataError, match="lacks vector_dmn"):
        load("aut_brain_dmn", args={"table": str(single)}).documents()
    networks = simulated(count=24)
    networks["vector_dmn"] = networks.pop("vector")
    bare = write(tmp_path / "bare.npz", networks)
    with pytest.raises(DataError, match="lacks creativity"):
        load("aut_brain_dmn", args={"table": str(bare), "cutoff": "2"}).documents()
