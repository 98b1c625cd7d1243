"""What an answer says as text, by kind of request."""

from __future__ import annotations

import json

import pytest
import torch

from headbench.errors import RefusedError
from headbench.nouns import Answer, Capture
from headbench.running.outputs import output_text
from helpers_models import request

STATE = Capture("residual", (0,))


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
    assert output_text(asked, Answer(text=None, scores=scores)) == text


def test_of_one_choice_it_is_the_log_probability() -> None:
    asked = request("who", "score", ask={"continuations": (" yes",)})
    assert float(output_text(asked, Answer(text=None, scores=(-0.125,)))) == -0.125


def test_captures_are_json_in_their_order() -> None:
    asked = request("who", "represent", ask={"captures": (STATE,)})
    answer = Answer(text=None, arrays={STATE: torch.tensor([[1.0, -2.0]])})
    assert json.loads(output_text(asked, answer)) == [[[1.0, -2.0]]]
    assert output_text(request("who"), Answer(text="red")) == "red"


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
