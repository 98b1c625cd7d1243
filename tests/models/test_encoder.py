from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from headbench.errors import ConfigError, RefusedError
from headbench.interventions.resolve import resolve
from headbench.models.adapter_catalogue import create
from headbench.models.encoder import wrap
from headbench.nouns import Capture
from helpers_models import BASELINE, answers, jobs, request
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
    with pytest.raises(RefusedError, match="an encoder gives no pattern"):
        model.plan(jobs([ask("a cat", Capture("pattern", (0,)))]))
    with pytest.raises(RefusedError, match="no span 'thing' whose rows"):
        model.plan(jobs([ask("a cat", Capture("z", (0,), rows="thing"))]))
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


def test_heads_are_those_of_the_model_and_rows_those_of_the_text():
    model = wrap(tiny_bert(), tiny_tokenizer(), normalize=False)
    z = Capture("z", (0,), rows="all")
    written = Capture("z_out", (0,), rows="all")
    content = Capture("residual_in", (0, 1), rows="content", pool="mean")
    text = SENTENCES[1]
    one = request(
        text,
        "represent",
        ask={"captures": (z, written, content)},
        spans={"content": ((0, 2, len(text)),)},
    )
    found = answers(model, jobs([one, ask("who")]))[0].arrays
    ids = torch.tensor([tiny_tokenizer()(text)["input_ids"]])
    seen = []
    attention = model.model.encoder.layer[0].attention
    hook = attention.output.dense.register_forward_pre_hook(lambda _, given: seen.append(given[0]))
    with torch.no_grad():
        states = model.model(ids, output_hidden_states=True).hidden_states
        projected = attention.output.dense(seen[0][0]) - attention.output.dense.bias
    hook.remove()
    assert found[z].shape[2] == model.info.heads
    torch.testing.assert_close(found[z][0].flatten(1), seen[0][0], atol=1e-5, rtol=0)
    torch.testing.assert_close(found[written][0].sum(1), projected, atol=1e-5, rtol=0)
    offset = int(ids.shape[1]) - len(text.split())  # special tokens; "a" is left out
    wanted = torch.stack([states[0][0], states[1][0]])[:, offset + 1 :].mean(1, keepdim=True)
    assert offset in (0, 1)
    torch.testing.assert_close(found[content], wanted, atol=1e-5, rtol=0)


def test_a_masked_head_is_silent_and_others_are_not():
    model = wrap(tiny_bert(), tiny_tokenizer())
    condition = resolve("mask_heads(heads=[[0,1]])", model.info)[0]
    z, last = Capture("z", (0,), rows="all"), LAST
    plain, masked = (
        answers(model, jobs([ask("a cat", z, last)], one))[0] for one in (BASELINE, condition)
    )
    assert not masked.arrays[z][:, :, 1].any()
    assert torch.equal(masked.arrays[z][:, :, 0], plain.arrays[z][:, :, 0])
    assert not torch.equal(masked.arrays[last], plain.arrays[last])
    assert masked.visited and masked.changed
    with pytest.raises(RefusedError, match="of an encoder only head outputs and states"):
        other = resolve("scale_values(heads=[[0,1]],alpha=0.5)", model.info)[0]
        model.plan(jobs([ask("a cat", z)], other))


def test_an_untrained_encoder_is_named_so_and_drawn_from_one_seed(tmp_path):
    tiny_bert(seed=3).save_pretrained(tmp_path)
    tiny_tokenizer().save_pretrained(tmp_path)
    given = {"pretrained": str(tmp_path), "name": "mine", "untrained": "true"}
    one, two = create("encoder", given), create("encoder", given)
    trained = create("encoder", {**given, "untrained": "false"})
    assert one.identity == two.identity and one.name == "mine-untrained"
    assert one.identity["weights"] != trained.identity["weights"]
    first, second, third = (
        answers(m, jobs([ask("a cat")]))[0].arrays[LAST] for m in (one, two, trained)
    )
    assert torch.equal(first, second) and not torch.allclose(first, third, atol=1e-3)
    with pytest.raises(ConfigError, match="untrained cannot be 'yes'"):
        create("encoder", {**given, "untrained": "yes"})


def test_an_encoder_whose_heads_are_out_of_reach_still_gives_states(monkeypatch):
    reached = wrap(tiny_bert(), tiny_tokenizer())

    def refuse(model):
        raise RefusedError("it does not use the attention interface")

    monkeypatch.setattr("headbench.models.encoder.Engine", refuse)
    model = wrap(tiny_bert(), tiny_tokenizer())
    assert model.info is None and not model.sites
    captures = (LAST, Capture("residual_in", (0,), rows="last"))
    asked = jobs([ask("a cat", *captures)])
    for one in captures:
        found, wanted = (answers(m, asked)[0].arrays[one] for m in (model, reached))
        torch.testing.assert_close(found, wanted, atol=1e-5, rtol=0)
    with pytest.raises(RefusedError, match="cannot be reached: it does not use"):
        model.plan(jobs([ask("a cat", Capture("z", (0,)))]))


def test_a_text_is_tokenised_once_however_often_it_is_asked(monkeypatch):
    model = wrap(tiny_bert(), tiny_tokenizer())
    read, inner = [], model.prompter._resolve
    monkeypatch.setattr(model.prompter, "_resolve", lambda one: read.append(one) or inner(one))
    asked = [ask(text) for text in SENTENCES]
    for _ in range(2):
        answers(model, jobs(asked))
    assert len(read) == len(SENTENCES)


def test_the_latest_prompts_are_kept_and_no_more(monkeypatch):
    monkeypatch.setattr("headbench.models.hf.encoder_pass.KEPT", 2)
    prompter = wrap(tiny_bert(), tiny_tokenizer()).prompter
    found = [prompter.resolve(ask(text)) for text in SENTENCES]
    assert len(prompter._kept) == 2
    assert prompter.resolve(ask(SENTENCES[0])) == found[0]
    marked = replace(ask("a cat"), spans={"thing": ((0, 2, 5),)})
    assert prompter.resolve(marked).spans["thing"] and "thing" not in found[0].spans
