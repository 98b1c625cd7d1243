"""Tasks over human data by the states of any model: THINGS concepts, triplets, alternate uses."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
import torch
from tokenizers import Regex, Tokenizer
from tokenizers.models import WordLevel
from tokenizers.pre_tokenizers import Split
from transformers import AutoModel, PreTrainedTokenizerFast

import headbench
from headbench.errors import ConfigError, DataError
from headbench.families.brain.odd_one_out_scorer import ACCURACY, CHATGPT, GPT4, TIED
from headbench.families.brain.originality_scorer import LENGTH, ORIGINALITY
from headbench.families.brain.vendored_data import alternate_uses, things_concepts
from headbench.nouns import CapturedArrays, Document, Record
from headbench.scoring import lookup
from headbench.scoring.parser import VERBATIM
from headbench.tasks.loader import load, load_file
from helpers_tiny import tiny_bert


@pytest.fixture(scope="module")
def encoder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A random encoder that reads characters, so that it knows every word."""
    folder = tmp_path_factory.mktemp("encoder")
    characters = ["[PAD]", "[UNK]", *map(chr, range(32, 127))]
    letters = Tokenizer(WordLevel({one: at for at, one in enumerate(characters)}, "[UNK]"))
    letters.pre_tokenizer = Split(Regex("."), "isolated")
    PreTrainedTokenizerFast(
        tokenizer_object=letters, pad_token="[PAD]", unk_token="[UNK]"
    ).save_pretrained(folder)
    config = tiny_bert().config
    config.vocab_size = len(characters)
    with torch.random.fork_rng():
        torch.manual_seed(0)
        AutoModel.from_config(config).save_pretrained(folder)
    return folder


def states(rows: Sequence[Sequence[float]]) -> tuple[str, ...]:
    held = [np.asarray([[row]], dtype=np.float32) for row in rows]
    return tuple(CapturedArrays.of(lambda array=array: (array,)) for array in held)


def scored(scorer: str, document: Document, rows: Sequence[Sequence[float]]) -> Record:
    return lookup.scorer(scorer).record(document, states(rows), VERBATIM)


def alone(place: int) -> list[list[float]]:
    """Three states of which one stands apart."""
    return [[0.0, 1.0] if one == place else [1.0, 0.1 * one] for one in range(3)]


def test_every_task_runs_on_an_encoder(encoder: Path, tmp_path: Path) -> None:
    names = ("rsa_things", "ooo_things", "aut_originality")
    done = headbench.run(
        names,
        model="encoder",
        model_args={"pretrained": str(encoder)},
        limit=25,
        draws=50,
        out=tmp_path,
    )
    assert [one.task.name for one in done.results] == list(names)
    for one in done.results:
        main = one.metrics[one.task.main_metric]
        assert main.value is not None
        assert main.n == 25


def test_decoders_are_asked_for_the_last_token() -> None:
    mean, last = (load(name).config.captures[0] for name in ("rsa_things", "rsa_things_last"))
    assert (mean.rows, mean.pool) == ("all", "mean")
    assert (last.rows, last.pool) == ("last", "none")


def test_the_halves_of_the_concepts_are_the_whole() -> None:
    scored_half = [one.id for one in load("rsa_things").documents()]
    assert scored_half == list(things_concepts().ids[1::2])


def test_triplets_that_people_answered_are_answered_as_they_did() -> None:
    documents = load("ooo_things").documents()
    right = [scored("odd_one_out", one, alone(one.target["human"])) for one in documents]
    wrong = [scored("odd_one_out", one, alone((one.target["human"] + 1) % 3)) for one in documents]
    assert (ACCURACY.of(right), ACCURACY.of(wrong), TIED.of(right)) == (1, 0, 0)
    same = [scored("odd_one_out", one, [[1, 2]] * 3) for one in documents[:9]]
    assert ACCURACY.of(same) == pytest.approx(1 / 3)
    assert TIED.of(same) == 1
    silent = scored("odd_one_out", documents[0], [[0, 0], [1, 0], [0, 1]])
    assert silent.parts["correct"] == pytest.approx(1 / 3)
    # The packaged answers of two models, joined to the documents.
    assert GPT4.of(right) == pytest.approx(0.457, abs=5e-4)
    assert CHATGPT.of(right) == pytest.approx(0.347, abs=5e-4)
    words = things_concepts().words
    assert set(documents[0].fields["words"]) <= set(words)


def test_distance_and_length_are_held_against_ratings() -> None:
    documents = load("aut_originality").documents()
    uses = alternate_uses()
    assert len(documents) == len(uses.ids) == 3030
    assert len({one.cluster for one in documents}) == 21
    highest = max(uses.originality)
    angles = [float(one.target) / highest for one in documents]
    known = [
        scored("originality", one, [[1, 0], [np.cos(angle), np.sin(angle)]])
        for one, angle in zip(documents, angles, strict=True)
    ]
    assert known[0].parts["distance"] == pytest.approx(1 - np.cos(angles[0]), abs=1e-6)
    assert ORIGINALITY.of(known) > 0.97
    assert LENGTH.of(known) == pytest.approx(0.271, abs=5e-4)
    silent = scored("originality", documents[0], [[0, 0], [1, 0]])
    assert silent.parts["distance"] is None
    assert ORIGINALITY.of([*known[1:], silent]) == pytest.approx(ORIGINALITY.of(known[1:]))
    assert np.isnan(ORIGINALITY.of([silent]))


@pytest.mark.parametrize(
    ("scorer", "told"),
    [("odd_one_out", "needs three answers"), ("originality", "needs two answers")],
)
def test_documents_of_another_kind_are_refused(scorer: str, told: str) -> None:
    with pytest.raises(DataError, match=told):
        scored(scorer, Document("d", "d", {}, target="red"), [[1, 0]])
    with pytest.raises(ConfigError, match="has no option"):
        lookup.scorer(scorer).record(Document("d", "d", {}), (), VERBATIM, {"layer": 1})


def test_a_split_that_is_not_there_is_refused(tmp_path: Path) -> None:
    (tmp_path / "mine.yaml").write_text(
        "task: mine\ndataset_path: things\ntest_split: dev\ndoc_to_text: '{{ word }}'\n"
        "output_type: represent\ncaptures: [{site: residual}]\nscorer: rsa\n"
        "scorer_options: {people: things_properties}\n"
        "metric_list: [{metric: brain.rsa, main: true}]\nmetadata: {version: 1}\n"
    )
    with pytest.raises(ConfigError, match="no split 'dev'"):
        load_file(tmp_path / "mine.yaml").documents()
