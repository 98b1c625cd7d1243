"""The task `rsa` from its file to its result: brackets, conditions, and what its records hold."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from transformers import AutoModelForCausalLM, AutoTokenizer

import headbench
from headbench.errors import ConfigError, DataError
from headbench.families.brain.concept_world import concept_world
from headbench.families.brain.human_sides import human_side
from headbench.families.brain.noise_ceiling import noise_ceiling
from headbench.families.brain.rdm import rdm
from headbench.families.brain.rdm_similarity import similarity
from headbench.families.brain.rsa_statistics import (
    BEST_HEAD,
    BEST_LAYER,
    CEILING_LOWER,
    NORMALISED,
    OPTIMISM_GAP,
    RSA,
    RSA_CHARACTERS,
    RSA_HEAD,
    RSA_PIXELS,
    SUBJECTS,
)
from headbench.families.brain.vendored_data import things_concepts
from headbench.nouns import Capture, CapturedArrays, Document, Record
from headbench.reference.shipped import checkpoint
from headbench.results.files import read_entries
from headbench.results.schema import Result
from headbench.running.execute import RunOutcome
from headbench.scoring import lookup
from headbench.scoring.parser import VERBATIM
from headbench.scoring.scorer import AskedStep
from headbench.tasks.loader import load, load_file
from helpers_models import answers, jobs

MASK = "mask_heads(map=retrieval, top=2)"
SILENCED = "mask_heads(heads=[[1, 0]])"
OPTIONS = {"people": "simulated_subjects", "head": 0}


def captured(*arrays: np.ndarray) -> tuple[CapturedArrays]:
    held = tuple(np.asarray(array, dtype=np.float32) for array in arrays)
    return (CapturedArrays.of(lambda: held),)


def scored(features: np.ndarray, documents: list[Document]) -> list[Record]:
    """Records of features ``[stimulus, unit]``, as a layer and as its only head."""
    scorer = lookup.scorer("rsa")
    return [
        scorer.record(one, captured(row[None, None], row[None, None, None]), VERBATIM, OPTIONS)
        for one, row in zip(documents, features, strict=True)
    ]


@pytest.fixture(scope="module")
def done(tmp_path_factory: pytest.TempPathFactory) -> RunOutcome:
    out = tmp_path_factory.mktemp("rsa")
    return headbench.run("rsa", (MASK, SILENCED), out=out, controls=2, draws=200)


def cell(done: RunOutcome, name: str) -> Result:
    (found,) = (one for one in done.results if one.arm.name == name.replace(", ", ","))
    return found


@pytest.fixture(scope="module")
def untrained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The shipped model's shape and tokenizer with random weights."""
    folder, source = tmp_path_factory.mktemp("untrained"), str(checkpoint("ref-lm-v2"))
    shipped = AutoModelForCausalLM.from_pretrained(source)
    with torch.random.fork_rng():
        torch.manual_seed(0)
        AutoModelForCausalLM.from_config(shipped.config).save_pretrained(folder)
    AutoTokenizer.from_pretrained(source).save_pretrained(folder)
    return folder


def test_the_shipped_model_lies_between_random_weights_and_the_own_features(
    done: RunOutcome, untrained: Path, tmp_path: Path
) -> None:
    world = concept_world()
    documents = list(load("rsa").documents())
    places = [world.words.index(one.id) for one in documents]
    own = scored(world.features[places], documents)
    figures = cell(done, "baseline").metrics
    lower = figures["ceiling_lower"].value
    assert NORMALISED.of(own) > 1  # the truth itself has no noise: not clipped
    assert RSA.of(own) > lower
    random = headbench.run(
        "rsa", model="hf", model_args={"pretrained": str(untrained)}, out=tmp_path, draws=50
    )
    nothing = random.results[0].metrics
    assert abs(nothing["rsa"].value) < 0.03
    assert figures["rsa"].value == pytest.approx(0.152, abs=0.005)
    assert figures["rsa_head"].value == pytest.approx(0.200, abs=0.005)
    assert nothing["rsa_head"].value < 0.05 < figures["rsa"].value < RSA.of(own)
    assert figures["normalised"].value == pytest.approx(figures["rsa"].value / lower)


def test_a_result_says_what_a_reader_needs(done: RunOutcome) -> None:
    figures = cell(done, "baseline").metrics
    documents = load("rsa").documents()
    assert figures["rsa"].n == len(documents) == 96
    assert figures["subjects"].value == 8
    human = human_side("simulated_subjects").geometry.over([one.id for one in documents])
    ceiling = noise_ceiling(human, "pearson")
    assert figures["ceiling_lower"].value == pytest.approx(ceiling.lower)
    assert figures["ceiling_upper"].value == pytest.approx(ceiling.upper)
    for name in ("rsa", "normalised", "rsa_head", "ceiling_lower"):
        assert figures[name].low < figures[name].value < figures[name].high
    assert figures["rsa"].null.p < 0.02
    assert abs(figures["rsa"].null.mean) < 0.01


