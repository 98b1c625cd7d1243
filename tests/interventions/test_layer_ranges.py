"""Defaults that depend on a model's depth and width, at sizes that no paper names.

The tables were worked out by hand from the papers' fractions: halves go to the even number.
"""

from __future__ import annotations

import pytest

from headbench.errors import ConfigError, RefusedError
from headbench.interventions.grammar import parse
from headbench.interventions.layer_ranges import all_heads, carried, check_layers
from headbench.interventions.methods.var import default_layers as var_layers
from headbench.interventions.methods.vhr import default_layers as vhr_layers
from headbench.interventions.resolve import build
from headbench.nouns import ModelInfo


def info(layers: int, family: str = "other", head_dim: int = 64) -> ModelInfo:
    return ModelInfo("m", family, layers, 4, 4, head_dim, images=True)


def span(first: int, last: int) -> tuple[int, ...]:
    return tuple(range(first, last + 1))


# ------------------------------------------------------------------ vhr: 14 (18) of 32, the last


@pytest.mark.parametrize(
    ("layers", "llava", "blip"),
    [
        (1, (0, 0), (0, 0)), (7, (0, 6), (0, 6)), (8, (0, 7), (0, 7)),  # shallow: all
        (9, (5, 8), (4, 8)),  # 3.94, 5.06
        (22, (12, 21), (10, 21)),  # 9.63, 12.38
        (24, (14, 23), (10, 23)),  # 10.5, 13.5
        (26, (15, 25), (11, 25)),  # 11.38, 14.63
        (36, (20, 35), (16, 35)),  # 15.75, 20.25
        (40, (22, 39), (18, 39)),  # 17.5, 22.5
        (48, (27, 47), (21, 47)),  # 21, 27
        (61, (34, 60), (27, 60)),  # 26.69, 34.31
        (80, (45, 79), (35, 79)),  # 35, 45
    ],
)  # fmt: skip
def test_vhr_takes_the_same_share_of_the_last_layers(
    layers: int, llava: tuple[int, int], blip: tuple[int, int]
) -> None:
    assert vhr_layers(info(layers), False) == span(*llava)
    assert vhr_layers(info(layers, "instructblip"), None) == span(*blip)
    joined = tuple(sorted({*span(*llava), 1})) if layers > 8 else span(*llava)
    assert vhr_layers(info(layers), None) == joined
    assert vhr_layers(info(layers), True) == joined


# ------------------------------------------------------------------ pai: all but a sixteenth


@pytest.mark.parametrize(
    ("layers", "first"),
    [(1, 0), (7, 0), (8, 0), (9, 1), (22, 1), (24, 2), (26, 2), (32, 2), (36, 2), (40, 2), (48, 3),
     (56, 4), (61, 4), (80, 5)],
)  # fmt: skip
def test_pai_leaves_out_the_first_sixteenth(layers: int, first: int) -> None:
    assert build(parse("pai").parts[0], info(layers)).layers == span(first, layers - 1)  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    ("family", "alpha"), [("llava", 0.5), ("llava_next", 0.5), ("qwen2_vl", 0.2), ("other", 0.2)]
)
def test_pai_has_a_strength_for_each_family(family: str, alpha: float) -> None:
    for layers in (7, 32, 61):
        assert build(parse("pai").parts[0], info(layers, family)).alpha == alpha  # type: ignore[attr-defined]


# ------------------------------------------------------------------ gift: layers 11 and 12 to 22


@pytest.mark.parametrize(
    ("family", "layers", "saliency", "edited", "alpha"),
    [
        ("llava", 32, 11, (12, 22), 5.0), ("llava", 40, 10, (14, 20), 5.0),
        ("qwen2_vl", 28, 14, (5, 18), 4.0),  # as released
        ("other", 1, 0, (0, 0), 5.0), ("other", 3, 1, (1, 1), 5.0),
        ("other", 9, 3, (3, 5), 5.0),  # 3.09; 3.38 to 6.47
        ("other", 22, 8, (8, 15), 5.0),  # 7.56; 8.25 to 15.81
        ("llava", 24, 8, (9, 16), 5.0),  # 8.25; 9 to 17.25
        ("other", 26, 9, (10, 18), 5.0),  # 8.94; 9.75 to 18.69
        ("qwen2_vl", 36, 12, (14, 25), 4.0),  # 12.38; 13.5 to 25.88
        ("other", 40, 14, (15, 28), 5.0),  # 13.75; 15 to 28.75
        ("other", 48, 16, (18, 33), 5.0),  # 16.5; 18 to 34.5
        ("other", 61, 21, (23, 43), 5.0),  # 20.97; 22.88 to 43.84
        ("qwen2_vl", 80, 28, (30, 57), 4.0),  # 27.5; 30 to 57.5
    ],
)  # fmt: skip
def test_gift_takes_the_same_share_of_the_depth(
    family: str, layers: int, saliency: int, edited: tuple[int, int], alpha: float
) -> None:
    gift = build(parse("gift").parts[0], info(layers, family))
    assert gift.saliency_layer == saliency  # type: ignore[attr-defined]
    assert gift.layers == span(*edited)  # type: ignore[attr-defined]
    assert gift.alpha == alpha  # type: ignore[attr-defined]


