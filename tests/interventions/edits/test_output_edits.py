from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest
import torch

from headbench.edits import Edit, Mix, Offset, Plan, Scale, View, ZeroDims
from headbench.errors import RefusedError
from headbench.interventions.edits import SequenceEdits
from headbench.models.hf.engine import Engine
from headbench.nouns import Capture
from helpers_formula import Formula, logits
from helpers_tiny import tiny_llama

if TYPE_CHECKING:
    from transformers import PreTrainedModel

LENGTH, HEADS = 14, 4


@pytest.fixture(scope="module")
def model() -> PreTrainedModel:
    return tiny_llama()


@pytest.fixture
def engine(model: PreTrainedModel) -> Iterator[Engine]:
    with Engine(model.eval()) as engine:
        yield engine


def prompt(seed: int = 0, length: int = LENGTH) -> torch.Tensor:
    ids = torch.randint(10, 60, (1, length), generator=torch.Generator().manual_seed(seed))
    ids[0, 0] = 1
    return ids


def run(engine: Engine, ids: torch.Tensor, *edits: Edit, length: int | None = None) -> torch.Tensor:
    row = SequenceEdits(Plan(edits=edits), length or ids.shape[1], spans={"image": (2, 3, 4)})
    with torch.no_grad(), engine.attach([row]):
        return engine.model(ids).logits


def positions(length: int, low: int, high: int) -> torch.Tensor:
    at = torch.arange(length)
    return ((at >= low) & (at < high)).view(1, 1, -1, 1)


HEADS_OF = {0: (1, 3), 2: (0,)}


def head_mask(layer: int) -> torch.Tensor:
    mask = torch.zeros(HEADS, dtype=torch.bool)
    mask[list(HEADS_OF.get(layer, ()))] = True
    return mask.view(1, -1, 1, 1)


OFFSET = torch.randn(3, HEADS, 12, generator=torch.Generator().manual_seed(3))


def first(v: torch.Tensor) -> torch.Tensor:
    return v[:, :, :1]


CASES = {
    "scale": (Edit("z", Scale(-1.7), HEADS_OF), lambda z, v, p, t: -1.7 * z),
    "offset": (
        Edit("z", Offset(OFFSET), HEADS_OF),
        lambda z, v, p, t: z + OFFSET[t][None, :, None],
    ),
    "self": (Edit("z", Mix("self", 0.7), HEADS_OF), lambda z, v, p, t: 0.3 * z + 0.7 * v),
    "first": (
        Edit("z", Mix("first", 0.7), HEADS_OF),
        lambda z, v, p, t: 0.3 * z + 0.7 * v[:, :, :1],
    ),
    "mean": (
        Edit("z", Mix("mean", 0.7), HEADS_OF),
        lambda z, v, p, t: 0.3 * z + 0.7 * v.cumsum(2) / torch.arange(1, v.shape[2] + 1)[:, None],
    ),
    "vector": (
        Edit("z", Mix(OFFSET, 0.7), HEADS_OF),
        lambda z, v, p, t: 0.3 * z + 0.7 * OFFSET[t][None, :, None],
    ),
    "uniform": (
        Edit("q", ZeroDims(None), HEADS_OF),
        lambda z, v, p, t: v.cumsum(2) / torch.arange(1, v.shape[2] + 1)[:, None],
    ),
}


