"""Hostile result files: listed with their reason, and nothing else on the board changes."""

from __future__ import annotations

import html
import re
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from headbench.cli import main
from headbench.leaderboard.build import build
from headbench.results.canonical import digest
from helpers_board import ARMS, edited, text, write_cells

Said = dict[str, Any]
HUGE = 10**299


def spec(**values: object) -> Callable[[Said], None]:
    def change(said: Said) -> None:
        said["run"]["spec"] |= values
        said["run"]["digest"] = digest(said["run"]["spec"])

    return change


def neutral(**values: object) -> Callable[[Said], None]:
    told = {"text": "prose", "loss": 2.0, "losses": [4.0, 2.0], "tokens": [2, 1]}

    def change(said: Said) -> None:
        said["diagnostics"].update(neutral=[told | values], neutral_loss=2.0)

    return change


# What a file of the intervention says, and the reason that is given.
CHANGES: dict[str, tuple[Callable[[Said], object], str]] = {
    "other schema": (lambda said: said.update(schema_version=99), "schema version 99"),
    "unknown field": (lambda said: said.update(mine=1), "Extra inputs are not permitted"),
    "figure": (
        lambda said: said["metrics"]["recall"].update(value=0.9),
        "recall is stored as 0.9, its records give 0.3",
    ),
    "impossible": (
        lambda said: said["metrics"]["recall"].update(value=1.5, high=2.0),
        "recall is stored as 1.5",
    ),
    "level": (
        lambda said: said["metrics"]["recall"].update(level=7.0),
        "recall has the confidence level 7",
    ),
    "script tag": (lambda said: said["model"].update(name="<script>x"), "holds markup"),
    "control": (lambda said: said["task"].update(name="a\x01b"), "control, direction or other"),
    "bidi": (lambda said: said["arm"].update(name="vhr\u202e"), "control, direction or other"),
    "megabyte": (lambda said: said["model"].update(name="x" * 10**6), "has 1,000,000 characters"),
    "id": (lambda said: said.update(id="../../x"), "its id is no SHA-256 digest"),
    "draws": (spec(draws=10**12), "its tests rest on 1000000000000 draws"),
    "no draws": (spec(draws="many"), "its tests rest on many draws"),
    "level of the run": (spec(level=50.0), "the confidence level 50.0"),
    "documents": (
        lambda said: (
            said["coverage"].update(expected=HUGE),
            said.update(status="partial", reason="stopped", headline=None),
        ),
        "documents are expected, more than a task has",
    ),
    "figures": (
        lambda said: said["metrics"].update(
            {f"m{n}": said["metrics"]["recall"] for n in range(500)}
        ),
        "it has 502 figures",
    ),
    "controls": (
        lambda said: said["arm"].update(
            controls={"unit": "heads", "drawn": 4, "possible": 0, "excluded": False}
        ),
        "4 controls were drawn, of 0 that exist",
    ),
    "counts": (lambda said: said["diagnostics"].update(changed=HUGE), "changed is 1000000000"),
    "passages": (neutral(tokens=[2]), "prose has 2 losses and 1 counts of tokens"),
    "no tokens": (neutral(tokens=[0, 0]), "a passage of prose has no token"),
}
RAW = {
    "broken": ("{", "not a JSON file"),
    "NaN": ('{"schema_version": 2, "metrics": {"recall": {"value": NaN}}}', "NaN is no finite"),
    "infinite": ('{"schema_version": 2, "value": 1e999}', "1e999 is no finite number"),
    "no text": ('{"schema_version": 2, "id": "\\ud800"}', "not a"),
}


@pytest.fixture(scope="module")
def honest(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("honest") / "honest"
    write_cells(out, ARMS)
    return out


def test_every_kind_of_hostile_file_is_listed_and_changes_nothing_else(
    honest: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    results = tmp_path / "results"
    for name, (change, _) in CHANGES.items():
        folder = results / name.replace(" ", "-")
        write_cells(folder, ARMS[:2], model="other")
        edited(folder, "vhr", change)
    for name, (content, _) in RAW.items():
        (results / f"{name.replace(' ', '-')}.json").write_text(content, encoding="utf-8")
    monkeypatch.setattr(
        sys,
        "argv",
        [
            *("headbench", "leaderboard", "build", "--out", str(tmp_path / "board")),
            *("--results", str(results), "--results", str(honest)),
        ],
    )
    with pytest.raises(SystemExit, match=r"^0$"):
        main()
    page = (tmp_path / "board" / "not-shown.html").read_text(encoding="utf-8")
    listed = re.findall(r"<th scope=\"row\"[^>]*>(.*?)</th><td[^>]*>(.*?)</td>", page, re.DOTALL)
    for name, (_, reason) in {**CHANGES, **RAW}.items():
        told = [why for file, why in listed if re.match(f"<bdi>{name.replace(' ', '-')}[./]", file)]
        assert told, name
        assert reason in html.unescape(told[0]), (name, told)
    alone = build([honest])
    found = (tmp_path / "board" / "data" / "board-measured.csv").read_text(encoding="utf-8")
    kept = [line for line in text(alone, "data/board-measured.csv").splitlines() if ",m," in line]
    assert kept
    assert [line for line in found.splitlines() if ",m," in line] == kept
