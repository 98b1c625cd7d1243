"""Control draws: which sets may be drawn, how many there are, and that a sweep shares them."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from headbench.edits import Contrast, View
from headbench.errors import RefusedError
from headbench.heads.headmap import HeadMap
from headbench.interventions.control_draws import apart_sets, layer_sets, other_sets
from headbench.interventions.grammar import parse
from headbench.interventions.methods.vhr import Vhr, content
from headbench.interventions.resolve import build, control_conditions, resolve
from headbench.nouns import ModelInfo, Request

INFO = ModelInfo("tiny", "llama", 4, 8, 4, 4)
TABLE = {0: (1,), 2: (0, 3)}


def test_other_sets_are_distinct_matched_and_may_share_heads() -> None:
    draws = other_sets(TABLE, 8, 100, seed=3)
    assert draws.possible == 8 * 28 - 1
    assert len({tuple(sorted(d.items())) for d in draws.tables}) == 100
    assert TABLE not in draws.tables
    for draw in draws.tables:
        assert {layer: len(heads) for layer, heads in draw.items()} == {0: 1, 2: 2}
    assert any(set(draw[2]) & {0, 3} for draw in draws.tables)
    assert other_sets(TABLE, 8, 100, seed=3) == draws
    assert other_sets(TABLE, 8, 100, seed=4) != draws


def test_a_small_space_is_gone_through_whole() -> None:
    """Two heads of eight in one layer: 27 other sets."""
    draws = other_sets({1: (2, 5)}, 8, 39, seed=0)
    assert draws.possible == len(draws.tables) == 27
    assert len({d[1] for d in draws.tables} | {(2, 5)}) == 28
    assert other_sets({1: tuple(range(8))}, 8, 4, seed=0).possible == 0


def test_each_other_set_is_as_likely_as_any() -> None:
    seen = [other_sets({0: (0, 1)}, 4, 1, seed).tables[0][0] for seed in range(1000)]
    counts = [seen.count(heads) for heads in sorted(set(seen))]
    assert len(counts) == 5 and min(counts) > 150  # 200 expected of each


def test_apart_sets_hold_none_of_the_heads() -> None:
    draws = apart_sets(TABLE, 8, 10, seed=3)
    assert draws.possible == 7 * 15
    assert all(not set(d[0]) & {1} and not set(d[2]) & {0, 3} for d in draws.tables)
    assert apart_sets({0: (0, 1, 2, 3, 4)}, 8, 4, seed=0).possible == 0


def test_layer_sets_keep_the_numbers_and_leave_the_layers() -> None:
    draws = layer_sets(TABLE, range(4), 8, 10, seed=1)
    assert draws.possible == 8 * 28 and len(draws.tables) == 10
    for draw in draws.tables:
        assert list(draw) == [1, 3] and [len(h) for h in draw.values()] == [1, 2]
    assert layer_sets({0: (1,), 1: (1,), 2: (1,)}, range(4), 8, 3, seed=0).possible == 0


@pytest.mark.parametrize(
    "sweep",
    [
        "scale_heads(heads=[[0,1],[2,0]],alpha=[1.25,1.5,2])",
        "mask_heads(heads=[[0,1],[2,0]],mode=[zero,uniform])",
        "softpag(heads=[[0,1],[2,0]],u=[0.1,0.5])",
    ],
)
def test_all_strengths_of_a_sweep_have_the_same_control_sets(sweep: str) -> None:
    tables = [
        [control.interventions[0].table for control in control_conditions(condition, 6, seed=5)[0]]  # type: ignore[attr-defined]
        for condition in resolve(sweep, INFO)
    ]
    assert len(tables) > 1 and all(found == tables[0] for found in tables)


def test_several_replaced_parts_have_draws_of_their_own_and_no_p() -> None:
    (condition,) = resolve("mask_heads(heads=[[0,1]])+scale_heads(heads=[[0,2]],alpha=2)", INFO)
    conditions, facts = control_conditions(condition, 7, seed=0)
    assert facts is not None and not facts.test
    pairs = [tuple(part.table[0] for part in a.interventions) for a in conditions]  # type: ignore[attr-defined]
    assert any(one != two for one, two in pairs)


# ------------------------------------------------------------------ kinds


@pytest.fixture
def seeing(tmp_path: Path) -> ModelInfo:
    scores = tuple(tuple(float(head) for head in range(8)) for _ in range(4))
    HeadMap(detector="d", model="m", layers=4, heads=8, scores=scores).save(tmp_path / "m.json")
    return ModelInfo("tiny", "llava", 4, 8, 4, 4, images=True, maps={"m": str(tmp_path / "m.json")})


@pytest.mark.parametrize(
    "intervention", ["mask_heads(map=m,threshold=6)", "vhr(per_sample=false,map=m,layers=[1,3])"]
)
def test_contrasts_of_fixed_heads_say_what_they_are_and_give_no_p(
    intervention: str, seeing: ModelInfo
) -> None:
    (condition,) = resolve(intervention, seeing)
    layers = [0, 2] if "vhr" in intervention else None
    for kind, words in (
        (Contrast("apart"), "its own kept out"),
        (Contrast("low", 4.0), "score below 4"),
        (Contrast("layers"), "layers that are not edited"),
    ):
        conditions, facts = control_conditions(condition, 3, 0, kind)
        if kind.heads == "layers" and layers is None:
            assert facts is None  # every layer is edited: none is left
            continue
        assert facts is not None and words in facts.unit
        assert facts.excluded and not facts.test
        for control in conditions:
            table = control.interventions[0].chosen.table  # type: ignore[attr-defined]
            if kind.heads == "low":
                assert all(head < 4 for heads in table.values() for head in heads)
            if kind.heads == "layers":
                assert list(table) == layers


def test_low_controls_need_a_map_and_enough_heads(seeing: ModelInfo) -> None:
    (listed,) = resolve("mask_heads(heads=[[0,1]])", seeing)
    with pytest.raises(RefusedError, match="need the head map"):
        control_conditions(listed, 3, 0, Contrast("low", 1.0))
    (chosen,) = resolve("mask_heads(map=m,threshold=6)", seeing)
    assert control_conditions(chosen, 3, 0, Contrast("low", 1.0)) == (
        (),
        None,
    )  # one head, two needed


def test_grouped_values_are_drawn_by_group(seeing: ModelInfo) -> None:
    (condition,) = resolve("scale_values(heads=[[0,2],[0,3]],alpha=2)", seeing)
    for kind in (None, Contrast("apart"), Contrast("layers")):
        conditions, facts = control_conditions(condition, 3, 0, kind)
        assert facts is not None and "key/value groups" in facts.unit and len(conditions) == 3
        for control in conditions:
            ((first, second),) = control.interventions[0].table.values()  # type: ignore[attr-defined]
            assert second == first + 1 and first % 2 == 0


# ------------------------------------------------------------------ choices per sample


def view(layer: int = 0, **probes: torch.Tensor) -> View:
    vhr = build(parse("vhr").parts[0], INFO)
    assert isinstance(vhr, Vhr)
    captured = {name: {vhr.capture: z} for name, z in probes.items()}
    return View(layer, 0, 4, {}, None, {}, captured)


def picked(method: Vhr, prompt: object, layer: int = 0, **probes: torch.Tensor) -> list[int]:
    z = torch.arange(8.0)[:, None].expand(8, 4)
    seen = probes or {"text_only": torch.zeros(4, 1, 8, 4)}
    return torch.nonzero(method.select(view(layer, **seen), z, prompt)).flatten().tolist()


def test_vhr_controls_choose_anew_for_each_prompt_as_many_heads() -> None:
    vhr = build(parse("vhr(outlier_removal=false)").parts[0], INFO)
    assert picked(vhr, "a") == [4, 5, 6, 7]  # type: ignore[arg-type]
    controls = vhr.controls(5, seed=2)
    assert controls is not None and controls.test and not controls.excluded
    assert len({draw.canonical for draw in controls.draws}) == 5
    one, two = controls.draws[:2]
    drawn = {(prompt, layer): tuple(picked(one, prompt, layer))  # type: ignore[arg-type]
             for prompt in "abcdefgh" for layer in (0, 1)}  # fmt: skip
    assert all(len(heads) == 4 for heads in drawn.values())
    assert len(set(drawn.values())) > 8  # prompts and layers differ
    assert any(picked(one, p) != picked(two, p) for p in "abcdefgh")  # type: ignore[arg-type]
    assert picked(one, "a") == picked(one, "a")  # type: ignore[arg-type]
    stronger = build(parse("vhr(outlier_removal=false,alpha=3)").parts[0], INFO).controls(5, 2)
    assert stronger is not None  # every strength: the same heads for the same prompt
    assert all(
        picked(weak, p) == picked(strong, p)  # type: ignore[arg-type]
        for weak, strong in zip(controls.draws, stronger.draws, strict=True)
        for p in "abcd"
    )


def test_vhr_contrasts_keep_its_own_heads_out_or_borrow_another_documents() -> None:
    vhr = build(parse("vhr(outlier_removal=false)").parts[0], INFO)
    assert isinstance(vhr, Vhr)
    apart = vhr.contrast(Contrast("apart"), 2, 0)
    assert apart is not None and apart.excluded and not apart.test
    assert picked(apart.draws[0], "a") == [0, 1, 2, 3]  # type: ignore[arg-type]
    borrowed = vhr.contrast(Contrast("document"), 2, 0)
    assert borrowed is not None and borrowed.excluded and not borrowed.test
    assert vhr.contrast(Contrast("low", 1.0), 2, 0) is None

    def asked(image: str, text: str = "q") -> Request:
        message = {"role": "user", "content": f"<image> {text}"}
        return Request("d", "answer", 0, "generate", (message,), images=(image,))

    method = borrowed.draws[0]
    assert isinstance(method, Vhr)
    peers = [asked("a"), asked("a", "other"), asked("b"), asked("c")]
    placed = method.placed(asked("a", "mine"), peers)
    assert placed.donor is not None and placed.donor.images in (("b",), ("c",))
    assert content(placed.donor) in placed.canonical  # part of the answer's identity
    assert placed == method.placed(asked("a", "mine"), peers)
    with pytest.raises(RefusedError, match="no other document"):
        method.placed(asked("a"), [asked("a", "other")])
    donated = torch.zeros(4, 1, 8, 4)
    donated[:, :, [0, 2, 4, 6]] = 1.0
    found = picked(placed, "a", text_only=torch.zeros(4, 1, 8, 4), donor=donated)
    assert found == [0, 2, 4, 6]