# ------------------------------------------------------------------ var: not the ends


@pytest.mark.parametrize(
    ("layers", "edited"),
    [(1, (0, 0)), (2, (1, 1)), (3, (1, 1)), (7, (1, 5)), (8, (1, 6)), (9, (2, 7)), (22, (2, 20)),
     (36, (2, 34)), (61, (2, 59)), (80, (2, 78))],
)  # fmt: skip
def test_var_leaves_out_the_first_and_the_last(layers: int, edited: tuple[int, int]) -> None:
    assert var_layers(layers) == span(*edited)
    assert build(parse("var").parts[0], info(layers)).layers == span(*edited)  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    ("family", "layers", "width", "dims"),
    [("llava", 32, 4096, (1415, 2533)), ("llava", 40, 5120, (2100, 4743)),
     ("llava_next", 40, 5120, (2100, 4743)), ("qwen2_vl", 28, 3584, (458, 2570)),
     ("llava", 32, 5120, ()), ("llava", 40, 4096, ()), ("qwen2_vl", 80, 3584, ())],
)  # fmt: skip
def test_var_knows_sink_dimensions_of_named_models_only(
    family: str, layers: int, width: int, dims: tuple[int, ...]
) -> None:
    var = build(parse("var").parts[0], ModelInfo("m", family, layers, 8, 8, width // 8))
    assert var.sink_dims == dims  # type: ignore[attr-defined]


# ------------------------------------------------------------------ rope_zero: an eighth


@pytest.mark.parametrize(
    ("width", "dose"),
    [(12, 2), (16, 2), (32, 4), (48, 6), (64, 8), (72, 8), (80, 10), (96, 12), (112, 14),
     (128, 16), (192, 24), (256, 32)],
)  # fmt: skip
def test_rope_zero_takes_an_eighth_in_whole_pairs(width: int, dose: int) -> None:
    method = build(parse("rope_zero(heads=[[0,1]])").parts[0], info(2, head_dim=width))
    assert method.dose == dose  # type: ignore[attr-defined]
    half, pairs = width // 2, dose // 2
    slowest = range(half - pairs, half)
    assert method.dimensions == tuple(sorted([*slowest, *(i + half for i in slowest)]))  # type: ignore[attr-defined]


def test_rope_zero_counts_rotated_dimensions_and_not_the_heads_width() -> None:
    whole = "rope_zero(heads=[[0,1]],rotary_dim=32,dims=highest)"
    method = build(parse(whole).parts[0], info(2, head_dim=80))
    assert method.dimensions == (0, 1, 16, 17)  # type: ignore[attr-defined]
    with pytest.raises(ConfigError, match="a dose of 12 of 96 dimensions"):
        build(parse("rope_zero(heads=[[0,1]],rotary_dim=96)").parts[0], info(2, head_dim=80))


# ------------------------------------------------------------------ what they share


@pytest.mark.parametrize(
    ("first", "last", "of", "layers", "found"),
    [
        (0, 31, 32, 5, (0, 4)), (31, 31, 32, 5, (4, 4)), (16, 16, 32, 3, (2, 2)),
        (0, 0, 32, 2, (0, 0)), (30, 31, 32, 100, (94, 99)), (5, 6, 12, 12, (5, 6)),
    ],
)  # fmt: skip
def test_a_range_is_carried_to_another_depth(
    first: int, last: int, of: int, layers: int, found: tuple[int, int]
) -> None:
    assert carried(first, last, of, layers) == span(*found)


def test_layers_are_sorted_once_each_and_must_exist() -> None:
    assert check_layers((3, 0, 3), info(4)) == (0, 3)
    for wrong in (4, -1):
        with pytest.raises(RefusedError, match=f"has no layer {wrong}"):
            check_layers((0, wrong), info(4))
    assert all_heads((2, 5), info(6)) == {2: (0, 1, 2, 3), 5: (0, 1, 2, 3)}