@pytest.mark.parametrize("phase", ["both", "prefill", "decode"])
@pytest.mark.parametrize("rows", ["all", "last", "after_image"])
@pytest.mark.parametrize("case", CASES)
def test_each_edit_equals_the_plain_formula(
    engine: Engine, case: str, phase: str, rows: str
) -> None:
    edit, formula = CASES[case]
    edit = Edit(edit.site, edit.op, edit.where, phase, rows)  # type: ignore[arg-type]
    ids, length = prompt(), 10
    low = {"all": 0, "last": length - 1, "after_image": 5}[rows]
    low, high = (length, LENGTH) if phase == "decode" else (low, LENGTH)
    high = length if phase == "prefill" else high

    def z(layer: int, z: torch.Tensor, v: torch.Tensor, p: torch.Tensor) -> torch.Tensor:
        where = positions(LENGTH, low, high) & head_mask(layer)
        return torch.where(where, formula(z, v, p, layer), z)

    expected = logits(engine.model, Formula(z=z), input_ids=ids)
    plain = engine.model(ids).logits
    found = run(engine, ids, edit, length=length)
    assert (found - expected).abs().max() < 2e-4
    assert (found - plain).abs().max() > 1e-2


def test_a_chain_of_edits_applies_from_left_to_right(engine: Engine) -> None:
    table = {1: (2,)}
    edits = (Edit("z", Scale(3.0), table), Edit("z", Offset(OFFSET), table),
             Edit("z", Mix("self", 0.25), table), Edit("z", Scale(-0.5), table))  # fmt: skip

    def z(layer: int, z: torch.Tensor, v: torch.Tensor, p: torch.Tensor) -> torch.Tensor:
        z = z.clone()
        if layer == 1:
            z[:, 2] = -0.5 * (0.75 * (3 * z[:, 2] + OFFSET[1, 2]) + 0.25 * v[:, 2])
        return z

    expected = logits(engine.model, Formula(z=z), input_ids=prompt())
    assert (run(engine, prompt(), *edits) - expected).abs().max() < 2e-4


def test_keys_and_values_are_edited_by_whole_groups(engine: Engine) -> None:
    def v(layer: int, v: torch.Tensor) -> torch.Tensor:
        v = v.clone()
        if layer == 1:
            v[:, 2:4] *= 0.3
        return v

    expected = logits(engine.model, Formula(v=v), input_ids=prompt())
    found = run(engine, prompt(), Edit("v", Scale(0.3), {1: (2, 3)}))
    assert (found - expected).abs().max() < 2e-4
    with pytest.raises(RefusedError, match=r"query heads \[3\] share the v"):
        run(engine, prompt(), Edit("v", Scale(0.3), {1: (2,)}))


@pytest.mark.bits
def test_strength_zero_forced_through_the_tables_changes_nothing(engine: Engine) -> None:
    zero = torch.zeros_like(OFFSET)
    plain = engine.model(prompt()).logits
    table = {layer: tuple(range(HEADS)) for layer in range(3)}
    assert torch.equal(run(engine, prompt(), Edit("z", Scale(1.0), table)), plain)
    assert torch.equal(run(engine, prompt(), Edit("z", Offset(zero), table)), plain)
    assert torch.equal(run(engine, prompt(), Edit("q", ZeroDims(()), table)), plain)
    for target in ("self", "first", "mean"):
        found = run(engine, prompt(), Edit("z", Mix(target, 0.0), table))  # type: ignore[arg-type]
        assert torch.equal(found, plain)


def test_a_little_strength_changes_the_output_a_little(engine: Engine) -> None:
    plain = engine.model(prompt()).logits
    for edit in (Edit("z", Scale(1.01), HEADS_OF), Edit("z", Mix("self", 0.01), HEADS_OF)):
        assert 1e-5 < (run(engine, prompt(), edit) - plain).abs().max() < 0.3


def selected(view: View, z: torch.Tensor) -> torch.Tensor:
    norm = z.norm(dim=-1)
    return norm > norm.median()


ARMS = (
    (),
    (Edit("z", Scale(0.0), HEADS_OF, "decode"),),
    (Edit("q", ZeroDims(None), {1: (0, 1)}),),
    (Edit("z", Scale(2.0), selected), Edit("z", Mix("self", 0.5), {2: (1,)}, "prefill", "last")),
    (Edit("z", Mix("first", 0.5), HEADS_OF, "both", "after_image"),),
    (Edit("v", Scale(0.5), {0: (0, 1)}, "prefill"),),
)


