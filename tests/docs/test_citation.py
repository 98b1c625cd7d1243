"""CITATION.cff is of format 1.2.0 and names the version that is installed."""

from __future__ import annotations

import tomllib
from pathlib import Path

import yaml

import headbench

ROOT = Path(__file__).resolve().parents[2]
REQUIRED = {"cff-version", "message", "title", "authors"}
KNOWN = REQUIRED | {"abstract", "date-released", "doi", "keywords", "license", "type", "url"}
KNOWN |= {"version", "repository-code", "preferred-citation"}
"""Keys of format 1.2.0 that a software project uses."""


def citation() -> dict[str, object]:
    found = yaml.safe_load((ROOT / "CITATION.cff").read_text(encoding="utf-8"))
    assert isinstance(found, dict)
    return found


def test_it_has_the_keys_of_its_format() -> None:
    found = citation()
    assert found["cff-version"] == "1.2.0" and found["type"] == "software"
    assert REQUIRED <= set(found) <= KNOWN
    assert all(isinstance(found[key], str) for key in set(found) - {"authors", "keywords"})
    assert found["authors"] == [{"name": "headbench contributors"}]


def test_it_names_this_version_and_what_the_package_says_of_itself() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    found = citation()
    assert found["version"] == headbench.__version__
    assert found["license"] == project["license"]
    assert found["keywords"] == project["keywords"]
    assert found["title"] == project["name"]
