"""The page on what is tested says what tests and committed results show.

``test_decisions.py`` looks up every test that it names.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterator
from pathlib import Path

from safetensors import safe_open

from headbench._paths import checkpoints_root
from helpers_families import DECODERS, ENCODERS

ROOT = Path(__file__).resolve().parents[2]
PAGE = (ROOT / "docs" / "tested.md").read_text(encoding="utf-8")
SHOWN = re.compile(r"`tests/[\w/]+\.py(?:::\w+)?`|\]\([\w./]+\.md\)")


def rows(heading: str) -> list[str]:
    """The rows of the table below a heading."""
    (part,) = re.findall(rf"^## {heading}\n(.*?)(?=^## |\Z)", PAGE, re.M | re.S)
    return [line for line in part.splitlines() if line.startswith("| ")][1:]


def row(beginning: str) -> str:
    (found,) = [line for line in PAGE.splitlines() if line.startswith(f"| {beginning}")]
    return found


def results() -> Iterator[dict[str, dict[str, dict[str, str]]]]:
    for folder in ("results/measured/golden", "results/board/measured"):
        for path in sorted((ROOT / folder).rglob("*.json")):
            found = json.loads(path.read_text(encoding="utf-8"))
            if "identity" in found.get("model", ()):
                yield found


def test_every_row_names_what_shows_it() -> None:
    claimed = rows("Tested") + rows("Refused by name")
    assert len(claimed) > 15
    assert [line for line in claimed if not SHOWN.search(line)] == []
    assert [line for line in rows("Not tested") if "`tests/" in line] == []


def test_counts_are_those_of_the_other_pages() -> None:
    sweep = (ROOT / "docs" / "architectures.md").read_text(encoding="utf-8")
    found = re.search(r"(\d+) are right, (\d+) are refused by name, (\d+) cannot be built", sweep)
    assert found is not None
    right, refused, unbuilt = found.groups()
    said = f"{right} right, {refused} refused by name, {unbuilt} not built"
    assert said in row("model classes")
    (version,) = re.findall(r"model type that transformers ([\d.]+) maps", sweep)
    assert f"transformers {version} maps" in row("model classes")
    families = f"{len(DECODERS)} families of decoders and {len(ENCODERS)} of encoders"
    assert families in row("every intervention")


def test_sizes_are_those_of_the_shipped_weights() -> None:
    for path in sorted(checkpoints_root().glob("*/*.safetensors")):
        with safe_open(path, "np") as weights:
            shapes = [weights.get_slice(name).get_shape() for name in weights.keys()]  # noqa: SIM118
        count = f"{sum(map(math.prod, shapes)):,}"
        said = row("trained models |")
        assert re.search(rf"`{path.parent.name}` \({count}\b", said), (path.parent.name, count)


def test_committed_results_are_of_what_the_page_says() -> None:
    """A result from a GPU, in another dtype or of another Python makes the page wrong."""
    found = list(results())
    assert len(found) > 100
    identities = [one["model"]["identity"] for one in found]
    assert {one["device"] for one in identities} == {"cpu"}
    assert {one["dtype"] for one in identities} == {"float32"}
    versions = [one["run"]["versions"] for one in found]
    said = row("Python and libraries")
    for name, shown in (("python", "Python"), ("torch", "torch"), ("transformers", "transformers")):
        (version,) = {one[name] for one in versions}
        assert f"{shown} {version}" in said
