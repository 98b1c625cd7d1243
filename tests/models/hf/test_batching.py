from __future__ import annotations

import random

import pytest
import torch

from headbench.errors import HeadbenchError
from headbench.models.hf.batching import Need, plan
from helpers_models import QUESTIONS, answers, jobs, llama, request


def needs(count, seed=0):
    source = random.Random(seed)
    return [
        Need((source.choice("ab"),), source.randint(1, 900), (f"d{i:03d}",)) for i in range(count)
    ]


@pytest.mark.parametrize("size", [None, 1, 7])
def test_every_job_runs_once_in_a_batch_of_its_group(size):
    work = needs(200)
    batches = plan(work, size, "cpu")
    assert sorted(i for batch in batches for i in batch) == list(range(200))
    assert all(len({work[i].group for i in batch}) == 1 for batch in batches)
    if size:
        assert max(map(len, batches)) == size


def test_auto_bounds_the_padded_tokens():
    work = needs(300)
    for batch in plan(work, None, "cpu"):
        longest = max(work[i].length for i in batch)
        assert len(batch) == 1 or len(batch) * longest <= 4096


def test_the_plan_does_not_depend_on_the_order_of_the_jobs():
    work = needs(100)
    order = list(range(100))
    random.Random(1).shuffle(order)
    shuffled = plan([work[i] for i in order], 8, "cpu")
    assert [tuple(order[i] for i in batch) for batch in shuffled] == plan(work, 8, "cpu")


def test_a_batch_that_does_not_fit_is_halved_and_says_so():
    model = llama(chat_template="off")
    whole = answers(model, jobs([request(q) for q in QUESTIONS]))
    real = model.runtime.encode

    def small(lines, **keywords):
        if len(lines) > 2:
            raise torch.OutOfMemoryError("out of memory")
        return real(lines, **keywords)

    model.runtime.encode = small
    halved = answers(model, jobs([request(q) for q in QUESTIONS]))
    assert [answer.tokens for answer in halved] == [answer.tokens for answer in whole]
    assert {answer.batch for answer in whole} == {whole[0].batch}
    assert {answer.batch.removeprefix(whole[0].batch) for answer in halved} == {
        ".0.0", ".0.1", ".1.0", ".1.1",
    }  # fmt: skip


def test_one_row_that_does_not_fit_is_an_error_with_a_hint():
    model = llama()

    def never(lines, **keywords):
        raise torch.OutOfMemoryError("out of memory")

    model.runtime.encode = never
    with pytest.raises(HeadbenchError, match="does not hold one row"):
        answers(model, jobs([request("who")]))
