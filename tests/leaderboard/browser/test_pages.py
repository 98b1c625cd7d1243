"""Every page of the committed board in a real browser: it opens, alone, and axe finds no fault."""

from __future__ import annotations

from pathlib import Path

import pytest

from helpers_browser import BOARD, Browser

AXE = Path(__file__).parent / "axe.min.js"
ONE_OF_EACH = (
    "index.html", "by-intervention.html", "rescored.html", "about.html", "not-shown.html",
    "tasks.html", "task-niah.html", "task-pope.html", "task-chair.html", "task-rsa.html",
    "interventions.html", "intervention-vhr.html", "items.html", "items-chair.html",
    "items-niah.html", "head-maps.html",
    "published.html", "published-brain.html", "published-recomputed.html",
    "task-rsa_table.html", "task-mknn_heads.html", "task-walls.html", "task-stickiness.html",
    "cells-measured-niah_multikey-ref-lm-v1-e59be5df.html",
    "cells-rescored-walls-human-f18c7730.html",
)  # fmt: skip
"""A page of each kind; the whole board holds a hundred."""
AXE_OPTIONS = """
const done = arguments[arguments.length - 1];
const only = arguments[0];
const options = {preload: false, resultTypes: ["violations"]};
options.runOnly = only || ["wcag2a", "wcag2aa", "wcag21aa", "wcag22aa", "best-practice"];
axe.run(document, options).then((found) => done(found.violations.map((one) =>
  [one.impact, one.id, one.nodes.length, one.nodes[0].html.slice(0, 200)])));
"""


def pages() -> list[Path]:
    return sorted(BOARD.glob("*.html"))


def test_every_page_opens_alone(browser: Browser) -> None:
    folder = BOARD.resolve().as_uri() + "/"
    found = pages()
    assert len(found) > 40
    faults = []
    for page in found:
        browser.open(page)
        faults += [f"{page.name}: {line}" for line in browser.errors()]
        asked = [one for one in browser.requests() if one != "about:blank"]
        assert f"{folder}static/headbench.css" in asked
        faults += [
            f"{page.name} asked for {one}"
            for one in asked
            if not one.startswith((folder, "data:", "blob:"))
        ]
        if not browser.driver.title.endswith(" - headbench"):
            faults.append(f"{page.name} has the title {browser.driver.title!r}")
    assert faults == []


def test_a_request_to_elsewhere_would_be_seen(browser: Browser, tmp_path: Path) -> None:
    page = tmp_path / "x.html"
    page.write_text('<!doctype html><img src="https://example.org/x.png">')
    browser.open(page)
    assert "https://example.org/x.png" in browser.requests()
    assert any("ERR_NAME_NOT_RESOLVED" in line for line in browser.errors())


def faults_of(browser: Browser, only: list[str] | None = None) -> list[str]:
    browser.js(AXE.read_text(encoding="utf-8"))
    found = browser.driver.execute_async_script(AXE_OPTIONS, only)
    return [str(one) for one in found if one[0] in ("serious", "critical")]


@pytest.mark.parametrize("name", ONE_OF_EACH)
def test_axe_finds_no_serious_fault(browser: Browser, name: str) -> None:
    browser.driver.set_script_timeout(60)
    browser.open(name)
    assert faults_of(browser) == []
    browser.scheme("dark")
    assert faults_of(browser, ["color-contrast"]) == []


def test_axe_would_find_a_fault(browser: Browser) -> None:
    browser.open("about.html")
    browser.js("document.querySelector('h1').replaceChildren(document.createElement('img'))")
    assert any("image-alt" in fault for fault in faults_of(browser))


@pytest.mark.parametrize("pixels", [360, 1280, 2560])
def test_pages_are_as_wide_as_the_screen(browser: Browser, pixels: int) -> None:
    browser.width(pixels)
    wide = []
    for name in ONE_OF_EACH:
        browser.open(name)
        # Not innerWidth: a phone zooms out until that holds the whole page.
        if browser.js(f"return document.documentElement.scrollWidth > {pixels}"):
            wide.append(name)
    assert wide == []
