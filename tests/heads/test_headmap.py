from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from headbench.errors import ConfigError, DataError
from headbench.heads import HeadMap

SCORES = ((0.5, 0.0, 1.3, -0.1), (0.2, 0.5, 0.0, 0.1))


def made(**changes: object) -> HeadMap:
    facts: dict[str, object] = {
        "detector": "retrieval",
        "model": "m",
        "layers": 2,
        "heads": 4,
        "scores": SCORES,
    }
    return HeadMap.model_validate({**facts, **changes})


def test_a_map_survives_the_file(tmp_path: Path) -> None:
    original = made(threshold=0.1, seed=3, data={"name": "needles", "n": 4}, trials=7)
    original.save(tmp_path / "map.json")
    loaded = HeadMap.load(tmp_path / "map.json")
    assert loaded == original
    assert loaded.sha256 == original.sha256
    assert loaded.scores[0][2] == 1.3


@given(st.lists(st.floats(allow_nan=False, allow_infinity=False), min_size=6, max_size=6))
def test_any_finite_scores_survive_the_text(values: list[float]) -> None:
    original = made(layers=3, heads=2, scores=[values[:2], values[2:4], values[4:]])
    assert HeadMap.parse(original.text()) == original


def test_the_digest_is_of_content_and_not_of_layout(tmp_path: Path) -> None:
    original = made()
    (tmp_path / "flat.json").write_text(json.dumps(original.model_dump(mode="json")))
    assert HeadMap.load(tmp_path / "flat.json").sha256 == original.sha256
    assert made(seed=1).sha256 != original.sha256
    assert len(original.sha256) == 64


def test_top_is_ranked_and_ties_go_by_place() -> None:
    assert made().top(4) == ((0, 2), (0, 0), (1, 1), (1, 0))
    assert made().top(8) == made().ranked()
    for k in (0, 9, -1):
        with pytest.raises(ConfigError, match="map of 8 heads"):
            made().top(k)


def test_above_takes_the_threshold_itself() -> None:
    assert made().above(0.5) == ((0, 2), (0, 0), (1, 1))
    assert made(threshold=0.2).above() == ((0, 2), (0, 0), (1, 1), (1, 0))
    assert made().above(2) == ()
    with pytest.raises(ConfigError, match="names no threshold"):
        made().above()


def test_a_fraction_is_taken_from_every_layer() -> None:
    assert made().top_fraction_per_layer(0.5) == ((0, 2), (0, 0), (1, 1), (1, 0))
    assert made().top_fraction_per_layer(0.01) == ((0, 2), (1, 1))
    assert len(made().top_fraction_per_layer(1.0)) == 8
    assert len(made().top_fraction_per_layer(0.375)) == 4
    for fraction in (0.0, 1.1, -1.0):
        with pytest.raises(ConfigError, match="fraction"):
            made().top_fraction_per_layer(fraction)


def test_key_value_heads_spread_over_their_query_heads() -> None:
    wide = made(unit="kv").to_query_heads(8)
    assert (wide.heads, wide.unit) == (8, "query")
    assert wide.scores[0] == (0.5, 0.5, 0.0, 0.0, 1.3, 1.3, -0.1, -0.1)
    assert made().to_query_heads(4) == made()
    for wrong in (made(), made(unit="kv")):
        with pytest.raises(ConfigError, match="does not fit 6"):
            wrong.to_query_heads(6)


def test_a_head_that_is_not_there_is_named() -> None:
    assert made().score(0, 2) == 1.3
    for layer, head in ((2, 0), (0, 4), (-1, 0)):
        with pytest.raises(ConfigError, match=f"no head {head} in layer {layer}"):
            made().score(layer, head)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"layers": 3}, r"2 layers of \[4\] heads, not 3 of 4"),
        ({"heads": 3}, r"2 layers of \[4\] heads, not 2 of 3"),
        ({"scores": [[1.0, 2.0], [1.0]]}, r"2 layers of \[1, 2\] heads"),
        ({"scores": [], "layers": 0}, "at least one layer and one head"),
        ({"scores": [[float("nan")] * 4, [0.0] * 4]}, "finite number"),
        ({"format": "headbench-heads@2"}, "headbench-heads@1"),
        ({"unit": "expert"}, "'query' or 'kv'"),
        ({"colour": "red"}, "Extra inputs"),
    ],
)
def test_what_is_no_map_of_this_version_is_refused(changes: dict[str, object], said: str) -> None:
    with pytest.raises(ValidationError, match=said):
        made(**changes)


def test_a_map_cannot_be_changed() -> None:
    with pytest.raises(ValidationError, match="frozen"):
        made().seed = 4  # type: ignore[misc]


def test_broken_files_are_users_mistakes(tmp_path: Path) -> None:
    path = tmp_path / "map.json"
    with pytest.raises(DataError, match="cannot read the head map"):
        HeadMap.load(path)
    path.write_bytes(b"\xff\xfe{")
    with pytest.raises(DataError, match="UTF-8"):
        HeadMap.load(path)
    path.write_text(made().text()[:40])
    with pytest.raises(DataError, match="not a head map"):
        HeadMap.load(path)
    path.write_text('{"0-0": [1]}')
    with pytest.raises(DataError, match="headbench heads import"):
        HeadMap.load(path)
    with pytest.raises(DataError, match="could not be written"):
        made().save(tmp_path / "absent" / "map.json")


@pytest.mark.parametrize(
    ("heads", "fraction", "count"),
    [
        (4, 0.25, 1), (4, 0.375, 2), (4, 0.37, 1), (4, 0.625, 3), (4, 0.62, 2),
        (7, 0.5, 4), (8, 0.3, 2), (8, 0.3125, 3), (9, 0.05, 1), (12, 0.29, 3),
        (14, 0.25, 4), (16, 0.1, 2), (28, 0.125, 4), (32, 0.05, 2), (40, 0.0375, 2),
        (50, 0.29, 15), (50, 0.57, 29), (1, 0.001, 1), (3, 1.0, 3),
    ],
)  # fmt: skip
def test_a_fraction_is_rounded_to_the_nearest_number_halves_up(
    heads: int, fraction: float, count: int
) -> None:
    """14.5 of 50 are 15, though 0.29 * 50 is 14.499999999999998 in floating point."""
    rows = tuple(tuple(float(head) for head in range(heads)) for _ in range(2))
    found = made(layers=2, heads=heads, scores=rows).top_fraction_per_layer(fraction)
    best = range(heads - 1, heads - 1 - count, -1)
    assert found == tuple((layer, head) for layer in (0, 1) for head in best)