def test_a_mask_changes_the_geometry_and_a_silenced_head_has_none(done: RunOutcome) -> None:
    before, masked = (cell(done, name).metrics for name in ("baseline", MASK))
    assert masked["rsa"].value < before["rsa"].value
    assert masked["ceiling_lower"].value == before["ceiling_lower"].value
    silenced = cell(done, SILENCED).metrics
    assert silenced["rsa_head"].value is None
    assert silenced["normalised_head"].value is None
    assert silenced["rsa"].value is not None


def test_records_alone_give_the_figures_again(done: RunOutcome) -> None:
    result, path = done.results[0], done.files[0]
    records = [entry.record for entry in read_entries(path, result)]
    assert RSA.of(records) == result.metrics["rsa"].value
    assert RSA_HEAD.of(records) == result.metrics["rsa_head"].value
    assert records[0].parts["features"].shape == (128,)  # the scored layer, and nothing else
    assert records[0].parts["head_features"].shape == (32,)
    assert RSA.of(records[::-1]) == pytest.approx(RSA.of(records))
    assert SUBJECTS.of(records) == 8


def test_layer_and_head_are_the_best_of_the_half_that_is_not_scored(tmp_path: Path) -> None:
    """The file's choice, made again: on `train`, of all layers and heads."""
    text = (Path(__file__).parents[3] / "tasks/brain/rsa.yaml").read_text(encoding="utf-8")
    (tmp_path / "train.yaml").write_text(text.replace("test_split: test", "test_split: train"))
    task, layers = load_file(tmp_path / "train.yaml"), (0, 1, 2, 3)
    words = task.documents()
    assert {one.id for one in words}.isdisjoint(one.id for one in load("rsa").documents())
    captures = Capture("residual", layers), Capture("z", layers)
    asked = [
        replace(request, ask={"captures": captures})
        for word in words
        for request in task.requests(word, task.steps[0].name, {}, 0)
    ]
    found = answers(headbench.load_model("ref-lm-v2"), jobs(asked))
    states, outputs = (
        np.array([answer.arrays[one].numpy()[:, 0] for answer in found]) for one in captures
    )  # [word, layer, unit] and [word, layer, head, unit]
    people = human_side("simulated_subjects").geometry.over([one.id for one in words])

    def scores(features: np.ndarray) -> np.ndarray:
        rdms = np.array([rdm(one) for one in features.swapaxes(0, 1)])
        return similarity(rdms, people, "pearson", constant="nan").mean(axis=1)

    by_layer = scores(states)
    assert by_layer.tolist() == pytest.approx([0.069, 0.144, 0.140, 0.143], abs=0.002)
    by_head = scores(outputs.reshape(len(words), -1, outputs.shape[-1]))
    chosen = divmod(int(np.nanargmax(by_head)), outputs.shape[2])
    assert np.nanmax(by_head) == pytest.approx(0.177, abs=0.002)
    config = task.config
    assert config.captures[0].layers == (int(by_layer.argmax()),)
    assert (*config.captures[1].layers, config.scorer_options["head"]) == chosen


@pytest.mark.parametrize(
    ("options", "arrays", "told"),
    [
        ({"people": "nobody"}, [(1, 1, 4)], "no human side 'nobody'"),
        ({"people": "simulated_subjects", "layer": 1}, [(1, 1, 4)], "takes a name of people"),
        (OPTIONS, [(1, 1, 4)], "1 captures where the scorer reads 2"),
        ({"people": "simulated_subjects"}, [(2, 1, 4)], "is no layer's state"),
        ({"people": "simulated_subjects"}, [(1, 3, 4)], "is no layer's state"),
        (OPTIONS, [(1, 1, 4), (1, 2, 8, 4)], "does not hold heads of one layer"),
        ({**OPTIONS, "head": 8}, [(1, 1, 4), (1, 1, 8, 4)], "head 8 does not exist"),
    ],
)
def test_what_cannot_be_scored_is_refused(options: dict, arrays: list, told: str) -> None:
    outputs = captured(*(np.ones(shape) for shape in arrays))
    with pytest.raises(ConfigError, match=told):
        lookup.scorer("rsa").record(Document("cat", "cat", {}), outputs, VERBATIM, options)


def test_answers_without_states_and_states_that_are_no_numbers_are_refused() -> None:
    scorer, options = lookup.scorer("rsa"), {"people": "simulated_subjects"}
    with pytest.raises(DataError, match="holds no captured states"):
        scorer.record(Document("cat", "cat", {}), ("cat",), VERBATIM, options)
    with pytest.raises(DataError, match="not finite"):
        scorer.record(
            Document("cat", "cat", {}), captured(np.full((1, 1, 3), np.inf)), VERBATIM, options
        )


def test_two_human_sides_are_no_figure() -> None:
    records = [
        Record(name, name, (), None, "none@1", {"people": people, "features": np.ones(3)})
        for name, people in (("cat", "simulated_subjects"), ("dog", "things_properties"))
    ]
    with pytest.raises(ConfigError, match="two human sides"):
        RSA.of(records)