@pytest.mark.parametrize("side", ["left", "right"])
def test_rows_of_a_mixed_padded_batch_equal_their_single_runs(engine: Engine, side: str) -> None:
    lengths = [14, 9, 11, 14, 7, 12]
    width, pad = max(lengths), 0
    ids, mask, rows = torch.zeros(6, width, dtype=torch.long), torch.zeros(6, width), []
    for index, (length, edits) in enumerate(zip(lengths, ARMS, strict=True)):
        pad = width - length if side == "left" else 0
        ids[index, pad : pad + length] = prompt(index, length)[0]
        mask[index, pad : pad + length] = 1
        rows.append(SequenceEdits(Plan(edits=edits), length, pad, length, {"image": (2, 3)}))
    with torch.no_grad(), engine.attach(rows) as report:
        together = engine.model(ids, attention_mask=mask).logits
    for index, (length, edits) in enumerate(zip(lengths, ARMS, strict=True)):
        row = SequenceEdits(Plan(edits=edits), length, spans={"image": (2, 3)})
        with torch.no_grad(), engine.attach([row]) as alone:
            single = engine.model(prompt(index, length)).logits[0]
        found = together[index, rows[index].pad : rows[index].pad + length]
        assert (found - single).abs().max() < 2e-4, index
        assert report.visited(index) == alone.visited(0)
        assert report.changed(index) == alone.changed(0)
        assert report.chosen(index) == alone.chosen(0)


@pytest.mark.bits
def test_an_unedited_row_keeps_its_bits_beside_edited_ones(engine: Engine) -> None:
    ids = torch.cat([prompt(seed) for seed in range(6)])
    with torch.no_grad():
        plain = engine.model(ids).logits
        rows = [SequenceEdits(Plan(edits=edits), LENGTH, spans={"image": (2,)}) for edits in ARMS]
        with engine.attach(rows):
            mixed = engine.model(ids).logits
    assert torch.equal(mixed[0], plain[0])
    assert not torch.equal(mixed[2], plain[2])


@pytest.mark.parametrize("condition", range(len(ARMS)))
@pytest.mark.parametrize("cache", ["dynamic", "static"])
def test_scoring_generated_tokens_equals_the_steps_that_made_them(
    engine: Engine, condition: int, cache: str
) -> None:
    ids = prompt(5)
    spans = {"image": (2, 3)}
    settings = {"cache_implementation": "static"} if cache == "static" else {}
    with (
        torch.no_grad(),
        engine.attach([SequenceEdits(Plan(edits=ARMS[condition]), LENGTH, spans=spans)]),
    ):
        made = engine.model.generate(
            ids, attention_mask=torch.ones_like(ids), max_new_tokens=6, do_sample=False,
            output_logits=True, return_dict_in_generate=True, eos_token_id=None, **settings,
        )  # fmt: skip
    steps = torch.cat(made.logits)
    with (
        torch.no_grad(),
        engine.attach([SequenceEdits(Plan(edits=ARMS[condition]), LENGTH, spans=spans)]),
    ):
        forced = engine.model(made.sequences).logits[0, LENGTH - 1 : -1]
    assert (steps - forced).abs().max() < 2e-4


def test_visited_and_changed_count_modules_and_positions_times_heads(engine: Engine) -> None:
    edits = (Edit("z", Scale(0.0), {0: (1, 3), 2: (0,)}, "both", "last"),)
    with (
        torch.no_grad(),
        engine.attach([SequenceEdits(Plan(edits=edits), 10), SequenceEdits(Plan(), 10)]) as report,
    ):
        engine.model(torch.cat([prompt(), prompt()]))
    assert (report.visited(0), report.visited(1)) == (2, 0)
    assert (report.changed(0), report.changed(1)) == (5 * 3, 0)


