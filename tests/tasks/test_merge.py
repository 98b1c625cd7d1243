from __future__ import annotations

from pathlib import Path

import pytest

from headbench.errors import ConfigError
from headbench.tasks.merge import read_merged


def test_the_includer_wins_mappings_merge_lists_are_replaced(tmp_path: Path) -> None:
    (tmp_path / "_base.yaml").write_text("a: 1\nm: {x: 1, y: [1, 2]}\nz: base\n")
    top = tmp_path / "top.yaml"
    top.write_text("include: _base.yaml\na: 2\nm:\n  y: [3]\n")
    merged = read_merged(top)
    assert merged.data == {"include": "_base.yaml", "a": 2, "m": {"x": 1, "y": [3]}, "z": "base"}


def test_provenance_names_file_and_line_of_the_winner(tmp_path: Path) -> None:
    base = tmp_path / "_base.yaml"
    base.write_text("a: 1\nm:\n  x: 1\n  y: [1, 2]\n")
    top = tmp_path / "top.yaml"
    top.write_text("include: _base.yaml\nm:\n  y: [3]\n")
    origins = read_merged(top).origins
    assert str(origins["m", "x"]) == f"{base}:3"
    assert str(origins["m", "y"]) == f"{top}:3"
    assert origins["m", "y", 0].path == top
    assert ("m", "y", 1) not in origins


def test_later_includes_win_over_earlier_ones(tmp_path: Path) -> None:
    (tmp_path / "one.yaml").write_text("a: 1\nb: 1\n")
    (tmp_path / "two.yaml").write_text("a: 2\n")
    top = tmp_path / "top.yaml"
    top.write_text("include: [one.yaml, two.yaml]\n")
    assert read_merged(top).data["a"] == 2
    assert read_merged(top).data["b"] == 1


def test_a_circle_is_refused_with_the_chain(tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text("include: b.yaml\n")
    (tmp_path / "b.yaml").write_text("include: a.yaml\n")
    with pytest.raises(ConfigError, match=r"a\.yaml -> b\.yaml -> a\.yaml"):
        read_merged(tmp_path / "a.yaml")


def test_one_file_included_twice_is_no_circle(tmp_path: Path) -> None:
    (tmp_path / "base.yaml").write_text("a: 1\n")
    for name in ("left", "right"):
        (tmp_path / f"{name}.yaml").write_text("include: base.yaml\n")
    top = tmp_path / "top.yaml"
    top.write_text("include: [left.yaml, right.yaml]\n")
    assert read_merged(top).data["a"] == 1


def test_a_missing_include_names_the_line(tmp_path: Path) -> None:
    top = tmp_path / "top.yaml"
    top.write_text("a: 1\ninclude: none.yaml\n")
    with pytest.raises(ConfigError, match=r"none\.yaml") as caught:
        read_merged(top)
    assert caught.value.where == f"{top}:2"


def test_where_falls_back_to_the_nearest_parent(tmp_path: Path) -> None:
    top = tmp_path / "top.yaml"
    top.write_text("a: 1\nm:\n  x: 1\n")
    assert read_merged(top).where(("m", "missing")) == f"{top}:2, key m.missing"
