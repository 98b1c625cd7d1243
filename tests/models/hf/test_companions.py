"""A companion of the request: VHR with a reinforced text-only pass, against hooks."""

from __future__ import annotations

import dataclasses

import pytest
import torch

from headbench.detectors.calibration import without_image
from headbench.errors import RefusedError
from headbench.interventions.methods.vhr import above_median, divergence
from headbench.interventions.resolve import resolve
from headbench.jobs import Condition, Job
from headbench.models.hf.adapter import HFModel
from headbench.models.hf.intervene import intervene
from headbench.nouns import Capture, Request
from helpers_models import BASELINE, answers, images, llava, request

STORE = images(3)
QUESTION = "<image>\nis there a cat in the image?"
HEADS, DIM = 4, 12


@pytest.fixture(scope="module")
def model() -> HFModel:
    return llava(STORE, attn="headbench")


def asked(sha256: str, content: str = QUESTION, new: int = 8) -> Request:
    return request(content, images=(sha256,), document=sha256, ask={"max_new_tokens": new})


def condition(model: HFModel, text: str) -> Condition:
    return resolve(text, model.info)[0]


def last_z(
    model: HFModel, one: Request, scaled: dict[int, torch.Tensor], alpha: float
) -> torch.Tensor:
    """z of the last row by plain hooks ``[layer, head, dim]``, before each layer's own scaling."""
    kept: list[torch.Tensor] = []

    def edit(layer: int):  # type: ignore[no-untyped-def]
        def hook(_module: object, given: tuple[torch.Tensor, ...]) -> tuple[torch.Tensor]:
            z = given[0].unflatten(-1, (HEADS, DIM))
            kept.append(z[0, -1].clone())
            factor = torch.ones(HEADS)
            if layer in scaled:
                factor[scaled[layer]] = alpha
            return ((z * factor[:, None]).flatten(-2),)

        return hook

    layers = model.model.model.language_model.layers
    hooks = [
        layer.self_attn.o_proj.register_forward_pre_hook(edit(number))
        for number, layer in enumerate(layers)
    ]
    model.runtime.encode([model.preparation.sequence(model.prompter.resolve(one))], cache=False)
    for hook in hooks:
        hook.remove()
    return torch.stack(kept)


def choice(model: HFModel, one: Request, alpha: float, *, both: bool) -> dict[int, torch.Tensor]:
    """Heads of each layer, chosen in ascending order, two whole passes a layer."""
    chosen: dict[int, torch.Tensor] = {}
    for layer in range(3):
        seen = last_z(model, one, chosen, alpha)[layer]
        blind = last_z(model, without_image(one), chosen if both else {}, alpha)[layer]
        chosen[layer] = above_median(divergence(seen, blind, outlier_removal=True))
    return chosen


@pytest.mark.parametrize("alpha", [2.0, 6.0])
def test_the_heads_are_those_of_two_reinforced_streams(model: HFModel, alpha: float) -> None:
    apart = 0
    for sha256 in STORE:
        one = asked(sha256)
        for both in (True, False):
            toggle = f"vhr(alpha={alpha},reinforce_text_branch={str(both).lower()})"
            (found,) = answers(model, [Job(one, condition(model, toggle))])
            expected = {
                layer: tuple(torch.nonzero(heads).flatten().tolist())
                for layer, heads in choice(model, one, alpha, both=both).items()
            }
            assert dict(found.chosen) == expected
            assert found.passes > 1
        apart += expected != {
            layer: tuple(torch.nonzero(heads).flatten().tolist())
            for layer, heads in choice(model, one, alpha, both=True).items()
        }
    assert alpha < 3 or apart  # the two readings are two methods


