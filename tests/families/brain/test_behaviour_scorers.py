"""Scorers of behaviour and geometry against scikit-learn, scipy and planted answers."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest
from scipy.stats import spearmanr
from sklearn.metrics import adjusted_mutual_info_score

from headbench.errors import ConfigError, DataError
from headbench.families.brain import categories_scorer as ib
from headbench.families.brain import cosine_scorer as cosine
from headbench.families.brain import geometry_scorer as geometry
from headbench.families.brain import neighbours_scorer as near
from headbench.families.brain import norms_scorer as norms
from headbench.families.brain import pairwise_scorer as turing
from headbench.families.brain.concept_partition import partition
from headbench.families.brain.concept_world import concept_world
from headbench.families.brain.packed_rows import pack
from headbench.families.brain.spectrum import alpha_req, rankme_eigenvalues, rankme_singular
from headbench.nouns import CapturedArrays, Document, Record, ScoredText
from headbench.scoring import lookup
from headbench.scoring.parser import VERBATIM
from headbench.scoring.thoughts import cut
from headbench.statistics.permutation import label_null

SEVEN = {"scale": [1, 2, 3, 4, 5, 6, 7]}
RANDOM = np.random.default_rng(0)


def state(row: np.ndarray, heads: int = 0) -> CapturedArrays:
    array = np.asarray(row, dtype=np.float32)
    shaped = array.reshape(1, 1, heads, -1) if heads else array.reshape(1, 1, -1)
    return CapturedArrays.of(lambda: (shaped,))


def rating(shares: Sequence[float], answers: Sequence[str] = "1234567") -> ScoredText:
    scores = np.log(np.asarray(shares) + 1e-300)
    return ScoredText.of(answers[scores.argmax()], tuple(scores.tolist()), tuple(answers))


def normed(human: Sequence[float], outputs: Sequence[ScoredText]) -> list[Record]:
    scorer = lookup.scorer("norms")
    return [
        scorer.record(
            Document(f"w{at}", f"w{at}", {"norms": ["heavy"], "rated": [one], "errors": [0.1],
                                           "word": "x" * (1 + at % 5)}),
            (output,), VERBATIM, SEVEN,
        )
        for at, (one, output) in enumerate(zip(human, outputs, strict=True))
    ]  # fmt: skip


def test_the_expected_rating_beats_the_likeliest() -> None:
    """A model that always says 4, but is surer of 5 for some words, is read by its expectation."""
    human = np.linspace(1, 7, 24)
    outputs = [rating([0, 0, 0, 0.6, 0.3 * one / 7, 0, 0]) for one in human]
    made = normed(human, outputs)
    assert norms.SPEARMAN.of(made) == pytest.approx(1)
    assert norms.HEAVY.of(made) == norms.SPEARMAN.of(made)
    assert np.isnan(norms.LIVES.of(made))
    assert np.isnan(norms.LIKELIEST.of(made))  # the same answer for all words
    assert norms.MASS.of(made) == pytest.approx((0.6 + 0.3 * human / 7).mean(), abs=1e-6)
    mass = [0.6 + 0.3 * one / 7 for one in human]
    first = np.asarray(made[3].parts["expected"])[0]
    assert first == pytest.approx((4 * 0.6 + 5 * (mass[3] - 0.6)) / mass[3], abs=1e-6)
    assert norms.CEILING.of(made) == pytest.approx(np.sqrt(1 - 0.1 / human.var()), abs=1e-6)
    assert made[3].outputs == ("4",)  # what is stored is text


def test_answers_that_begin_each_other_are_refused() -> None:
    document = Document("d", "d", {"norms": ["x"], "rated": [2.0], "errors": [0.1]})
    scorer = lookup.scorer("norms")
    with pytest.raises(ConfigError, match="'1' begins the answer '10'"):
        scorer.record(document, (rating([0.5, 0.5], ["1", "10"]),), VERBATIM, {"scale": [1, 10]})
    with pytest.raises(ConfigError, match="2 answers for a scale of 7"):
        scorer.record(document, (rating([0.5, 0.5], ["1", "2"]),), VERBATIM, SEVEN)
    with pytest.raises(ConfigError, match="no answers for a scale of 7"):
        scorer.record(document, ("3",), VERBATIM, SEVEN)
    with pytest.raises(ConfigError, match="no scale of ratings"):
        scorer.check_options({"scale": [3, 3]}, ())
    with pytest.raises(DataError, match="another scale than 1 to 7"):
        normed([9.0], [rating([1, 0, 0, 0, 0, 0, 0])])


def test_a_distribution_over_choices_is_no_text_with_thoughts() -> None:
    said = ScoredText.of("<think>", (-1.0, -2.0), ("<think>", "b"))
    kept = cut([said]).texts[0]
    assert kept is said
    assert (str(said), said.scores) == ("<think>", (-1.0, -2.0))


def pairwise(ratings: np.ndarray, people: np.ndarray, *, named: bool = True) -> list[Record]:
    """Records of ratings ``[one, two]`` given as a sharp answer, and people ``[subject, i, j]``."""
    scorer, count = lookup.scorer("pair_ratings"), len(ratings)
    made = []
    for at in range(count):
        others = [j for j in range(count) if j != at]
        answers = [rating(np.eye(7)[int(ratings[at, j]) - 1]) for j in others]
        fields = {
            "others": [f"s{j}" for j in others],
            "place": at,
            "subjects": len(people),
            "named": named,
            "people": pack(people[:, at]),
            "word": "x" * (1 + at % 4),
        }
        made.append(scorer.record(Document(f"s{at}", f"s{at}", fields), answers, VERBATIM, SEVEN))
    return made


def test_pair_ratings_are_the_mean_of_both_orders_reversed() -> None:
    count = 24
    upper = np.triu_indices(count, 1)
    ours = RANDOM.integers(1, 8, (count, count)).astype(float)
    people = RANDOM.integers(1, 8, (3, count, count)).astype(float)
    people = (people + people.swapaxes(1, 2)) / 2
    for one in people:
        np.fill_diagonal(one, np.nan)
    made = pairwise(ours, people)
    mean = ((ours + ours.T) / 2)[upper]
    expected = spearmanr(-mean, -np.mean(people, axis=0)[upper])[0]
    assert turing.GROUP.of(made) == pytest.approx(expected, abs=1e-6)
    each = [spearmanr(-mean, -one[upper])[0] for one in people]
    assert turing.INDIVIDUAL.of(made) == pytest.approx(np.mean(each), abs=1e-6)
    gaps = np.abs(ours - ours.T)[upper].mean()
    assert turing.ASYMMETRY.of(made) == pytest.approx(gaps, abs=1e-5)
    assert turing.GROUP.of(made[::-1]) == pytest.approx(expected, abs=1e-6)
    assert turing.RATERS.of(made) == 3
    # One who rated a part of the pairs counts for the group's mean alone.
    people[0, 2, 5] = people[0, 5, 2] = np.nan
    assert turing.RATERS.of(pairwise(ours, people)) == 2
    assert np.isnan(turing.LOWER.of(pairwise(ours, people)))
    assert np.isnan(turing.INDIVIDUAL.of(pairwise(ours, people[:1], named=False)))
    copied = pairwise(np.nan_to_num(people[1], nan=1).round(), people[[1]].round())
    assert turing.GROUP.of(copied) == pytest.approx(1)


def categorised(features: np.ndarray, labels: Sequence[str]) -> list[Record]:
    scorer = lookup.scorer("categories")
    return [
        scorer.record(
            Document(f"c{at}", f"c{at}", {"word": "x" * (1 + at % 6)}, label),
            (state(row),),
            VERBATIM,
            {"head": -1, "beta": 1.0},
        )
        for at, (row, label) in enumerate(zip(features, labels, strict=True))
    ]


def clustered(spread: float) -> tuple[np.ndarray, list[str]]:
    labels = [f"k{at % 4}" for at in range(40)]
    centres = np.random.default_rng(1).standard_normal((4, 6)) * 4
    noise = np.random.default_rng(2).standard_normal((40, 6))
    return np.array([centres[at % 4] for at in range(40)]) + spread * noise, labels


def test_categories_as_scikit_learn_and_as_the_equations() -> None:
    features, labels = clustered(3.0)
    features = features.astype(np.float32).astype(float)
    made = categorised(features, labels)
    found = ib._found(features, np.array(labels))
    every = [adjusted_mutual_info_score(labels, one) for one in found]
    assert ib.AMI.of(made) == pytest.approx(np.mean(every), abs=1e-9)
    assert ib.AMI_SPREAD.of(made) == pytest.approx(np.std(every, ddof=1), abs=1e-9)
    people = partition(features, labels)
    assert ib.INFORMATION.of(made) == pytest.approx(people.information)
    assert ib.DISTORTION.of(made) == pytest.approx(people.distortion)
    assert ib.SHARE.of(made) == pytest.approx(people.distortion_share)
    assert ib.OBJECTIVE.of(made) == pytest.approx(people.objective)
    assert ib.KMEANS_SHARE.of(made) < ib.SHARE.of(made)  # k-means packs tighter
    # The scale of the states: D and L change with it, nothing else does.
    large = categorised(10 * features, labels)
    assert ib.DISTORTION.of(large) == pytest.approx(100 * people.distortion, rel=1e-5)
    assert ib.SHARE.of(large) == pytest.approx(people.distortion_share, rel=1e-5)
    assert ib.AMI.of(large) == pytest.approx(ib.AMI.of(made))
    # Names of categories do not matter; which items share one does.
    renamed = [{"k0": "b", "k1": "a", "k2": "d", "k3": "c"}[one] for one in labels]
    assert ib.AMI.of(categorised(features, renamed)) == pytest.approx(ib.AMI.of(made))


def test_information_of_the_extreme_partitions() -> None:
    features, _ = clustered(1.0)
    alone = categorised(features, [str(at) for at in range(40)])
    assert ib.INFORMATION.of(alone) == pytest.approx(np.log2(40))
    assert ib.DISTORTION.of(alone) == pytest.approx(0, abs=1e-9)
    together = categorised(features, ["one"] * 40)
    assert ib.INFORMATION.of(together) == pytest.approx(0, abs=1e-12)
    assert ib.SHARE.of(together) == pytest.approx(1)
    assert np.isnan(ib.AMI.of(together))


def test_the_null_of_categories_is_zero() -> None:
    features, labels = clustered(0.1)
    null = label_null(ib.AMI, categorised(features, labels), seed=0, draws=200)
    assert null is not None
    assert ib.AMI.of(categorised(features, labels)) > 0.8
    assert (null.p < 0.02, abs(null.mean) < 0.02) == (True, True)
    silent = categorised(np.zeros_like(features), labels)
    assert np.isnan(ib.AMI.of(silent))


def test_geometry_as_the_functions_by_name() -> None:
    features = (RANDOM.standard_normal((50, 12)) @ RANDOM.standard_normal((12, 12)) + 1).astype(
        np.float32
    )
    scorer = lookup.scorer("geometry")
    options = {"head": -1, "first": 2, "last": 9}
    made = [
        scorer.record(Document(f"g{at}", f"g{at}", {}), (state(row),), VERBATIM, options)
        for at, row in enumerate(features)
    ]
    assert geometry.RANKME_EIGENVALUES.of(made) == pytest.approx(rankme_eigenvalues(features))
    assert geometry.RANKME_SINGULAR.of(made) == pytest.approx(rankme_singular(features))
    assert geometry.ALPHA.of(made) == pytest.approx(alpha_req(features, 2, 9))
    # A weight of 2 counts as two equal records.
    weights = RANDOM.integers(0, 3, 50).astype(float)
    twice = np.repeat(features, weights.astype(int), axis=0)
    found = geometry.RANKME_EIGENVALUES.prepare(made).values(weights[None])[0]
    assert found == pytest.approx(rankme_eigenvalues(twice))
    # Fewer stimuli than units: the same spectrum.
    few = rankme_eigenvalues(features[:6])
    assert geometry.RANKME_EIGENVALUES.of(made[:6]) == pytest.approx(few)
    assert np.isnan(geometry.ALPHA.of(made[:6]))  # no rank 9
    with pytest.raises(ConfigError, match="no window of ranks: 9 to 2"):
        scorer.check_options({"head": -1, "first": 9, "last": 2}, ())


def rated(
    rows: np.ndarray, ratings: Sequence[float], categories: Sequence[str] = ()
) -> list[Record]:
    scorer = lookup.scorer("cosine")
    made = []
    for at, (pair, human) in enumerate(zip(rows, ratings, strict=True)):
        fields: dict[str, object] = {"words": ["a" * (1 + at % 3), "b"]}
        if categories:
            fields["category"] = categories[at]
        document = Document(f"p{at}", f"p{at}", fields, float(human))
        made.append(scorer.record(document, tuple(map(state, pair)), VERBATIM, {"head": -1}))
    return made


def test_typicality_is_ranked_within_categories() -> None:
    rows = RANDOM.standard_normal((30, 2, 4))
    human = RANDOM.standard_normal(30)
    labels = ["a"] * 10 + ["b"] * 20
    made = rated(rows, human, labels)
    near_by = np.array([record.parts["cosine"] for record in made], dtype=float)
    a, b = (spearmanr(near_by[one], human[one])[0] for one in (slice(10), slice(10, 30)))
    assert cosine.TYPICALITY.of(made) == pytest.approx((a + b) / 2)
    assert cosine.CATEGORIES.of(made) == 2
    # A shift of a whole category changes nothing, and permutations stay within categories.
    moved = rated(rows, human + 100 * np.repeat([0, 1], [10, 20]), labels)
    assert cosine.TYPICALITY.of(moved) == pytest.approx(cosine.TYPICALITY.of(made))
    null = label_null(cosine.TYPICALITY, moved, seed=0, draws=300)
    assert null is not None
    assert abs(null.mean) < 0.05
    assert cosine.WORD_PAIRS.of(made) == pytest.approx(spearmanr(near_by, human)[0])


def test_words_that_a_model_cannot_tell_apart_are_counted() -> None:
    rows = np.ones((20, 2, 3))
    rows[5:, 1] = RANDOM.standard_normal((15, 3))
    assert cosine.SAME.of(rated(rows, range(20))) == pytest.approx(5 / 20)
    rows[0, 0] = 0
    silent = rated(rows, range(20))
    assert silent[0].parts["cosine"] is None
    assert np.isfinite(cosine.WORD_PAIRS.of(silent))


def neighbouring(heads: np.ndarray, k: int = 5) -> list[Record]:
    """Records of heads ``[word, head, unit]`` over the packaged words."""
    scorer = lookup.scorer("mutual_neighbours")
    options = {"people": "concept_memberships", "k": k, "layers": [2]}
    return [
        scorer.record(Document(word, word, {}), (state(row, heads.shape[1]),), VERBATIM, options)
        for word, row in zip(concept_world().words, heads, strict=False)
    ]


def test_a_planted_head_is_found_and_scored_on_other_words() -> None:
    world = concept_world()
    units = world.features.shape[1]
    heads = np.random.default_rng(3).standard_normal((60, 6, units))
    heads[:, 4] = world.features[:60]
    made = neighbouring(heads)
    assert near.HELD_OUT.of(made) == pytest.approx(1)
    assert (near.LAYER.of(made), near.HEAD.of(made)) == (2, 4)
    assert near.CHANCE.of(made) == pytest.approx(5 / 29)
    noise = neighbouring(np.random.default_rng(4).standard_normal((60, 40, units)))
    chance = near.CHANCE.of(noise)
    assert near.MEAN.of(noise) == pytest.approx(chance, abs=0.02)
    # The best of 40 unrelated heads looks better than it is, unless other words score it.
    assert near.BEST.of(noise) > chance + 0.04 > near.HELD_OUT.of(noise)
    assert near.GAP.of(noise) == pytest.approx(near.BEST.of(noise) - near.HELD_OUT.of(noise))
    assert near.GAP.of(noise) > 0.02 > near.GAP.of(made) == 0
    null = label_null(near.BEST, noise, seed=0, draws=100)
    assert null is not None
    assert null.p > 0.02


def test_a_silent_head_takes_no_part() -> None:
    heads = np.random.default_rng(5).standard_normal((40, 2, 8))
    heads[:, 0] = 0
    made = neighbouring(heads)
    assert near.HEAD.of(made) == 1
    heads[:] = 0
    for figure in (near.HELD_OUT, near.MEAN, near.BEST):
        assert np.isnan(figure.of(neighbouring(heads)))
