"""Gradients of a figure of the logits by what heads compute, against autograd on plain modules."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import pytest
import torch

from headbench.edits import Edit, Offset, Plan
from headbench.errors import RefusedError
from headbench.models.hf.engine import Engine
from headbench.models.hf.forward_pass import HFBackend
from headbench.models.hf.preparation import likeliest
from headbench.models.runtime import Runtime, TokenSequence
from headbench.nouns import Capture
from helpers_families import make
from helpers_tiny import tiny_llama

LAYERS = (0, 1, 2)
IDS = (1, 20, 33, 41, 50, 12, 9)


def runtime() -> Runtime:
    model = tiny_llama()
    return Runtime(HFBackend(model, 0), Engine(model))


def row(tokens: tuple[int, ...] = IDS, plan: Plan | None = None) -> TokenSequence:
    spans = {"needle": (1, 2, 4)}
    return TokenSequence(list(tokens), len(tokens), plan=plan or Plan(), spans=spans)


@contextmanager
def kept(modules, place: str) -> Iterator[list[torch.Tensor]]:
    """What enters or leaves modules, in the graph of the pass."""
    found: list[torch.Tensor] = []

    def keep(_module, given, *out):
        tensor = given[0] if place == "input" else out[0]
        found.append(tensor[0] if isinstance(tensor, tuple) else tensor)

    hooks = [
        module.register_forward_pre_hook(keep)
        if place == "input"
        else module.register_forward_hook(keep)
        for module in modules
    ]
    yield found
    for hook in hooks:
        hook.remove()


def by_autograd(site: str, heads: int = 4) -> torch.Tensor:
    """The same gradient of the eager model, differentiated by its own tensors."""
    model = tiny_llama()
    model.set_attn_implementation("eager")
    blocks = model.model.layers
    modules, place = {
        "z": ([block.self_attn.o_proj for block in blocks], "input"),
        "v": ([block.self_attn.v_proj for block in blocks], "output"),
        "residual": (list(blocks), "output"),
    }.get(site, ([], "input"))
    with kept(modules, place) as tensors:
        embedded = model.get_input_embeddings()(torch.tensor([IDS])).detach().requires_grad_()
        out = model(inputs_embeds=embedded, output_attentions=True)
        wanted = tensors or list(out.attentions)
        figure = out.logits[0, -1].log_softmax(-1).max()
        found = [gradient[0] for gradient in torch.autograd.grad(figure, wanted)]
    if site == "residual":
        return torch.stack(found)
    if site in ("z", "v"):
        count = heads if site == "z" else heads // 2
        return torch.stack([part.unflatten(-1, (count, -1)) for part in found])
    pattern = torch.stack([part[0] for part in wanted]).detach()
    gradient = torch.stack(found)
    if site == "scores":
        gradient = pattern * (gradient - (pattern * gradient).sum(-1, keepdim=True))
    return gradient.masked_fill(pattern == 0, 0.0)  # keys that a row does not see


@pytest.mark.parametrize("site", ["z", "v", "residual", "pattern", "scores"])
def test_gradients_are_those_of_the_eager_model(site: str) -> None:
    by_head = site in ("pattern", "scores")
    rows = "last" if by_head else "all"
    captures = [Capture(site, LAYERS, rows=rows)]
    if by_head:
        captures.append(Capture(site, LAYERS, rows="all", keys="needle"))
    found = runtime().gradients([row()], captures, likeliest)[0]
    wanted = by_autograd(site)
    if by_head:
        torch.testing.assert_close(found[captures[0]], wanted[:, :, -1:], atol=1e-5, rtol=1e-4)
        torch.testing.assert_close(found[captures[1]], wanted[..., [1, 2, 4]], atol=1e-5, rtol=1e-4)
    else:
        torch.testing.assert_close(found[captures[0]], wanted, atol=1e-5, rtol=1e-4)
    assert float(wanted.abs().max()) > 1e-3


@pytest.mark.parametrize("site", ["q", "z"])
def test_a_small_step_along_the_gradient_moves_the_figure_by_its_length(site: str) -> None:
    rt = runtime()
    capture = Capture(site, LAYERS)
    gradient = rt.gradients([row()], (capture,), likeliest)[0][capture][:, 0]  # [layer, head, dim]
    token = int(rt.encode([row()], cache=False).logits[0, -1].argmax())

    def figure(step: float) -> float:
        edit = Edit(site, Offset(step * gradient), {1: (0, 1, 2, 3)}, rows="last")
        logits = rt.encode([row(plan=Plan((edit,)))], cache=False).logits[0, -1]
        return float(logits.double().log_softmax(-1)[token])

    step = 1e-2 / float(gradient[1].norm())
    slope = (figure(step) - figure(-step)) / (2 * step)
    assert slope == pytest.approx(float(gradient[1].square().sum()), rel=0.02)


@pytest.mark.parametrize("name", ["Gemma2", "Mistral", "GPT-OSS", "Qwen3-MoE", "LLaVA"])
def test_a_padded_batch_gives_each_row_its_own_gradients(name: str) -> None:
    model = make(name)
    rt = Runtime(HFBackend(model, 0), Engine(model))
    prompts = (IDS, (1, 30, 22), (1, 11, 52, 40, 19))
    captures = (
        Capture("z", (0, 1)),
        Capture("k", (0,), rows="all"),
        Capture("pattern", (0, 1)),
        Capture("residual", (0,)),
    )

    def second(logits: torch.Tensor) -> torch.Tensor:
        return logits[5] - logits[9]

    together = rt.gradients([row(prompt) for prompt in prompts], captures, second)
    for number, prompt in enumerate(prompts):
        alone = rt.gradients([row(prompt)], captures, second)[0]
        for capture in captures:
            found = together[number][capture]
            if capture.site == "pattern":
                found = found[..., -len(prompt) :]  # columns count from the padded edge
            assert bool(found.isfinite().all())
            torch.testing.assert_close(found, alone[capture], atol=2e-5, rtol=1e-3)
            assert float(found.abs().max()) > 0 or capture.site == "pattern"


def test_a_differentiated_pass_leaves_no_trace_and_counts_once() -> None:
    rt = runtime()
    before = rt.encode([row()], cache=False).logits
    passes = rt.passes
    one = row()
    rt.gradients([one], (Capture("z", (0,)),), likeliest)
    assert (rt.passes - passes, one.passes) == (1, 1)
    after = rt.encode([row()], cache=False).logits
    assert torch.equal(before, after)
    assert not after.requires_grad
    assert not rt.backend.model.get_input_embeddings()._forward_hooks


def test_a_figure_apart_from_the_logits_is_refused() -> None:
    with pytest.raises(RefusedError, match="does not depend on the logits"):
        runtime().gradients([row()], (Capture("z", (0,)),), lambda logits: logits.detach().sum())
