"""Threads change last bits: where their number is fixed, and that it is given back."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch

from headbench.errors import ConfigError
from headbench.models.adapter_catalogue import create
from headbench.models.hf.adapter import HFModel
from headbench.models.runtime.threads import threads
from helpers_models import QUESTIONS, answers, images, jobs, llama, llava, request

ASKED = jobs([request("the secret word of", ask={"max_new_tokens": 4})])


def test_a_number_of_threads_is_given_back_even_after_an_error() -> None:
    before = torch.get_num_threads()
    with threads(before + 1):
        assert torch.get_num_threads() == before + 1
        with threads(None):
            assert torch.get_num_threads() == before + 1
    assert torch.get_num_threads() == before
    with pytest.raises(ZeroDivisionError, match="stopped"), threads(before + 1):
        raise ZeroDivisionError("stopped")
    assert torch.get_num_threads() == before


def test_a_model_answers_with_its_own_number_of_threads(monkeypatch: pytest.MonkeyPatch) -> None:
    seen = []
    model = llama(threads="3")
    forward = model.backend.forward

    def watched(*given: object) -> torch.Tensor:
        seen.append(torch.get_num_threads())
        return forward(*given)

    monkeypatch.setattr(model.backend, "forward", watched)
    before = torch.get_num_threads()
    answers(model, ASKED)
    assert set(seen) == {3}
    assert torch.get_num_threads() == before
    assert model.threads == 3


@pytest.mark.bits
@pytest.mark.parametrize("name", ["ref-lm", "ref-vlm"])
def test_a_shipped_model_gives_equal_bits_whatever_the_number_of_threads(name: str) -> None:
    found = []
    for count in (1, 2):
        with threads(count):
            model = create(name, {})
            assert model.threads == 1  # type: ignore[attr-defined]
            found.append(answers(model, ASKED * 3))  # type: ignore[arg-type]
    assert found[0] == found[1]


def test_a_number_of_threads_below_one_is_refused() -> None:
    with pytest.raises(ConfigError, match="threads cannot be '0'"):
        create("hf", {"pretrained": "x", "threads": "0"})


@pytest.mark.parametrize("make", [llama, llava], ids=["text", "image"])
def test_another_number_of_threads_gives_the_same_tokens(make: Callable[..., HFModel]) -> None:
    store = images(2)
    asked = [request(text) for text in QUESTIONS]
    if make is llava:
        asked += [request(f"<image> is there a cat? {n}", images=(n,)) for n in store]
    one, two = (
        answers(make(store, threads=n) if make is llava else make(threads=n), jobs(asked))
        for n in ("1", "2")
    )
    for a, b in zip(one, two, strict=True):
        assert b.tokens == a.tokens
        assert b.logprobs == pytest.approx(a.logprobs, abs=2e-4)
