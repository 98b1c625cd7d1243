"""Data that a user must bring: what is missing, from where, and with which hash."""

from __future__ import annotations

from pathlib import Path

import pytest

import headbench
from headbench.errors import ConfigError, DataError
from headbench.families.brain.external_data import SETS, MissingDataError, find_set
from headbench.families.brain.natural_stories import TIMES, reading_times


def test_missing_files_say_where_they_come_from(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(MissingDataError, match="natural_stories is missing") as caught:
        reading_times(tmp_path)
    assert caught.value.data is SETS["natural_stories"]
    text = str(caught.value)
    assert "languageMIT/naturalstories @ 4700daad" in text
    assert "CC BY-NC-SA 4.0" in text
    assert SETS["natural_stories"].files[TIMES] in text
    monkeypatch.delenv("HEADBENCH_DATA", raising=False)
    with pytest.raises(MissingDataError, match="HEADBENCH_DATA is not set"):
        find_set("natural_stories")


def test_another_version_of_a_file_is_refused(tmp_path: Path) -> None:
    folder = tmp_path / "brain" / "natural_stories"
    folder.mkdir(parents=True)
    (folder / TIMES).write_text("word\tzone\titem\n")
    with pytest.raises(DataError, match="another version of natural_stories") as caught:
        reading_times(tmp_path)
    assert not isinstance(caught.value, MissingDataError)
    assert SETS["natural_stories"].files[TIMES] in str(caught.value)


@pytest.mark.parametrize("name", [name for name, data in SETS.items() if not data.folder])
def test_sets_without_a_file_name_their_source(name: str) -> None:
    with pytest.raises(MissingDataError, match=f"{name} has no public file") as caught:
        find_set(name)
    assert SETS[name].source in str(caught.value)
    assert "no hash is on record" in str(caught.value)


@pytest.mark.parametrize(
    ("task", "name"),
    [
        ("rsa_table", "pereira2018"),
        ("encoding_table", "tuckute2024"),
        ("aut_brain_dmn", "aut_betas"),
        ("norms_table", "glasgow_norms"),
        ("wordsim", "word_similarity"),
        ("typicality", "typicality"),
        ("turing_rsa", "things_spose"),
    ],
)
def test_a_set_that_is_named_in_place_of_a_file_says_where_it_comes_from(
    task: str, name: str, tmp_path: Path
) -> None:
    with pytest.raises(MissingDataError, match=f"{name} names a data set") as caught:
        headbench.run(task, task_args={"table": name}, model="ref-lm-v2", out=tmp_path)
    assert SETS[name].source in caught.value.hint and "hash" in caught.value.hint


def test_unknown_sets_are_a_mistake_not_a_gap() -> None:
    with pytest.raises(ConfigError, match="did you mean 'pereira2018'"):
        find_set("pereira2019")
