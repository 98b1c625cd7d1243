from __future__ import annotations

from dataclasses import dataclass, field, replace

import pytest
import torch

from headbench.edits import Edit, Plan, Probe, Scale
from headbench.errors import ConfigError, RefusedError
from headbench.interventions.edits import SequenceEdits
from headbench.interventions.resolve import resolve
from headbench.jobs import Job
from headbench.models.hf.engine import Engine
from headbench.models.hf.intervene import Running, intervene
from headbench.nouns import Capture
from helpers_formula import Formula, logits
from helpers_models import answers, images, llava, request
from helpers_tiny import picture, tiny_llama, tiny_llava, tiny_llava_processor

SETTINGS = {"max_new_tokens": 5, "do_sample": False, "eos_token_id": None, "pad_token_id": 0}


@pytest.mark.bits
def test_generate_under_an_intervention_equals_the_engine_and_leaves_no_trace() -> None:
    model = tiny_llama()
    ids = torch.tensor([[0, 0, 1, 20, 30, 40, 21], [1, 9, 20, 33, 41, 50, 12]])
    mask = (ids != 0).long()
    plain = model.generate(ids, attention_mask=mask, **SETTINGS)
    with intervene(model, "mask_heads(heads=[[0,1],[2,3]],phase=decode)") as running:
        edited = model.generate(ids, attention_mask=mask, **SETTINGS)
        assert running.report is not None
        assert running.report.changed(0) == 4 * 2
        again = model.generate(ids, attention_mask=mask, **SETTINGS)
        assert running.report.changed(0) == 4 * 2
    assert torch.equal(edited, again)
    plan = Plan(edits=(Edit("z", Scale(0.0), {0: (1,), 2: (3,)}, "decode"),))
    with (
        Engine(model) as engine,
        engine.attach([SequenceEdits(plan, 5, 2), SequenceEdits(plan, 7)]),
    ):
        assert torch.equal(edited, model.generate(ids, attention_mask=mask, **SETTINGS))
    assert torch.equal(plain, model.generate(ids, attention_mask=mask, **SETTINGS))
    assert model.config._attn_implementation == "sdpa"


@pytest.mark.bits
def test_a_plain_call_is_all_prompt() -> None:
    model = tiny_llama()
    ids = torch.tensor([[1, 9, 20, 33, 41, 50, 12]])
    with torch.no_grad():
        plain = model(ids).logits
        with intervene(model, "mask_heads(heads=[[0,1]],phase=decode)"):
            assert torch.equal(model(ids).logits, plain)
        with intervene(model, "mask_heads(heads=[[0,1]],phase=prefill)"):
            assert not torch.equal(model(ids).logits, plain)


def test_vhr_strips_the_image_for_its_own_probe() -> None:
    model, processor = tiny_llava(), tiny_llava_processor()
    batch = processor(
        images=[picture(1)], text="<image> what is in the photo ?", return_tensors="pt"
    )
    ids = batch["input_ids"]
    with torch.no_grad(), intervene(model, "vhr(alpha=3)") as running:
        edited = model(**batch).logits
    assert running.report is not None
    assert running.report.visited(0) == 3
    chosen = running.report.chosen(0)
    assert all(len(heads) in (1, 2) for heads in chosen.values())

    without = ids[ids != 4][None]
    kept: dict[int, torch.Tensor] = {}

    def keep(layer: int, z: torch.Tensor, v: torch.Tensor, p: torch.Tensor) -> torch.Tensor:
        kept[layer] = z[0, :, -1]
        return z

    logits(model, Formula(z=keep), input_ids=without)

    def reinforce(layer: int, z: torch.Tensor, v: torch.Tensor, p: torch.Tensor) -> torch.Tensor:
        z = z.clone()
        distance = (z[0, :, -1] - kept[layer]).norm(dim=-1)
        size = kept[layer].norm(dim=-1) ** 2
        outlier = (distance > distance.mean() + distance.std(correction=0)) & (
            size > size.mean() + size.std(correction=0)
        )
        distance[outlier] = 0
        ordered = distance.sort().values
        z[:, distance > (ordered[1] + ordered[2]) / 2] *= 3
        return z

    expected = logits(model, Formula(z=reinforce), **batch)
    assert (edited - expected).abs().max() < 3e-4
    assert (edited - model(**batch).logits).abs().max() > 1e-2


