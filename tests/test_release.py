"""A release: its notes are the changelog's, its versions agree, and only a tag publishes."""

from __future__ import annotations

import importlib.util
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[1]
SCRIPT = ROOT / ".ci" / "release_notes.py"
ON_TAG = "startsWith(github.ref, 'refs/tags/v')"


def load() -> Any:
    spec = importlib.util.spec_from_file_location("release_notes", SCRIPT)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    files = {
        "harness/headbench/_version.py": '"""The version."""\n\n__version__ = "0.2.0"\n',
        "CITATION.cff": "cff-version: 1.2.0\nversion: 0.2.0\n",
        "CHANGELOG.md": "# Changelog\n\n## Unreleased\n\n## 0.2.0 (2030-01-02)\n\n### Added\n- a\n"
        "\n## 0.1.0 (2029-01-02)\n\n- b\n",
    }
    for name, text in files.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    return tmp_path


def test_the_notes_are_the_section_of_the_version(checkout: Path) -> None:
    assert load().notes("v0.2.0", checkout) == "### Added\n- a\n"


@pytest.mark.parametrize(
    ("file", "old", "new", "told"),
    [
        ("harness/headbench/_version.py", "0.2.0", "0.3.0", r"_version\.py says 0\.3\.0"),
        ("CITATION.cff", "version: 0.2.0", "version: 0.1.0", r"CITATION\.cff says 0\.1\.0"),
        ("CHANGELOG.md", "## 0.2.0 (2030-01-02)", "## 0.2.0", "has no section"),
        ("CHANGELOG.md", "### Added\n- a\n", "", "has no section"),
    ],
)
def test_what_does_not_agree_is_refused(
    file: str, old: str, new: str, told: str, checkout: Path
) -> None:
    path = checkout / file
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new))
    with pytest.raises(ValueError, match=told):
        load().notes("v0.2.0", checkout)


def test_the_command_ends_in_one_line_and_a_hint() -> None:
    done = subprocess.run(
        [sys.executable, SCRIPT, "v99.0.0"], capture_output=True, text=True, check=False
    )
    assert done.returncode == 1 and done.stdout == ""
    assert re.match(r"error: the tag is v99\.0\.0, and .*\nhint: docs/releasing\.md", done.stderr)


def workflow() -> dict[Any, Any]:
    found = yaml.safe_load((ROOT / ".github" / "workflows" / "release.yml").read_text())
    assert isinstance(found, dict)
    return found


def test_only_a_tag_publishes_and_only_after_the_tests() -> None:
    found = workflow()
    assert found[True]["push"] == {"tags": ["v*"]}  # YAML reads the key `on` as true
    jobs = found["jobs"]
    publishers = [
        name
        for name, job in jobs.items()
        if any("pypi-publish" in step.get("uses", "") for step in job["steps"])
    ]
    assert publishers == ["publish"]
    assert jobs["publish"]["if"] == ON_TAG and jobs["publish"]["needs"] == "build"
    commands = [step.get("run", "") for step in jobs["build"]["steps"]]
    assert commands.index("bash .ci/run") < commands.index("make wheel")
    assert any(command.startswith("python .ci/release_notes.py") for command in commands)


def test_publishing_needs_no_secret_and_no_job_may_more_than_it_does() -> None:
    text = (ROOT / ".github" / "workflows" / "release.yml").read_text()
    assert "secrets." not in text and "password" not in text
    found = workflow()
    assert found["permissions"] == {"contents": "read"}
    allowed = {name: job.get("permissions") for name, job in found["jobs"].items()}
    assert allowed == {
        "build": None,
        "publish": {"id-token": "write"},
        "notes": {"contents": "write"},
    }


def test_what_a_tag_is_called_never_reaches_a_shell_unquoted() -> None:
    for job in workflow()["jobs"].values():
        for step in job["steps"]:
            assert "${{" not in step.get("run", "")
