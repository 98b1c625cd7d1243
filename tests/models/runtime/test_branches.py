"""Contrast branches: companions that receive the same tokens, and a function of all logits."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any

import pytest
import torch

from headbench.edits import Branch, Edit, Plan, Scale
from headbench.jobs import Condition, Job
from headbench.models.runtime import MAIN, SequenceGroup, TokenSequence
from headbench.models.runtime.decoding import DecodingSettings, Generation
from helpers_models import BASELINE, QUESTIONS, answers, images, llama, llava, qwen, request

STORE = images(2)
HALVE = (Edit("z", Scale(0.5), {0: (1,), 1: (0, 2)}),)
OTHER = (Edit("z", Scale(3.0), {1: (1,), 2: (3,)}),)


def contrast(logits: Mapping[str, torch.Tensor], forced: bool) -> torch.Tensor:
    """2 main - other, as in contrastive decoding; no plausibility cut."""
    (other,) = (value for name, value in logits.items() if name != MAIN)
    return 2 * logits[MAIN] - other


@dataclasses.dataclass(frozen=True)
class Contrast:
    """A method that compares branches."""

    result: Any
    canonical: str = "contrast()"
    needs: frozenset[str] = frozenset({"branches"})
    artefacts: Mapping[str, str] = dataclasses.field(default_factory=dict)

    def probes(self, case: Any) -> tuple[()]:
        return ()

    def plan(self, case: Any, seen: Any) -> Plan:
        return self.result(case) if callable(self.result) else self.result

    def controls(self, count: int, seed: int) -> None:
        return None


def condition(plan: Any) -> Condition:
    return Condition("contrast", (Contrast(plan),), "toggle")


def made(name: str) -> Any:
    if name == "llama":
        return llama(attn="headbench")
    return (llava if name == "llava" else qwen)(STORE, attn="headbench")


def asked(model: Any, kind: str = "generate", **ask: Any) -> list[Any]:
    found = [request(q) for q in QUESTIONS]
    if model.images:
        found = [request("<image> " + q, images=(sha,)) for q in QUESTIONS for sha in STORE]
    return [dataclasses.replace(one, kind=kind, ask=ask or one.ask) for one in found]


def alone(model: Any, main: TokenSequence, other: TokenSequence, count: int) -> list[int]:
    """Greedy tokens of 2 main - other, one sequence at a time, each in a batch of its own."""
    said: list[int] = []
    batches = [
        model.runtime.encode([dataclasses.replace(row, tokens=list(row.tokens), memory={})])
        for row in (main, other)
    ]
    while len(said) < count:
        first, second = (batch.logits[0, -1] for batch in batches)
        token = int((2 * first - second).argmax())
        if token in model.decoder.ends:
            break
        said.append(token)
        for batch in batches:
            model.runtime.step(batch, [token])
    return said


@pytest.mark.parametrize("name", ["llama", "llava", "qwen"])
def test_two_identical_branches_give_the_unedited_tokens(name: str) -> None:
    model = made(name)
    work = asked(model)
    twin = condition(Plan(branches={"twin": Branch()}, combine=contrast))
    found = answers(model, [Job(one, a) for one in work for a in (BASELINE, twin)])
    for plain, other in zip(found[::2], found[1::2], strict=True):
        assert other.tokens == plain.tokens
        assert other.logprobs == pytest.approx(plain.logprobs, abs=1e-4)
        assert other.passes == 2 * plain.passes


@pytest.mark.parametrize("name", ["llama", "llava", "qwen"])
def test_a_branch_runs_under_its_own_edits_or_under_those_of_the_plan(name: str) -> None:
    model = made(name)
    work = asked(model)
    for own, branch_edits in ((OTHER, OTHER), (None, HALVE), ((), ())):
        plan = Plan(edits=HALVE, branches={"b": Branch(edits=own)}, combine=contrast)
        changed = 0
        for one, answer in zip(
            work, answers(model, [Job(one, condition(plan)) for one in work]), strict=True
        ):
            prompt = model.preparation.sequence(model.prompter.resolve(one))
            main, other = (
                dataclasses.replace(prompt, plan=Plan(edits=edits))
                for edits in (HALVE, branch_edits)
            )
            assert list(answer.tokens) == alone(model, main, other, 12)
            changed += answer.changed
        assert changed > 0


def test_a_branch_of_another_length_with_another_picture() -> None:
    model = made("llava")
    first, second = STORE

    def plan(case: Any) -> Plan:
        other = dataclasses.replace(
            case.request,
            messages=({"role": "user", "content": "please look again <image> who is there?"},),
            images=(second,),
            spans={},
        )
        return Plan(branches={"other": Branch(other)}, combine=contrast)

    work = [request("<image> " + q, images=(first,)) for q in QUESTIONS]
    found = answers(model, [Job(one, condition(plan)) for one in work])
    plain = answers(model, [Job(one, BASELINE) for one in work])
    assert [a.tokens for a in found] != [a.tokens for a in plain]
    apart = 0
    for one, answer in zip(work, found, strict=True):
        case = model.preparation.case(one)
        other = plan(case).branches["other"].request  # type: ignore[index]
        rows = [model.preparation.sequence(model.prompter.resolve(r)) for r in (one, other)]
        apart += len(rows[0].tokens) != len(rows[1].tokens)
        assert list(answer.tokens) == alone(model, rows[0], rows[1], 12)
    assert apart >= 5


def test_a_branch_may_change_the_pixels() -> None:
    model = made("llava")
    noise = torch.randn(1, 3, 32, 32, generator=torch.Generator().manual_seed(0))

    def noisy(image: Mapping[str, torch.Tensor]) -> Mapping[str, torch.Tensor]:
        return {**image, "pixel_values": image["pixel_values"] + noise}

    plan = Plan(branches={"noisy": Branch(pixels=noisy)}, combine=contrast)
    work = asked(model)
    found = answers(model, [Job(one, condition(plan)) for one in work])
    assert [a.tokens for a in found] != [
        a.tokens for a in answers(model, [Job(one, BASELINE) for one in work])
    ]
    for one, answer in zip(work, found, strict=True):
        main = model.preparation.sequence(model.prompter.resolve(one))
        other = dataclasses.replace(main, pixels=tuple(noisy(p) for p in main.pixels))
        assert list(answer.tokens) == alone(model, main, other, 12)


@pytest.mark.parametrize("name", ["llama", "llava", "qwen"])
def test_generate_score_and_nexttoken_agree_under_a_contrast(name: str) -> None:
    model = made(name)
    branch = condition(Plan(branches={"b": Branch(edits=OTHER)}, combine=contrast))
    placeholders = model.prompter.image_ids
    done = answers(model, [Job(one, branch) for one in asked(model)])
    checked = 0
    for one, answer in zip(asked(model), done, strict=True):
        if not answer.tokens or placeholders & set(answer.tokens):
            continue
        score = dataclasses.replace(one, kind="score", ask={"continuation_tokens": [answer.tokens]})
        next_one = dataclasses.replace(one, kind="nexttoken", ask={"tokens": [answer.tokens[0]]})
        scored, first = answers(model, [Job(score, branch), Job(next_one, branch)])
        assert scored.logprobs == pytest.approx(answer.logprobs, abs=2e-4)
        assert first.scores[0] == pytest.approx(answer.logprobs[0], abs=2e-4)
        assert list(scored.first)[:5] == list(answer.first)[:5]
        checked += 1
    assert checked >= 3


def test_forced_says_that_tokens_are_given() -> None:
    model = made("llama")
    seen: list[bool] = []

    def watching(logits: Mapping[str, torch.Tensor], forced: bool) -> torch.Tensor:
        assert all(value.ndim == 1 for value in logits.values())
        seen.append(forced)
        return logits[MAIN]

    one = condition(Plan(branches={"b": Branch()}, combine=watching))
    answers(model, [Job(request("who", ask={"max_new_tokens": 2}), one)])
    generated, seen[:] = list(seen), []
    answers(model, [Job(request("who", "score", ask={"continuations": ["a red lamp"]}), one)])
    assert generated
    assert not any(generated)
    assert seen
    assert all(seen)


def test_rows_of_groups_and_single_rows_share_a_batch() -> None:
    """Conditions of one prompt run together; a group that ends leaves whole."""
    model = made("llama")
    branch = condition(Plan(branches={"b": Branch(edits=OTHER)}, combine=contrast))
    limits = (3, 9, 1, 6, 12, 2, 7)
    work = [
        Job(request(q, ask={"max_new_tokens": limit}), a)
        for q, limit in zip(QUESTIONS, limits, strict=True)
        for a in (BASELINE, branch)
    ]
    together = [answer for _, answer in sorted(model.answer(work), key=lambda pair: pair[0])]
    single = [next(iter(model.answer([job])))[1] for job in work]
    assert [a.tokens for a in together] == [a.tokens for a in single]


def test_forked_groups_go_on_as_whole_ones() -> None:
    """A prefix with its branch, encoded once; three questions; then decoded to the end."""
    model = made("llama")
    rt = model.runtime
    prompts = [model.prompter.resolve(request(q)).tokens for q in QUESTIONS[:3]]
    common = prompts[1][:5]

    def group(tail: tuple[int, ...]) -> SequenceGroup:
        tokens = [*common, *tail]
        rows = {
            name: TokenSequence(list(before) + tokens, len(before) + len(tokens), plan=Plan(edits))
            for name, before, edits in ((MAIN, (), HALVE), ("other", (9, 10, 11), OTHER))
        }
        return SequenceGroup(rows, contrast)

    tails = [prompts[0][-4:], prompts[1][-7:], prompts[2][-4:]]
    wanted = [Generation(DecodingSettings(8), "") for _ in tails]
    model.decoder.run([group(tail) for tail in tails], wanted)
    root = group(())
    prefix = rt.encode(root.rows)
    forked = [root.continued(tail, prompt=len(common) + len(tail)) for tail in tails]
    picks = [place for _ in tails for place in range(2)]
    batch = rt.fork(prefix, picks, [row for one in forked for row in one.rows])
    found = [Generation(DecodingSettings(8), "") for _ in tails]
    model.decoder.go_on(batch, forked, found)
    assert [one.tokens for one in found] == [one.tokens for one in wanted]