@pytest.mark.parametrize("kind", ["generate", "score", "represent"])
def test_request_and_companion_share_the_pass_of_the_prompt(model: HFModel, kind: str) -> None:
    one = asked(next(iter(STORE)), new=3)
    ask = {
        "generate": one.ask,
        "score": {"continuations": ["yes", "a red lamp"]},
        "represent": {"captures": [Capture("z", (2,))]},
    }
    one = dataclasses.replace(one, kind=kind, ask=ask[kind])
    reinforced = condition(model, "vhr(alpha=4.0,reinforce_text_branch=true)")
    before = model.runtime.passes
    (plain,) = answers(model, [Job(one, BASELINE)])
    between = model.runtime.passes
    (found,) = answers(model, [Job(one, reinforced)])
    assert model.runtime.passes - between == between - before
    extra = 2 if kind == "score" else 1  # one companion per row that reads the prompt
    assert found.passes == plain.passes + extra
    assert found.changed > 0


def test_captures_are_of_the_request_and_its_companion_needs_none_of_its_spans(
    model: HFModel,
) -> None:
    """The text-only row has no span ``image``; the request's captures are not looked for there."""
    one = asked(next(iter(STORE)))
    capture = Capture("pattern", (2,), rows="last", keys="image")
    one = dataclasses.replace(one, kind="represent", ask={"captures": [capture]})
    reinforced = condition(model, "vhr(alpha=4.0,reinforce_text_branch=true)")
    (alone,) = answers(model, [Job(one, reinforced)])
    (plain,) = answers(model, [Job(one, BASELINE)])
    plain_array, array = (dict(found.arrays)[capture] for found in (plain, alone))
    assert array.shape == plain_array.shape  # [layer, head, row, image key]
    assert (array != plain_array).any()  # layers before it are edited


def test_it_composes_and_stands_in_a_batch(model: HFModel) -> None:
    """The text-only row runs under VHR's own edits, whatever else the request runs under."""
    toggles = (
        "vhr(alpha=4.0,reinforce_text_branch=true)",
        "pai(alpha=0.5)+vhr(alpha=4.0,reinforce_text_branch=true)",
        "vhr(alpha=4.0,reinforce_text_branch=true)+mask_heads(heads=[[0,1]])",
    )
    conditions = [BASELINE, *(condition(model, toggle) for toggle in toggles)]
    jobs = [Job(asked(sha256), which) for sha256 in STORE for which in conditions]
    together = answers(model, jobs)
    for job, found in zip(jobs, together, strict=True):
        (alone,) = answers(model, [job])
        assert found.tokens == alone.tokens
        assert dict(found.chosen) == dict(alone.chosen)
    masked = together[3]
    assert all(len(heads) == 2 for heads in masked.chosen.values())


def test_without_an_image_or_strength_nothing_is_chosen(model: HFModel) -> None:
    text = request("who is there?", ask={"max_new_tokens": 4})
    on = condition(model, "vhr(alpha=3.0,reinforce_text_branch=true)")
    plain, inert = answers(model, [Job(text, BASELINE), Job(text, on)])
    assert inert.tokens == plain.tokens and inert.changed == 0 and inert.visited > 0
    (sha256, *_) = STORE
    off = condition(model, "vhr(alpha=1.0,reinforce_text_branch=true)")
    plain, idle = answers(model, [Job(asked(sha256), BASELINE), Job(asked(sha256), off)])
    assert idle.tokens == plain.tokens and idle.passes == plain.passes


def test_controls_read_the_companion_too(model: HFModel) -> None:
    (sha256, *_) = STORE
    (method,) = condition(model, "vhr(alpha=3.0,reinforce_text_branch=true)").interventions
    controls = method.controls(2, 0)
    assert controls is not None
    for draw in controls.draws:
        drawn = dataclasses.replace(BASELINE, name=draw.canonical, interventions=(draw,))
        (found,) = answers(model, [Job(asked(sha256), drawn)])
        assert [len(found.chosen[layer]) for layer in range(3)] == [2, 2, 2]


def test_in_a_plain_model_it_is_refused() -> None:
    from helpers_tiny import tiny_llava

    plain = tiny_llava()
    ids = torch.tensor([[1, *[4] * 16, 10, 11]])
    pixels = torch.zeros(1, 3, 32, 32)
    toggle = "vhr(alpha=2.0,reinforce_text_branch=true)"
    with intervene(plain, toggle), pytest.raises(RefusedError, match="in one batch"):
        plain(input_ids=ids, pixel_values=pixels)
