"""What an answer says as text, by kind of request."""

from __future__ import annotations

import re

import numpy as np
import pytest
import torch

from headbench.errors import RefusedError
from headbench.nouns import Answer, Capture, CapturedArrays, ScoredText
from headbench.running.outputs import output_text
from headbench.scoring import thoughts
from helpers_models import request

STATE, TOP = Capture("residual", (0,)), Capture("residual", (1,))


@pytest.mark.parametrize("kind", ["score", "nexttoken"])
@pytest.mark.parametrize(
    ("scores", "text"),
    [
        ((-1.0, -2.0, -3.0), "yes"),
        ((-3.0, -2.0, -2.5), "no"),
        ((-2.0, -1.0, -1.0), "no"),  # the first of equally likely ones
        ((-1.0, -1.0, -1.0), "yes"),
    ],
)
def test_of_several_choices_the_likeliest_is_the_text(
    kind: str, scores: tuple[float, ...], text: str
) -> None:
    name = "continuations" if kind == "score" else "tokens"
    asked = request("who", kind, ask={name: (" yes", " no ", " maybe")})  # type: ignore[arg-type]
    found = output_text(asked, Answer(text=None, scores=scores))
    assert found == text
    assert isinstance(found, ScoredText)
    assert found.scores == scores
    (kept,) = thoughts.cut([found]).texts
    assert kept is found  # the chances reach the scorer


def test_of_one_choice_it_is_the_log_probability() -> None:
    asked = request("who", "score", ask={"continuations": (" yes",)})
    assert float(output_text(asked, Answer(text=None, scores=(-0.125,)))) == -0.125


def test_captures_are_named_and_come_as_arrays_in_their_order() -> None:
    asked = request("who", "represent", ask={"captures": (STATE, TOP)})
    values = torch.tensor([[1.0, -2.0]])
    found = output_text(asked, Answer(text=None, arrays={STATE: values, TOP: 2 * values}))
    assert isinstance(found, CapturedArrays)
    assert re.fullmatch(r"float32\[1, 2\] [0-9a-f]{16}; float32\[1, 2\] [0-9a-f]{16}", found)
    first, second = found.arrays
    assert first.dtype == np.float32 and first.tolist() == [[1.0, -2.0]]
    assert second.tolist() == [[2.0, -4.0]]
    other = output_text(asked, Answer(text=None, arrays={STATE: values + 1e-6, TOP: 2 * values}))
    assert other != found and other.split("; ")[1] == found.split("; ")[1]
    assert output_text(request("who"), Answer(text="red")) == "red"


def test_captures_come_in_the_order_of_the_request_whatever_the_adapters() -> None:
    asked = request("who", "represent", ask={"captures": (STATE, TOP)})
    values = torch.tensor([[1.0, -2.0]])
    found = output_text(asked, Answer(text=None, arrays={TOP: 2 * values, STATE: values}))
    assert isinstance(found, CapturedArrays)
    assert [array.tolist() for array in found.arrays] == [[[1.0, -2.0]], [[2.0, -4.0]]]
    other = Answer(text=None, arrays={TOP: values, Capture("residual", (2,)): values})
    with pytest.raises(RefusedError, match="its captures"):
        output_text(asked, other)


def test_a_name_of_arrays_is_no_text_that_could_hold_a_thought() -> None:
    asked = request("who", "represent", ask={"captures": (STATE,)})
    named = output_text(asked, Answer(text=None, arrays={STATE: torch.ones(1, 2)}))
    said = thoughts.cut([named], (thoughts.PROMPT,))
    assert said.texts[0] is named and said.unclosed == 0


def test_what_an_adapter_leaves_out_is_named() -> None:
    for asked, answer, lacks in (
        (request("who"), Answer(text=None), "its text"),
        (
            request("who", "score", ask={"continuations": (" a", " b")}),
            Answer(text=None, scores=(-1.0,)),
            "its 2 scores",
        ),
        (
            request("who", "represent", ask={"captures": (STATE,)}),
            Answer(text=None),
            "its captures",
        ),
    ):
        with pytest.raises(RefusedError, match=lacks):
            output_text(asked, answer)
