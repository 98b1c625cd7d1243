from __future__ import annotations

import dataclasses

import pytest
import torch

from headbench.errors import ConfigError
from headbench.models.hf.continuations import asked_ids
from helpers_models import QUESTIONS, answers, jobs, llama, request

CHOICES = ["yes", "no", "a red lamp", "a red plate with bread"]


def single(model, prompt, continuation):
    """Log-probability of each token of a continuation, one plain pass."""
    ids = torch.tensor([[*prompt, *continuation]])
    logits = model.model(ids).logits[0, len(prompt) - 1 : -1].log_softmax(-1)
    return logits[torch.arange(len(continuation)), list(continuation)]


@pytest.mark.parametrize("size", ["1", "3", "16"])
def test_scores_are_those_of_single_passes_whatever_the_batch(size):
    model = llama(batch_size=size, chat_template="off")
    asked = [request(q, "score", ask={"continuations": CHOICES}) for q in QUESTIONS]
    for one, answer in zip(asked, answers(model, jobs(asked)), strict=True):
        prompt = model.prompter.resolve(one)
        ids = [model.prompter.continuation(prompt, choice) for choice in CHOICES]
        wanted = [single(model, prompt.tokens, tokens) for tokens in ids]
        assert answer.tokens == tuple(token for tokens in ids for token in tokens)
        assert answer.logprobs == pytest.approx(torch.cat(wanted).tolist(), abs=1e-4)
        assert answer.scores == pytest.approx([w.sum().item() for w in wanted], abs=1e-3)


def test_choices_of_one_token_share_one_row():
    model = llama(chat_template="off")
    answers(model, jobs([request("who", "score", ask={"continuations": ["yes", "no"]})]))
    works = model.preparation.open(
        jobs([request("who", "score", ask={"continuations": ["yes", "no", "a cat", "a dog"]})])
    )
    asked = [asked_ids(work.job.request, work.prompt, model.prompter) for work in works]
    rows, _ = model.answering.forced_rows(works, asked)
    assert [len(row.endings) for row in rows] == [2, 2]


def test_scoring_what_was_generated_gives_the_generated_log_probabilities():
    model = llama(chat_template="off")
    made = answers(model, jobs([request(q) for q in QUESTIONS]))
    asked = [
        request(q, "score", ask={"continuation_tokens": [answer.tokens]})
        for q, answer in zip(QUESTIONS, made, strict=True)
        if answer.tokens
    ]
    scored = answers(model, jobs(asked))
    for answer, again in zip([m for m in made if m.tokens], scored, strict=True):
        assert again.tokens == answer.tokens
        assert again.logprobs == pytest.approx(answer.logprobs, abs=1e-4)
        assert list(again.first) == list(answer.first)


def test_next_token_gives_the_first_distribution():
    model = llama(chat_template="off")
    asked = request(QUESTIONS[0], "nexttoken", ask={"tokens": ["yes", "no"]})
    answer = answers(model, jobs([asked]))[0]
    prompt = model.prompter.resolve(asked).tokens
    logits = model.model(torch.tensor([prompt])).logits[0, -1].log_softmax(-1)
    wanted = [logits[i].item() for i in answer.tokens]
    assert answer.scores == pytest.approx(wanted, abs=1e-4)
    assert answer.logprobs == ()


def test_a_next_token_of_two_tokens_is_refused():
    model = llama()
    asked = request("who", "nexttoken", ask={"tokens": ["a cat"]})
    with pytest.raises(ConfigError, match="more than one token"):
        model.key(jobs([asked])[0])


def test_a_score_request_without_continuations_is_refused():
    model = llama()
    with pytest.raises(ConfigError, match="continuations"):
        answers(model, jobs([request("who", "score")]))


def test_continuations_enter_the_key():
    model = llama()
    base = request("who", "score", ask={"continuations": ["yes"]})
    other = dataclasses.replace(base, ask={"continuations": ["no"]})
    first, second = (model.key(job) for job in jobs([base, other]))
    assert first["tokens"] == second["tokens"]
    assert first["asked"] != second["asked"]
