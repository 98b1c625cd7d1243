from __future__ import annotations

import pytest
import torch

from headbench.errors import ConfigError, HeadbenchError, RefusedError
from helpers_models import QUESTIONS, answers, jobs, llama, request

LONG = tuple(" ".join(QUESTIONS[: n + 1]) for n in range(len(QUESTIONS)))
PROMPTS = (*QUESTIONS, *LONG, "a cat and a dog", "please")


def alone(model, prompt, new=12):
    """What the library's own generate gives for one unpadded prompt, without the end token."""
    ids = model.prompter._tokenizer(prompt, return_tensors="pt")["input_ids"]
    out = model.model.generate(ids, max_new_tokens=new, do_sample=False, pad_token_id=0)
    tokens = out[0, ids.shape[1] :].tolist()
    return tuple(tokens[: tokens.index(2)] if 2 in tokens else tokens)


def test_greedy_tokens_do_not_depend_on_the_batch_size():
    model = llama(chat_template="off")
    wanted = [alone(model, prompt) for prompt in PROMPTS]
    for size in (1, 3, 16, None):
        model.rows = size
        found = answers(model, jobs([request(prompt) for prompt in PROMPTS]))
        assert [answer.tokens for answer in found] == wanted, size


def test_log_probabilities_are_those_of_a_plain_forward_pass():
    model = llama(chat_template="off")
    prompts = [request(prompt) for prompt in PROMPTS[:5]]
    for one, answer in zip(prompts, answers(model, jobs(prompts)), strict=True):
        prompt = model.prompter.resolve(one).tokens
        ids = torch.tensor([[*prompt, *answer.tokens]])
        logits = model.model(ids).logits[0, len(prompt) - 1 : -1].log_softmax(-1)
        wanted = logits[torch.arange(len(answer.tokens)), list(answer.tokens)]
        torch.testing.assert_close(torch.tensor(answer.logprobs), wanted, atol=1e-4, rtol=0)
        top = logits[0].topk(20)
        assert list(answer.first) == top.indices.tolist()
        assert list(answer.first.values()) == pytest.approx(top.values.tolist(), abs=1e-4)


def test_an_answer_is_cut_before_the_stop_text():
    model = llama(chat_template="off")
    full = answers(model, jobs([request("describe the photo")]))[0]
    words = full.text.split()
    stop = next(word for at, word in enumerate(words) if at >= 2 and word not in words[:at])
    asked = request("describe the photo", ask={"max_new_tokens": 12, "until": [stop]})
    cut = answers(model, jobs([asked]))[0]
    assert cut.text == full.text[: full.text.index(stop)]
    assert cut.tokens == full.tokens[: words.index(stop)]
    assert len(cut.logprobs) == len(cut.tokens)
    assert not cut.truncated


def test_the_limit_is_each_rows_own_and_is_reported():
    model = llama(chat_template="off")
    asked = [
        request(prompt, ask={"max_new_tokens": 1 + at}) for at, prompt in enumerate(PROMPTS[:4])
    ]
    found = [answer for _, answer in model.answer(jobs(asked))]
    full = answers(model, jobs([request(prompt) for prompt in PROMPTS[:4]]))
    for at, (answer, whole) in enumerate(zip(found, full, strict=True)):
        assert answer.tokens == whole.tokens[: 1 + at]
        assert answer.truncated == (len(whole.tokens) > at)


def test_an_answer_that_ends_at_once_is_empty_and_not_truncated():
    model = llama(chat_template="off")
    first = answers(model, jobs([request("who")]))[0].tokens[0]
    model.decoder.ends = frozenset({first})
    answer = answers(model, jobs([request("who")]))[0]
    assert (answer.text, answer.tokens, answer.logprobs) == ("", (), ())
    assert not answer.truncated
    assert answer.first


@pytest.mark.parametrize(
    ("ask", "kind", "word"),
    [
        ({"temperature": 0.7}, ConfigError, "temperature shapes what is sampled"),
        ({"top_p": 0.9}, ConfigError, "top_p shapes what is sampled"),
        ({"do_sample": False, "top_k": 5}, ConfigError, "top_k shapes what is sampled"),
        ({"do_sample": True, "temperature": 0}, ConfigError, "temperature cannot be 0"),
        ({"do_sample": True, "top_p": 1.5}, ConfigError, "top_p cannot be 1.5"),
        ({"do_sample": True, "top_k": -1}, ConfigError, "top_k cannot be -1"),
        ({"do_sample": True, "temperature": "hot"}, ConfigError, "temperature cannot be 'hot'"),
        ({"num_beams": 4}, RefusedError, "beam"),
        ({"num_return_sequences": 2}, RefusedError, "several"),
        ({"max_new_token": 4}, ConfigError, "max_new_token"),
        ({"max_new_tokens": 0}, ConfigError, "max_new_tokens"),
        ({"until": [3]}, ConfigError, "until"),
    ],
)
def test_settings_that_cannot_be_answered_are_refused_before_anything_runs(ask, kind, word):
    model = llama()
    with pytest.raises(kind, match=word):
        model.plan(jobs([request("who", ask=ask)]))
    assert model.runtime.passes == 0


def test_logits_that_are_no_numbers_stop_the_run_and_name_the_row():
    model = llama(chat_template="off")
    with torch.no_grad():
        model.model.lm_head.weight[7] = float("nan")
    with pytest.raises(HeadbenchError, match="NaN") as caught:
        answers(model, jobs([request("who")]))
    assert "'who'" in caught.value.where
    assert "baseline" in caught.value.where
    assert "float32" in caught.value.where
