"""`rsa_table`: from a table and a model to figures, per subject, chosen on other stimuli."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import headbench
from headbench.errors import ConfigError, DataError, RefusedError
from headbench.families.brain import table_rows
from headbench.families.brain.noise_ceiling import noise_ceiling, normalise_subjects
from headbench.families.brain.packed_rows import pack, unpack
from headbench.families.brain.rdm import condense, crossnobis, rdm, square
from headbench.families.brain.rdm_similarity import METHODS, Method, similarity
from headbench.families.brain.table_rsa_statistics import (
    BEYOND,
    CHARACTERS,
    GAP,
    HEAD,
    LAYER,
    LOWER,
    MEDIAN,
    NORMALISED,
    POSITION,
    RSA,
    SUBJECTS,
    UPPER,
    WITHOUT,
)
from headbench.nouns import CapturedArrays, Document, Record
from headbench.results.figures import ABOVE, estimate
from headbench.results.files import read_entries
from headbench.scoring import lookup
from headbench.scoring.parser import VERBATIM
from headbench.statistics.paired import compare_paired
from headbench.statistics.permutation import label_null
from headbench.tasks.check import check
from headbench.tasks.data.source import AbsentDataError
from headbench.tasks.loader import load
from helpers_tables import simulated, words, write

OPTIONS = {"method": "rho_a", "kind": "correlation", "choose": "stimuli", "layers": [0]}


def records(
    features: np.ndarray, people: np.ndarray, seen: np.ndarray | None = None, **options: object
) -> list[Record]:
    """Records of features ``[stimulus, layer, unit]`` and people's RDMs ``[subject, pair]``."""
    count, layers = features.shape[:2]
    table, whole = np.ones((len(people), count)) if seen is None else seen, square(people)
    scorer = lookup.scorer("table_rsa")
    made = []
    for at, states in enumerate(features):
        fields = {
            "subjects": len(people),
            "people": pack(whole[:, at] * table * table[:, [at]]),
            "seen": pack(table[:, at]),
            "people_are": "correlation",
            "place": at,
            "nuisance": {"characters": float(at % 7), "position": 0.0},
        }
        held = (states[:, None].astype(np.float32),)  # [layer, row, unit]
        output = CapturedArrays.of(lambda held=held: held)
        said = {**OPTIONS, "layers": list(range(layers)), **options}
        document = Document(f"s{at}", f"s{at}", fields)
        made.append(scorer.record(document, (output,), VERBATIM, said))
    return made


def noisy_people(truth: np.ndarray, count: int, seed: int, noise: float = 1.5) -> np.ndarray:
    random = np.random.default_rng(seed)
    return np.array(
        [rdm(truth + noise * random.standard_normal(truth.shape)) for _ in range(count)]
    )


@pytest.fixture
def truth() -> np.ndarray:
    return np.random.default_rng(5).standard_normal((24, 10))


def test_one_layer_is_the_similarity_and_ceiling_of_the_group(truth: np.ndarray) -> None:
    people = noisy_people(truth, 5, 0)
    made = records(truth[:, None], people)
    # People's dissimilarities are stored in single precision.
    each = similarity(rdm(truth), people, "rho_a")[0]
    ceiling = noise_ceiling(people, "rho_a")
    assert RSA.of(made) == pytest.approx(each.mean(), abs=1e-6)
    assert LOWER.of(made) == pytest.approx(ceiling.lower, abs=1e-6)
    assert UPPER.of(made) == pytest.approx(ceiling.upper, abs=1e-6)
    assert NORMALISED.of(made) == pytest.approx(each.mean() / ceiling.lower, abs=1e-5)
    own = normalise_subjects(each, ceiling.lower_by_subject)
    assert MEDIAN.of(made) == pytest.approx(own.median, abs=1e-5)
    assert own.median > 1  # the truth is closer to people than they are to each other: not clipped
    assert BEYOND.of(made) == own.beyond_one > 0
    assert (SUBJECTS.of(made), WITHOUT.of(made)) == (5, 0)
    assert np.isnan(HEAD.of(made))
    assert np.isnan(POSITION.of(made))  # no column that varies
    assert RSA.of(made[::-1]) == pytest.approx(RSA.of(made))


