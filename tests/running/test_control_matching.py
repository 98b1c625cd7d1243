"""Controls of equal size, against norms that are computed by hand from the weights."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

import headbench
from headbench.errors import RefusedError
from headbench.interventions.method import BoundMethod
from headbench.interventions.norm_matching import check_matchable
from headbench.interventions.resolve import control_conditions, resolve
from headbench.jobs import Condition, Job
from headbench.models.hf.adapter import HFModel
from headbench.nouns import Request
from headbench.running.control_matching import _matched
from headbench.running.planned_cells import PlannedIntervention
from helpers_models import images, llama, llava, request

STORE = images(3)
ASKED = [request(text) for text in ("what is the secret word of river?", "describe the red lamp")]


def outputs(model: HFModel, asked: Request) -> list[torch.Tensor]:
    """Inputs of every output projection, ``[row, head, dim]``, by a plain hook, unedited."""
    found: list[torch.Tensor] = []
    layers = model.model.model.layers
    info = model.info
    assert info is not None
    hooks = [
        layer.self_attn.o_proj.register_forward_pre_hook(
            lambda module, args: found.append(args[0][0].reshape(-1, info.heads, info.output_dim))
        )
        for layer in layers
    ]
    ids = torch.tensor([model.prompter.resolve(asked).tokens])
    with torch.no_grad():
        model.model(input_ids=ids)
    for hook in hooks:
        hook.remove()
    return found


def by_hand(model: HFModel, heads: dict[int, Sequence[int]], factor: float) -> float:
    """Mean norm of (factor - 1) sum_h W_h z_h over prompts, layers and rows."""
    sizes = []
    for asked in ASKED:
        z = outputs(model, asked)
        norms = []
        for layer, mine in heads.items():
            kept = torch.zeros_like(z[layer])
            kept[:, list(mine)] = (factor - 1) * z[layer][:, list(mine)]
            weight = model.model.model.layers[layer].self_attn.o_proj.weight
            norms.append((kept.flatten(1) @ weight.T).norm(dim=-1).mean())
        sizes.append(torch.stack(norms).mean())
    return float(torch.stack(sizes).mean().detach())


def toggle_of(model: HFModel, text: str, count: int = 3) -> PlannedIntervention:
    assert model.info is not None
    (condition,) = resolve(text, model.info)
    controls, facts = control_conditions(condition, count, 0)
    return PlannedIntervention(condition, controls, facts)


@pytest.mark.parametrize("alpha", [0.25, 1.5])
def test_every_control_changes_the_attention_output_as_much(alpha: float) -> None:
    model = llama(attn="headbench")
    toggle = toggle_of(model, f"scale_heads(heads=[[0,1],[2,0],[2,3]],alpha={alpha})")
    found = _matched(model, toggle, [ASKED])
    wanted = by_hand(model, {0: (1,), 2: (0, 3)}, alpha)
    before = [by_hand(model, c.interventions[0].table, alpha) for c in toggle.controls]  # type: ignore[attr-defined]
    after = [
        by_hand(model, c.interventions[0].table, c.interventions[0].params.alpha)  # type: ignore[attr-defined]
        for c in found.controls
    ]
    assert max(abs(size / wanted - 1) for size in before) > 0.02  # there was something to match
    assert after == pytest.approx([wanted] * 3, rel=1e-3)
    for control in found.controls:  # the same direction of change
        assert (control.interventions[0].params.alpha > 1) == (alpha > 1)  # type: ignore[attr-defined]
    assert found.condition is toggle.condition
    assert len({c.interventions[0].canonical for c in found.controls}) == 3


def test_heads_chosen_per_sample_are_measured_as_they_are_chosen() -> None:
    model = llava(STORE, attn="headbench")
    toggle = toggle_of(model, "vhr(alpha=2)", 2)
    asked = [request("<image> is there a cat?", images=(sha,)) for sha in STORE]
    found = _matched(model, toggle, [asked])
    assert [c.interventions[0].alpha for c in found.controls] != [2.0, 2.0]  # type: ignore[attr-defined]
    again = _matched(model, found, [asked])  # matched controls need no further factor
    for one, two in zip(found.controls, again.controls, strict=True):
        assert two.interventions[0].alpha == pytest.approx(  # type: ignore[attr-defined]
            one.interventions[0].alpha,
            rel=2e-3,  # type: ignore[attr-defined]
        )
    job = Job(asked[0], found.controls[0])
    ((_, answer),) = model.answer([job])
    assert answer.changed > 0


def test_moved_vectors_are_matched_too(tmp_path: Path) -> None:
    model = llama(attn="headbench")
    info = model.info
    assert info is not None
    offset = torch.zeros(info.layers, info.heads, info.output_dim)
    offset[1, 2] = torch.arange(info.output_dim) / 7.0
    save_file({"offset": offset}, tmp_path / "v.safetensors")
    toggle = toggle_of(model, f"offset_heads(file='{tmp_path / 'v.safetensors'}',strength=2)", 2)
    found = _matched(model, toggle, [ASKED[:1]])

    def size(head: int, strength: float) -> float:
        weight = model.output_weights(1)[head]
        return float((strength * offset[1, 2] @ weight).norm())

    for control in found.controls:
        method = control.interventions[0]
        (head,) = method.table[1]  # type: ignore[attr-defined]
        assert size(head, method.params.strength) == pytest.approx(size(2, 2.0), rel=1e-3)  # type: ignore[attr-defined]


def test_the_parts_of_a_composition_that_stay_are_not_measured() -> None:
    model = llama(attn="headbench")
    alone = toggle_of(model, "scale_heads(heads=[[0,1]],alpha=2)")
    beside = toggle_of(model, "scale_heads(heads=[[0,1]],alpha=2)+zerotuning(gamma=2)")
    one, two = (_matched(model, toggle, [ASKED]) for toggle in (alone, beside))
    for first, second in zip(one.controls, two.controls, strict=True):
        assert first.interventions[0] == second.interventions[0]
        assert second.interventions[1] is beside.condition.interventions[1]


def test_what_has_no_strength_is_refused_by_name() -> None:
    model = llama(attn="headbench")
    for text in ("mask_heads(heads=[[0,1]])", "softpag(heads=[[0,1]],u=0.5)"):
        toggle = toggle_of(model, text)
        with pytest.raises(RefusedError, match="no strength to match a norm with"):
            check_matchable(toggle.condition, toggle.controls)


def test_a_control_that_changes_nothing_cannot_be_matched() -> None:
    model = llama(attn="headbench")
    toggle = toggle_of(model, "scale_heads(heads=[[0,1]],alpha=2)", 1)
    (part,) = toggle.controls[0].interventions
    assert isinstance(part, BoundMethod)
    still = Condition("still", (part.rescaled(0.0),), "control")  # type: ignore[arg-type]
    with pytest.raises(RefusedError, match="changes nothing"):
        _matched(model, PlannedIntervention(toggle.condition, (still,), toggle.facts), [ASKED])


def test_a_run_matches_its_controls_and_says_so(tmp_path: Path) -> None:
    outcome = headbench.run(
        "niah", "scale_heads(map=retrieval,top=2,alpha=0.5)", limit=4, controls=2,
        control_match="norm", draws=50, out=tmp_path,
    )  # fmt: skip
    (comparison,) = outcome.comparisons
    facts = comparison.other.arm.controls
    assert facts is not None and facts.match == "norm"
    alphas = [r.arm.canonical[0] for r in outcome.results if r.arm.role == "control"]
    assert len(alphas) == 2 and not any("alpha=0.5," in name for name in alphas)
    assert "--control-match norm" in outcome.spec.command()
    assert "strength matched by norm" in outcome.notes[-1]