@pytest.mark.bits
def test_vhr_on_text_is_inert() -> None:
    model = tiny_llava()
    ids = torch.tensor([[1, 20, 33, 41, 50, 12]])
    with torch.no_grad():
        plain = model(ids).logits
        with intervene(model, "vhr") as running:
            assert torch.equal(model(ids).logits, plain)
    assert running.report is not None
    assert (running.report.visited(0), running.report.changed(0)) == (3, 0)


def test_sweeps_and_lost_prompts_are_refused() -> None:
    model = tiny_llama()
    with pytest.raises(ConfigError, match="3 conditions"):
        intervene(model, "scale_heads(heads=[[0,1]],alpha=[1,2,3])").__enter__()
    ids = torch.tensor([[1, 9, 20, 33]])
    cache = model(ids).past_key_values
    with intervene(model, "mask_heads(heads=[[0,1]])"), pytest.raises(RefusedError, match="cache"):
        model(ids[:, :1], past_key_values=cache)
    assert not model._forward_pre_hooks


def test_embeddings_without_tokens_are_refused_with_the_reason() -> None:
    model = tiny_llama()
    embeddings = model.get_input_embeddings()(torch.tensor([[3, 4, 5]]))
    told = "called with inputs_embeds: embeddings do not say which tokens the prompt has"
    with intervene(model, "mask_heads(heads=[[0,1]])"):
        with pytest.raises(RefusedError, match=told):
            model(inputs_embeds=embeddings)
        with pytest.raises(RefusedError, match=told):
            model.generate(inputs_embeds=embeddings, max_new_tokens=1)
        with pytest.raises(RefusedError, match="without input_ids, inputs_embeds or pixel_values"):
            model()
    model(inputs_embeds=embeddings)  # outside of the block it is the model's own matter


def test_captures_are_hashable_keys() -> None:
    assert len({Capture("z", (0,)), Capture("z", (0,)), Capture("z", (1,))}) == 2


def test_gift_told_where_the_question_is_gives_the_tokens_that_a_run_gives() -> None:
    text, store = "please <image> is there a cat in the photo of the red lamp? answer:", images(1)
    start = text.index("is there")
    (sha256,) = store
    asked = request(
        text, images=(sha256,), ask={"max_new_tokens": 5},
        spans={"question": ((0, start, text.index(" answer")),)},
    )  # fmt: skip
    adapter = llava(store, attn="headbench")
    intervention = "gift(alpha=8,saliency_layer=0,layers=[0,1,2])"
    (condition,) = resolve(intervention, adapter.info)
    (answer,) = answers(adapter, [Job(asked, condition)])
    prompt = adapter.prompter.resolve(asked)

    model, processor = tiny_llava(), tiny_llava_processor()
    pixels = processor.image_processor(images=[picture(0)], return_tensors="pt")["pixel_values"]
    ids = torch.tensor([prompt.tokens])
    made = {}
    behind = tuple(range(max(prompt.spans["image"]) + 1, ids.shape[1]))
    for name, question in (("marked", prompt.spans["question"]), ("all behind", behind)):
        with intervene(model, intervention, spans={"question": question}):
            made[name] = model.generate(
                ids, pixel_values=pixels, output_logits=True, return_dict_in_generate=True,
                **SETTINGS,
            )  # fmt: skip
    length = len(answer.tokens)
    assert made["marked"].sequences[0, ids.shape[1] :].tolist()[:length] == list(answer.tokens)
    first = made["marked"].logits[0][0].log_softmax(-1)[answer.tokens[0]]
    assert abs(float(first) - answer.logprobs[0]) < 1e-4
    assert (made["marked"].logits[0] - made["all behind"].logits[0]).abs().max() > 1e-3