def test_a_score_above_its_ceiling_is_marked_and_not_clipped(truth: np.ndarray) -> None:
    people = noisy_people(truth, 5, 0)
    made = estimate("brain.table_normalised", NORMALISED, records(truth[:, None], people), None)
    assert made.value is not None and made.value > 1
    assert made.note == f"{ABOVE} (1), which is an estimate: not clipped"
    noise = np.random.default_rng(99).standard_normal((24, 1, 10))
    low = estimate("brain.table_normalised", NORMALISED, records(noise, people), None)
    assert low.value is not None and low.value < 1 and low.note == ""
    marked = [
        name
        for name in lookup.metric_names()
        if getattr(lookup.metric(name), "marked_above", None) is not None
    ]
    assert marked == [
        "brain.encoding_normalised",
        "brain.normalised",
        "brain.normalised_head",
        "brain.rt_normalised",
        "brain.table_normalised",
        "brain.table_subject_median",
    ]


def test_each_subject_is_compared_over_what_it_saw(truth: np.ndarray) -> None:
    people = noisy_people(truth, 4, 1)
    seen = np.ones((4, 24))
    seen[0, :10] = 0
    made = records(truth[:, None], people, seen)
    rest = np.arange(10, 24)
    whole = square(people)
    own = whole[0][np.ix_(rest, rest)][np.triu_indices(14, 1)]
    expected = [similarity(rdm(truth[rest]), own)[0, 0], *similarity(rdm(truth), people[1:])[0]]
    assert RSA.of(made) == pytest.approx(np.mean(expected), abs=1e-6)
    # Too few stimuli: the subject is left out, and the count says so.
    seen[0, :20] = 0
    assert SUBJECTS.of(records(truth[:, None], people, seen)) == 3


def test_a_planted_layer_is_found_on_other_stimuli(truth: np.ndarray) -> None:
    random = np.random.default_rng(2)
    layers = random.standard_normal((24, 4, 10))
    layers[:, 2] = truth + 0.5 * random.standard_normal(truth.shape)
    people = noisy_people(truth, 5, 3)
    made = records(layers, people)
    assert LAYER.of(made) == 2
    alone = RSA.of(records(layers[:, [2]], people))
    assert RSA.of(made) == pytest.approx(alone, abs=0.1)
    assert GAP.of(made) == pytest.approx(alone - RSA.of(made), abs=1e-9)
    # Subjects choose too: a layer for each fold of people, scored on the others.
    assert RSA.of(records(layers, people, choose="subjects")) == pytest.approx(alone, abs=1e-9)
    nothing = records(random.standard_normal((24, 12, 10)), people)
    assert GAP.of(nothing) > 0.05  # the best of twelve unrelated layers looks better than it is
    assert abs(RSA.of(nothing)) < 0.1


def test_a_choice_among_unrelated_layers_is_seldom_significant() -> None:
    """A planted null: at most 7 % of 300 runs pass p <= .05."""
    passed = 0
    for run in range(300):
        random = np.random.default_rng(run)
        people = noisy_people(random.standard_normal((20, 6)), 2, run)
        null = label_null(
            RSA, records(random.standard_normal((20, 3, 5)), people), seed=0, draws=79
        )
        assert null is not None
        passed += null.p <= 0.05
    assert passed / 300 <= 0.07