def test_one_geometry_has_no_ceiling_and_its_own_features_reach_one() -> None:
    concepts = things_concepts()
    documents = list(load("rsa_things").documents())[:60]
    spread = (concepts.means - concepts.means.mean(axis=0)) / concepts.means.std(axis=0)
    scorer, options = lookup.scorer("rsa"), {"people": "things_properties"}
    records = [
        scorer.record(
            one, captured(spread[concepts.ids.index(one.id)][None, None]), VERBATIM, options
        )
        for one in documents
    ]
    assert RSA.of(records) == pytest.approx(1, abs=1e-6)
    assert SUBJECTS.of(records) == 1
    assert np.isnan(CEILING_LOWER.of(records))
    assert np.isnan(NORMALISED.of(records))


def several(features: np.ndarray, people: str = "simulated_subjects") -> list[Record]:
    """Records of features ``[stimulus, layer, (head,) unit]`` of the concepts."""
    scorer, words = lookup.scorer("rsa"), concept_world().words
    options = {"people": people, "layers": list(range(features.shape[1]))}
    return [
        scorer.record(Document(word, word, {}), captured(one[:, None]), VERBATIM, options)
        for word, one in zip(words, features, strict=False)
    ]


def test_a_planted_layer_is_found_on_other_stimuli_and_an_unrelated_one_gains_nothing() -> None:
    world = concept_world()
    random = np.random.default_rng(0)
    layers = random.standard_normal((60, 4, 23))
    layers[:, 2] = world.features[:60] + 0.2 * random.standard_normal((60, 23))
    made = several(layers)
    assert BEST_LAYER.of(made) == 2 and np.isnan(BEST_HEAD.of(made))
    alone = RSA.of(several(layers[:, [2]]))
    assert RSA.of(made) == pytest.approx(alone, abs=0.05)  # of pairs within halves
    assert OPTIMISM_GAP.of(made) == pytest.approx(alone - RSA.of(made), abs=1e-9)
    nothing = several(random.standard_normal((60, 20, 23)))
    assert OPTIMISM_GAP.of(nothing) > 0.03 > abs(RSA.of(nothing))
    heads = several(np.stack([layers[:, [0, 1]], layers[:, [2, 3]]], axis=1))  # two of two heads
    assert (BEST_LAYER.of(heads), BEST_HEAD.of(heads)) == (1, 0)
    (profile,) = lookup.scorer("rsa").profiles(heads)  # type: ignore[misc]
    assert (profile.layers, profile.heads) == ((0, 1), (0, 1))
    assert profile.values[1][0] == pytest.approx(alone)
    assert profile.floor == pytest.approx(CEILING_LOWER.of(heads))
    assert lookup.scorer("rsa").profiles(several(layers[:, [2]])) == []  # type: ignore[misc]


def test_a_silent_layer_is_never_chosen() -> None:
    random = np.random.default_rng(1)
    one = random.standard_normal((40, 1, 8))
    flat = np.concatenate([one, np.ones((40, 1, 8))], axis=1)
    made = several(flat)
    assert BEST_LAYER.of(made) == 0
    assert NORMALISED.of(made) == pytest.approx(RSA.of(made) / CEILING_LOWER.of(made))


def test_letters_are_a_geometry_that_stands_next_to_the_score() -> None:
    words = concept_world().words[:50]
    lengths = np.array([len(word) for word in words], dtype=float)
    rows, columns = np.triu_indices(50, 1)
    expected = similarity(
        np.abs(lengths[rows] - lengths[columns]),
        human_side("simulated_subjects").geometry.over(words),
        "pearson",
    ).mean()
    made = several(np.random.default_rng(0).standard_normal((50, 1, 8)))
    assert RSA_CHARACTERS.of(made) == pytest.approx(expected)
    assert np.isnan(RSA_PIXELS.of(made))
    assert np.isnan(RSA_CHARACTERS.of([]))


def test_layers_that_are_not_those_captured_are_refused() -> None:
    scorer = lookup.scorer("rsa")
    step = AskedStep(
        "answer", "represent", captures=(Capture("residual", (0, 1), "all", None, "mean"),)
    )
    scorer.check_options({"people": "simulated_subjects", "layers": [0, 1]}, [step])
    for layers in (None, [0], [1, 0]):
        said = {"people": "simulated_subjects"} | ({} if layers is None else {"layers": layers})
        with pytest.raises(ConfigError, match="are not the layers that are captured"):
            scorer.check_options(said, [step])
    whole = replace(step, captures=(replace(step.captures[0], pool="none"),))
    with pytest.raises(ConfigError, match="a capture of several rows gives no state"):
        scorer.check_options({"people": "simulated_subjects", "layers": [0, 1]}, [whole])
    rows = several(np.ones((1, 2, 92)), "rdm92_fmri_given")
    made = [replace(rows[0], document=f"image-{at:02d}") for at in range(1, 21)]
    with pytest.raises(ConfigError, match="have no layers"):
        RSA.of(made)
