"""The page of head maps: the packaged maps, ranks with ties, and maps that cannot be read."""

from __future__ import annotations

from pathlib import Path

import pytest

from headbench._paths import checkpoints_root
from headbench.heads.headmap import HeadMap
from headbench.leaderboard.head_maps import Compared, ShownMap, head_map_parts, ranks, read_maps
from headbench.leaderboard.page import Asset, Page
from headbench.leaderboard.reading import read_runs
from headbench.leaderboard.site import render
from headbench.leaderboard.sources import Sources

FACTS = {"summary": "0 results.", "not_shown": 0}
ONE = ((4.0, 3.0, 2.0, 2.0), (1.0, 0.0, 0.0, 0.0))
OTHER = ((0.0, 1.0, 0.0, 0.0), (8.0, 4.0, 3.0, 2.0))


def sources(root: Path) -> Sources:
    return Sources(read_runs([]), maps=root)


def put(
    root: Path, name: str, scores: tuple[tuple[float, ...] | None, ...], **facts: object
) -> None:
    folder = root / "m"
    folder.mkdir(exist_ok=True)
    wide = next(len(row) for row in scores if row)
    plain = {"detector": name, "model": "m", "layers": len(scores), "heads": wide}
    HeadMap.model_validate(plain | {"scores": scores} | facts).save(folder / f"heads-{name}.json")


def page_of(root: Path) -> tuple[Page, str]:
    parts = list(head_map_parts(sources(root)))
    (page,) = [part for part in parts if isinstance(part, Page)]
    return page, render(parts, FACTS)["head-maps.html"].decode()


def groups_of(page: Page) -> list[tuple[str, list[ShownMap], list[Compared]]]:
    groups = page.context["groups"]
    assert isinstance(groups, list)
    return groups


def test_heads_of_one_score_share_a_rank(tmp_path: Path) -> None:
    put(tmp_path, "a", ONE)
    (found,) = read_maps(tmp_path)[0].values()
    assert list(ranks(found).values()) == [1, 2, 3.5, 3.5, 5, 7, 7, 7]


def test_two_maps_of_a_model_are_compared_by_rank(tmp_path: Path) -> None:
    put(tmp_path, "a", ONE, threshold=2.0, seed=3, trials=60, data={"world": "needles"})
    put(tmp_path, "b", OTHER)
    page, text = page_of(tmp_path)
    ((model, (first, second), (pair,)),) = groups_of(page)
    assert model == "m"
    assert [(one.rank, one.layer, one.head) for one in first.top[:3]] == [
        (1, 0, 0), (2, 0, 1), (3.5, 0, 2),
    ]  # fmt: skip
    assert [one.detected for one in first.top] == [True] * 4 + [False] * 4
    assert [one.elsewhere for one in first.top[:2]] == [(7,), (5,)]
    assert {one.detected for one in second.top} == {None}
    assert dict(first.settings)["Threshold"] == "2; 4 heads reach it"
    assert dict(first.settings)["Data: world"] == "needles"
    # Head 0-0: rank 1 in a, 7 in b, of 8; head 1-0: 5 and 1.
    assert pair.change[0][0] == pytest.approx(-6 / 7)
    assert pair.change[1][0] == pytest.approx(4 / 7)
    # Best five: a has 0-0 to 0-3 and 1-0; b has layer 1 and 0-1.
    (five,) = pair.overlaps
    assert (five.k, five.shared, five.tied) == (5, 2, False)
    assert five.chance == pytest.approx(25 / 8)
    assert five.jaccard == pytest.approx(2 / 8)
    assert pair.within == (
        (0, pytest.approx(0.2722, abs=1e-4)),
        (1, pytest.approx(0.7746, abs=1e-4)),
    )
    assert pair.agreement is not None
    assert pair.agreement.rank is not None
    assert pair.agreement.rank < 0
    assert "Spearman" in text
    assert "layer 0, head 0: 4.000" in text
    assert f"layer 0, head 0: \N{MINUS SIGN}{6 / 7:.3f}" in text


def test_a_list_that_ends_among_equals_says_so(tmp_path: Path) -> None:
    put(tmp_path, "a", ((4.0, 3.0, 2.0, 2.0), (1.0, 1.0, 1.0, 0.0)))
    put(tmp_path, "b", OTHER)
    page, text = page_of(tmp_path)
    (pair,) = groups_of(page)[0][2]
    assert [one.tied for one in pair.overlaps] == [True]
    assert "yes: chosen by layer and head" in text


def test_maps_of_other_heads_are_not_compared(tmp_path: Path) -> None:
    put(tmp_path, "a", ONE)
    put(tmp_path, "b", ((1.0, 2.0), (3.0, 4.0)), unit="kv")
    put(tmp_path, "c", (None, (1.0, 2.0, 3.0, 4.0)))
    page, text = page_of(tmp_path)
    _, shown, pairs = groups_of(page)[0]
    assert [pair.agreement for pair in pairs] == [None] * 3
    assert [one.others for one in shown] == [()] * 3
    assert text.count("Not compared: <bdi>the maps are not of one model") == 3
    assert "layer 0, head 3: no attention" in text


def test_a_broken_map_is_listed_and_its_text_is_text(tmp_path: Path) -> None:
    hostile = "<script>alert(1)</script>\u202e"
    put(tmp_path, "a", ONE, detector=hostile, data={hostile: hostile})
    (tmp_path / "m" / "heads-cut.json").write_text('{"format": "headbench-heads@1"')
    (tmp_path / "m" / "heads-nan.json").write_text(
        '{"format": "headbench-heads@1", "scores": [[NaN]]}'
    )
    _, text = page_of(tmp_path)
    assert "<script>alert" not in text
    assert "\u202e" not in text
    assert "m/heads-cut.json</bdi>: <bdi>not a head map of format" in text
    assert "m/heads-nan.json</bdi>: <bdi>not a head map of format" in text
    assert str(tmp_path) not in text


def test_a_board_without_maps_has_no_page(tmp_path: Path) -> None:
    assert list(head_map_parts(sources(tmp_path))) == []


def test_every_packaged_map_is_shown_and_can_be_saved() -> None:
    parts = list(head_map_parts(sources(checkpoints_root())))
    files = {part.path: part.content for part in parts if isinstance(part, Asset)}
    packaged = sorted(checkpoints_root().glob("*/heads-*.json"))
    assert len(files) == len(packaged) >= 4
    for path in packaged:
        saved = files[f"data/heads-{path.parent.name}-{path.stem.removeprefix('heads-')}.json"]
        assert HeadMap.parse(saved.decode()) == HeadMap.load(path)
    (page,) = [part for part in parts if isinstance(part, Page)]
    pairs = {model: len(pairs) for model, _, pairs in groups_of(page)}
    assert pairs["ref-vlm-v2"] == 1
