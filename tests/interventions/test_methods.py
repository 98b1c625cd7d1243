"""Every intervention against its plain formula: strength zero, controls and refusals too."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
import torch
from safetensors.torch import save_file

from headbench.edits import View
from headbench.errors import DataError, RefusedError
from headbench.interventions.grammar import parse
from headbench.interventions.resolve import build
from headbench.interventions.vector_files import locate
from headbench.models.hf.intervene import intervene
from headbench.nouns import ModelInfo
from helpers_formula import Formula, logits
from helpers_tiny import picture, tiny_llama, tiny_llava, tiny_llava_processor

INFO = ModelInfo("tiny", "llama", 3, 4, 2, 12)
LENGTH = 24
IMAGE = 4
"""The placeholder token of the tiny models."""
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


def under(model: Any, intervention: str, **inputs: torch.Tensor) -> torch.Tensor:
    """Logits under an intervention; the question of a prompt is what follows its image."""
    shown = torch.nonzero(inputs["input_ids"][0] == IMAGE).flatten().tolist()
    behind = range(shown[-1] + 1, inputs["input_ids"].shape[1]) if shown else ()
    with torch.no_grad(), intervene(model, intervention, spans={"question": tuple(behind)}):
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


@pytest.mark.parametrize("intervention", FORMULAS)
def test_an_intervention_equals_its_plain_formula(model: Any, intervention: str) -> None:
    expected = logits(model, FORMULAS[intervention], input_ids=prompt())
    found = under(model, intervention, input_ids=prompt())
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


@pytest.mark.bits
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


@pytest.mark.bits
@pytest.mark.parametrize("name", ["vhr(alpha=1)", "var(p=0)", "pai(alpha=0)", "gift(alpha=0)"])
def test_image_interventions_at_strength_zero_keep_every_bit(
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
def test_image_interventions_move_a_little_at_little_strength(
    llava: Any, image_batch: dict[str, torch.Tensor], name: str
) -> None:
    moved = (under(llava, name, **image_batch) - llava(**image_batch).logits).abs().max()
    assert 1e-6 < moved < 0.5


def image_span(batch: dict[str, torch.Tensor]) -> list[int]:
    return torch.nonzero(batch["input_ids"][0] == IMAGE).flatten().tolist()


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
    intervention = f"var(sink_dims={dims},tau={tau},rho={rho},mass={mass},p={p},layers=[1])"
    assert (under(llava, intervention, **image_batch) - expected).abs().max() < 3e-4


@pytest.mark.parametrize("asked", ["all behind the image", "the question"])
def test_gift_equals_its_formula(
    llava: Any, image_batch: dict[str, torch.Tensor], asked: str
) -> None:
    image, patterns = image_span(image_batch), {}
    rows = list(range(max(image) + 1, image_batch["input_ids"].shape[1]))
    # The first row after the image has no predecessor that is captured.
    rows = rows if asked.startswith("all") else rows[2:7]
    captured = [row for row in rows if row > max(image) + 1]

    def note(layer: int, pattern: torch.Tensor) -> torch.Tensor:
        patterns[layer] = pattern[0]
        return pattern

    logits(llava, Formula(pattern=note), **image_batch)
    a, shift = patterns[0], {}
    for head in range(4):
        shift[head] = torch.stack(
            [(a[head, t] - a[head, t - 1]).clamp(min=0)[image] for t in captured]
        )
    best = sorted(shift, key=lambda head: -float(shift[head].sum()))[:2]
    g = torch.stack([shift[head] for head in best]).mean((0, 1))
    spread = 3 * ((g - g.mean()).pow(2).sum() / (len(g) - 1)).sqrt()
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
    intervention = "gift(alpha=2,saliency_layer=0,layers=[1,2])"
    with torch.no_grad(), intervene(llava, intervention, spans={"question": tuple(rows)}):
        found = llava(**image_batch).logits
    assert (found - expected).abs().max() < 3e-4
    assert (found - llava(**image_batch).logits).abs().max() > 1e-2


def test_gift_is_refused_where_nothing_says_where_the_question_is(
    llava: Any, image_batch: dict[str, torch.Tensor]
) -> None:
    length = image_batch["input_ids"].shape[1]
    for spans, message in [
        ({}, r"span\('question'\)"),
        ({"question": (length,)}, "ends behind the prompt"),
        ([{"question": (length - 1,)}] * 2, "for 2 rows"),
    ]:
        with (
            torch.no_grad(),
            intervene(llava, "gift", spans=spans),
            pytest.raises(RefusedError, match=message),
        ):
            llava(**image_batch)


def test_controls_of_image_interventions_edit_other_columns_alike(
    llava: Any, image_batch: dict[str, torch.Tensor]
) -> None:
    image, length = image_span(image_batch), image_batch["input_ids"].shape[1]
    others = tuple(j for j in range(length) if j not in image)
    view = View(1, 0, length, {"image": tuple(image), "question": (length - 2,)}, None, {}, {})
    pai = build(parse("pai(alpha=0.4)").parts[0], INFO).controls(3, seed=1)
    assert pai is not None and pai.possible == len(pai.draws) == 1
    (edit,) = pai.draws[0].plan(None, {}).edits
    assert tuple(edit.op.keys(view).tolist()) == others

    var = build(parse("var(sink_dims=[0],tau=1)").parts[0], INFO).controls(2, seed=1)
    stream = torch.ones(length, 4)
    stream[[0, image[1], image[5]], 0] = 50.0
    placed = []
    for method in (build(parse("var(sink_dims=[0],tau=1)").parts[0], INFO), *var.draws):
        seen = replace(view, layer_input=stream, memory={})
        placed.append(method.sinks(seen).tolist())
        assert len(set(placed[-1]) & set(image)) == 2 and len(placed[-1]) == 3
    assert placed[0] == [0, image[1], image[5]]
    assert len({tuple(places) for places in placed}) == 3

    gift = build(parse("gift").parts[0], INFO)
    gaze = torch.rand(1, 4, length - max(image) - 1, len(image))
    probed = {"gaze": {gift.capture: gaze}}
    drawn = [m.weights(replace(view, memory={}, probes=probed)) for m in
             (gift, *gift.controls(2, seed=1).draws)]  # fmt: skip
    assert all(torch.equal(w.sort().values, drawn[0].sort().values) for w in drawn)
    assert len({tuple(w.tolist()) for w in drawn}) == 3
    shared = replace(view, layer_input=stream, memory={}, probes=probed)  # composed: one memory
    again = [m.weights(shared) for m in (gift, *gift.controls(2, seed=1).draws)]
    assert all(torch.equal(one, other) for one, other in zip(again, drawn, strict=True))
    strong, weak = (
        build(parse(f"var(sink_dims=[0],tau={tau})").parts[0], INFO).sinks(shared).tolist()
        for tau in (1, 40)
    )
    assert strong == placed[0] and weak == []


@pytest.mark.bits
@pytest.mark.parametrize("name", ["vhr", "var", "pai", "gift"])
def test_image_interventions_are_inert_on_text(llava: Any, name: str) -> None:
    with torch.no_grad(), intervene(llava, name) as running:
        assert torch.equal(llava(prompt()).logits, llava(prompt()).logits)
    assert running.report is not None
    assert running.report.visited(0) > 0
    assert running.report.changed(0) == 0


def test_vectors_that_change_after_the_plan_are_refused(tmp_path: Any) -> None:
    path = tmp_path / "v.safetensors"
    save_file({"direction": torch.ones(3, 48)}, path)
    planned = locate(str(path), "direction")
    save_file({"direction": torch.zeros(3, 48)}, path)
    with pytest.raises(DataError, match="changed after the run was planned"):
        planned.read()
