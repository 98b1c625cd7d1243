"""What holds for every page: it fits a phone, prints whole, and works without scripts."""

from __future__ import annotations

from pathlib import Path

from helpers_browser import BOARD, Browser

PHONE = 360
WIDER = f"return document.documentElement.scrollWidth - {PHONE}"
"""Not ``innerWidth``: a phone zooms out until that holds the whole page."""
KINDS = (
    "index.html", "by-intervention.html", "rescored.html", "tasks.html", "task-niah.html",
    "interventions.html", "intervention-vhr.html", "items-chair.html", "head-maps.html",
    "published.html", "published-pope.html", "published-recomputed.html", "not-shown.html",
    "about.html",
)  # fmt: skip
CUT = """
const cut = [...document.querySelectorAll('.scroll, pre')].filter((one) => one.offsetParent !== null
  && (one.scrollHeight > one.clientHeight + 1 || getComputedStyle(one).overflowY === 'scroll')
  && getComputedStyle(one).overflowY !== 'visible');
return cut.map((one) => one.getAttribute('aria-label') || one.className);
"""
STUCK = """
return [...document.querySelectorAll('th, .stick')].filter((one) =>
  getComputedStyle(one).position === 'sticky').length;
"""


def pages() -> list[Path]:
    return sorted(BOARD.glob("*.html"))


def test_no_page_is_wider_than_a_phone(browser: Browser) -> None:
    browser.width(PHONE)
    wide = []
    for page in pages():
        browser.open(page)
        if (by := browser.js(WIDER)) > 0:
            wide.append(f"{page.name}: {by} px")
    assert wide == []


def test_what_stands_outside_would_widen_a_page(browser: Browser, tmp_path: Path) -> None:
    browser.width(PHONE)
    page = tmp_path / "wide.html"
    head = '<!doctype html><meta name="viewport" content="width=device-width, initial-scale=1">'
    page.write_text(f'{head}<p style="position:absolute;left:500px">x</p>')
    browser.open(page)
    assert browser.js(WIDER) > 0


def test_print_cuts_no_table(browser: Browser) -> None:
    browser.driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"media": "print"})
    try:
        faults = []
        for name in KINDS:
            browser.open(name)
            faults += [f"{name}: {one} is cut" for one in browser.js(CUT)]
            faults += [f"{name}: {count} heads stick" for count in [browser.js(STUCK)] if count]
            if browser.js("return document.querySelector('.top nav').offsetParent !== null"):
                faults.append(f"{name}: prints its navigation")
    finally:
        browser.driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"media": ""})
    assert faults == []


def test_a_table_that_print_cuts_would_be_seen(browser: Browser) -> None:
    browser.open("task-niah.html")  # on a screen the long plots scroll
    assert browser.js(CUT)


def test_the_printed_board_holds_every_row(browser: Browser) -> None:
    browser.open("by-intervention.html")
    rows = browser.js("return document.querySelectorAll('#board tbody tr').length")
    assert rows > 50
    browser.driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"media": "print"})
    try:
        shown = browser.js(
            "return [...document.querySelectorAll('#board tbody tr')]"
            ".filter((row) => row.getClientRects().length).length"
        )
    finally:
        browser.driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"media": ""})
    assert shown == rows


def test_without_scripts_every_kind_of_page_says_what_it_holds(without_scripts: Browser) -> None:
    for name in KINDS:
        without_scripts.open(name)
        assert without_scripts.js("return document.querySelectorAll('h1').length") == 1, name
        controls = without_scripts.js(
            "return [...document.querySelectorAll('.js-only')]"
            ".filter((one) => one.offsetParent !== null).length"
        )
        assert controls == 0, name
        text = without_scripts.js("return document.querySelector('main').innerText")
        assert len(text) > 150, name
        assert without_scripts.errors() == [], name
