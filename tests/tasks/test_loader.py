from __future__ import annotations

from importlib.metadata import EntryPoint
from pathlib import Path

import pytest

from headbench.errors import ConfigError
from headbench.tasks.index import build_index
from headbench.tasks.loader import load, resolve_names
from helpers_tasks import write_task


def test_packaged_names_groups_and_tags() -> None:
    assert [task.name for task in resolve_names(["niah", "pope"])] == ["niah", "pope"]
    variants = [task.name for task in resolve_names(["niah_variants"])]
    assert variants == ["niah_single", "niah_multikey", "niah_multiquery"]
    tagged = [task.name for task in resolve_names(["hallucination"])]
    assert {"pope", "chair"} <= set(tagged)


def test_each_task_is_loaded_once_and_the_order_is_kept() -> None:
    names = [task.name for task in resolve_names(["pope", "niah_single", "niah_variants"])]
    assert names == ["pope", "niah_single", "niah_multikey", "niah_multiquery"]


def test_an_unknown_name_names_the_nearest() -> None:
    with pytest.raises(ConfigError, match="'niha'") as caught:
        load("niha")
    assert "did you mean 'niah'?" in caught.value.hint


def test_a_group_is_not_one_task() -> None:
    with pytest.raises(ConfigError, match="names several tasks"):
        load("niah_variants")


def test_a_folder_of_the_user_adds_tasks_and_a_file_loads_by_path(tmp_path: Path) -> None:
    path = write_task(tmp_path, name="mine")
    assert load("mine", [tmp_path]).name == "mine"
    assert load(str(path)).name == "mine"
    assert [task.name for task in resolve_names([str(path), "niah"])] == ["mine", "niah"]


def test_two_files_of_one_name_are_refused(tmp_path: Path) -> None:
    write_task(tmp_path, name="niah")
    with pytest.raises(ConfigError, match="two files claim") as caught:
        build_index([tmp_path])
    assert str(tmp_path) in caught.value.where


def test_a_missing_include_folder_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="there is no such folder or task file"):
        build_index([tmp_path / "none"])


def test_one_broken_file_hides_no_other_and_is_told_when_its_name_is_sought(
    tmp_path: Path,
) -> None:
    write_task(tmp_path, name="fine")
    (tmp_path / "broken.yaml").write_text("task: [\n")
    index = build_index([tmp_path])
    assert "fine" in index.entries
    assert len(index.problems) == 1
    with pytest.raises(ConfigError, match="no task, group or tag 'broken'") as caught:
        load("broken", [tmp_path])
    assert "broken.yaml" in caught.value.hint


def test_fragments_are_not_tasks() -> None:
    assert not any(entry.path.name.startswith("_") for entry in build_index().entries.values())


def test_groups_in_a_circle_are_refused(tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text("group: ring_a\ntask: [ring_b]\n")
    (tmp_path / "b.yaml").write_text("group: ring_b\ntask: [ring_a]\n")
    with pytest.raises(ConfigError, match="ring_a -> ring_b -> ring_a"):
        resolve_names(["ring_a"], [tmp_path])


def test_provenance_follows_includes() -> None:
    task = load("pope")
    assert task.provenance["doc_to_text"].split("/")[-1].startswith("pope.yaml:")
    assert task.provenance["scorer"].split("/")[-1].startswith("_base.yaml:")


class Point:
    """Stands for an installed package's entry point."""

    name = "mine"

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.value, self.dist, self.group = "mine:TASKS", None, "headbench.tasks"

    def load(self) -> Path:
        return self.folder


def test_installed_packages_add_folders(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_task(tmp_path, name="plugged")
    monkeypatch.setattr("headbench._plugins._every", lambda: [Point(tmp_path)])
    assert load("plugged").name == "plugged"
    monkeypatch.setattr("headbench._plugins._every", lambda: [Point(tmp_path / "gone")])
    (problem,) = build_index().problems
    assert problem.what.startswith("the plugin 'mine' names a task folder that does not exist")
    assert load("niah_single").name == "niah_single", "it stops nothing else"
    with pytest.raises(ConfigError, match="plugin 'mine'"):
        load("plugged")


def test_a_package_that_claims_a_name_or_is_broken_is_named_and_stops_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_task(tmp_path, name="niah_single")
    broken = EntryPoint("broken", "no_such_package:TASKS", "headbench.tasks")
    monkeypatch.setattr("headbench._plugins._every", lambda: [Point(tmp_path), broken])
    index = build_index()
    assert not index.entries["niah_single"].path.is_relative_to(tmp_path)
    told = [problem.what for problem in index.problems]
    assert told[0].startswith("the installed task folder 'broken' does not load: ModuleNotFound")
    assert told[1] == "two files claim the name 'niah_single'"
