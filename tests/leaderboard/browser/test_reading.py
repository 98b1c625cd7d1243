"""Pages of documents, of papers and of head maps in use, and what is taken along from a view."""

from __future__ import annotations

import csv
import io
import json
import shutil
import time
from pathlib import Path

from headbench.leaderboard.item_pages import COLUMNS
from headbench.leaderboard.page import Shard
from headbench.leaderboard.shards import shard_script
from helpers_browser import BOARD, Browser

OPENED = "return document.querySelectorAll('article.item').length"


def until(browser: Browser, script: str, *args: object) -> object:
    end = time.monotonic() + 15
    while time.monotonic() < end:
        if found := browser.js(script, *args):
            return found
        time.sleep(0.05)
    raise AssertionError(f"never true: {script}")


def taken(browser: Browser, button: str, pattern: str) -> str:
    browser.driver.find_element("id", button).click()
    end = time.monotonic() + 15
    while not (files := list(browser.downloads.glob(pattern))) and time.monotonic() < end:
        time.sleep(0.1)
    (path,) = files
    text = path.read_text(encoding="utf-8")
    path.unlink()
    return text


# ------------------------------------------------------------------ what is taken along


def test_downloads_are_the_cells_that_are_shown(browser: Browser) -> None:
    browser.open("index.html", "#v=1&q=vhr&status=ok&task=chair")
    shown = browser.js(
        "return [...document.querySelectorAll('#board td a')].filter((one) =>"
        " one.hash.startsWith('#r-') && one.getClientRects().length)"
        ".map((one) => [one.hash.slice(3), one.innerText.replace('\\u2212', '-')])"
    )
    assert len(shown) > 3
    text = taken(browser, "csv", "*.csv")
    lines = [line for line in text.splitlines() if not line.startswith(("#", '"#'))]
    rows = list(csv.DictReader(io.StringIO("\n".join(lines))))
    assert {row["id"][:12] for row in rows} == {identity[:12] for identity, _ in shown}
    printed = {identity[:12]: value for identity, value in shown}
    for row in rows:
        number = float(row["difference"] or row["value"])
        assert float(printed[row["id"][:12]]) == round(number, 3), row["condition"]
        assert row["kind"] == "measured"
    told = json.loads(taken(browser, "json", "*.json"))
    assert told["view"] == browser.driver.current_url
    at = told["columns"].index("id")
    assert [row[at] for row in told["rows"]] == [row["id"] for row in rows]


def test_a_link_of_another_version_opens_what_it_can(browser: Browser) -> None:
    count = (
        "return [...document.querySelectorAll('#board tbody:first-of-type tr')]"
        ".filter((row) => row.getClientRects().length).length"
    )
    browser.open("index.html", "#q=chair")  # before links had a version
    assert browser.js("return document.getElementById('q').value") == "chair"
    few = browser.js(count)
    browser.open("index.html", "#v=99&q=chair")  # of a later board: nothing is guessed
    assert browser.js("return document.getElementById('q').value") == ""
    assert browser.js(count) > few
    browser.open("index.html", "#v=1&task=no such task&sort=no such column&__proto__=x")
    assert browser.errors() == []
    assert browser.js(count) > few


# ------------------------------------------------------------------ documents


def test_a_needle_and_its_answer_are_marked(browser: Browser) -> None:
    browser.open("items-niah.html")
    until(browser, OPENED)
    browser.js("document.querySelector('article.item details').open = true")
    found = until(
        browser,
        "return [...document.querySelectorAll('article.item:first-child details mark')]"
        ".map((one) => one.innerText)",
    )
    expected = browser.js("return document.querySelector('article.item p').innerText")
    assert expected.endswith(f"Expected: {found[0]}")  # type: ignore[index]
    marked = browser.js(
        "return document.querySelector('article.item .two > div mark')?.nextSibling.innerText"
    )
    assert marked.strip() == "[expected]"


ROWS = [
    [
        "d1", "worse", ["a carrot by two cars and a sofa"], ["<b>a car</b>"], "cat",
        [["car", "not in the picture"], ["couch", "not in the picture"]],
        [["car", "not in the picture"]], "javascript:alert(1)",
    ]
]  # fmt: skip


