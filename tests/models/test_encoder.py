from __future__ import annotations

import pytest
import torch

from headbench.errors import ConfigError, RefusedError
from headbench.models.adapter_catalogue import create
from headbench.models.encoder import wrap
from headbench.nouns import Capture
from helpers_models import answers, jobs, request
from helpers_tiny import tiny_bert, tiny_tokenizer

LAST = Capture("residual", (-1,), rows="all", pool="mean")
SENTENCES = ("a cat", "a dog and a red lamp near the table", "who", "describe the photo please")


def ask(text, *captures):
    return request(text, "represent", ask={"captures": captures or (LAST,)})


@pytest.mark.parametrize("size", [1, 3, None])
def test_vectors_are_means_over_real_tokens_in_any_batch(size):
    model = wrap(tiny_bert(), tiny_tokenizer(), batch_size=size)
    asked = [ask(text) for text in SENTENCES]
    for text, answer in zip(SENTENCES, answers(model, jobs(asked)), strict=True):
        ids = torch.tensor([tiny_tokenizer()(text)["input_ids"]])
        with torch.no_grad():
            state = model.model(ids).last_hidden_state[0].mean(0)
        wanted = torch.nn.functional.normalize(state, dim=-1)
        torch.testing.assert_close(answer.arrays[LAST], wanted[None, None], atol=1e-5, rtol=0)


def test_layers_count_from_zero_and_lengths_stay_when_asked():
    model = wrap(tiny_bert(), tiny_tokenizer(), normalize=False)
    first = Capture("residual", (0, 1), rows="all", pool="mean")
    answer = answers(model, jobs([ask("a cat", first, LAST)]))[0]
    ids = torch.tensor([tiny_tokenizer()("a cat")["input_ids"]])
    with torch.no_grad():
        states = model.model(ids, output_hidden_states=True).hidden_states
    wanted = torch.stack([states[1][0].mean(0), states[2][0].mean(0)])[:, None]
    torch.testing.assert_close(answer.arrays[first], wanted, atol=1e-5, rtol=0)
    torch.testing.assert_close(answer.arrays[LAST], wanted[1:], atol=1e-5, rtol=0)


def test_what_an_encoder_cannot_give_is_refused():
    model = wrap(tiny_bert(), tiny_tokenizer(), max_length=4)
    with pytest.raises(RefusedError, match="mean-pooled"):
        model.plan(jobs([ask("a cat", Capture("z", (0,)))]))
    with pytest.raises(RefusedError, match="layer 2"):
        model.plan(jobs([ask("a cat", Capture("residual", (2,), rows="all", pool="mean"))]))
    with pytest.raises(RefusedError, match="tokens"):
        model.plan(jobs([ask("a cat and a dog")]))
    with pytest.raises(RefusedError, match="does not answer 'generate'"):
        model.plan(jobs([request("who")]))


@pytest.mark.bits
def test_it_loads_from_a_folder(tmp_path):
    tiny_bert().save_pretrained(tmp_path)
    tiny_tokenizer().save_pretrained(tmp_path)
    model = create("encoder", {"pretrained": str(tmp_path)})
    memory = wrap(tiny_bert(), tiny_tokenizer())
    one, two = (answers(m, jobs([ask("a cat")]))[0].arrays[LAST] for m in (model, memory))
    assert torch.equal(one, two)
    assert model.identity["pooling"] == "mean"


def test_settings_enter_the_identity():
    plain, raw = (wrap(tiny_bert(), tiny_tokenizer(), normalize=n) for n in (True, False))
    assert plain.identity != raw.identity


def test_wrong_arguments_are_named(tmp_path):
    tiny_bert().save_pretrained(tmp_path / "whole")
    tiny_tokenizer().save_pretrained(tmp_path / "whole")
    whole = {"pretrained": str(tmp_path / "whole")}
    for args, said in (
        ({}, "needs a checkpoint"),
        ({"pretrained": str(tmp_path)}, "cannot be loaded"),
        ({**whole, "max_length": "long"}, "max_length cannot be 'long'"),
        ({**whole, "dtype": "int8"}, "dtype cannot be 'int8'"),
        ({**whole, "pooling": "cls"}, "no argument 'pooling'"),
    ):
        with pytest.raises(ConfigError, match=said):
            create("encoder", args)