def test_an_edit_that_blurs_the_layer_is_seen_and_none_is_not(truth: np.ndarray) -> None:
    people = noisy_people(truth, 6, 0)
    base = records(truth[:, None], people)
    noise = 4 * np.random.default_rng(1).standard_normal(truth.shape)
    blurred = compare_paired(RSA, base, records((truth + noise)[:, None], people), seed=0)
    assert blurred.difference < -0.2
    assert blurred.p is not None
    assert blurred.p < 0.05
    assert compare_paired(RSA, base, records(truth[:, None], people), seed=0).difference == 0


def test_a_silenced_candidate_has_no_geometry(truth: np.ndarray) -> None:
    people = noisy_people(truth, 3, 0)
    assert np.isnan(RSA.of(records(np.zeros((24, 1, 10)), people)))
    assert np.isnan(LOWER.of(records(truth[:, None], people[:1])))


@pytest.fixture(scope="module")
def table(tmp_path_factory: pytest.TempPathFactory) -> Path:
    columns = simulated(repeats=2)
    columns["word_frequency"] = np.tile(np.arange(1, 31), 8)
    return write(tmp_path_factory.mktemp("table") / "betas.npz", columns)


def test_it_runs_from_a_table_and_ends_in_the_same_bytes_after_a_kill(
    table: Path, tmp_path: Path
) -> None:
    asked = {
        "model": "ref-lm-v2",
        "task_args": {"table": table, "layers": [0, 1, 2], "people_kind": "crossnobis"},
        "interventions": "mask_heads(map=retrieval, top=2)",
        "controls": 0,
        "draws": 40,
    }
    done = headbench.run("rsa_table", out=tmp_path / "whole", **asked)
    store = tmp_path / "killed" / ".store"
    store.mkdir(parents=True)
    answers = (tmp_path / "whole" / ".store" / "responses.jsonl").read_bytes().splitlines(True)
    (store / "responses.jsonl").write_bytes(
        b"".join(answers[: len(answers) // 3]) + answers[-1][:9]
    )
    captures = (tmp_path / "whole" / ".store" / "captures.bin").read_bytes()
    (store / "captures.bin").write_bytes(captures)
    again = headbench.run("rsa_table", out=tmp_path / "killed", **asked)
    for one, two in zip(done.files, again.files, strict=True):
        assert one.read_bytes() == two.read_bytes()
    base, masked = done.results[0], done.results[1]
    figures = base.metrics
    assert figures["table_rsa"].n == 30
    assert figures["table_subjects"].value == 4
    assert figures["table_rsa"].null is not None
    assert figures["table_rsa"].low < figures["table_rsa"].value < figures["table_rsa"].high
    assert figures["table_characters"].value is not None
    assert figures["table_log_frequency"].value is not None
    assert figures["table_best_layer"].value in (0, 1, 2)
    kept = [entry.record for entry in read_entries(done.files[0], base)]
    assert RSA.of(kept) == figures["table_rsa"].value
    assert kept[0].parts["people_are"] == "crossnobis"
    assert masked.metrics["table_rsa"].value != figures["table_rsa"].value


def test_heads_of_a_layer_are_candidates(table: Path, tmp_path: Path) -> None:
    args = {"table": table, "site": "z", "layers": [1], "stimuli": "own"}
    done = headbench.run("rsa_table", task_args=args, out=tmp_path, draws=4, limit=24)
    figures = done.results[0].metrics
    assert figures["table_best_layer"].value == 1
    assert 0 <= figures["table_best_head"].value < 4


@pytest.mark.parametrize("method", [one for one in METHODS if one != "cosine"])
def test_every_comparator_runs_whitened_ones_over_crossnobis(
    table: Path, tmp_path: Path, method: Method
) -> None:
    people = "crossnobis" if method == "cosine_cov" else "correlation"
    args = {"table": table, "layers": [1], "method": method, "people_kind": people}
    done = headbench.run("rsa_table", task_args=args, out=tmp_path, draws=4, controls=0)
    kept = [entry.record for entry in read_entries(done.files[0], done.results[0])]
    states = np.array([one.parts["features"][0] for one in kept], dtype=np.float64)
    theirs = np.array([one.parts["people"] for one in kept], dtype=np.float64)
    expected = similarity(rdm(states), condense(theirs.transpose(1, 0, 2)), method).mean()
    assert done.results[0].metrics["table_rsa"].value == pytest.approx(expected, abs=1e-9)


def test_people_are_the_rdms_of_the_table(table: Path) -> None:
    documents = load("rsa_table", args={"table": str(table)}).documents()
    assert [one.id for one in documents] == list(words(30))
    assert documents[3].fields["nuisance"]["log_frequency"] == pytest.approx(np.log(4))
    columns = simulated(repeats=2)
    own = columns["vector"][columns["subject"] == "p1"].reshape(2, 30, 12)
    for kind, pairs in (("correlation", rdm(own.mean(axis=0))), ("crossnobis", crossnobis(own))):
        args = {"table": str(table), "people_kind": kind}
        rows = load("rsa_table", args=args).documents()
        people = np.array([unpack(one.fields["people"], 4, "")[1] for one in rows])
        np.testing.assert_allclose(people, square(pairs), atol=1e-6)


def test_without_a_table_it_says_how_to_name_one(tmp_path: Path) -> None:
    with pytest.raises(AbsentDataError, match="reads a table of your own") as caught:
        headbench.run("rsa_table", out=tmp_path)
    assert "--task-args table=FILE" in caught.value.hint
    (report,) = check(["rsa_table"])
    assert not report.problems
    assert "table of your own" in report.absent
    with pytest.raises(AbsentDataError, match="no such file or folder"):
        headbench.run("rsa_table", task_args={"table": "none.npz"}, out=tmp_path)


def test_what_a_table_cannot_give_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    single = write(tmp_path / "single.npz", simulated())

    def refused(error: type[Exception], told: str, **args: object) -> None:
        given = {"table": str(single), **{name: str(value) for name, value in args.items()}}
        with pytest.raises(error, match=told):
            load("rsa_table", args=given).documents()

    refused(DataError, "crossnobis needs two rows or more", people_kind="crossnobis")
    refused(DataError, "another file than the one named", sha256="0" * 64)
    refused(DataError, "lacks vector_dmn", vectors="dmn")
    refused(ConfigError, "'people_kind'|'kind' cannot be|Input should be", people_kind="cosin")
    few = write(tmp_path / "few.npz", simulated(count=19))
    refused(DataError, "19 stimuli that all subjects have are too few", table=few)
    regions = simulated()
    regions["vector_dmn"] = regions.pop("vector")
    named = write(tmp_path / "regions.npz", regions)
    refused(DataError, "has vectors of dmn, and none called vector", table=named)
    monkeypatch.setattr(table_rows, "MOST_BYTES", 1000)
    refused(RefusedError, "the human side takes")


@pytest.mark.parametrize(
    ("args", "told"),
    [
        ({"method": "rho"}, "method cannot be 'rho'"),
        ({"choose": "both"}, "choose cannot be 'both'"),
        ({"method": "cosine"}, "uncentred RDMs says nothing"),
    ],
)
def test_a_wrong_option_is_refused_before_anything_runs(
    table: Path, tmp_path: Path, args: dict, told: str
) -> None:
    with pytest.raises(ConfigError, match=told):
        headbench.run("rsa_table", task_args={"table": table, **args}, out=tmp_path)
    assert not (tmp_path / ".store").exists()


def test_the_length_of_a_text_has_a_geometry_of_its_own(truth: np.ndarray) -> None:
    made = records(truth[:, None], noisy_people(truth, 3, 0))
    column = np.arange(24) % 7
    gaps = np.abs(column[:, None] - column)[np.triu_indices(24, 1)]
    expected = similarity(gaps, noisy_people(truth, 3, 0)).mean()
    assert CHARACTERS.of(made) == pytest.approx(expected, abs=1e-6)