def test_only_whole_words_are_marked_and_synonyms_are_named(
    browser: Browser, tmp_path: Path
) -> None:
    for name in ("items-chair.html", "static", "data"):
        source = BOARD / name
        copy = shutil.copytree if source.is_dir() else shutil.copy
        copy(source, tmp_path / name)
    browser.open(tmp_path / "items-chair.html")
    until(browser, OPENED)
    shard = browser.js(
        "return document.getElementById('condition').selectedOptions[0].dataset.shard"
    )
    browser.errors()  # of pictures, which were not copied
    (tmp_path / "data" / f"{shard}.js").write_text(shard_script(Shard(shard, COLUMNS, ROWS)))
    browser.open(tmp_path / "items-chair.html")
    until(browser, OPENED)
    assert browser.js(
        "return [...document.querySelectorAll('article.item mark')].map((one) => one.innerText)"
    ) == ["cars", "car"]
    sides = browser.js(
        "return [...document.querySelectorAll('article.item .two > div')]"
        ".map((one) => one.innerText)"
    )
    assert "named in other words: couch [not in the picture]" in sides[0]
    assert "<b>a car [not in the picture]</b>" in sides[1]
    assert (
        browser.js("return document.querySelectorAll('article.item img, article.item b').length")
        == 0
    )
    assert browser.errors() == []


def test_a_missing_shard_is_said(browser: Browser, tmp_path: Path) -> None:
    shutil.copy(BOARD / "items-chair.html", tmp_path)
    shutil.copytree(BOARD / "static", tmp_path / "static")
    browser.open(tmp_path / "items-chair.html")
    said = until(browser, "return document.querySelector('#items .notice')?.innerText")
    assert "is the folder complete?" in str(said)


# ------------------------------------------------------------------ papers


def test_papers_are_sorted_within_a_table_and_never_across(browser: Browser) -> None:
    browser.open("published-chair.html")
    cards = "return [...document.querySelectorAll('.published-card')].map((one) => one.id)"
    order = browser.js(cards)
    values = """
      const table = [...document.querySelectorAll('table.sorted-within')].find((one) =>
        one.tBodies[0].rows.length > 4);
      const at = [...table.tHead.rows[0].cells].findIndex((one) => 'sort' in one.dataset);
      return [...table.tBodies[0].rows].map((row) => row.cells[at].dataset.v ?? '');
    """
    printed = browser.js(values)
    press = """
      const table = [...document.querySelectorAll('table.sorted-within')].find((one) =>
        one.tBodies[0].rows.length > 4);
      table.querySelector('button.sort').click();
    """
    browser.js(press)
    rising = [float(value) for value in browser.js(values) if value]
    assert rising == sorted(rising)
    browser.js(press)
    falling = [float(value) for value in browser.js(values) if value]
    assert falling == rising[::-1]
    browser.js(press)
    assert browser.js(values) == printed
    assert browser.js(cards) == order
    assert browser.js("return document.querySelectorAll('thead button.sort').length") > 10
    assert browser.js("return document.querySelectorAll('.published-card select').length") == 0


def test_two_tables_of_papers_are_set_apart(browser: Browser) -> None:
    browser.open("published-pope.html")
    buttons = browser.driver.find_elements("css selector", "button.compare")
    buttons[0].send_keys("\n")
    buttons[-1].send_keys("\n")
    said = str(until(browser, "const s = document.getElementById('status').innerText;"
                              " return s.includes(' and ') ? s : ''"))  # fmt: skip
    assert said.endswith("so their figures do not compare.")
    address = browser.driver.current_url
    assert "compare=" in address
    browser.open("published-pope.html", "#" + address.split("#")[1])
    assert until(browser, "return document.getElementById('status').innerText.includes(' and ')")
    assert browser.driver.find_element("id", "status").text == said


def test_unedited_baselines_of_several_papers_come_first(browser: Browser) -> None:
    browser.open("published-chair.html")
    told = browser.js("return document.querySelector('.published-strip figcaption').innerText")
    assert "24.4 to 54.6" in told
    above = browser.js(
        "return document.querySelector('.published-strip').getBoundingClientRect().top <"
        " document.querySelector('.published-card').getBoundingClientRect().top"
    )
    assert above


# ------------------------------------------------------------------ head maps


def test_two_head_maps_are_compared_with_a_table_beside_the_drawing(browser: Browser) -> None:
    browser.open("head-maps.html")
    drawings = browser.js(
        "return [...document.querySelectorAll('.three')].map((one) =>"
        " [...one.querySelectorAll('svg')].map((svg) => svg.getAttribute('aria-label')))"
    )
    assert drawings
    for three in drawings:
        assert len(three) == 3
        assert "Difference of ranks" in three[2]
    titles = browser.js("return [...document.querySelectorAll('svg.heat rect title')].length")
    cells = browser.js("return document.querySelectorAll('svg.heat rect').length")
    assert titles == cells > 100
