"""What a visitor does with the board: sort, filter, link, and six tasks of a stranger."""

from __future__ import annotations

import json
import shutil
import time
from pathlib import Path

import pytest

from headbench.leaderboard.build import build
from headbench.leaderboard.site import write
from helpers_browser import BOARD, Browser

GOLDEN = BOARD.parent / "results" / "measured" / "golden"
ROWS = """return [...document.querySelectorAll('#board tbody:first-of-type tr')]
  .filter((row) => row.offsetParent !== null).map((row) => row.cells[0].innerText.trim())"""


def type_in(browser: Browser, text: str) -> None:
    field = browser.driver.find_element("id", "q")
    field.clear()
    field.send_keys(text)
    wait_for(browser, "return document.getElementById('status').textContent !== ''")
    time.sleep(0.3)  # the search waits for the end of typing


def wait_for(browser: Browser, script: str, seconds: float = 10) -> object:
    """What a script gives, once it gives something."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        found = browser.js(script)
        if found:
            return found
        time.sleep(0.05)
    raise AssertionError(f"never true: {script}")


def visible_cells(browser: Browser) -> list[str]:
    return list(
        browser.js(
            "return [...document.querySelectorAll('#board tbody:first-of-type td a')]"
            ".filter((one) => one.offsetParent !== null && one.hash.startsWith('#r-'))"
            ".map((one) => one.href)"
        )
    )


def test_search_and_link_give_the_same_view(browser: Browser) -> None:
    browser.open("index.html")
    everything = visible_cells(browser)
    type_in(browser, "vhr chair")
    found = visible_cells(browser)
    assert 0 < len(found) < len(everything)
    address = browser.driver.current_url
    assert "q=vhr" in address
    assert "v=1" in address
    browser.open("index.html", "#" + address.split("#")[1])
    assert visible_cells(browser) == found
    browser.open("index.html", "#v=1&sort=<img src=x onerror=alert(1)>&q=vhr")
    assert browser.errors() == []
    assert browser.js("return document.querySelectorAll('img[src=x]').length") == 0


def test_sorting_is_by_keyboard_and_said(browser: Browser) -> None:
    browser.open("index.html")
    button = browser.driver.find_element("css selector", "#board thead button.sort")
    button.send_keys("\n")
    assert browser.js("return document.querySelectorAll('#board th[aria-sort]').length") == 1
    first = browser.js(ROWS)
    assert "sorted" in browser.driver.find_element("id", "status").text
    button.send_keys("\n")
    assert browser.js(ROWS) == first[::-1] or browser.js(ROWS) != first
    browser.driver.back()
    wait_for(browser, "return document.querySelector('#board thead th[aria-sort=ascending]')")


def test_the_first_tab_stop_skips_to_the_content(browser: Browser) -> None:
    browser.open("index.html")
    browser.driver.switch_to.active_element.send_keys("\t")
    assert browser.driver.switch_to.active_element.get_attribute("class") == "skip"


def test_with_scripts_off_every_row_is_there(without_scripts: Browser) -> None:
    without_scripts.open("index.html")
    rows = without_scripts.js("return document.querySelectorAll('#board tbody tr').length")
    shown = without_scripts.js(
        "return [...document.querySelectorAll('#board tbody tr')]."
        "filter((row) => row.offsetParent).length"
    )
    assert rows == shown >= 8
    assert not without_scripts.js("return document.documentElement.classList.contains('js')")
    assert not without_scripts.driver.find_element("id", "tools").is_displayed()


def test_the_protocol_opens_by_key_without_scripts(without_scripts: Browser) -> None:
    without_scripts.open("index.html")
    button = without_scripts.driver.find_element("css selector", "#board button.how")
    button.send_keys("\n")
    shown = without_scripts.js("return document.querySelector('.panel:popover-open')?.innerText")
    for needed in ("prompt", "parser", "decoding"):
        assert needed in shown, needed


def test_tabs_keep_the_filter_and_never_share_a_table(browser: Browser) -> None:
    browser.open("index.html")
    type_in(browser, "llava")
    tabs = browser.driver.find_elements("css selector", ".kinds a")
    assert [tab.get_attribute("aria-current") for tab in tabs] == ["page", None, None]
    tabs[1].send_keys("\n")
    wait_for(browser, "return location.pathname.endsWith('rescored.html')")
    assert browser.js("return document.getElementById('q').value") == "llava"
    rows = browser.js(ROWS)
    assert 0 < len(rows) < browser.js("return document.querySelectorAll('#board tbody tr').length")


# ------------------------------------------------------------------ six tasks of a stranger


def vhr_on(browser: Browser, task: str) -> None:
    """Open the cell of vhr(alpha=2) on a task: one search, one click."""
    browser.open("index.html")
    type_in(browser, f"vhr(alpha=2) {task}")
    link = browser.js(
        "return [...document.querySelectorAll('#board tbody td a')].find((one) =>"
        " one.offsetParent !== null && one.hash.startsWith('#r-')"
        " && one.closest('td').dataset.label !== 'unedited' && one.closest('td').offsetParent)"
    )
    link.click()
    wait_for(browser, "return document.querySelector('.cell:target')")


def target(browser: Browser) -> str:
    return str(browser.js("return document.querySelector('.cell:target').innerText"))


def test_find_the_chair_difference_of_vhr_and_its_control(browser: Browser) -> None:
    vhr_on(browser, "chair")
    shown = target(browser)
    assert "vhr(alpha=2)" in shown
    assert "chair_i" in shown
    assert " of 40" in shown
    assert "39 of" in shown


def test_see_why_the_pope_cell_is_what_it_is(browser: Browser) -> None:
    vhr_on(browser, "pope")
    shown = target(browser)
    for needed in ("yes_ratio", "unparsed_rate", "loss on", "outputs that differ", "Detectable"):
        assert needed in shown, needed


def test_find_what_papers_report_for_vhr_on_pope(browser: Browser) -> None:
    browser.open("published.html")
    link = browser.js(
        "return [...document.querySelectorAll('a')].find((one) => one.hash.startsWith('#card-')"
        " && one.pathname.endsWith('published-pope.html') && one.closest('tr')"
        " && one.closest('tr').innerText.toLowerCase().includes('vhr'))"
    )
    link.click()
    card = wait_for(browser, "return document.querySelector(':target')")
    shown = browser.js("return arguments[0].innerText", card)
    assert "85.52" in shown
    assert "prompt: not recorded" in shown.lower()


def test_open_a_document_where_outputs_differ(browser: Browser) -> None:
    vhr_on(browser, "chair")
    browser.js(
        "return [...document.querySelectorAll('.cell:target a')]"
        ".find((one) => one.pathname.includes('items-chair'))"
    ).click()
    items = wait_for(browser, "return [...document.querySelectorAll('article.item')]")
    assert isinstance(items, list)
    assert len(items) > 5
    columns = browser.js(
        "return [...arguments[0].querySelectorAll('.two > div')].map((one) => one.innerText)",
        items[0],
    )
    assert len(columns) == 2
    assert columns[0] != columns[1]
    assert browser.js("return document.querySelectorAll('article.item mark').length") > 0
    assert "not in the picture" in browser.js("return document.getElementById('items').innerText")
    assert browser.errors() == []


def test_link_and_download_a_filtered_view(browser: Browser) -> None:
    browser.open("index.html")
    type_in(browser, "vhr(alpha=2) chair")
    browser.driver.find_element("id", "copy").click()
    link = browser.js("return document.getElementById('link').value")
    assert link.startswith(BOARD.resolve().as_uri())
    assert "q=vhr" in link
    browser.driver.find_element("id", "csv").click()
    end = time.monotonic() + 15
    while not (files := list(browser.downloads.glob("*.csv"))) and time.monotonic() < end:
        time.sleep(0.1)
    (path,) = files
    lines = path.read_text(encoding="utf-8").splitlines()
    head = next(line for line in lines if not line.lstrip("'").startswith(("#", '"#')))
    assert {"kind", "difference", "control_rank", "n"} <= set(head.split(","))
    assert any("vhr(alpha=2)" in line for line in lines)
    path.unlink()


# ------------------------------------------------------------------ what others wrote

BAD = "</script><img src=x onerror=\"document.title='hacked'\">"
BIDI = "good\u202edab"
ODD = "=HYPERLINK(1) & constructor"


@pytest.fixture(scope="module")
def hostile(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A board with honest results, broken files, and a model of a bad name."""
    folder = tmp_path_factory.mktemp("hostile")
    kept = folder / "results" / "measured"
    shutil.copytree(GOLDEN / "ref-lm-v1", kept / "honest")
    paths = sorted((kept / "honest").rglob("*.json"))
    for place, name in (("bad", BAD), ("bidi", BIDI), ("odd", ODD)):
        for path in paths:
            bad = kept / place / path.relative_to(kept / "honest")
            bad.parent.mkdir(parents=True, exist_ok=True)
            said = json.loads(path.read_text(encoding="utf-8"))
            if "model" in said and isinstance(said["model"], dict):
                said["model"]["name"] = name
            bad.write_text(json.dumps(said), encoding="utf-8")
            records = path.with_name(path.name.replace(".json", ".records.jsonl.gz"))
            if records.exists():
                shutil.copy(records, bad.with_name(records.name))
    (kept / "honest" / "niah" / "broken-00000000.json").write_text(f'{{"{BAD[:9]}": NaN')
    write(build([folder / "results"]), folder / "board")
    return folder / "board"


def test_a_hostile_result_changes_nothing(browser: Browser, hostile: Path) -> None:
    pages = sorted(hostile.glob("*.html"))
    assert len(pages) > 8
    for page in pages:
        browser.open(page)
        assert browser.errors() == [], page.name
        assert browser.driver.title.endswith(" - headbench"), page.name
        assert browser.js("return document.querySelectorAll('img[src=x]').length") == 0
    browser.open(hostile / "not-shown.html")
    listed = browser.js("return document.body.innerText")
    assert "broken-00000000.json" in listed
    assert "its model's name holds markup" in listed
    assert "its model's name holds control, direction or other invisible characters" in listed
    browser.open(hostile / "index.html")
    rows = browser.js(ROWS)
    assert len(rows) == 2  # the honest row is still there beside the other
