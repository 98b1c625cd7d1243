"""The adapter and the engine together: many conditions in one batch, each as if it were alone."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass, field

import pytest
import torch

from headbench.edits import Branch, Edit, Plan, Probe, Rewrite, Scale
from headbench.errors import RefusedError
from headbench.interventions.resolve import control_conditions, resolve
from headbench.jobs import Condition, Job
from headbench.models.hf.adapter import wrap
from headbench.models.hf.fold import foldable
from headbench.models.runtime import SequenceGroup, runtime
from headbench.nouns import Capture, Request
from headbench.results.keys import response_key
from helpers_models import BASELINE, answers, images, llama, llava, qwen, request
from helpers_tiny import tiny_llama, tiny_tokenizer

STORE = images(2)
TEXTS = ("who", "what is the secret word of river? answer:", "describe the red lamp please")
PICTURES = ("<image> is there a cat?", "please describe <image> with one word")
ROWS_DIFFER = 1e-5
"""Largest difference of log-probabilities that docs/models.md states for equal rows of a batch."""
INTERVENTIONS = (
    "mask_heads(heads=[[0,1],[1,2]])",
    "scale_heads(heads=[[1,1],[2,0]],alpha=2.0)",
    "mask_heads(heads=[[2,3]])+scale_heads(heads=[[0,0]],alpha=0.5)",
    "vhr",
)


def conditions(model, texts=INTERVENTIONS):
    found = [BASELINE]
    for text in texts:
        toggle = resolve(text, model.info)[0]
        found += [toggle, *control_conditions(toggle, 1, 0)[0]]
    return found


def work(model, limits=(9, 4, 7), texts=INTERVENTIONS):
    """Every condition over text prompts and, where the model sees, image prompts."""
    asked = [
        request(text, ask={"max_new_tokens": limit})
        for text, limit in zip(TEXTS, limits, strict=True)
    ]
    if model.images:
        asked += [
            request(text, images=(sha256,), ask={"max_new_tokens": 6})
            for text, sha256 in zip(PICTURES, STORE, strict=True)
        ]
    return [Job(one, condition) for one in asked for condition in conditions(model, texts)]


@pytest.mark.parametrize("make", [llama, llava, qwen])
def test_every_row_of_a_mixed_batch_gives_the_tokens_of_its_own_run(make, monkeypatch):
    monkeypatch.setattr(runtime, "PREFILL_TOKENS", 128)  # several prefill passes, joined
    model = make(STORE, attn="headbench") if make is not llama else make(attn="headbench")
    jobs = work(model)
    rows = [model.preparation.sequence(model.prompter.resolve(job.request)) for job in jobs]
    assert len(model.runtime.parts([SequenceGroup.of(row) for row in rows])) >= 3
    together = dict(model.answer(jobs))
    alone = [next(iter(model.answer([job])))[1] for job in jobs]
    for place, single in enumerate(alone):
        mixed = together[place]
        assert mixed.tokens == single.tokens, jobs[place].condition.name
        assert mixed.logprobs == pytest.approx(single.logprobs, abs=2e-4)
        assert (mixed.visited, mixed.changed) == (single.visited, single.changed)
        assert mixed.chosen == single.chosen
    changed = [together[p] for p, job in enumerate(jobs) if job.condition.role == "toggle"]
    assert sum(answer.changed > 0 for answer in changed) >= len(changed) // 2


@pytest.mark.bits
def test_an_unedited_row_keeps_its_bits_beside_edited_ones():
    model = llama(attn="headbench")
    asked = [request(text) for text in TEXTS]
    masked = resolve(INTERVENTIONS[0], model.info)[0]
    pure = dict(model.answer([Job(one, BASELINE) for one in asked * 2]))
    beside = dict(
        model.answer([Job(one, condition) for condition in (BASELINE, masked) for one in asked])
    )
    for place in range(len(asked)):
        if len(pure[place].tokens) == 12:  # the same rows run to the end on both sides
            assert beside[place].first == pure[place].first


def test_changed_counts_positions_times_heads():
    model = llama(attn="headbench")
    condition = resolve("mask_heads(heads=[[0,1],[1,2],[1,3]])", model.info)[0]
    one = request(TEXTS[1], ask={"max_new_tokens": 5})
    answer = next(iter(model.answer([Job(one, condition)])))[1]
    prompt = len(model.prompter.resolve(one).tokens)
    passes = answer.passes
    assert answer.visited == 2
    assert answer.changed == 3 * (prompt + passes - 1)


@pytest.mark.parametrize("count", [1, 2])
def test_vhr_without_an_image_is_inert_and_equals_the_baseline(count):
    """They are two rows of one batch, which threads share out: tokens are equal, bits are not."""
    model = llava(STORE, attn="headbench", threads=str(count))
    vhr = resolve("vhr", model.info)[0]
    plain, edited = answers(
        model, [Job(request(TEXTS[1]), condition) for condition in (BASELINE, vhr)]
    )
    assert edited.changed == 0
    assert edited.visited > 0
    assert edited.tokens == plain.tokens
    assert edited.logprobs == pytest.approx(plain.logprobs, abs=ROWS_DIFFER)
    assert edited.first == pytest.approx(plain.first, abs=ROWS_DIFFER)


def test_conditions_of_one_prompt_share_their_probe():
    model = llava(STORE, attn="headbench")
    vhr = resolve("vhr", model.info)[0]
    family = [BASELINE, vhr, *control_conditions(vhr, 3, 0)[0]]
    asked = request(PICTURES[0], images=tuple(STORE)[:1], ask={"max_new_tokens": 1})
    before = model.runtime.passes
    found = dict(model.answer([Job(asked, condition) for condition in family]))
    assert model.runtime.passes - before == 2
    assert [found[p].passes for p in range(len(family))] == [1, 2, 2, 2, 2]


@pytest.mark.parametrize("make", [llama, llava, qwen])
def test_scoring_generated_tokens_under_a_condition_gives_the_stepwise_log_probabilities(make):
    model = make(STORE, attn="headbench") if make is not llama else make(attn="headbench")
    jobs = work(model)
    made = answers(model, jobs)
    pairs = [
        (Job(dataclasses.replace(job.request, kind="score", ask=ask), job.condition), answer)
        for job, answer in zip(jobs, made, strict=True)
        if answer.tokens and not model.prompter.image_ids & set(answer.tokens)
        for ask in [{"continuation_tokens": [answer.tokens]}]
    ]
    assert len(pairs) > len(jobs) // 2
    scored = answers(model, [job for job, _ in pairs])
    for (job, answer), again in zip(pairs, scored, strict=True):
        assert again.logprobs == pytest.approx(answer.logprobs, abs=2e-4), job.condition.name
        assert again.visited == answer.visited


def test_masking_every_head_changes_key_and_answer():
    model = llama(attn="headbench")
    every = [[layer, head] for layer in range(3) for head in range(4)]
    condition = resolve(f"mask_heads(heads={every})", model.info)[0]
    plain, dead = (Job(request(TEXTS[1]), a) for a in (BASELINE, condition))
    keys = {response_key(model.identity, model.key(job), job) for job in (plain, dead)}
    assert len(keys) == 2
    one, two = answers(model, [plain, dead])
    assert one.tokens != two.tokens
    again = answers(model, [plain])[0]
    assert again.tokens == one.tokens


@pytest.mark.parametrize("size", ["1", "16"])
def test_represent_brings_captures_home(size):
    model = llama(attn="headbench", batch_size=size, chat_template="off")
    state = Capture("residual", (0, 2), rows="last")
    heads = {"site": "z", "layers": [1], "rows": "last"}
    asked = [request(text, "represent", ask={"captures": [state, heads]}) for text in TEXTS]
    condition = resolve("scale_heads(heads=[[1,1]],alpha=3.0)", model.info)[0]
    jobs = [Job(one, which) for one in asked for which in (BASELINE, condition)]
    found = answers(model, jobs)
    for place, one in enumerate(asked):
        plain, edited = found[2 * place], found[2 * place + 1]
        ids = torch.tensor([model.prompter.resolve(one).tokens])
        with torch.no_grad():
            states = model.model(ids, output_hidden_states=True).hidden_states
        torch.testing.assert_close(plain.arrays[state][0, 0], states[1][0, -1], atol=1e-4, rtol=0)
        z = Capture("z", (1,), rows="last")
        torch.testing.assert_close(edited.arrays[z][0, 0, 1], 3 * plain.arrays[z][0, 0, 1])
        torch.testing.assert_close(edited.arrays[z][0, 0, 0], plain.arrays[z][0, 0, 0])
        assert edited.visited == 1
        assert edited.changed > 0


def test_layers_of_captures_count_from_the_top_too():
    model = llama(attn="headbench", chat_template="off")
    top, same, low = (Capture("residual", (at,), rows="last") for at in (-1, 2, -3))
    (found,) = answers(
        model, [Job(request(TEXTS[0], "represent", ask={"captures": [top, same, low]}), BASELINE)]
    )
    assert list(found.arrays) == [top, same, low]
    assert torch.equal(found.arrays[top], found.arrays[same])
    assert not torch.equal(found.arrays[top], found.arrays[low])
    below = request(TEXTS[0], "represent", ask={"captures": [Capture("residual", (-4,))]})
    with pytest.raises(RefusedError, match="layer -4 does not exist"):
        model.plan([Job(below, BASELINE)])


# ------------------------------------------------------------------ what methods may ask for


@dataclass(frozen=True)
class Toy:
    """An intervention that returns what it was given."""

    given: Plan = field(default_factory=Plan)
    asked: tuple[Probe, ...] = ()
    needs: frozenset[str] = frozenset()
    canonical: str = "toy"

    def probes(self, case):
        return self.asked

    def plan(self, case, seen):
        return self.given

    def controls(self, count, seed):
        return None


def under(model, *toys, one=None):
    return answers(model, [Job(one or request(TEXTS[1]), Condition("toy", toys, "toggle"))])[0]


@dataclass(frozen=True)
class Rewriting(Toy):
    """A toy that asks another request."""

    other: Request = field(default_factory=lambda: request(TEXTS[2]))

    def rewrite_probes(self, case):
        return ()

    def rewrite(self, case, probed):
        return Rewrite(self.other)


def test_a_request_that_is_still_to_be_rewritten_is_not_answered():
    model = llama(attn="headbench")
    condition = Condition("toy", (Rewriting(),), "toggle")
    job = Job(request(TEXTS[1]), condition)
    with pytest.raises(RefusedError, match="rewrites requests, and this one is still the task's"):
        answers(model, [job])
    ((_, rewrite),) = model.rewrite([job])
    (found,) = answers(model, [Job(rewrite.request, condition, rewritten=True)])
    assert found.tokens == answers(model, [Job(Rewriting().other, BASELINE)])[0].tokens


def test_what_rewrites_requests_is_not_folded():
    with pytest.raises(RefusedError, match="more than edits of weights"):
        foldable([Rewriting()])


def test_what_cannot_be_joined_or_run_is_refused_by_name():
    model = llama(attn="headbench")
    other = request(TEXTS[2])
    with pytest.raises(RefusedError, match="two interventions rewrite"):
        under(model, Rewriting(), Rewriting())
    branches = frozenset({"branches"})
    contrast = Toy(
        Plan(branches={"text": Branch(other)}, combine=lambda logits, forced: logits),
        needs=branches,
    )
    with pytest.raises(RefusedError, match="two interventions compare branches"):
        under(model, contrast, contrast)
    with pytest.raises(RefusedError, match="branches that nothing combines"):
        under(model, Toy(Plan(branches={"text": Branch(other)}), needs=branches))
    with pytest.raises(RefusedError, match="cannot be called 'main'"):
        under(
            model,
            Toy(
                Plan(branches={"main": Branch()}, combine=lambda logits, forced: logits),
                needs=branches,
            ),
        )
    with pytest.raises(RefusedError, match="does not declare 'branches' among its needs"):
        under(model, dataclasses.replace(contrast, needs=frozenset()))
    probe = Probe("p", other, (Capture("z", (0,)),), gradient=True)
    with pytest.raises(RefusedError, match="does not declare 'gradients' among its needs"):
        under(model, Toy(asked=(probe,)))


def test_a_model_without_the_engine_takes_no_interventions():
    model = llama(attn="sdpa")
    condition = resolve(INTERVENTIONS[0], model.info)[0]
    with pytest.raises(RefusedError, match="out of reach"):
        model.plan([Job(request("who"), condition)])


def test_a_head_that_is_not_there_is_refused_before_anything_runs():
    model = llama(attn="headbench")
    before = model.runtime.passes
    toy = Toy(Plan(edits=(Edit("z", Scale(0.0), {0: (9,)}),)))
    job = Job(request(TEXTS[1]), Condition("toy", (toy,), "toggle"))
    with pytest.raises(RefusedError, match="head 9 of layer 0 does not exist"):
        model.plan([job])
    router = Capture("router", (-1,))
    asked = request("who", "represent", ask={"captures": [router]})
    with pytest.raises(RefusedError, match="declares no router"):
        model.plan([Job(asked, BASELINE)])
    with pytest.raises(RefusedError, match="without the intervention engine"):
        llama(attn="sdpa").plan([Job(asked, BASELINE)])
    assert model.runtime.passes == before


@pytest.mark.bits
def test_edits_are_gone_after_an_error_in_a_batch():
    model = llama(attn="headbench")
    condition = resolve(INTERVENTIONS[0], model.info)[0]
    clean = answers(model, [Job(request(TEXTS[1]), BASELINE)])[0]
    real, count = model.runtime.step, [0]

    def failing(batch, tokens):
        count[0] += 1
        if count[0] == 2:
            raise RuntimeError("stopped")
        real(batch, tokens)

    model.runtime.step = failing
    with pytest.raises(RuntimeError, match="stopped"):
        answers(model, [Job(request(TEXTS[1]), condition)])
    model.runtime.step = real
    again = answers(model, [Job(request(TEXTS[1]), BASELINE)])[0]
    assert again.logprobs == clean.logprobs


def test_probes_see_the_unedited_model():
    model = llama(attn="headbench", chat_template="off")
    one: Request = request(TEXTS[1])
    z = Capture("z", (2,), rows="last")
    seen = {}

    class Watching(Toy):
        def plan(self, case, found):
            seen.update(found["first"])
            return Plan(edits=(Edit("z", Scale(0.0), {0: (0, 1, 2, 3)}),))

    under(model, Watching(asked=(Probe("first", one, (z,)),)), one=one)
    plain = request(TEXTS[1], "represent", ask={"captures": [z]})
    wanted = answers(model, [Job(plain, BASELINE)])[0].arrays[z]
    torch.testing.assert_close(seen[z], wanted)


@pytest.mark.parametrize("mode", ["sink", "identity", "uniform", "zero"])
def test_rows_that_end_early_leave_the_others_as_they_would_be_alone(mode: str) -> None:
    """The batch is laid out anew when a row ends; what an edit remembers must survive that."""
    model = llama(attn="headbench")
    condition = resolve(f"mask_heads(heads=[[0,1],[1,0],[2,3]],mode={mode})", model.info)[0]
    asked = [
        request(text, ask={"max_new_tokens": limit})
        for text, limit in zip((*TEXTS, *TEXTS), (12, 3, 7, 1, 9, 5), strict=True)
    ]
    together = answers(model, [Job(one, condition) for one in asked])
    alone = [answers(model, [Job(one, condition)])[0] for one in asked]
    assert [answer.tokens for answer in together] == [answer.tokens for answer in alone]
    assert len({len(answer.tokens) for answer in together}) > 2


def test_another_configuration_is_another_model() -> None:
    """Equal weights under another rotary base answer otherwise, so they must not share answers."""
    rope = {"rope_type": "default", "rope_theta": 50.0}
    plain, turned = (
        wrap(tiny_llama(**changes), tiny_tokenizer(chat_template=True), name="m")
        for changes in ({}, {"rope_parameters": rope})
    )
    job = Job(request("is there a cat in the image?"), BASELINE)
    assert plain.identity["weights"] == turned.identity["weights"]
    keys = {response_key(model.identity, model.key(job), job) for model in (plain, turned)}
    assert len(keys) == 2


@pytest.mark.parametrize("most", [16, 64])
def test_conditions_prefilled_in_parts_may_remember_different_things(most, monkeypatch) -> None:
    """One part holds rows that must remember their first value, another part holds none."""
    monkeypatch.setattr("headbench.models.runtime.runtime.PREFILL_TOKENS", most)
    model = llama(attn="headbench")
    sink = resolve("mask_heads(heads=[[0,1],[1,0]],mode=sink)", model.info)[0]
    work = [
        Job(request(text, ask={"max_new_tokens": 5}), condition)
        for condition in (BASELINE, sink)
        for text in TEXTS
    ]
    together = answers(model, work)
    alone = [answers(model, [job])[0] for job in work]
    assert [answer.tokens for answer in together] == [answer.tokens for answer in alone]
