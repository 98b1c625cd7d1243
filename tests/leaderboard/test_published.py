"""Pages of printed figures: everything is there, nothing is ranked, and what is foreign is text."""

from __future__ import annotations

import csv
import io
import json
import re
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from headbench.leaderboard.links import task_page
from headbench.leaderboard.page import Page
from headbench.leaderboard.published import COLUMNS, TITLES, published_parts, strips
from headbench.leaderboard.published_cards import cards
from headbench.leaderboard.reading import Shown, read_runs
from headbench.leaderboard.site import render
from headbench.leaderboard.sources import Sources
from headbench.results.paper_cells import PROTOCOL, load_paper_cells

ROOT = Path(__file__).resolve().parents[2]
FACTS = {"summary": "0 results.", "not_shown": 0}


def board(published: Path) -> Mapping[str, bytes]:
    sources = Sources(Shown((), ()), published, (published.parent,))
    return render(published_parts(sources), FACTS)


@pytest.fixture(scope="module")
def files() -> Mapping[str, bytes]:
    return board(ROOT / "results" / "published")


def page(files: Mapping[str, bytes], name: str) -> str:
    return files[name].decode()


def family_pages(files: Mapping[str, bytes]) -> list[str]:
    return [f"published-{name}.html" for name in TITLES if f"published-{name}.html" in files]


def test_every_figure_is_on_one_page(files: Mapping[str, bytes]) -> None:
    pages = family_pages(files)
    assert len(pages) == 18
    assert sum(page(files, name).count('<span class="figure">') for name in pages) == 3965
    index = page(files, "published.html")
    assert "3,965 figures from 44 papers" in index
    assert "984 figures stand beside an unedited baseline" in index
    for name in pages:
        assert f'href="{name}"' in index
        assert len(files[name]) < 500_000


def test_every_link_has_a_target(files: Mapping[str, bytes]) -> None:
    ids = {
        name: set(re.findall(r'\bid="([^"]+)"', content.decode()))
        for name, content in files.items()
        if name.endswith(".html")
    }
    for name in ids:
        for target in re.findall(r'href="([^"]+)"', page(files, name)):
            path, _, anchor = target.partition("#")
            if path == "index.html":  # the frame's link to the first page, which is another maker's
                continue
            assert (path or name) in files, target
            if anchor:
                assert anchor in ids[path or name], target


def test_vhr_on_pope_says_that_its_prompt_was_not_recorded(files: Mapping[str, bytes]) -> None:
    """The way of a stranger: Published, POPE, VHR's Table 2."""
    assert 'href="published.html"' in page(files, "published.html")  # the navigation
    assert 'href="published-pope.html"' in page(files, "published.html")
    pope = page(files, "published-pope.html")
    assert '<a href="#card-vhr-table-2"><bdi>Table 2</bdi></a>' in pope
    card = pope.split('id="card-vhr-table-2"')[1].split("</article>")[0]
    assert '<li class="chip unknown">prompt: <bdi>not recorded</bdi></li>' in card
    assert '<li class="chip">n: <bdi>9000</bdi></li>' in card
    for value, change in (("85.52", "+0.16"), ("85.47", "+0.49"), ("88.87", "+0.36")):
        assert f'<span class="figure">{value}</span>' in card
        assert f'<span class="delta up-text">{change} better</span>' in card
    # The baseline is the first row of its model.
    assert card.index(">85.36<") < card.index(">85.21<")


def test_the_strip_shows_how_far_apart_baselines_are() -> None:
    found = load_paper_cells(ROOT / "results" / "published" / "cells")
    shown = strips([cell for cell in found.cells if cell.family == "chair"])
    first = shown[0]
    assert (first.label, first.low, first.high) == ("LLaVA-1.5-7B, CHAIR_S", "24.4", "54.6")
    assert (len(first.points), first.papers) == (10, 5)
    assert all(one.papers > 1 for one in shown)
    # Two papers report 100 % for one model: no distance to show.
    assert strips([cell for cell in found.cells if cell.family == "passphrase_needle"]) == []


def test_cards_stand_by_year_and_never_by_figure() -> None:
    found = load_paper_cells(ROOT / "results" / "published" / "cells")
    made = cards([cell for cell in found.cells if cell.family == "chair"], found.by_id())
    years = [card.year or 9999 for card in made]
    assert years == sorted(years)
    vhr = next(card for card in made if card.anchor == "card-vhr-table-1")
    assert vhr.several  # greedy for most, beams for OPERA
    row = next(row for row in vhr.rows if row.arm == "OPERA" and "LLaVA-1.5-7B" in row.labels)
    shown = row.figures[0][0]
    assert (shown.difference, shown.to, shown.effect) == ("−9.56", "beam5", "better")


def test_csv_keeps_apart_what_does_not_compare(files: Mapping[str, bytes]) -> None:
    rows = list(csv.DictReader(io.StringIO(files["published-chair.csv"].decode())))
    assert len(rows) == 454
    assert COLUMNS[:2] == ("kind", "comparable_group")
    assert {row["kind"] for row in rows} == {"published"}
    assert {row["comparable_group"] for row in rows} == {"none: the protocol is not fully recorded"}
    assert set(PROTOCOL) <= set(rows[0])
    vhr = next(row for row in rows if row["arm"] == "vhr" and row["model"] == "LLaVA-1.5-7B")
    assert (vhr["value"], vhr["difference"], vhr["image_set"]) == (
        "33.32",
        "-16.36",
        "not recorded",
    )


