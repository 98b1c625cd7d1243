"""Which rows a capture reads, how they are pooled, and the states of a model's own answer."""

from __future__ import annotations

import pytest
import torch

from headbench.errors import RefusedError
from headbench.interventions.edits.recorder import Recorder
from headbench.interventions.resolve import resolve
from headbench.nouns import Capture
from helpers_models import BASELINE, answers, jobs, llama, request

TEXT = "describe the photo"


@pytest.fixture(scope="module")
def model():
    return llama(attn="headbench")


def ask(*captures, content=TEXT, spans=None, **more):
    return request(content, "represent", ask={"captures": captures, **more}, spans=spans or {})


def arrays(model, one, condition=BASELINE):
    return answers(model, jobs([one], condition))[0].arrays


def states(model, tokens):
    """Input of layer 0 and outputs of all layers, ``[layer + 1, position, width]``."""
    with torch.no_grad():
        inner = model.model.model
        seen = inner(torch.tensor([tokens]), output_hidden_states=True).hidden_states
    return torch.cat(seen)


def test_rows_of_a_span_are_those_of_the_prompt_and_pooling_is_theirs(model):
    spans = {"thing": ((0, 9, 18),)}  # "the photo"
    every = Capture("residual", (0,), rows="all")
    span = Capture("residual", (0,), rows="thing")
    mean = Capture("residual", (0,), rows="thing", pool="mean")
    last = Capture("residual", (0,), rows="thing", pool="last")
    found = arrays(model, ask(every, span, mean, last, spans=spans))
    places = model.prompter.resolve(ask(every, spans=spans)).spans["thing"]
    assert 0 < len(places) < found[every].shape[1]
    wanted = found[every][:, list(places)]
    assert torch.equal(found[span], wanted)
    torch.testing.assert_close(found[mean], wanted.mean(1, keepdim=True))
    assert torch.equal(found[last], wanted[:, -1:])
    heads = Capture("z", (1,), rows="thing"), Capture("z", (1,), rows="all")
    few, many = arrays(model, ask(*heads, spans=spans)).values()
    assert torch.equal(few, many[:, list(places)])


def test_content_leaves_out_special_tokens_and_the_chat_template(model):
    rows = Capture("residual", (0,), rows="content", pool="none")
    one = ask(rows, spans={"content": ((0, 0, len(TEXT)),)})
    prompt = model.prompter.resolve(one)
    kept = [prompt.tokens[at] for at in prompt.spans["content"]]
    assert kept == model.prompter._tokenizer(TEXT, add_special_tokens=False)["input_ids"]
    assert arrays(model, one)[rows].shape[1] == len(kept) < len(prompt.tokens) - 1


def test_a_layers_input_is_the_output_of_the_layer_before(model):
    first, second = (
        Capture("residual_in", (0, 1), rows="all"),
        Capture("residual", (0,), rows="all"),
    )
    found = arrays(model, ask(first, second))
    tokens = model.prompter.resolve(ask(first)).tokens
    wanted = states(model, tokens)
    torch.testing.assert_close(found[first], wanted[:2], atol=1e-5, rtol=0)
    assert torch.equal(found[first][1:], found[second])


def test_what_heads_write_adds_up_to_what_attention_writes(model):
    written, z = Capture("z_out", (1,), rows="last"), Capture("z", (1,), rows="last")
    found = arrays(model, ask(written, z))
    projection = model.model.model.layers[1].self_attn.o_proj
    assert found[written].shape[2:] == (model.info.heads, projection.out_features)
    with torch.no_grad():
        wanted = projection(found[z][0].flatten(1).clone())
        wanted = wanted if projection.bias is None else wanted - projection.bias
    torch.testing.assert_close(found[written].sum(2)[0], wanted, atol=1e-5, rtol=0)


def test_states_of_an_answer_are_those_of_one_pass_over_prompt_and_answer(model):
    prompt = model.prompter.resolve(ask(Capture("residual", (0,)))).tokens
    answer = (9, 12, 7)
    layers = (0, 1)
    rows = Capture("residual", layers, rows="answer")
    last = Capture("residual", layers, rows="answer", pool="last")
    mean = Capture("residual", layers, rows="all", pool="mean")
    more = {"answer": "x", "answer_tokens": answer}
    short = ask(rows, last, mean, answer="x", answer_tokens=answer[:1], content="who")
    both = answers(model, jobs([ask(rows, last, mean, **more), short]))  # padded to one length
    wanted = states(model, [*prompt, *answer])[1:3]
    found = both[0].arrays
    tail = wanted[:, len(prompt) :]
    torch.testing.assert_close(found[rows], tail, atol=5e-5, rtol=0)
    torch.testing.assert_close(found[last], tail[:, -1:], atol=5e-5, rtol=0)
    torch.testing.assert_close(found[mean], wanted.mean(1, keepdim=True), atol=5e-5, rtol=0)
    assert both[1].arrays[rows].shape[1] == 1


def test_an_answer_is_read_under_the_edits_that_it_was_generated_under(model):
    edit = "scale_heads(heads=[[0,0],[0,1]],alpha=0.0,phase=decode)"
    condition = resolve(edit, model.info)[0]
    z = Capture("z", (0,), rows="answer")
    prompt = Capture("z", (0,), rows="all")
    one = ask(z, prompt, answer="x", answer_tokens=(9, 12))
    found, plain = arrays(model, one, condition), arrays(model, one)
    assert not found[z][:, :, :2].any() and plain[z][:, :, :2].any()
    # Of the prompt nothing is edited: its positions are no decoding.
    assert torch.equal(found[prompt][:, :-2], plain[prompt][:, :-2])


def test_an_empty_answer_has_no_rows(model):
    for pool in ("none", "mean", "last"):
        rows = Capture("residual", (0, 1), rows="answer", pool=pool)
        found = arrays(model, ask(rows, answer="", answer_tokens=()))
        assert found[rows].shape[:2] == (2, 0) and found[rows].shape[2] > 0


def test_rows_that_are_not_there_are_refused_when_the_run_is_planned(model):
    for captures, more, told in (
        (Capture("residual", (0,), rows="thing"), {}, "no span 'thing' whose rows"),
        (Capture("residual", (0,), rows="answer"), {}, "names no answer"),
        (Capture("residual", (0,), rows="last"), {"answer": "a"}, "read with its answer"),
        (Capture("pattern", (0,), rows="image"), {}, "no span 'image'"),
    ):
        with pytest.raises(RefusedError, match=told):
            model.plan(jobs([ask(captures, **more)]))


def test_pooled_captures_keep_no_state_per_token(model, monkeypatch):
    kept = []
    result = Recorder.result

    def noting(recorder):
        kept.extend(part.shape[0] for parts in recorder._parts.values() for part in parts)
        return result(recorder)

    monkeypatch.setattr(Recorder, "result", noting)
    arrays(model, ask(Capture("z", (0, 1), rows="all", pool="mean")))
    arrays(model, ask(Capture("residual", (0, 1), rows="all", pool="last")))
    assert kept == [1, 1, 1, 1]
