"""Layer numbers are the model's own decoder layers, in models that mix layers too."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
import transformers as t
from safetensors.torch import save_file
from torch import nn

import headbench
from headbench.edits import Edit, Plan, Scale
from headbench.errors import RefusedError
from headbench.heads import HeadMap
from headbench.interventions.control_draws import other_sets
from headbench.interventions.edits import SequenceEdits
from headbench.interventions.head_choice import AnyHeads, choose
from headbench.interventions.layer_ranges import check_layers, with_attention
from headbench.interventions.resolve import resolve
from headbench.models.hf.engine import Engine
from headbench.models.hf.fold import fold, foldable
from headbench.models.hf.layer_stack import stack_of
from headbench.nouns import Capture, ModelInfo
from helpers_hybrids import HYBRIDS, hybrid, output_projection, silence

HEADS, WIDTH = 4, 8
MIXED = ModelInfo("mixed", "qwen3_next", 32, 16, 2, 128, attention=tuple(range(3, 32, 4)))
"""Every fourth of 32 layers attends: 3, 7, 11, ... 31."""


def tokens() -> torch.Tensor:
    return torch.randint(10, 60, (1, 20), generator=torch.Generator().manual_seed(1))


@pytest.mark.parametrize("name", HYBRIDS)
def test_a_masked_head_is_the_one_of_the_layer_that_was_named(name: str) -> None:
    model, attending, ids = hybrid(name), HYBRIDS[name][1], tokens()
    plain = model(ids).logits
    for layer in range(4):
        spec = f"mask_heads(heads=[[{layer},1]])"
        if layer not in attending:
            with (
                pytest.raises(RefusedError, match=rf"layer {layer} of .* has no attention heads"),
                headbench.intervene(model, spec),
            ):
                pass
            continue
        hook = silence(output_projection(model, layer), 1, WIDTH)
        hooked = model(ids).logits
        hook.remove()
        with headbench.intervene(model, spec):
            edited = model(ids).logits
        torch.testing.assert_close(edited, hooked, atol=1e-5, rtol=0)
        assert (edited - plain).abs().max() > 1e-2


@pytest.mark.parametrize("name", ["LFM2", "Qwen3-Next"])
def test_engine_edits_captures_and_folds_by_the_models_own_numbers(name: str) -> None:
    model, ids = hybrid(name), tokens()
    row = SequenceEdits(Plan(), 20)
    with torch.no_grad(), Engine(model) as engine:
        assert (engine.shape.layers, engine.shape.attending) == (4, (1, 3))
        assert list(engine.modules) == [1, 3]
        assert len(engine.blocks) == 4
        stream = Capture("residual", (0, 1, 2, 3), rows="all")
        with engine.capture((stream,), [row]) as seen:
            states = model(ids, output_hidden_states=True).hidden_states
        for layer in range(3):  # the last one's is normed by the library
            assert torch.equal(seen[0][stream][layer], states[layer + 1][0])
        heads = Capture("z", (0, 1), rows="last")
        with (
            pytest.raises(RefusedError, match=r"layer 0 of .* has no attention heads") as caught,
            engine.capture((heads,), [row]),
        ):
            pass
        assert caught.value.hint == "layers with attention: 1, 3"
        masked = Plan(edits=(Edit("z", Scale(0.0), {2: (0,)}),))
        with (
            pytest.raises(RefusedError, match=r"layer 2 of .* has no attention heads"),
            engine.attach([SequenceEdits(masked, 20)]),
        ):
            pass
        everywhere = Plan(edits=(Edit("z", Scale(0.0), lambda view, z: torch.ones(HEADS) > 0),))
        with engine.attach([SequenceEdits(everywhere, 20)]) as report:
            model(ids)
        assert report.chosen(0) == {1: (0, 1, 2, 3), 3: (0, 1, 2, 3)}
        hook = silence(output_projection(model, 3), 2, WIDTH)
        hooked = model(ids).logits
        hook.remove()
    (condition,) = resolve("mask_heads(heads=[[3,2]])", ModelInfo("m", "x", 4, 4, 2, 8))
    assert fold(model, foldable(condition.interventions)).layers == (3,)
    torch.testing.assert_close(model(ids).logits, hooked, atol=1e-5, rtol=0)


def test_a_layer_without_attention_can_be_steered(tmp_path: Path) -> None:
    model, ids = hybrid("LFM2"), tokens()
    direction = torch.randn(32, generator=torch.Generator().manual_seed(2))
    save_file({"direction": direction}, tmp_path / "d.safetensors")
    spec = f"steer(file='{tmp_path}/d.safetensors',layer=2,strength=3)"
    wanted = direction / direction.norm() * 3
    hook = model.model.layers[2].register_forward_hook(lambda module, args, out: out + wanted)
    hooked = model(ids).logits
    hook.remove()
    with headbench.intervene(model, spec):
        edited = model(ids).logits
    torch.testing.assert_close(edited, hooked, atol=1e-4, rtol=0)


def test_a_generation_keeps_the_models_own_numbers() -> None:
    model, ids = hybrid("Qwen3.5"), tokens()
    settings = {"max_new_tokens": 6, "do_sample": False, "eos_token_id": None, "pad_token_id": 0}
    hooks = [silence(output_projection(model, layer), 1, WIDTH) for layer in (1, 3)]
    hooked = model.generate(ids, **settings)
    for hook in hooks:
        hook.remove()
    with headbench.intervene(model, "mask_heads(heads=[[1,1],[3,1]])"):
        assert torch.equal(model.generate(ids, **settings), hooked)
    assert not torch.equal(model.generate(ids, **settings), hooked)


def test_defaults_by_depth_keep_the_layers_of_the_range_that_attend() -> None:
    def layers(spec: str, info: ModelInfo = MIXED) -> tuple[int, ...]:
        return tuple(resolve(spec, info)[0].interventions[0].layers)

    assert layers("vhr") == (19, 23, 27, 31)
    assert layers("pai") == (3, 7, 11, 15, 19, 23, 27, 31)
    assert layers("var") == (3, 7, 11, 15, 19, 23, 27)
    gift = resolve("gift", MIXED)[0].interventions[0]
    assert set(gift.layers) <= set(MIXED.attending)
    assert gift.saliency_layer in MIXED.attending
    shallow = ModelInfo("s", "lfm2", 6, 4, 2, 8, attention=(2, 5))
    assert layers("vhr", shallow) == (2, 5)


def test_a_default_range_without_attention_takes_the_nearest_layer_that_has_it() -> None:
    assert with_attention((8, 9, 10), MIXED) == (7,)
    assert with_attention((9, 10), MIXED) == (11,)
    assert with_attention((7, 8, 9), MIXED) == (7,)
    assert with_attention((), MIXED) == ()


@pytest.mark.parametrize("spec", ["vhr(layers=[3,4])", "pai(layers=[4])", "var(layers=[4])"])
def test_layers_that_were_asked_for_are_never_dropped(spec: str) -> None:
    with pytest.raises(RefusedError, match="layer 4 of mixed has no attention heads") as caught:
        resolve(spec, MIXED)
    assert caught.value.hint == "layers with attention: 3, 7, 11, 15, 19, 23, 27, 31"


def test_gift_reads_its_map_in_a_layer_that_attends() -> None:
    with pytest.raises(RefusedError, match="layer 12 of mixed has no attention heads"):
        resolve("gift(saliency_layer=12)", MIXED)


def test_methods_of_all_heads_take_those_that_exist() -> None:
    assert tuple(choose(AnyHeads(), MIXED).table) == MIXED.attending
    (condition,) = resolve("stream_heads(heads=[[3,0]],first=1,recent=4)", MIXED)
    assert tuple(condition.interventions[0].streaming) == MIXED.attending
    assert check_layers((7, 3, 3), MIXED) == (3, 7)
    table = {3: (1,)}
    assert all(tuple(draw) == (3,) for draw in other_sets(table, 16, 3, 0).tables)


def test_vectors_for_a_layer_without_attention_are_refused(tmp_path: Path) -> None:
    info = ModelInfo("mixed", "lfm2", 4, 4, 2, 8, attention=(1, 3))
    for layer in (1, 2):
        given = torch.zeros(4, 4, 8)
        given[layer, 2] = 1
        save_file({"offset": given}, tmp_path / f"{layer}.safetensors")
    (condition,) = resolve(f"offset_heads(file='{tmp_path}/1.safetensors')", info)
    assert dict(condition.interventions[0].table) == {1: (2,)}
    with pytest.raises(RefusedError, match="layer 2 of mixed has no attention heads"):
        resolve(f"offset_heads(file='{tmp_path}/2.safetensors')", info)


def test_a_map_of_a_mixed_model_chooses_heads_that_exist(tmp_path: Path) -> None:
    rows = [[float(layer == 3), 0.2] if layer in (1, 3) else None for layer in range(4)]
    found = HeadMap(detector="d", model="m", layers=4, heads=2, scores=rows)
    found.save(tmp_path / "map.json")
    info = ModelInfo("mixed", "lfm2", 4, 2, 2, 8, attention=(1, 3))
    for choice, wanted in (
        ("top=2", {1: (1,), 3: (0,)}),
        ("fraction=0.5", {1: (1,), 3: (0,)}),
        ("threshold=0.1", {1: (1,), 3: (0, 1)}),
    ):
        (condition,) = resolve(f"mask_heads(map='{tmp_path}/map.json',{choice})", info)
        assert dict(condition.interventions[0].table) == wanted


def test_a_module_that_serves_several_layers_is_refused_by_name() -> None:
    model = t.LlamaForCausalLM(
        t.LlamaConfig(
            vocab_size=64, hidden_size=32, intermediate_size=48, num_hidden_layers=2,
            num_attention_heads=4,
        )
    ).eval()  # fmt: skip
    model.model.layers[1].self_attn = model.model.layers[0].self_attn
    with pytest.raises(RefusedError, match="LlamaForCausalLM runs one attention module several"):
        Engine(model)


class Block(nn.Module):
    """A layer with an attention module, or two."""

    def __init__(self) -> None:
        super().__init__()
        self.attn, self.cross = nn.Identity(), nn.Identity()


class Stacks(nn.Module):
    """Two lists of layers, and a module in neither."""

    def __init__(self) -> None:
        super().__init__()
        self.layers = nn.ModuleList([Block(), Block(), Block()])
        self.more = nn.ModuleList([Block()])
        self.alone = nn.Identity()


def test_layers_without_a_number_of_their_own_are_refused_by_name() -> None:
    model = Stacks()
    last, first = model.layers[2].attn, model.layers[0].attn
    stack = stack_of(model, [last, first])
    assert (len(stack.blocks), list(stack.modules)) == (3, [0, 2])
    assert stack.modules[2] is last
    with pytest.raises(RefusedError, match=r"Stacks attends in several stacks .*\(layers, more\)"):
        stack_of(model, [first, model.more[0].attn])
    with pytest.raises(RefusedError, match="layer 0 of Stacks has two attention modules"):
        stack_of(model, [first, model.layers[0].cross])
    with pytest.raises(RefusedError, match="Stacks keeps its layers in no module list"):
        stack_of(model, [model.alone])
