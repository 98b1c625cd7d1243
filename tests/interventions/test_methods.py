"""Every toggle against its plain formula, its strength zero, its controls and its refusals."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_file

from headbench.errors import ConfigError, DataError, HeadbenchError, RefusedError
from headbench.heads.headmap import HeadMap
from headbench.interventions import registry
from headbench.interventions.api import intervene
from headbench.interventions.draws import other_heads
from headbench.interventions.grammar import parse
from headbench.interventions.methods.vhr import above_median, default_layers, divergence
from headbench.interventions.resolve import build, control_arms, resolve
from headbench.types import ModelInfo
from helpers_formula import Formula, logits
from helpers_tiny import picture, tiny_llama, tiny_llava, tiny_llava_processor

INFO = ModelInfo("tiny", "llama", 3, 4, 2, 12)
LENGTH = 24
CHOSEN = "heads=[[0,1],[1,0],[1,3]]"
TABLE = {0: (1,), 1: (0, 3)}


@pytest.fixture(scope="module")
def model() -> Any:
    return tiny_llama()


@pytest.fixture(scope="module")
def image_batch() -> dict[str, torch.Tensor]:
    text = "USER : <image> what is in the photo of the red cat ? ASSISTANT :"
    return dict(tiny_llava_processor()(images=[picture(1)], text=text, return_tensors="pt"))


@pytest.fixture(scope="module")
def llava() -> Any:
    return tiny_llava()


@pytest.fixture(scope="module")
def vectors(tmp_path_factory: pytest.TempPathFactory) -> str:
    generator = torch.Generator().manual_seed(0)
    offset = torch.zeros(3, 4, 12)
    offset[0, 1] = torch.randn(12, generator=generator)
    offset[1, 3] = torch.randn(12, generator=generator)
    path = tmp_path_factory.mktemp("vectors") / "v.safetensors"
    save_file({"offset": offset, "direction": torch.randn(48, generator=generator)}, path)
    return str(path)


def prompt(length: int = LENGTH) -> torch.Tensor:
    ids = torch.randint(10, 60, (1, length), generator=torch.Generator().manual_seed(7))
    ids[0, 0] = 1
    return ids


def under(model: Any, toggle: str, **inputs: torch.Tensor) -> torch.Tensor:
    with torch.no_grad(), intervene(model, toggle):
        return model(**inputs).logits


def masked(layer: int, table: dict[int, tuple[int, ...]] = TABLE) -> torch.Tensor:
    mask = torch.zeros(4, dtype=torch.bool)
    mask[list(table.get(layer, ()))] = True
    return mask.view(1, -1, 1, 1)


def on_z(change: Any) -> Formula:
    return Formula(z=lambda i, z, v, p: torch.where(masked(i), change(z, v), z))


def mean(v: torch.Tensor) -> torch.Tensor:
    return v.cumsum(2) / torch.arange(1, v.shape[2] + 1)[:, None]


def zero_dims(*dims: int) -> Any:
    def change(layer: int, q: torch.Tensor) -> torch.Tensor:
        new = q.clone()
        new[..., list(dims)] = 0
        return torch.where(masked(layer), new, q)

    return change


def window(layer: int, scores: torch.Tensor) -> torch.Tensor:
    t, j = torch.arange(scores.shape[2])[:, None], torch.arange(scores.shape[3])
    hidden = (j >= 2) & (j <= t - 5)
    return torch.where(masked(layer), scores, scores.masked_fill(hidden, float("-inf")))


def tuned(layer: int, pattern: torch.Tensor) -> torch.Tensor:
    new = pattern.clone()
    new[..., 0] *= 0.25
    return torch.where(masked(layer), new / new.sum(-1, keepdim=True), pattern)


FORMULAS = {
    f"mask_heads({CHOSEN})": on_z(lambda z, v: 0 * z),
    f"mask_heads({CHOSEN},mode=uniform)": on_z(lambda z, v: mean(v)),
    f"mask_heads({CHOSEN},mode=identity)": on_z(lambda z, v: v),
    f"mask_heads({CHOSEN},mode=sink)": on_z(lambda z, v: v[:, :, :1].expand_as(v)),
    f"scale_heads({CHOSEN},alpha=-0.5)": on_z(lambda z, v: -0.5 * z),
    "scale_values(heads=[[1,2],[1,3]],alpha=2.5)": Formula(
        v=lambda i, v: torch.where(masked(i, {1: (2, 3)}), 2.5 * v, v)
    ),
    "scale_values(heads=[[1,2]],alpha=2.5,siblings=include)": Formula(
        v=lambda i, v: torch.where(masked(i, {1: (2, 3)}), 2.5 * v, v)
    ),
    f"softpag({CHOSEN},u=0.4)": on_z(lambda z, v: 0.6 * z + 0.4 * v),
    f"softpag({CHOSEN},u=0.4,target=uniform)": on_z(lambda z, v: 0.6 * z + 0.4 * mean(v)),
    f"softpag({CHOSEN},u=0.4,target=zero)": on_z(lambda z, v: 0.6 * z),
    f"softpag({CHOSEN},u=0.4,target=initial_token)": on_z(lambda z, v: 0.6 * z + 0.4 * v[:, :, :1]),
    # Pairs (i, i + 6) of a head of width 12; pair 5 is the slowest.
    f"rope_zero({CHOSEN},dose=4)": Formula(q=zero_dims(4, 5, 10, 11)),
    f"rope_zero({CHOSEN},dose=2,dims=highest)": Formula(q=zero_dims(0, 6)),
    f"stream_heads({CHOSEN},first=2,recent=5)": Formula(scores=window),
    f"zerotuning({CHOSEN},gamma=0.25)": Formula(pattern=tuned),
}


@pytest.mark.parametrize("toggle", FORMULAS)
def test_a_toggle_equals_its_plain_formula(model: Any, toggle: str) -> None:
    expected = logits(model, FORMULAS[toggle], input_ids=prompt())
    found = under(model, toggle, input_ids=prompt())
    assert (found - expected).abs().max() < 3e-4
    assert (found - model(prompt()).logits).abs().max() > 1e-2


def test_given_vectors_are_added_to_heads_and_stream(model: Any, vectors: str) -> None:
    from safetensors.torch import load_file

    offset, direction = load_file(vectors)["offset"], load_file(vectors)["direction"]
    expected = logits(
        model, Formula(z=lambda i, z, v, p: z + 0.5 * offset[i][:, None]), input_ids=prompt()
    )
    found = under(model, f"offset_heads(file={vectors!r},strength=0.5)", input_ids=prompt())
    assert (found - expected).abs().max() < 3e-4

    def step(module: Any, args: Any, output: torch.Tensor) -> torch.Tensor:
        return output + 2 * direction / direction.norm()

    handle = model.model.layers[1].register_forward_hook(step)
    expected = model(prompt()).logits
    handle.remove()
    found = under(model, f"steer(file={vectors!r},layer=1,strength=2)", input_ids=prompt())
    assert (found - expected).abs().max() < 3e-4


@pytest.mark.parametrize(
    ("zero", "little"),
    [
        (f"scale_heads({CHOSEN},alpha=1)", f"scale_heads({CHOSEN},alpha=1.01)"),
        (
            "scale_values(heads=[[1,2],[1,3]],alpha=1)",
            "scale_values(heads=[[1,2],[1,3]],alpha=1.01)",
        ),
        (f"softpag({CHOSEN},u=0)", f"softpag({CHOSEN},u=0.01)"),
        ("zerotuning(gamma=1)", "zerotuning(gamma=1.01)"),
        (f"rope_zero({CHOSEN},dose=0)", None),
        ("offset_heads(file=V,strength=0)", "offset_heads(file=V,strength=0.01)"),
        ("steer(file=V,layer=1,strength=0)", "steer(file=V,layer=1,strength=0.01)"),
    ],
)
def test_strength_zero_is_dropped_and_a_little_moves_a_little(
    model: Any, vectors: str, zero: str, little: str | None
) -> None:
    plain = model(prompt()).logits
    assert torch.equal(under(model, zero.replace("V", repr(vectors)), input_ids=prompt()), plain)
    if little is not None:
        found = under(model, little.replace("V", repr(vectors)), input_ids=prompt())
        assert 1e-6 < (found - plain).abs().max() < 0.5


@pytest.mark.parametrize("name", ["vhr(alpha=1)", "var(p=0)", "pai(alpha=0)", "gift(alpha=0)"])
def test_image_toggles_at_strength_zero_keep_every_bit(
    llava: Any, image_batch: dict[str, torch.Tensor], name: str
) -> None:
    assert torch.equal(under(llava, name, **image_batch), llava(**image_batch).logits)


@pytest.mark.parametrize(
    "name",
    [
        "vhr(alpha=1.01)",
        "var(p=0.01,tau=1.5,mass=0,rho=0,layers=[1])",
        "pai(alpha=0.01)",
        "gift(alpha=0.01)",
    ],
)
def test_image_toggles_move_a_little_at_little_strength(
    llava: Any, image_batch: dict[str, torch.Tensor], name: str
) -> None:
    moved = (under(llava, name, **image_batch) - llava(**image_batch).logits).abs().max()
    assert 1e-6 < moved < 0.5


def image_span(batch: dict[str, torch.Tensor]) -> list[int]:
    return torch.nonzero(batch["input_ids"][0] == 4).flatten().tolist()


def test_pai_equals_its_formula(llava: Any, image_batch: dict[str, torch.Tensor]) -> None:
    image = image_span(image_batch)

    def raise_image(layer: int, scores: torch.Tensor) -> torch.Tensor:
        if layer not in (1, 2):
            return scores
        new = scores.clone()
        new[:, :, -1, image] += 0.4 * new[:, :, -1, image].abs()
        return new

    expected = logits(llava, Formula(scores=raise_image), **image_batch)
    found = under(llava, "pai(alpha=0.4,layers=[1,2])", **image_batch)
    assert (found - expected).abs().max() < 3e-4
    assert (found - llava(**image_batch).logits).abs().max() > 1e-2


def test_var_equals_its_formula(llava: Any, image_batch: dict[str, torch.Tensor]) -> None:
    image, inputs = image_span(image_batch), {}

    def keep(module: Any, args: Any, kwargs: Any) -> None:
        inputs["x"] = (args[0] if args else kwargs["hidden_states"])[0]

    dims, tau, rho, mass, p = [0, 3, 7], 1.5, 0.4, 0.05, 0.6

    def move(layer: int, pattern: torch.Tensor) -> torch.Tensor:
        if layer != 1:
            return pattern
        x = inputs["x"]
        size = (x / (x.pow(2).mean(-1, keepdim=True) + 1e-6).sqrt()).abs()
        sinks = {j for j in range(len(x)) if size[j, dims].max() > tau}
        rest = [j for j in image if j not in sinks]
        new, edited = pattern.clone(), 0
        for head in range(4):
            for row in range(max(image) + 1, len(x)):
                a = pattern[0, head, row]
                looks, kept = a[image].sum(), a[rest].sum()
                if looks >= mass and kept / looks >= rho and kept > 0:
                    edited += 1
                    omega = p * a[sorted(sinks)].sum()
                    for j in range(len(x)):
                        if j in sinks:
                            new[0, head, row, j] = (1 - p) * a[j]
                        elif j in rest:
                            new[0, head, row, j] = a[j] + omega * a[j] / kept
        assert sinks & set(image)
        assert 0 < edited < 4 * (len(x) - max(image) - 1)
        assert torch.allclose(new.sum(-1), torch.ones(1, 4, len(x)), atol=1e-5)
        return new

    block = llava.model.language_model.layers[1]
    handle = block.register_forward_pre_hook(keep, with_kwargs=True)
    expected = logits(llava, Formula(pattern=move), **image_batch)
    handle.remove()
    toggle = f"var(sink_dims={dims},tau={tau},rho={rho},mass={mass},p={p},layers=[1])"
    assert (under(llava, toggle, **image_batch) - expected).abs().max() < 3e-4


def test_gift_equals_its_formula(llava: Any, image_batch: dict[str, torch.Tensor]) -> None:
    image, patterns = image_span(image_batch), {}
    rows = list(range(max(image) + 1, image_batch["input_ids"].shape[1]))

    def note(layer: int, pattern: torch.Tensor) -> torch.Tensor:
        patterns[layer] = pattern[0]
        return pattern

    logits(llava, Formula(pattern=note), **image_batch)
    a, shift = patterns[0], {}
    for head in range(4):
        # The first row after the image has no predecessor that is captured.
        shift[head] = torch.stack(
            [(a[head, t] - a[head, t - 1]).clamp(min=0)[image] for t in rows[1:]]
        )
    best = sorted(shift, key=lambda head: -float(shift[head].sum()))[:2]
    g = torch.stack([shift[head] for head in best]).mean((0, 1))
    spread = 3 * g.std(correction=0)
    g = g.clamp(g.mean() - spread, g.mean() + spread)
    weights = torch.exp(2.0 * (g - g.min()) / (g.max() - g.min()))

    def boost(layer: int, pattern: torch.Tensor) -> torch.Tensor:
        if layer not in (1, 2):
            return pattern
        new = pattern.clone()
        last = new[0, :, -1]
        looking = last[:, image].sum(-1).topk(2).indices
        reading = last[:, rows].sum(-1).topk(2).indices
        before = last[looking][:, image].sum()
        for head in looking:
            last[head, image] *= weights
        scale = last[looking][:, image].sum() / before
        for head in reading:
            last[head, rows] *= scale
        new[0, :, -1] = last / last.sum(-1, keepdim=True)
        return new

    expected = logits(llava, Formula(pattern=boost), **image_batch)
    found = under(llava, "gift(alpha=2,saliency_layer=0,layers=[1,2])", **image_batch)
    assert (found - expected).abs().max() < 3e-4
    assert (found - llava(**image_batch).logits).abs().max() > 1e-2


@pytest.mark.parametrize("name", ["vhr", "var", "pai", "gift"])
def test_image_toggles_are_inert_on_text(llava: Any, name: str) -> None:
    with torch.no_grad(), intervene(llava, name) as running:
        assert torch.equal(llava(prompt()).logits, llava(prompt()).logits)
    assert running.firing is not None
    assert running.firing.visited(0) > 0
    assert running.firing.changed(0) == 0


# ------------------------------------------------------------------ names, parameters, controls


def test_every_listed_method_loads_and_says_what_it_is() -> None:
    for name in registry.names():
        method = registry.get(name)
        assert method.name == name
        assert method.summary and method.source
        for key, field in method.params_model.model_fields.items():
            assert len(registry.shapes(field.annotation)) == 1, (name, key)


def test_a_parameter_that_takes_scalars_and_lists_is_refused() -> None:
    class Both(registry.Params):
        x: float | tuple[float, ...] = 1.0

    method = registry.Method("both", Both, lambda p, i: None, "s", "s")  # type: ignore[arg-type, return-value]
    with pytest.raises(ConfigError, match="a scalar and a list"):
        registry.register(method)


@pytest.mark.parametrize(
    ("toggle", "message"),
    [
        ("mask_hed(heads=[[0,1]])", "mask_heads"),
        ("mask_heads(head=[[0,1]])", "heads"),
        ("mask_heads", "give either heads"),
        ("mask_heads(heads=[[0,1]],map=retrieval)", "give either"),
        ("mask_heads(map=retrieval,top=2)", "no head map"),
        ("mask_heads(map=retrieval,top=2,threshold=0.1)", "one of top"),
        ("mask_heads(heads=[[3,0]])", "no head 0 in layer 3"),
        ("mask_heads(heads=[])", "no head is chosen"),
        ("mask_heads(heads=[[0,1]],mode=mute)", "zero"),
        ("scale_heads(heads=[[0,1]])", "required"),
        ("scale_heads(heads=[[0,1]],alpha=[])", "sweeps over nothing"),
        ("zerotuning(gamma=0)", "greater than 0"),
        ("rope_zero(heads=[[0,1]],dose=3)", "impossible"),
        ("rope_zero(heads=[[0,1]],dose=24)", "impossible"),
        ("vhr(layers=[3])", "no layer 3"),
        ("vhr(per_sample=false)", "needs heads= or map="),
        ("vhr(reinforce_text_branch=true)", "False"),
        ("steer(file='nowhere',layer=0,strength=1)", "cannot be read"),
        ("softpag(heads=[[0,1]],u=2)", "less than or equal to 1"),
    ],
)
def test_wrong_toggles_are_refused_with_a_way_out(toggle: str, message: str) -> None:
    with pytest.raises(HeadbenchError, match=message):
        resolve(toggle, INFO)


def test_a_list_sweeps_a_scalar_and_is_the_value_of_a_list() -> None:
    arms = resolve("scale_heads(heads=[[0,1]],alpha=[1,1.5,2])+vhr(alpha=[2,3])", INFO)
    assert [arm.name for arm in arms][:2] == [
        "scale_heads(alpha=1,heads=[[0,1]])+vhr(alpha=2)",
        "scale_heads(alpha=1,heads=[[0,1]])+vhr(alpha=3)",
    ]
    assert len(arms) == 6
    assert resolve("baseline", INFO)[0].role == "baseline"


def test_canonical_forms_name_resolved_heads_and_the_map(tmp_path: Path) -> None:
    scores = tuple(tuple(float(4 * layer + head) for head in range(4)) for layer in range(3))
    headmap = HeadMap(detector="d", model="m", layers=3, heads=4, scores=scores)
    headmap.save(tmp_path / "h.json")
    info = ModelInfo("tiny", "llama", 3, 4, 2, 12, maps={"retrieval": str(tmp_path / "h.json")})
    (arm,) = resolve("mask_heads(map=retrieval,top=2)", info)
    canonical = arm.interventions[0].canonical
    assert "heads=[[2,2],[2,3]]" in canonical
    assert headmap.sha256[:16] in arm.interventions[0].artefacts["map"]
    assert resolve(canonical, info)[0].interventions[0].canonical == canonical
    assert parse(canonical).parts[0].name == "mask_heads"
    wrong = ModelInfo("other", "llama", 4, 4, 2, 12, maps=info.maps)
    with pytest.raises(ConfigError, match="3 layers x 4 query heads"):
        resolve("mask_heads(map=retrieval,top=2)", wrong)


def test_controls_are_distinct_matched_and_apart_while_enough_remain() -> None:
    table = {0: (1,), 2: (0, 3)}
    draws = other_heads(table, 8, 10, seed=3)
    assert draws.excluded
    assert draws.possible == 7 * 15
    assert len({tuple(sorted(d.items())) for d in draws.tables}) == 10
    for draw in draws.tables:
        assert {layer: len(heads) for layer, heads in draw.items()} == {0: 1, 2: 2}
        assert not set(draw[0]) & {1} and not set(draw[2]) & {0, 3}
    assert other_heads(table, 8, 10, seed=3) == draws
    assert other_heads(table, 8, 10, seed=4) != draws
    few = other_heads({0: (0, 1)}, 3, 5, seed=0)
    assert (few.excluded, few.possible, len(few.tables)) == (False, 2, 2)
    assert {d[0] for d in few.tables} == {(0, 2), (1, 2)}


def test_control_arms_replace_what_declares_a_control() -> None:
    (arm,) = resolve(f"scale_heads({CHOSEN},alpha=2)+pai", INFO)
    arms, declared = control_arms(arm, 4, seed=1)
    # Without the chosen heads 3 x 1 draws remain, too few for 4, so any heads may be drawn.
    assert declared is not None
    assert (declared.possible, declared.excluded, len(arms)) == (4 * 6 - 1, False, 4)
    assert [a.role for a in arms] == ["control"] * 4
    assert all(a.interventions[1] is arm.interventions[1] for a in arms)
    assert (
        len({a.interventions[0].canonical for a in arms} | {arm.interventions[0].canonical})
        == len(arms) + 1
    )
    assert control_arms(resolve("pai", INFO)[0], 4, seed=1) == ((), None)
    assert control_arms(resolve("zerotuning(gamma=2)", INFO)[0], 4, seed=1) == ((), None)


def test_vhr_layers_follow_the_paper_and_its_fractions() -> None:
    llava = ModelInfo("l", "llava", 32, 32, 32, 128)
    assert default_layers(llava, None) == (1, *range(18, 32))
    assert default_layers(llava, False) == tuple(range(18, 32))
    assert default_layers(ModelInfo("b", "instructblip", 32, 32, 32, 128), None) == tuple(
        range(14, 32)
    )
    assert default_layers(INFO, None) == (0, 1, 2)
    assert default_layers(ModelInfo("q", "qwen2_vl", 28, 28, 4, 128), None) == (1, *range(16, 28))


def test_vhr_zeroes_only_heads_that_pass_both_outlier_bars() -> None:
    text = torch.zeros(6, 2)
    image = torch.tensor([[1.0, 0], [2, 0], [3, 0], [4, 0], [0.5, 0], [30, 0]])
    assert divergence(image, text, outlier_removal=True)[5] == 30
    text[5] = torch.tensor([60.0, 0])
    assert divergence(image, text, outlier_removal=True)[5] == 0
    assert divergence(image, text, outlier_removal=False)[5] == 30
    assert above_median(torch.tensor([4.0, 1, 3, 2])).tolist() == [True, False, True, False]
    assert not above_median(torch.zeros(4)).any()


def test_vhr_controls_pick_as_many_heads_at_random() -> None:
    vhr = build(parse("vhr").parts[0], INFO)
    controls = vhr.controls(5, seed=2)
    assert controls is not None and controls.possible == 6**3
    assert len({draw.canonical for draw in controls.draws}) == 5


def test_vectors_of_another_shape_are_refused(tmp_path: Path) -> None:
    save_file({"offset": torch.ones(2, 2, 2)}, tmp_path / "v.safetensors")
    path = str(tmp_path / "v.safetensors")
    with pytest.raises(RefusedError, match="shape"):
        resolve(f"offset_heads(file={path!r})", INFO)
    with pytest.raises(DataError, match="no tensor 'direction'"):
        resolve(f"steer(file={path!r},layer=0,strength=1)", INFO)
    (tmp_path / "bad.safetensors").write_bytes(b"nothing")
    with pytest.raises(DataError, match="safetensors"):
        resolve(f"steer(file={str(tmp_path / 'bad.safetensors')!r},layer=0,strength=1)", INFO)


def test_a_users_file_adds_a_method(tmp_path: Path) -> None:
    source = (
        "from headbench.interventions.registry import Method, Params\n"
        "from headbench.interventions.methods.mask_heads import build, MaskHeadsParams\n"
        "METHOD = Method('my_mask', MaskHeadsParams, build, 'mine', 'here')\n"
    )
    (tmp_path / "mine.py").write_text(source)
    (arm,) = resolve("my_mask(heads=[[0,1]])", INFO, include=[tmp_path])
    assert arm.name == "my_mask(heads=[[0,1]])"


@pytest.mark.parametrize(
    "toggle",
    [
        f"mask_heads({CHOSEN},mode=uniform)", f"rope_zero({CHOSEN})", f"stream_heads({CHOSEN})",
        "zerotuning(gamma=2)", "softpag(heads=[[0,1]],u=0.5)", "vhr",
        "vhr(per_sample=false,heads=[[0,1]])",
        "var", "var(sink_dims=[1,2])", "pai", "gift", "offset_heads(file=V)",
        "steer(file=V,layer=1,strength=2)", "scale_values(heads=[[0,0]],alpha=2)",
    ],
)  # fmt: skip
def test_a_canonical_form_can_be_given_again(toggle: str, vectors: str) -> None:
    (arm,) = resolve(toggle.replace("V", repr(vectors)), INFO)
    canonical = arm.interventions[0].canonical
    assert resolve(canonical, INFO)[0].interventions[0].canonical == canonical


def test_controls_of_given_vectors_move_or_redraw_them(vectors: str) -> None:
    offsets = build(parse(f"offset_heads(file={vectors!r})").parts[0], INFO)
    controls = offsets.controls(3, seed=0)
    assert controls is not None
    (edit,) = controls.draws[0].plan(None, {}).edits
    (own,) = offsets.plan(None, {}).edits
    assert edit.where != own.where
    assert sorted(edit.op.vector.norm(dim=-1)[0]) == sorted(own.op.vector.norm(dim=-1)[0])  # type: ignore[union-attr]
    steer = build(parse(f"steer(file={vectors!r},layer=1,strength=2)").parts[0], INFO)
    controls = steer.controls(2, seed=0)
    assert controls is not None
    first, second = (draw.plan(None, {}).edits[0].op.vector for draw in controls.draws)  # type: ignore[union-attr]
    assert abs(float(first.norm()) - 2) < 1e-5
    assert not torch.equal(first, second)


def test_the_example_of_the_docs_works(tmp_path: Path) -> None:
    page = Path(__file__).parents[2] / "docs" / "interventions.md"
    source = page.read_text(encoding="utf-8").split("```python")[2].split("```")[0]
    (tmp_path / "halve.py").write_text(source)
    (arm,) = resolve("halve(heads=[[0,1]])", INFO, include=[tmp_path / "halve.py"])
    (edit,) = arm.interventions[0].plan(None, {}).edits
    assert edit.where == {0: (1,)}