def test_facts_for_comparing_two_cards(files: Mapping[str, bytes]) -> None:
    script = files["data/published-chair-cards.js"].decode()
    name, columns, rows = json.loads(f"[{script.strip()[7:-2]}]")
    assert name == "published-chair-cards"
    by_card = {row[0]: dict(zip(columns, row, strict=True)) for row in rows}
    assert by_card["card-sevi-table-1"]["max new tokens"] == ["512", "64"]
    assert by_card["card-vhr-table-1"]["max new tokens"] == [""]  # unknown is no value


HOSTILE = "</script><img src=x onerror=alert(1)>\u202e=HYPERLINK(1)"


def hostile(folder: Path) -> None:
    """A file of cells in which every text that a paper may choose is an attack."""
    shared: dict[str, Any] = {
        "family": HOSTILE, "task": HOSTILE, "metric": HOSTILE, "metric_printed": HOSTILE,
        "unit": "percent", "direction": "lower", "grade": "P", "read_from": "table", "n": 5,
        "setting": "__proto__", "arm": "constructor", "note": HOSTILE,
        **{name: HOSTILE for name in PROTOCOL if name != "n"},
    }  # fmt: skip
    document = {
        "schema_version": 1,
        "paper": HOSTILE,
        "arxiv": None,
        "tables": [
            {
                "table": HOSTILE,
                "key": "t",
                "shared": shared,
                "columns": ["id", "model", "arm_printed", "role", "value", "baseline_id"],
                "cells": [
                    ["00000001", "__proto__", "none", "baseline", "1.0", None],
                    ["00000002", "__proto__", "=cmd()", "method", "2.0", "00000001"],
                    ["00000003", "constructor", "x" * 1999, "method", "-3.5", None],
                ],
            }
        ],
    }
    cells = folder / "cells"
    cells.mkdir(parents=True)
    (cells / "bad.cells.json").write_text(json.dumps(document), encoding="utf-8")
    (cells / "nan.cells.json").write_text('{"schema_version": NaN}', encoding="utf-8")
    (cells / "long.cells.json").write_text(
        json.dumps({**document, "paper": "p", "arxiv": "x" * 1_000_000}), encoding="utf-8"
    )


def test_hostile_cells_are_text(tmp_path: Path) -> None:
    folder = tmp_path / "results" / "published"
    hostile(folder)
    made = board(folder)
    html = [text.decode() for name, text in made.items() if name.endswith(".html")]
    assert len(html) == 3  # the index, one family, the recomputed figures
    for text in html:
        assert "<img" not in text
        assert "\u202e" not in text
        assert text.count("</script>") == text.count("<script")
    index = made["published.html"].decode()
    assert "cells/nan.cells.json" in index
    assert "not an arXiv identifier" in index
    assert len(index) < 50_000  # the text of 1 MB is cut
    (table,) = (text.decode() for name, text in made.items() if name.endswith(".csv"))
    rows = list(csv.DictReader(io.StringIO(table)))
    assert rows[1]["arm_as_printed"] == "'=cmd()"
    assert [row["value"] for row in rows] == ["1.0", "2.0", "-3.5"]
    (script,) = (text.decode() for name, text in made.items() if name.startswith("data/"))
    assert "</script>" not in script
    assert script.isascii()


def test_measured_tasks_are_linked_and_stay_apart() -> None:
    """A card of its own, never a row among printed figures."""
    shown = read_runs([ROOT / "results" / "rescored" / "llava-1.5-7b-random"])
    sources = Sources(shown, ROOT / "results" / "published", (ROOT / "results",))
    parts = [part for part in published_parts(sources) if isinstance(part, Page)]
    measured = {part.name: part.context.get("measured") for part in parts}
    assert measured["published-pope"] == ["pope"]
    assert measured["published-chair"] == measured["published-ruler"] == []
    task = Page(task_page("pope"), "pope", "published_recomputed.html", {"tables": []})
    pope = render([*published_parts(sources), task], FACTS)["published-pope.html"].decode()
    aside = pope.split("<aside")[1].split("</aside>")[0]
    assert 'href="task-pope.html"' in aside
    assert '<span class="figure">' not in aside


def test_broken_files_hide_nothing(tmp_path: Path) -> None:
    folder = tmp_path / "results" / "published"
    hostile(folder)
    (folder / "broken.yaml").write_text("paper: [\n", encoding="utf-8")
    shutil.copy(ROOT / "results" / "published" / "ocw.yaml", folder)
    made = board(folder)
    assert "published/broken.yaml" in made["published.html"].decode()
    assert "545" in made["published-recomputed.html"].decode()  # ocw.yaml is shown
    sources = Sources(Shown((), ()), folder, (folder.parent,))
    assert [one.path.name for one in sources.not_shown] == ["long.cells.json", "nan.cells.json"]
    assert len(sources.papers.cells) == 3


def test_no_cells_no_pages(tmp_path: Path) -> None:
    sources = Sources(Shown((), ()), None, (tmp_path,))
    assert list(published_parts(sources)) == []


def test_every_card_says_where_it_was_read_and_its_grade(files: Mapping[str, bytes]) -> None:
    told = re.compile(
        r"<p class=\"soft small\">(?:arXiv [\d.]+|no arXiv number recorded) · ([^<·]+)"
    )
    sources: list[str] = []
    for name in family_pages(files):
        text = page(files, name)
        found = told.findall(text)
        assert len(found) == text.count('<article class="card published-card"'), name
        sources += found
    assert all(re.search(r", grade (P|C|C and P)\s*$", one) for one in sources)
    assert {one.strip()[-1] for one in sources} == {"P", "C"}
