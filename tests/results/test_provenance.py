"""The commit that a result names: of headbench's own checkout, and whether its code differed."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from headbench.results import provenance


@pytest.fixture
def checkout(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A repository laid out like headbench's, which the package is taken to run from."""
    for name in ("harness/headbench/a.py", "tasks/a.yaml", "results/a.json", "docs/a.md"):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("1\n")
    who = ("-c", "user.name=a", "-c", "user.email=a@b.c")
    for words in (("init", "-q"), ("add", "."), (*who, "commit", "-q", "-m", "one")):
        subprocess.run(["git", "-C", str(tmp_path), *words], check=True)
    monkeypatch.setattr(provenance, "PACKAGE", tmp_path / "harness" / "headbench")
    return tmp_path


def commit() -> str:
    return str(provenance.commit.__wrapped__())


@pytest.mark.parametrize(
    ("changed", "dirty"),
    [
        ("", False),
        ("results/a.json", False),
        ("docs/a.md", False),
        ("harness/headbench/a.py", True),
        ("tasks/a.yaml", True),
    ],
)
def test_only_a_change_of_code_or_tasks_makes_a_checkout_dirty(
    checkout: Path, changed: str, dirty: bool
) -> None:
    if changed:
        (checkout / changed).write_text("2\n")
    named = commit()
    assert len(named.removesuffix("-dirty")) == 40
    assert named.endswith("-dirty") == dirty


def test_a_wheel_in_another_repository_borrows_no_commit(
    checkout: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(provenance, "PACKAGE", checkout / "venv" / "headbench")
    (checkout / "venv" / "headbench").mkdir(parents=True)
    assert commit() == "None"