def test_a_selection_is_asked_once_a_layer_and_remembered_over_attaches(engine: Engine) -> None:
    asked = []

    def pick(view: View, z: torch.Tensor) -> torch.Tensor:
        asked.append(view.layer)
        return z.norm(dim=-1) > 0 if view.layer == 1 else torch.zeros(HEADS, dtype=torch.bool)

    memory: dict[str, torch.Tensor] = {}
    plan = Plan(edits=(Edit("z", Scale(2.0), pick),))
    for _ in range(2):
        with torch.no_grad(), engine.attach([SequenceEdits(plan, LENGTH, memory=memory)]) as report:
            engine.model.generate(prompt(), max_new_tokens=3, do_sample=False, eos_token_id=None)
        assert report.chosen(0) == {0: (), 1: (0, 1, 2, 3), 2: ()}
        assert report.visited(0) == 3
        assert report.changed(0) == (LENGTH + 2) * HEADS
    assert asked == [0, 1, 2]


@pytest.mark.bits
def test_a_selection_that_takes_nothing_is_inert(engine: Engine) -> None:
    plan = Plan(edits=(Edit("z", Scale(2.0), lambda view, z: z.norm(dim=-1) < 0),))
    plain = engine.model(prompt()).logits
    with torch.no_grad(), engine.attach([SequenceEdits(plan, LENGTH)]) as report:
        assert torch.equal(engine.model(prompt()).logits, plain)
    assert (report.visited(0), report.changed(0)) == (3, 0)


def test_beams_share_the_plan_of_their_prompt(engine: Engine) -> None:
    ids = torch.cat([prompt(1), prompt(2)])
    settings = dict(num_beams=3, max_new_tokens=4, do_sample=False, eos_token_id=None)
    plans = [Plan(), Plan(edits=(Edit("z", Scale(0.0), {0: (0, 1, 2, 3)}),))]
    with torch.no_grad():
        with engine.attach([SequenceEdits(plan, LENGTH) for plan in plans]):
            both = engine.model.generate(ids, **settings)
        for index, plan in enumerate(plans):
            with engine.attach([SequenceEdits(plan, LENGTH)]):
                alone = engine.model.generate(ids[index : index + 1], **settings)
            assert torch.equal(both[index], alone[0])


@pytest.mark.bits
def test_nothing_is_left_behind_on_any_exit(engine: Engine) -> None:
    plain = engine.model(prompt()).logits
    edited, selecting = (SequenceEdits(Plan(edits=ARMS[condition]), LENGTH) for condition in (1, 3))
    with pytest.raises(ZeroDivisionError, match="stopped"), engine.attach([edited]):
        raise ZeroDivisionError("stopped")
    with pytest.raises(RefusedError, match="in one forward pass"), engine.attach([selecting]):
        engine.model(torch.cat([prompt()] * 3)[:, :4], past_key_values=None)
    assert torch.equal(engine.model(prompt()).logits, plain)
    assert not engine.model._forward_pre_hooks
    assert all(not module._forward_hooks for module in engine.model.modules())
    engine.close()
    assert engine.model.config._attn_implementation == "sdpa"
    assert torch.equal(engine.model(prompt()).logits, plain)
    with pytest.raises(RefusedError, match="closed"), engine.attach([]):
        pass


def test_an_attach_inside_an_attach_is_refused(engine: Engine) -> None:
    row = SequenceEdits(Plan(), LENGTH)
    with engine.attach([row]), pytest.raises(RefusedError, match="already"), engine.attach([row]):
        pass
    with pytest.raises(RefusedError, match="another engine"):
        Engine(engine.model)


