"""Every intervention on every family: strength zero three ways, scoring, padding, pairs."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import torch

from headbench.errors import RefusedError
from helpers_families import DECODERS, ENCODERS
from helpers_interventions import HEADS, INTERVENTIONS, LENGTH, Bench, fits, tokens

FAMILIES = (*DECODERS, *ENCODERS)
CELLS = [(family, intervention) for family in FAMILIES for intervention in INTERVENTIONS]
FORCED = 3e-5
"""Largest difference of logits, in units of the largest logit, that an edit of strength zero may
make when it runs through its path."""
LITTLE = 0.1
"""The same for a hundredth of a usual strength, at the middle position: a row of experts may be
routed elsewhere."""


@pytest.fixture(scope="module")
def bench(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Bench:
    return Bench(request.param, tmp_path_factory.mktemp("vectors"))


def cells(*families: str) -> pytest.MarkDecorator:
    """Every (family, intervention) that can be done, families in blocks: each is made once."""
    found = [cell for cell in CELLS if cell[0] in families and fits(cell[1], cell[0])]
    return pytest.mark.parametrize(
        ("bench", "intervention"),
        found,
        indirect=["bench"],
        ids=["-".join(cell) for cell in found],
        scope="module",
    )


def prompt(bench: Bench) -> torch.Tensor:
    """The prompt; of 17 places where the model sees 16 patches and one class token."""
    return tokens(17 if bench.family == "CLIP vision" else LENGTH)


def scale(outputs: torch.Tensor) -> float:
    return float(outputs.abs().max().clamp(min=1.0))


# ------------------------------------------------------------------ strength zero, three ways


@pytest.mark.bits
@cells(*FAMILIES)
def test_strength_zero_is_dropped_and_keeps_every_bit(bench: Bench, intervention: str) -> None:
    strengths, ids = INTERVENTIONS[intervention], prompt(bench)
    row, beside = bench.row(strengths.zero, ids), bench.row(None, ids)
    both = ids.expand(2, -1)
    plain = bench.attached([beside, beside], both)
    found = bench.attached([row, beside], both)
    if strengths.dropped:
        assert not row.plan.edits
        assert torch.equal(found, plain)
    else:
        # Nothing in the parameters says that this prompt is left alone; the pass finds out.
        assert (found - plain).abs().max() < FORCED * scale(plain)
    if bench.engine.own == "sdpa":
        assert torch.equal(bench.outputs(both), plain)


@cells(*FAMILIES)
def test_strength_zero_forced_through_its_path_changes_nothing(
    bench: Bench, intervention: str
) -> None:
    ids = prompt(bench)
    plain = bench.outputs(ids)
    row = bench.row(INTERVENTIONS[intervention].zero, ids, forced=True)
    assert row.plan.edits
    assert (bench.attached([row], ids) - plain).abs().max() < FORCED * scale(plain)


@cells(*FAMILIES)
def test_a_little_strength_changes_the_output_a_little(bench: Bench, intervention: str) -> None:
    strengths, ids = INTERVENTIONS[intervention], prompt(bench)
    plain = bench.outputs(ids)
    full = (bench.attached([bench.row(strengths.full, ids)], ids) - plain).abs().amax(-1)
    assert full.max() > 1e-3 * scale(plain)
    if strengths.little is not None:
        little = (bench.attached([bench.row(strengths.little, ids)], ids) - plain).abs().amax(-1)
        assert little.max() > 0
        # A pair of dimensions and a window are whole things: there is no hundredth of them.
        whole = intervention in ("rope_zero", "stream_heads")
        assert whole or little.median() < LITTLE * scale(plain)


# ------------------------------------------------------------------ generation and scoring

STEPS = 3
SETTINGS = {
    "max_new_tokens": STEPS, "do_sample": False, "eos_token_id": None, "pad_token_id": 0,
    "output_logits": True, "return_dict_in_generate": True,
}  # fmt: skip


def generated(bench: Bench, rows: list, ids: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """New tokens ``[row, step]`` and the logits that chose them ``[row, step, vocabulary]``."""
    with torch.no_grad(), bench.engine.attach(rows):
        made = bench.model.generate(
            input_ids=ids, attention_mask=(ids != 0).long(), **SETTINGS
        )  # padding is the only 0
    return made.sequences[:, -STEPS:], torch.stack(made.logits, 1)


@pytest.fixture(scope="module")
def mixed(bench: Bench) -> dict[str | None, torch.Tensor]:
    """Tokens of one left-padded batch of every intervention and the baseline, row by row."""
    conditions = [
        None,
        *(intervention for intervention in INTERVENTIONS if fits(intervention, bench.family)),
    ]
    ids, rows = torch.zeros(len(conditions), LENGTH + 2, dtype=torch.long), []
    for place, condition in enumerate(conditions):
        one = own_prompt(condition)
        pad = ids.shape[1] - one.shape[1]
        ids[place, pad:] = one[0]
        rows.append(bench.row(INTERVENTIONS[condition].full if condition else None, one, pad=pad))
    return dict(zip(conditions, generated(bench, rows, ids)[0], strict=True))


def own_prompt(condition: str | None) -> torch.Tensor:
    """Every condition's own prompt, of its own length."""
    place = list(INTERVENTIONS).index(condition) if condition else 0
    return tokens(LENGTH + place % 3, place)


