from __future__ import annotations

import inspect
from pathlib import Path

import pytest

import headbench
from headbench.errors import DataError, RefusedError
from headbench.interventions.resolve import resolve
from headbench.jobs import Condition, Job
from headbench.models.adapter_catalogue import code_of
from headbench.models.base_model import BaseModel
from headbench.nouns import ModelInfo, Request
from helpers_models import BASELINE, request


class Shout(BaseModel):
    """Answers with the question, louder. A complete adapter."""

    def __init__(self, mark: str = "!") -> None:
        super().__init__("shout", mark=mark)
        self.mark = mark

    def generate(self, request: Request) -> str:
        return request.messages[-1]["content"].upper() + self.mark

    def score(self, request: Request) -> list[float]:
        return [-float(len(str(text))) for text in request.ask["continuations"]]


def job(one: Request, condition: Condition = BASELINE) -> Job:
    return Job(one, condition)


def test_an_adapter_of_at_most_twenty_lines_answers():
    assert len(inspect.getsource(Shout).splitlines()) <= 20
    model = Shout()
    work = [job(request("who")), job(request("who", "score", ask={"continuations": ["a", "bcd"]}))]
    assert model.kinds == {"generate", "score"}
    assert model.plan(work) == [(0,), (1,)]
    found = dict(model.answer(work))
    assert found[0].text == "WHO!"
    assert found[1].scores == (-1.0, -3.0)


def test_identity_and_key_hold_what_changes_an_answer():
    assert Shout().identity != Shout("?").identity
    assert Shout().identity["name"] == "shout"
    assert Shout().identity["headbench"] == headbench.__version__
    code = code_of("shout", Shout())
    assert {Path(name).name for name in code.files} == {
        "test_base_model.py",
        "helpers_models.py",
        "helpers_tiny.py",
    }
    one, two = job(request("who")), job(request("where"))
    assert Shout().key(one) != Shout().key(two)


def test_what_it_cannot_answer_is_refused_in_the_plan():
    model = Shout()
    with pytest.raises(RefusedError, match="does not answer 'represent'") as caught:
        model.plan([job(request("who", "represent"))])
    assert "generate, score" in caught.value.hint
    with pytest.raises(RefusedError, match="takes no images"):
        model.plan([job(request("<image> who", images=("ab",)))])
    condition = resolve("mask_heads(heads=[[0,0]])", ModelInfo("toy", "llama", 2, 2, 2, 4))[0]
    with pytest.raises(RefusedError, match="out of reach"):
        model.plan([job(request("who"), condition)])


def test_images_come_through_bind():
    model = Shout()
    with pytest.raises(DataError, match="no way to read images"):
        model.image("ab" * 32)
    model.bind({"ab": b"bytes"}.__getitem__)
    assert model.image("ab") == b"bytes"
