"""The ``hf`` adapter's identity and key: each part that changes an answer is changed once."""

from __future__ import annotations

from collections.abc import Callable
from importlib import metadata
from typing import Any

import pytest
import torch

from headbench.jobs import Condition, Job
from headbench.models.hf import identity
from headbench.models.hf.adapter import HFModel, wrap
from headbench.nouns import Request
from headbench.results.keys import response_key
from helpers_models import images, llama, llava, request
from helpers_tiny import (
    tiny_bert,
    tiny_llama,
    tiny_llava,
    tiny_llava_processor,
    tiny_tokenizer,
)


def key(model: HFModel, asked: Request | None = None) -> str:
    job = Job(asked or request("who"), Condition("baseline"))
    return response_key(model.identity, model.key(job), job)


def turned(change: Callable[[Any], None]) -> HFModel:
    """The tiny Llama after something was done to it."""
    model = tiny_llama()
    change(model)
    return wrap(model, tiny_tokenizer(chat_template=True), attn="sdpa")


def one_weight(model: Any) -> None:
    with torch.no_grad():
        model.model.layers[0].self_attn.q_proj.weight[0, 0] += 1e-3


def rotary_base(model: Any) -> None:
    model.config.rope_parameters = {"rope_type": "default", "rope_theta": 5e5}


def end_token(model: Any) -> None:
    model.generation_config.eos_token_id = 3


def other_template() -> HFModel:
    tokenizer = tiny_tokenizer(chat_template=True)
    tokenizer.chat_template += " "
    return wrap(tiny_llama(), tokenizer, attn="sdpa")


def other_tokenizer() -> HFModel:
    tokenizer = tiny_tokenizer(chat_template=True)
    tokenizer.add_tokens(["zebra"])
    return wrap(tiny_llama(), tokenizer, attn="sdpa")


PARTS: dict[str, Callable[[], HFModel]] = {
    "weights": lambda: turned(one_weight),
    "dtype": lambda: turned(lambda model: model.to(torch.bfloat16)),
    "configuration": lambda: turned(rotary_base),
    "end tokens": lambda: turned(end_token),
    "attention path": lambda: llama(attn="headbench"),
    "chat template off": lambda: llama(chat_template="off"),
    "chat template's text": other_template,
    "tokenizer": other_tokenizer,
    "name": lambda: wrap(
        tiny_llama(), tiny_tokenizer(chat_template=True), attn="sdpa", name="other"
    ),
}


@pytest.mark.parametrize("part", PARTS)
def test_each_part_of_the_model_changes_the_key(part: str) -> None:
    assert key(llama()) == key(llama())
    assert key(PARTS[part]()) != key(llama())


def test_the_device_kind_is_a_part() -> None:
    plain = llama()
    before = plain.identity["device"]
    plain.model.to("meta")
    loaded = identity.Loaded(
        plain.model, plain.prompter._tokenizer, None, plain.info, plain.identity["weights"]
    )
    from headbench.models.hf.settings import Settings

    found = identity.identity_of(loaded, Settings("x", attn="sdpa"), True)
    assert (before, found["device"]) == ("cpu", "meta")
    changed = {name for name in found if found[name] != plain.identity.get(name)}
    assert changed == {"device"}


@pytest.mark.parametrize("library", ["torch", "transformers", "headbench"])
def test_library_versions_are_parts(library: str, monkeypatch: pytest.MonkeyPatch) -> None:
    before = key(llama())
    if library == "headbench":
        monkeypatch.setattr(identity, "__version__", "9.9.9")
    else:
        monkeypatch.setattr(getattr(identity, library), "__version__", "9.9.9")
    assert key(llama()) != before
    assert llama().identity[library] == "9.9.9"


def test_what_reads_pictures_is_a_part_where_there_are_any() -> None:
    store = images(2)
    first, second = store
    seeing = llava(store)
    assert seeing.identity["pillow"] == metadata.version("pillow")
    assert "pillow" not in llama().identity
    asked = request("<image> who", images=(first,))
    assert key(seeing, asked) != key(seeing, request("<image> who", images=(second,)))
    processor = tiny_llava_processor(chat_template=True)
    processor.image_processor.image_mean = [0.4] * 3
    other = wrap(tiny_llava(), processor.tokenizer, processor, attn="sdpa")
    assert key(other, request("who")) != key(seeing, request("who"))


@pytest.mark.parametrize(
    ("asked", "same"),
    [
        (request("who "), False),
        (request("who", ask={"max_new_tokens": 3}), False),
        (request("who", ask={"max_new_tokens": 12, "until": ["x"]}), False),
        (request("who", "score", ask={"continuations": ["cat"]}), False),
        (request("who", document="another", step="second", index=4, seed=7), True),
    ],
)
def test_each_part_of_the_request_changes_the_key(asked: Request, same: bool) -> None:
    # A blank at the end changes the text; this tokenizer may give the same ids all the same.
    model = llama()
    ids = model.prompter.resolve(asked).tokens == model.prompter.resolve(request("who")).tokens
    equal = same or (ids and asked.kind == "generate" and asked.ask == request("who").ask)
    assert (key(model, asked) == key(model)) is equal


def test_continuations_are_part_of_the_key() -> None:
    model = llama()
    keys = {
        key(model, request("who", "score", ask={"continuations": given}))
        for given in (["cat"], ["dog"], ["cat", "dog"], ["dog", "cat"])
    }
    assert len(keys) == 4


# ------------------------------------------------------------------ layers of one's own


class OwnLinear(torch.nn.Linear):
    """A layer that is neither torch's nor transformers'."""


def test_the_code_of_layers_of_ones_own_is_a_part(monkeypatch: pytest.MonkeyPatch) -> None:
    assert "model_code" not in llama().identity

    def swap(model: Any) -> None:
        layer = model.model.layers[0].self_attn.o_proj
        layer.__class__ = OwnLinear

    found = turned(swap)
    assert len(found.identity["model_code"]) == 12
    assert turned(swap).identity == found.identity
    monkeypatch.setattr(OwnLinear, "__module__", "made_in_memory")
    typed = turned(swap).identity["model_code"]
    assert typed.startswith("no file") and turned(swap).identity["model_code"] != typed


def test_an_encoders_configuration_is_a_part() -> None:
    from headbench.models.encoder import wrap as wrap_encoder

    plain, other = tiny_bert(), tiny_bert()
    other.config.layer_norm_eps = 1e-3
    tokenizer = tiny_tokenizer()
    assert wrap_encoder(plain, tokenizer).identity == wrap_encoder(tiny_bert(), tokenizer).identity
    assert wrap_encoder(plain, tokenizer).identity != wrap_encoder(other, tokenizer).identity