@cells(*DECODERS)
def test_a_row_of_a_mixed_padded_batch_gives_the_tokens_of_its_single_run_and_scores_alike(
    bench: Bench, mixed: dict[str | None, torch.Tensor], intervention: str
) -> None:
    ids = own_prompt(intervention)
    row = bench.row(INTERVENTIONS[intervention].full, ids)
    made, steps = generated(bench, [row], ids)
    assert torch.equal(mixed[intervention], made[0])

    row = bench.row(INTERVENTIONS[intervention].full, ids)
    whole = torch.cat([ids, made], 1)
    forced = bench.attached([row], whole)[:, ids.shape[1] - 1 : -1]
    assert (forced.log_softmax(-1) - steps.log_softmax(-1)).abs().max() < 5e-4 * scale(steps)


# ------------------------------------------------------------------ pairs


@pytest.fixture(scope="module")
def folded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Bench, Bench]]:
    """The same model twice; two heads of the second's last layer are halved in its weights."""
    benches = [Bench("Llama", tmp_path_factory.mktemp(name)) for name in ("plain", "halved")]
    with torch.no_grad():
        weight = benches[1].model.model.layers[1].self_attn.o_proj.weight
        width = benches[1].info.head_dim
        weight[:, : 2 * width] *= 0.5
    yield benches[0], benches[1]


@pytest.mark.parametrize("intervention", INTERVENTIONS)
def test_a_pair_equals_the_intervention_on_a_model_with_the_other_in_its_weights(
    folded: tuple[Bench, Bench], intervention: str
) -> None:
    plain, halved = folded
    ids, text = tokens(), INTERVENTIONS[intervention].full
    pair = [plain.method(text), plain.method("scale_heads(heads=[[1,0],[1,1]],alpha=0.5)")]
    found = plain.attached([plain.under(pair, ids)], ids)
    expected = halved.attached([halved.row(text, ids)], ids)
    assert (found - expected).abs().max() < FORCED * scale(expected)
    assert (found - plain.attached([plain.row(text, ids)], ids)).abs().max() > 1e-3


# ------------------------------------------------------------------ refusals and controls

REFUSED = {
    "mask_heads": ("mask_heads(heads=[[9,0]])", "no head 0 in layer 9"),
    "scale_heads": ("scale_heads(map=retrieval,top=2,alpha=2)", "no head map"),
    "offset_heads": ("offset_heads(file='nowhere.safetensors')", "cannot read the vectors"),
    "steer": ("steer(file=FILE,layer=9,strength=1)", "no layer 9"),
    "stream_heads": ("stream_heads(recent=4)", "give either heads"),
    "zerotuning": ("zerotuning(heads=[[0,9]],gamma=2)", "no head 9"),
    "softpag": ("softpag(heads=[[0,9]],u=0.5)", "no head 9"),
    "vhr": ("vhr(layers=[9])", "no layer 9"),
    "var": ("var(layers=[9])", "no layer 9"),
    "pai": ("pai(layers=[9])", "no layer 9"),
    "gift": ("gift(layers=[0],saliency_layer=9)", "no layer 9"),
}


@pytest.mark.parametrize("intervention", REFUSED)
def test_what_an_intervention_needs_and_does_not_find_is_refused_by_name(
    folded: tuple[Bench, Bench], intervention: str
) -> None:
    text, message = REFUSED[intervention]
    with pytest.raises(Exception, match=message) as error:
        folded[0].method(text)
    assert type(error.value).__module__ == "headbench.errors"


def test_part_of_a_group_of_values_is_refused(folded: tuple[Bench, Bench]) -> None:
    row = folded[0].row("scale_values(heads=[[0,0]],alpha=2)", tokens())
    with pytest.raises(RefusedError, match="share the v"):
        folded[0].attached([row], tokens())


@pytest.mark.parametrize("family", [f for f in FAMILIES if not fits("rope_zero", f)])
def test_rope_zero_is_refused_where_there_is_nothing_like_it(
    family: str, tmp_path_factory: pytest.TempPathFactory
) -> None:
    bench = Bench(family, tmp_path_factory.mktemp("vectors"))
    with pytest.raises(RefusedError, match=r"no rotary positions|neighbours"):
        bench.method(f"rope_zero({HEADS},dose=2)")


@pytest.mark.parametrize("intervention", INTERVENTIONS)
def test_an_intervention_has_controls_of_its_own_that_do_something_else(
    folded: tuple[Bench, Bench], intervention: str
) -> None:
    bench, ids = folded[0], tokens()
    text = INTERVENTIONS[intervention].full.replace("zerotuning(", f"zerotuning({HEADS},")
    own = bench.method(text)
    controls = own.controls(3, seed=0)
    assert controls is not None and controls.unit and controls.possible >= len(controls.draws) > 0
    names = {method.canonical for method in (own, *controls.draws)}
    assert len(names) == len(controls.draws) + 1
    outputs = [bench.attached([bench.under([m], ids)], ids) for m in (own, *controls.draws)]
    plain = bench.outputs(ids)
    for drawn in outputs[1:]:
        assert (drawn - outputs[0]).abs().max() > 1e-4
        assert (drawn - plain).abs().max() > 1e-4