@pytest.mark.parametrize(
    ("edit", "message"),
    [
        (Edit("z", Scale(0.0), {3: (0,)}), "layer 3 does not exist"),
        (Edit("z", Scale(0.0), {0: (4,)}), "head 4 of layer 0"),
        (Edit("pattern", Scale(0.0), {0: (0,)}), "Scale cannot be done at site 'pattern'"),
        (Edit("q", Scale(0.0), selected), "at 'z' only"),
        (Edit("router", Scale(0.0), {0: (0,)}), "router"),
    ],
)
def test_what_the_engine_cannot_do_is_refused_by_name(
    engine: Engine, edit: Edit, message: str
) -> None:
    with pytest.raises(RefusedError, match=message):
        run(engine, prompt(), edit)


def test_a_prompt_in_pieces_is_refused_for_selected_heads(engine: Engine) -> None:
    plan = Plan(edits=(Edit("z", Scale(2.0), selected),))
    match = pytest.raises(RefusedError, match="one forward pass")
    with torch.no_grad(), engine.attach([SequenceEdits(plan, LENGTH)]), match:
        engine.model(prompt()[:, :5])


def test_a_training_model_is_refused(engine: Engine) -> None:
    engine.model.train()
    with pytest.raises(RefusedError, match="training"), engine.attach([SequenceEdits(Plan(), 1)]):
        pass


def test_captures_bring_home_what_the_model_used(engine: Engine) -> None:
    edit = Edit("z", Scale(3.0), {1: (0,)})
    z, pattern, out = (
        Capture("z", (0, 1)),
        Capture("pattern", (1,), rows="all", keys="needle"),
        Capture("residual", (2,), rows="all", pool="mean"),
    )
    rows = [
        SequenceEdits(Plan(edits=(edit,)), 9, 5, spans={"needle": (0, 4)}),
        SequenceEdits(Plan(), LENGTH, spans={"needle": (3, 5)}),
    ]
    ids = torch.cat([torch.cat([torch.zeros(1, 5, dtype=torch.long), prompt(1, 9)], 1), prompt(2)])
    mask = (ids != 0).long()
    seen: dict[int, list[torch.Tensor]] = {}

    def note(layer: int, z: torch.Tensor, v: torch.Tensor, p: torch.Tensor) -> torch.Tensor:
        z = z.clone()
        if layer == 1:
            z[0, 0] *= 3.0
        seen[layer] = [z, p]
        return z

    logits(engine.model, Formula(z=note), input_ids=ids, attention_mask=mask)
    with torch.no_grad(), engine.capture([z, pattern, out], rows) as found:
        engine.model(ids, attention_mask=mask)
    assert found[0][z].shape == (2, 1, HEADS, 12)
    assert (found[0][z][1, 0] - seen[1][0][0, :, -1]).abs().max() < 1e-4
    assert found[0][pattern].shape == (1, HEADS, 9, 2)
    assert (found[0][pattern][0] - seen[1][1][0, :, 5:][..., [5, 9]]).abs().max() < 1e-5
    assert (found[1][pattern][0] - seen[1][1][1][..., [3, 5]]).abs().max() < 1e-5
    assert found[0][out].shape == (1, 1, 48)


def test_captures_of_generation_join_the_steps(engine: Engine) -> None:
    capture = Capture("pattern", (0,), rows="last")
    with torch.no_grad(), engine.capture([capture], [SequenceEdits(Plan(), LENGTH)]) as found:
        engine.model.generate(prompt(), max_new_tokens=4, do_sample=False, eos_token_id=None)
    pattern = found[0][capture]
    assert pattern.shape == (1, HEADS, 4, LENGTH + 3)
    assert torch.allclose(pattern.sum(-1), torch.ones(1, HEADS, 4), atol=1e-5)
    assert (pattern[0, :, 0, LENGTH:] == 0).all()


def test_a_pattern_is_never_captured_whole(engine: Engine) -> None:
    for capture, said in (
        (Capture("pattern", (0,), rows="all"), "never captured whole"),
        (Capture("pattern", (0,), keys="nothing"), "no span 'nothing'"),
    ):
        row = SequenceEdits(Plan(), LENGTH)
        with pytest.raises(RefusedError, match=said), engine.capture([capture], [row]):
            pass
