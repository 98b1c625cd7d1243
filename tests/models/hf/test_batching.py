from __future__ import annotations

import dataclasses
import random

import pytest
import torch

from headbench.edits import Probe, Rewrite
from headbench.errors import HeadbenchError
from headbench.interventions.method_catalogue import MethodParams
from headbench.interventions.rewriting import RewritingMethod
from headbench.jobs import Condition, Job
from headbench.models.hf.batching import Need, plan
from headbench.nouns import Capture
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


@dataclasses.dataclass(frozen=True)
class Longest(RewritingMethod):
    """Adds the position that the last row of the prompt attends to most."""

    needs = frozenset()

    @property
    def capture(self):
        return Capture("pattern", (0,), rows="last", keys="prompt")

    def rewrite_probes(self, case):
        return (Probe("seen", case.request, (self.capture,)),)

    def rewrite(self, case, seen):
        most = int(seen["seen"][self.capture][0, 0].argmax())
        turn = case.request.messages[-1]
        longer = {**turn, "content": f"{turn['content']} {QUESTIONS[most % 3]}"}
        return Rewrite(dataclasses.replace(case.request, messages=(longer,)))


def test_probes_that_rewrite_requests_are_halved_as_answers_are():
    model = llama(attn="headbench")
    condition = Condition("longest", (Longest("longest", MethodParams(), model.info),), "toggle")
    work = [Job(request(question), condition) for question in QUESTIONS]
    whole = dict(model.rewrite(work))
    assert len({str(one.request.messages) for one in whole.values()}) == len(QUESTIONS)
    real, sizes = model.runtime.encode, []

    def small(lines, **keywords):
        sizes.append(len(lines))
        if len(lines) > 2:
            raise torch.OutOfMemoryError("out of memory")
        return real(lines, **keywords)

    model.runtime.encode = small
    assert dict(model.rewrite(work)) == whole
    assert max(sizes) > 2 >= min(sizes)

    def never(lines, **keywords):
        raise torch.OutOfMemoryError("out of memory")

    model.runtime.encode = never
    with pytest.raises(HeadbenchError, match="does not hold one row"):
        list(model.rewrite(work))
