"""A user's own table of subjects, stimuli and vectors."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from headbench.errors import DataError
from headbench.families.brain.rdm import crossnobis, rdm
from headbench.families.brain.vector_table import read_vector_table

RANDOM = np.random.default_rng(0)
WORDS = ["sun", "fish", "knife", "hat", "tree"]


def rows() -> tuple[list[str], list[str], np.ndarray]:
    """Two subjects, two repeats; the second subject did not see the tree."""
    subjects, stimuli = [], []
    for subject in ("p1", "p2"):
        for _ in range(2):
            for word in WORDS[: 5 if subject == "p1" else 4]:
                subjects.append(subject)
                stimuli.append(word)
    return subjects, stimuli, RANDOM.standard_normal((18, 6))


@pytest.fixture
def table(tmp_path: Path) -> Path:
    subjects, stimuli, vectors = rows()
    path = tmp_path / "betas.npz"
    np.savez(path, subject=subjects, stimulus=stimuli, vector=vectors)
    return path


def test_subjects_become_rdms_over_the_stimuli_they_share(table: Path) -> None:
    found = read_vector_table(table)
    assert found.names == ("p1", "p2")
    assert found.shared() == ("sun", "fish", "knife", "hat")
    shown = ["hat", "tree", "sun", "fish"]
    assert found.shared(shown) == ("hat", "sun", "fish")
    stimuli = found.shared(shown)
    first = np.stack([found.vectors[[3, 0, 1]], found.vectors[[8, 5, 6]]])
    np.testing.assert_allclose(found.repeats("p1", stimuli), first)
    np.testing.assert_allclose(found.rdms(stimuli)[0], rdm(first.mean(axis=0)))
    np.testing.assert_allclose(found.rdms(stimuli, None)[0], crossnobis(first))
    with pytest.raises(DataError, match="subject p2 lacks 1 stimuli"):
        found.rdms(WORDS)


def test_csv_and_npz_say_the_same(table: Path, tmp_path: Path) -> None:
    found = read_vector_table(table)
    lines = ["stimulus,subject," + ",".join(f"v{at}" for at in range(6))]
    for subject, stimulus, vector in zip(found.subjects, found.stimuli, found.vectors, strict=True):
        lines.append(",".join([stimulus, subject, *map(repr, vector.tolist())]))
    path = tmp_path / "betas.csv"
    path.write_text("\n".join(lines) + "\n")
    again = read_vector_table(path)
    assert (again.subjects, again.stimuli) == (found.subjects, found.stimuli)
    np.testing.assert_array_equal(again.vectors, found.vectors)


def test_the_hash_of_the_file_is_checked(table: Path) -> None:
    digest = read_vector_table(table).sha256
    assert read_vector_table(table, digest).sha256 == digest
    with pytest.raises(DataError, match="another file than the one named"):
        read_vector_table(table, "0" * 64)


def test_bad_tables_are_refused(table: Path, tmp_path: Path) -> None:
    subjects, stimuli, vectors = rows()
    with pytest.raises(DataError, match="the table is missing"):
        read_vector_table(tmp_path / "no.npz")
    np.savez(tmp_path / "short.npz", subject=subjects, vector=vectors)
    with pytest.raises(DataError, match="lacks stimulus"):
        read_vector_table(tmp_path / "short.npz")
    np.savez(tmp_path / "odd.npz", subject=subjects[:3], stimulus=stimuli, vector=vectors)
    with pytest.raises(DataError, match="differ in length"):
        read_vector_table(tmp_path / "odd.npz")
    vectors[4, 2] = np.nan
    np.savez(tmp_path / "gap.npz", subject=subjects, stimulus=stimuli, vector=vectors)
    with pytest.raises(DataError, match="row 4, and 0 more"):
        read_vector_table(tmp_path / "gap.npz")
    objects = np.array([{"code": 1}], dtype=object)
    np.savez(tmp_path / "code.npz", subject=objects, stimulus=objects, vector=objects)
    with pytest.raises(DataError, match="cannot be read"):
        read_vector_table(tmp_path / "code.npz")
    (tmp_path / "odd.csv").write_text("subject,stimulus,v0\np1,sun,\n")
    with pytest.raises(DataError, match="no number"):
        read_vector_table(tmp_path / "odd.csv")
    (tmp_path / "t.mat").write_text("")
    with pytest.raises(DataError, match="npz or CSV"):
        read_vector_table(tmp_path / "t.mat")


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("subject,stimulus,v,v\na,x,1,2\n", "two columns 'v'"),
        ("subject,stimulus,v\na,,1\n", "a cell of 'stimulus' is empty"),
        ("subject,stimulus,v\n ,x,1\n", "a cell of 'subject' is empty"),
    ],
)
def test_a_csv_that_would_lose_something_is_refused(tmp_path: Path, text: str, told: str) -> None:
    path = tmp_path / "table.csv"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(DataError, match=told):
        read_vector_table(path)


def test_complex_vectors_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "table.npz"
    np.savez(path, subject=["a"], stimulus=["x"], vector=np.array([[1 + 2j]]))
    with pytest.raises(DataError, match="complex"):
        read_vector_table(path)
