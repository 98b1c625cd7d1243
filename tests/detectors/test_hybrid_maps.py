"""Head maps of models that mix layers: rows of the model's own layers, none where none attend."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from pydantic import ValidationError

from headbench.cli.heads import summary
from headbench.detectors import image_centric
from headbench.detectors.detector import Trial, Trials
from headbench.detectors.head_detection import detect
from headbench.errors import ConfigError
from headbench.heads.agreement import agree
from headbench.heads.headmap import HeadMap
from headbench.heads.heatmap import layout, terminal
from headbench.interventions.methods import var
from headbench.models.hf.adapter import HFModel, wrap
from headbench.models.hf.prompts import Prompt
from headbench.nouns import ModelInfo, Request
from helpers_hybrids import hybrid
from helpers_tiny import tiny_tokenizer

CONTEXT, ASKED = "the secret word of river is stone. the photo of a lamp.", "what is the word?"


@pytest.fixture(scope="module")
def mixed() -> HFModel:
    return wrap(hybrid("LFM2"), tiny_tokenizer())


def trials() -> Trials:
    content = f"{CONTEXT} {ASKED}"
    start, asked = content.index("stone"), content.index(ASKED)
    spans = {
        "evidence": ((0, start, start + 5),),
        "question": ((0, asked, asked + len(ASKED)),),
    }
    turn = {"role": "user", "content": content}
    return Trials(
        (Trial(Request(content, "detect", 0, "represent", (turn,), spans=spans), "lamp"),), {}
    )


@pytest.mark.parametrize(
    "detector", ["evidence", "distance", "attribution", "masking_loss", "future_influence"]
)
def test_detectors_score_the_layers_that_attend(detector: str, mixed: HFModel) -> None:
    found = detect(detector, mixed, trials())
    assert (found.layers, found.heads, found.attending) == (4, 4, (1, 3))
    assert [row is None for row in found.scores] == [True, False, True, False]
    assert len({score for row in found.scores for score in row or ()}) > 4
    assert HeadMap.parse(found.text()) == found


def test_the_row_of_a_layer_is_that_layers(mixed: HFModel) -> None:
    """A masked head costs what masking it costs, under the same number."""
    found = detect("masking_loss", mixed, trials())
    from headbench.detectors.masking_loss import losses
    from headbench.detectors.prompt_captures import BASELINE
    from headbench.interventions.resolve import resolve

    request = trials().trials[0].request
    asked = [
        Request(
            request.document, "detect", 0, "score", request.messages,
            ask={"continuations": [" lamp"]},
        )
    ]  # fmt: skip
    (condition,) = resolve("mask_heads(heads=[[3,2]])", mixed.info)
    cost = float(losses(mixed, asked, condition) - losses(mixed, asked, BASELINE))
    assert found.score(3, 2) == pytest.approx(cost, abs=1e-5)


def map_of(rows: list[list[float] | None]) -> HeadMap:
    return HeadMap(detector="d", model="m", layers=len(rows), heads=2, scores=rows)


ONE = map_of([None, [0.1, 0.4], None, [0.3, 0.2]])


def test_a_layer_without_attention_has_no_score(tmp_path: Path) -> None:
    assert ONE.ranked() == ((1, 1), (3, 0), (3, 1), (1, 0))
    assert ONE.top_fraction_per_layer(0.5) == ((1, 1), (3, 0))
    with pytest.raises(ConfigError, match="layer 2 of the map has no attention heads") as caught:
        ONE.score(2, 0)
    assert caught.value.hint == "layers with attention: 1, 3"
    with pytest.raises(ConfigError, match="map of 4 heads"):
        ONE.top(5)
    ONE.save(tmp_path / "map.json")
    assert HeadMap.load(tmp_path / "map.json") == ONE
    assert ONE.to_query_heads(2) == ONE
    wide = ONE.model_copy(update={"unit": "kv"}).to_query_heads(4)
    assert wide.scores[:2] == (None, (0.1, 0.1, 0.4, 0.4))
    with pytest.raises(ValidationError, match="scores hold 2 layers"):
        map_of([None, None])


def test_mixed_maps_are_drawn_counted_and_compared() -> None:
    assert terminal(ONE).splitlines()[2] == "   2 no attention"
    assert sum("-" in cell.tooltip for cell in layout(ONE).cells) == 4
    facts = summary(ONE, 3)
    assert (facts["n_heads"], facts["layers_with_attention"]) == (4, [1, 3])
    assert agree(ONE, ONE).rank == pytest.approx(1.0)
    assert set(agree(ONE, ONE).chance.values()) == {1 / 7}
    other = map_of([[0.1, 0.4], None, None, [0.3, 0.2]])
    with pytest.raises(ConfigError, match="other layers have attention"):
        agree(ONE, other)


def test_sinks_are_looked_for_in_what_enters_each_layer_that_attends() -> None:
    info = ModelInfo("m", "lfm2", 4, 2, 2, 2, attention=(0, 3))
    finder = var.build(var.VarParams(tau=1.5, sink_dims=(1,)), info)
    prompt = Prompt((1, 2, 3, 4), {"image": (1, 2)}, (), "", specials=False)
    inputs = torch.ones(1, 4, 4)
    inputs[0, 2, 1] = 50.0
    kept = image_centric.outside_sinks(finder, prompt, (0, 3), inputs)
    assert kept.tolist() == [[True, True], [True, False]]
