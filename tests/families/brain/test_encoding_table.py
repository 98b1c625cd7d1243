"""`encoding_table`: ridge from a layer to a user's responses, with what must stand next to it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import headbench
from headbench.errors import ConfigError, DataError, RefusedError
from headbench.families.brain import table_encoding
from headbench.families.brain.nuisance_features import autocorrelation_features
from headbench.families.brain.packed_rows import pack
from headbench.families.brain.ridge_encoding import (
    cross_subject_ceiling,
    delayed,
    encode,
    response_folds,
)
from headbench.families.brain.table_encoding import read_records
from headbench.families.brain.table_encoding_scorer import (
    BEYOND,
    CEILING,
    GROUPS,
    NEARNESS,
    NORMALISED,
    NUISANCE,
    SUBJECTS,
    TARGETS,
    R,
)
from headbench.nouns import CapturedArrays, Document, Record
from headbench.results.files import read_entries
from headbench.scoring import lookup
from headbench.scoring.parser import VERBATIM
from headbench.statistics.limits import value_limits
from headbench.statistics.paired import compare_paired
from headbench.statistics.permutation import label_null
from headbench.tasks.loader import load
from helpers_tables import simulated, write

OPTIONS = {"folds": 4, "fold_kind": "grouped", "delays": [], "seed": 0}
PASSAGES = np.repeat([f"p{number:02d}" for number in range(24)], 3)


def records(
    features: np.ndarray,
    people: np.ndarray,
    groups: np.ndarray,
    length: np.ndarray | None = None,
    **options: object,
) -> list[Record]:
    """Records of features ``[stimulus, layer, unit]``, people ``[stimulus, subject, target]``."""
    scorer = lookup.scorer("table_encoding")
    made = []
    for at, states in enumerate(features):
        fields = {
            "subjects": people.shape[1],
            "people": pack(people[at]),
            "people_are": "responses",
            "place": at,
            "nuisance": {"characters": 0.0 if length is None else float(length[at])},
        }
        held = (states[:, None].astype(np.float32),)
        output = CapturedArrays.of(lambda held=held: held)
        document = Document(f"s{at}", str(groups[at]), fields)
        made.append(scorer.record(document, (output,), VERBATIM, {**OPTIONS, **options}))
    return made


def planted(seed: int, noise: float = 1.0) -> tuple[np.ndarray, np.ndarray]:
    """Features of one layer, and three people whose four targets follow them."""
    random = np.random.default_rng(seed)
    features = random.standard_normal((72, 1, 6)).astype(np.float32)
    clean = features[:, 0] @ random.standard_normal((6, 4))
    people = clean[:, None] + noise * random.standard_normal((72, 3, 4))
    return features, people.astype(np.float32)


def test_figures_are_those_of_the_encoding_functions() -> None:
    features, people = planted(0)
    made = records(features, people, PASSAGES)
    folds = response_folds(PASSAGES, 4)
    groups = np.unique(PASSAGES, return_inverse=True)[1]
    expected = encode(features[:, 0], people.reshape(72, 12), folds, groups).scores.mean()
    assert R.of(made) == pytest.approx(expected, abs=1e-9)
    assert R.of(made) > 0.5
    others = people.transpose(1, 0, 2)
    bound = [cross_subject_ceiling(others, one, folds, groups).scores.mean() for one in range(3)]
    assert CEILING.of(made) == pytest.approx(np.mean(bound), abs=1e-9)
    assert NORMALISED.of(made) == pytest.approx(expected / np.mean(bound), abs=1e-9)
    near = encode(autocorrelation_features(groups), people.reshape(72, 12), folds, groups)
    assert np.isnan(near.scores).all()
    assert np.isnan(NEARNESS.of(made))  # on whole passages nearness in time predicts nothing
    assert (SUBJECTS.of(made), TARGETS.of(made), GROUPS.of(made)) == (3, 4, 24)
    assert np.isnan(NUISANCE.of(made))  # no column varies
    assert R.of(made[::-1]) == pytest.approx(R.of(made), abs=1e-9)
    limits = value_limits(R, made, seed=0, draws=200)
    assert limits.low is not None
    assert limits.high is not None
    assert 0 < limits.low < R.of(made) < limits.high < 1


def test_what_a_length_explains_is_shown_and_taken_off() -> None:
    random = np.random.default_rng(1)
    length = random.integers(1, 30, 72).astype(float)
    people = (length[:, None, None] / 10 + random.standard_normal((72, 2, 3))).astype(np.float32)
    features = np.stack([length, random.standard_normal(72)], axis=1)[:, None].astype(np.float32)
    made = records(features, people, PASSAGES, length)
    assert NUISANCE.of(made) == pytest.approx(R.of(made), abs=0.05)
    assert R.of(made) > 0.5
    assert abs(BEYOND.of(made)) < 0.05


def test_equal_features_with_other_nuisance_columns_are_prepared_anew() -> None:
    """What is kept of one table must not answer for another that differs in a column only."""
    features, people = planted(3)
    lengths = np.random.default_rng(4).integers(1, 30, (2, 72)).astype(float)
    one, two = (records(features, people, PASSAGES, length) for length in lengths)
    together = [NUISANCE.of(made) for made in (one, two)]
    table_encoding._KEPT._made.clear()
    assert together[1] == NUISANCE.of(two) != together[0]
    answered = [*two, Record("other", "other", (), None, "verbatim@1", {})]
    assert R.of(answered) == R.of(two)


def test_shuffled_folds_let_nearness_in_time_win() -> None:
    """The evidence of arXiv 2406.01538: responses that drift, features that know nothing."""
    random = np.random.default_rng(2)
    drift = np.repeat(random.standard_normal((24, 1, 4)), 3, axis=0)
    people = (drift + 0.3 * random.standard_normal((72, 1, 4))).astype(np.float32)
    features = random.standard_normal((72, 1, 5)).astype(np.float32)
    shuffled = records(features, people, PASSAGES, fold_kind="shuffled_within_groups")
    assert NEARNESS.of(shuffled) > 0.5
    assert abs(R.of(shuffled)) < 0.2
    with pytest.raises(RefusedError, match="shuffled folds split passages"):
        R.of(records(features, people, PASSAGES, fold_kind="shuffled"))


def test_several_layers_are_bands_and_delays_stay_within_a_passage() -> None:
    features, people = planted(3)
    two = np.concatenate([features, np.random.default_rng(4).standard_normal((72, 1, 6))], axis=1)
    made = records(two, people, PASSAGES, delays=[0, 1])
    found = read_records(made)
    assert found is not None
    assert [band.shape for band in found.bands] == [(72, 12), (72, 12)]
    np.testing.assert_array_equal(
        found.bands[0], delayed(features[:, 0].astype(float), [0, 1], PASSAGES)
    )
    assert R.of(made) > 0.5


def test_stimuli_without_groups_have_a_null_that_is_seldom_significant() -> None:
    """A planted null: at most 7 % of 300 runs pass p <= .05; and what is planted passes."""
    alone = np.arange(24)
    features, people = planted(5)
    known = label_null(R, records(features[:24], people[:24], alone), seed=0, draws=99)
    assert known is not None
    assert known.p <= 0.02
    passed = 0
    for run in range(300):
        random = np.random.default_rng(run)
        features = random.standard_normal((24, 1, 3))
        people = random.standard_normal((24, 1, 2))
        null = label_null(R, records(features, people, alone, folds=3), seed=0, draws=39)
        passed += null is not None and null.p <= 0.05
    assert passed / 300 <= 0.07


def test_whole_passages_are_exchanged_and_drift_within_them_is_no_relation() -> None:
    """A planted null of passages that drift: at most 7 % of 300 runs pass p <= .05."""
    groups = np.repeat(np.arange(20), 2)
    random = np.random.default_rng(9)
    features = random.standard_normal((40, 1, 3))
    clean = features[:, 0] @ random.standard_normal((3, 2))
    people = clean[:, None] + random.standard_normal((40, 1, 2))
    known = label_null(R, records(features, people, groups), seed=0, draws=99)
    assert known is not None and (known.exchanged, known.p) == ("clusters", 0.02)
    passed = naive = 0
    for run in range(300):
        random = np.random.default_rng(run)
        shared = np.repeat(random.standard_normal((20, 1, 5)), 2, axis=0)  # of a passage's two
        mixed = shared + 0.3 * random.standard_normal((40, 1, 5))
        features, people = mixed[..., :3], mixed[..., 3:]
        null = label_null(R, records(features, people, groups, folds=3), seed=0, draws=39)
        assert null is not None
        passed += null.p <= 0.05
        if run < 60:
            single = np.arange(40)
            alone = label_null(R, records(features, people, single, folds=3), seed=0, draws=39)
            naive += alone is not None and alone.p <= 0.05
    assert passed / 300 <= 0.07
    assert naive / 60 > 0.1  # single sentences are not exchangeable here


def test_a_null_that_would_take_hours_is_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    features, people = planted(5)
    made = records(features[:24], people[:24], np.arange(24))
    monkeypatch.setattr(table_encoding, "MOST_WORK", 24**2 * 12 - 1)
    assert label_null(R, made, seed=0, draws=9) is None


def test_an_edit_that_blurs_the_layer_is_seen_and_none_is_not() -> None:
    features, people = planted(6)
    base = records(features, people, PASSAGES)
    noise = 5 * np.random.default_rng(1).standard_normal(features.shape)
    blurred = compare_paired(R, base, records(features + noise, people, PASSAGES), seed=0)
    assert blurred.difference < -0.2
    assert blurred.p is not None
    assert blurred.p < 0.05
    assert compare_paired(R, base, records(features, people, PASSAGES), seed=0).difference == 0


@pytest.fixture(scope="module")
def table(tmp_path_factory: pytest.TempPathFactory) -> Path:
    columns = simulated(count=40, subjects=3)
    columns["group"] = np.tile(np.repeat([f"g{at}" for at in range(20)], 2), 3)
    return write(tmp_path_factory.mktemp("table") / "betas.npz", columns)


def test_it_runs_from_a_table(table: Path, tmp_path: Path) -> None:
    done = headbench.run(
        "encoding_table",
        "mask_heads(map=retrieval, top=2)",
        model="ref-lm-v2",
        task_args={"table": table, "layers": 1, "folds": 4},
        controls=0,
        draws=60,
        out=tmp_path,
    )
    base = done.results[0]
    figures = base.metrics
    assert figures["encoding_r"].low < figures["encoding_r"].value < figures["encoding_r"].high
    assert figures["encoding_r"].clusters == 20
    assert figures["encoding_nuisance_r"].value is not None
    assert figures["encoding_ceiling"].value is not None
    null = figures["encoding_r"].null
    assert null is not None and (null.exchanged, null.draws) == ("clusters", 60)
    kept = [entry.record for entry in read_entries(done.files[0], base)]
    assert R.of(kept) == figures["encoding_r"].value
    (compared,) = done.comparisons
    assert compared is not None


@pytest.mark.parametrize(
    ("args", "error", "told"),
    [
        ({"fold_kind": "shuffled"}, RefusedError, "shuffled folds split passages"),
        ({"fold_kind": "random"}, ConfigError, "fold_kind cannot be 'random'"),
        ({"folds": 21}, DataError, "21 folds of 20 groups"),
        ({"delays": "-1"}, ConfigError, "delays are numbers of stimuli"),
        ({"fold_seed": "-1"}, ConfigError, "seed must be a whole number from 0 on"),
    ],
)
def test_what_cannot_be_fitted_is_refused_before_anything_runs(
    table: Path, tmp_path: Path, args: dict, error: type[Exception], told: str
) -> None:
    with pytest.raises(error, match=told):
        headbench.run("encoding_table", task_args={"table": table, **args}, out=tmp_path)
    assert not (tmp_path / ".store").exists()


def test_a_subject_that_lacks_a_stimulus_narrows_them_for_all(tmp_path: Path) -> None:
    columns = {name: column[:-5] for name, column in simulated().items()}
    path = write(tmp_path / "short.npz", columns)
    assert len(load("encoding_table", args={"table": str(path)}).documents()) == 25
