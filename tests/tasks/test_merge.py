from __future__ import annotations

from pathlib import Path

import pytest

from headbench.errors import ConfigError
from headbench.tasks.merge import packaged_tasks, read_merged


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


def test_a_packaged_task_is_included_by_its_name(tmp_path: Path) -> None:
    top = tmp_path / "top.yaml"
    top.write_text("include: niah\ntask: mine\n")
    merged = read_merged(top)
    assert merged.data["scorer"] == "niah"
    assert merged.origins["scorer",].path.name == "_world.yaml"
    assert merged.data["task"] == "mine" and str(merged.origins["task",]) == f"{top}:2"


def test_a_misspelled_packaged_task_names_the_nearest(tmp_path: Path) -> None:
    top = tmp_path / "top.yaml"
    top.write_text("task: mine\ninclude: niha\n")
    with pytest.raises(ConfigError, match="no file or packaged task 'niha'") as caught:
        read_merged(top)
    assert caught.value.where == f"{top}:2"
    assert "'niah'" in str(caught.value.hint)


def test_a_group_is_no_task_to_include(tmp_path: Path) -> None:
    assert {"niah", "pope_files", "rsa_table"} <= set(packaged_tasks())
    assert "aut_brain" not in packaged_tasks()


def test_a_file_with_the_name_of_a_packaged_task_is_told_apart(tmp_path: Path) -> None:
    (tmp_path / "niah").write_text("a: 1\n")
    top = tmp_path / "top.yaml"
    top.write_text("include: niah\n")
    with pytest.raises(ConfigError, match="'niah' is a packaged task, and a file beside") as caught:
        read_merged(top)
    assert caught.value.hint == "write ./niah for the file"
    top.write_text("include: ./niah\n")
    assert read_merged(top).data["a"] == 1


def test_null_deletes_what_is_included_and_nothing_else(tmp_path: Path) -> None:
    (tmp_path / "base.yaml").write_text("a: 1\nm: {x: 1, y: {z: 1}, w: 2}\nn: null\n")
    top = tmp_path / "top.yaml"
    top.write_text("include: base.yaml\na: null\nm:\n  y: null\nown: null\n")
    merged = read_merged(top)
    assert merged.data == {
        "include": "base.yaml",
        "m": {"x": 1, "w": 2},
        "n": None,
        "own": None,
    }
    assert str(merged.origins["m", "y"]) == f"{top}:4"
    assert ("m", "y", "z") not in merged.origins
    (tmp_path / "third.yaml").write_text("include: top.yaml\na: 3\n")
    assert read_merged(tmp_path / "third.yaml").data["a"] == 3


def test_no_line_of_the_includer_is_named_for_what_it_inherits(tmp_path: Path) -> None:
    base = tmp_path / "base.yaml"
    base.write_text("m:\n  x: 1\n  deep: {y: 1}\nlist: [1, {z: 2}]\n")
    top = tmp_path / "top.yaml"
    top.write_text("include: base.yaml\nm:\n  own: 1\n  deep:\n    more: 1\n")
    merged = read_merged(top)
    for path in (("m", "x"), ("m", "deep", "y"), ("list", 1, "z"), ("list", 0)):
        assert merged.origins[path].path == base, path
        assert str(top) not in merged.where(path)
    # No one of the two files has all of it, so both are named.
    assert merged.where(("m",)) == f"{top}:2, and {base}:2, key m"
    assert merged.where(()) == f"{top} (includes {base})"