@dataclass(frozen=True)
class ByGradient:
    """Zero the head whose zeroing lowers the likeliest token's log-probability most."""

    capture: Capture
    canonical: str = "by_gradient()"
    needs: frozenset[str] = frozenset({"gradients"})

    def probes(self, case):
        value = Probe("value", case.request, (self.capture,))
        return (value, replace(value, name="slope", gradient=True))

    def plan(self, case, seen):
        product = seen["value"][self.capture] * seen["slope"][self.capture]
        best = int(product.sum(-1)[:, -1].flatten().argmax())
        return Plan((Edit("z", Scale(0.0), {best // 4: (best % 4,)}),))

    def controls(self, count, seed):
        return None


def test_probes_and_edits_find_their_rows_on_whichever_side_the_padding_is() -> None:
    model = tiny_llama()
    prompts = [[1, 9, 20, 33, 41, 50, 12], [1, 20, 30, 40], [1, 44, 51, 13, 16]]
    longest = max(map(len, prompts))

    def batch(side: str) -> tuple[torch.Tensor, torch.Tensor, list[int]]:
        pads = [[0] * (longest - len(prompt)) for prompt in prompts]
        rows = [
            pad + prompt if side == "left" else prompt + pad
            for pad, prompt in zip(pads, prompts, strict=True)
        ]
        last = [longest - 1 if side == "left" else len(prompt) - 1 for prompt in prompts]
        ids = torch.tensor(rows)
        return ids, (ids != 0).long(), last

    with Engine(model) as engine, Running(engine, [ByGradient(Capture("z", (0, 1, 2)))]) as running:
        alone, counts = [], []
        for prompt in prompts:
            alone.append(model(torch.tensor([prompt])).logits[0, -1])
            counts.append(running.report.changed(0))
        for side in ("left", "right"):
            ids, mask, last = batch(side)
            positions = (mask.cumsum(-1) - 1).clamp(min=0)
            logits = model(ids, attention_mask=mask, position_ids=positions).logits
            for number, at in enumerate(last):
                torch.testing.assert_close(logits[number, at], alone[number], atol=1e-4, rtol=0)
                assert running.report.changed(number) == counts[number] == len(prompts[number])
        with pytest.raises(RefusedError, match="padded on the right is continued"):
            model.generate(ids, attention_mask=mask, **SETTINGS)
        model(ids, attention_mask=mask).logits.sum().backward()  # a user may differentiate it
    with torch.no_grad():
        plain = model(torch.tensor([prompts[0]])).logits[0, -1]
    assert (plain - alone[0]).abs().max() > 1e-2


@dataclass(frozen=True)
class Looking:
    """Zero one head, and keep what its probe ``value`` saw."""

    capture: Capture
    head: int
    gradient: bool = False
    seen: list[dict] = field(default_factory=list)
    canonical: str = "looking()"
    needs: frozenset[str] = frozenset({"gradients"})

    def probes(self, case):
        return (Probe("value", case.request, (self.capture,), gradient=self.gradient),)

    def plan(self, case, seen):
        self.seen.append(dict(seen["value"]))
        return Plan((Edit("z", Scale(0.0), {0: (self.head,)}),))

    def controls(self, count, seed):
        return None


def test_composed_methods_whose_probes_share_a_name_get_their_own_captures() -> None:
    model, ids = tiny_llama(), torch.tensor([[1, 9, 20, 33, 41, 50, 12]])
    methods = [Looking(Capture("z", (0,)), 0), Looking(Capture("z", (2,)), 1)]
    with torch.no_grad(), Engine(model) as engine, Running(engine, methods) as running:
        model(ids)
        assert running.report is not None and running.report.changed(0) == 7 * 2
    for method in methods:
        (seen,) = method.seen
        assert list(seen) == [method.capture]


def test_two_meanings_of_one_capture_are_refused() -> None:
    """Edits read captures by name: a value would stand where the gradient is looked for."""
    model, ids = tiny_llama(), torch.tensor([[1, 9, 20, 33, 41, 50, 12]])
    value = Looking(Capture("z", (0,)), 0)
    slope = replace(value, head=1, gradient=True, seen=[])
    with Engine(model) as engine, torch.no_grad():
        with Running(engine, [value, slope]), pytest.raises(RefusedError, match="probe 'value'"):
            model(ids)
        with Running(engine, [value, replace(value, head=1)]):  # the same look, one pass
            model(ids)


def test_composed_text_only_probes_that_look_alike_share_their_captures() -> None:
    model, processor = tiny_llava(), tiny_llava_processor()
    batch = processor(
        images=[picture(1)], text="<image> what is in the photo ?", return_tensors="pt"
    )
    with torch.no_grad(), intervene(model, "vhr(alpha=2)+vhr(alpha=3)") as running:
        model(**batch)
    assert running.report is not None and running.report.visited(0) == 3
