"""Sampled answers: a draw depends on its request's seed, and on nothing that stands beside it."""

from __future__ import annotations

import dataclasses
import random
from collections import Counter

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from headbench.edits import Branch, Plan
from headbench.jobs import Condition, Job
from headbench.models.runtime.decoding import DecodingSettings
from headbench.models.runtime.sampling import Sampler, Sampling
from headbench.nouns import Request
from headbench.results.keys import response_key, samples
from helpers_models import QUESTIONS, answers, jobs, llama, request

ASK = {"max_new_tokens": 10, "do_sample": True, "temperature": 1.3}


def asked(seed: int = 0, **more: object) -> list[Request]:
    return [
        request(question, ask={**ASK, **more}, seed=100 * seed + number)
        for number, question in enumerate(QUESTIONS)
    ]


def test_draws_are_the_same_in_any_batch_and_any_order() -> None:
    model = llama(attn="headbench")
    work = jobs(asked())
    alone = [answers(model, [job])[0].tokens for job in work]
    for size in (1, 3, None):
        model.rows = size
        assert [answer.tokens for answer in answers(model, work)] == alone
    backwards = [next(iter(model.answer([job])))[1] for job in reversed(work)]
    assert [answer.tokens for answer in reversed(backwards)] == alone
    greedy = [answer.tokens for answer in answers(model, jobs([request(q) for q in QUESTIONS]))]
    assert alone != [tokens[: len(own)] for tokens, own in zip(greedy, alone, strict=True)]


def test_draws_survive_a_batch_that_is_halved_when_memory_runs_out(monkeypatch) -> None:
    model = llama(attn="headbench")
    work = jobs(asked())
    whole = [answer.tokens for answer in answers(model, work)]
    step, steps = model.runtime.step, [0]

    def short_of_memory(batch, tokens, captures=()):
        steps[0] += 1
        if steps[0] == 4:
            raise torch.OutOfMemoryError("pretended")
        step(batch, tokens, captures)

    monkeypatch.setattr(model.runtime, "step", short_of_memory)
    found = dict(model.answer(work))
    assert [found[place].tokens for place in range(len(work))] == whole
    assert {answer.batch[-2:] for answer in found.values()} == {".0", ".1"}


def test_the_seed_decides_the_draw_and_stands_in_the_key_of_sampled_answers_only() -> None:
    model = llama(attn="headbench")
    first, second = (answers(model, jobs(asked(seed))) for seed in (0, 1))
    assert [a.tokens for a in first] != [a.tokens for a in second]
    assert [a.tokens for a in first] == [a.tokens for a in answers(model, jobs(asked(0)))]

    def keys(requests: list[Request]) -> list[str]:
        return [response_key(model.identity, model.key(job), job) for job in jobs(requests)]

    assert set(keys(asked(0))).isdisjoint(keys(asked(1)))
    greedy = [[request(q, seed=seed) for q in QUESTIONS] for seed in (0, 1)]
    assert keys(greedy[0]) == keys(greedy[1])


@pytest.mark.parametrize("ask", [{}, ASK, {"temperature": 0}, {"do_sample": False}])
def test_what_samples_is_what_the_key_takes_for_sampling(ask: dict[str, object]) -> None:
    drawn = DecodingSettings.read(ask, "here").sampling is not None
    assert drawn == samples(request("who", ask=ask))


def test_scoring_a_sampled_answer_gives_its_stepwise_log_probabilities() -> None:
    model = llama(attn="headbench")
    made = answers(model, jobs(asked(top_k=20)))
    scored = answers(
        model,
        jobs(
            [
                dataclasses.replace(one, kind="score", ask={"continuation_tokens": [answer.tokens]})
                for one, answer in zip(asked(), made, strict=True)
                if answer.tokens
            ]
        ),
    )
    for answer, again in zip([one for one in made if one.tokens], scored, strict=True):
        assert again.logprobs == pytest.approx(answer.logprobs, abs=1e-4)


def test_a_group_draws_from_its_combined_distribution_once() -> None:
    """Twin branches leave the distribution as it is, so they leave the draws as they are."""

    @dataclasses.dataclass(frozen=True)
    class Twin:
        canonical: str = "twin()"
        needs: frozenset[str] = frozenset({"branches"})

        def probes(self, case):
            return ()

        def plan(self, case, seen):
            return Plan(
                branches={"twin": Branch()},
                combine=lambda logits, forced: 2 * logits["main"] - logits["twin"],
            )

        def controls(self, count, seed):
            return None

    model = llama(attn="headbench")
    plain = answers(model, jobs(asked()))
    twin = answers(model, [Job(one, Condition("twin", (Twin(),), "toggle")) for one in asked()])
    assert [a.tokens for a in twin] == [a.tokens for a in plain]
    assert [a.tokens for a in plain] != [a.tokens for a in answers(model, jobs(asked(1)))]


@settings(max_examples=60)
@given(
    st.lists(st.floats(-6, 6), min_size=2, max_size=12),
    st.floats(0.2, 3),
    st.integers(0, 12),
    st.floats(0.05, 1),
)
def test_top_k_and_top_p_keep_the_likeliest_tokens_and_their_proportions(
    values: list[float], temperature: float, top_k: int, top_p: float
) -> None:
    logits = torch.tensor(values)
    whole = (logits.double() / temperature).softmax(-1)
    kept = Sampling(temperature, top_k, top_p).weights(logits)
    chosen = kept > 0
    assert torch.equal(kept[chosen], whole[chosen])
    if bool((~chosen & (whole > 0)).any()):
        assert float(whole[~chosen].max()) <= float(whole[chosen].min())
    assert chosen.sum() >= 1
    assert not top_k or int(chosen.sum()) <= top_k
    among = whole if not top_k else whole.sort(descending=True).values[:top_k]
    share = float(kept.sum() / among.sum())
    assert share >= min(top_p, 1) - 1e-9
    smallest = float(kept[chosen].min() / among.sum())
    assert chosen.sum() == 1 or share - smallest < top_p + 1e-9  # the fewest that reach it


def test_draws_follow_the_distribution() -> None:
    logits = torch.tensor([0.0, 1.0, -1.0, 2.0])
    sampler = Sampler(Sampling(temperature=0.7), seed=3)
    counts = Counter(sampler.draw(logits) for _ in range(4000))
    wanted = (logits.double() / 0.7).softmax(-1)
    for token, share in enumerate(wanted.tolist()):
        assert counts[token] / 4000 == pytest.approx(share, abs=0.03)


def test_one_number_per_token_is_looked_up_in_the_order_of_token_ids() -> None:
    """Order by probability would swap near ties, and the draws with them."""
    sampler = Sampler(Sampling(), seed=11)
    chance = random.Random(11)
    nearly = torch.tensor([1.0, 1.0 + 1e-7, 1.0 - 1e-7])
    drawn = [sampler.draw(nearly) for _ in range(30)]
    assert drawn == [int(3 * chance.random()) for _ in range(30)]
