"""A stranger on the pages of what papers report, in a real Chromium, from file://."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from headbench.leaderboard.about import about_parts
from headbench.leaderboard.build import frame_facts
from headbench.leaderboard.published import published_parts
from headbench.leaderboard.reading import Shown
from headbench.leaderboard.site import render, write
from headbench.leaderboard.sources import Sources

webdriver = pytest.importorskip("selenium.webdriver", reason="selenium is not installed")
pytestmark = pytest.mark.skipif(
    not (shutil.which("chromium") and shutil.which("chromedriver")),
    reason="chromium and its driver are not installed",
)

RESULTS = Path(__file__).resolve().parents[2] / "results"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    sources = Sources(Shown((), ()), RESULTS / "published", (RESULTS,))
    parts = [*published_parts(sources), *about_parts(sources)]
    out = tmp_path_factory.mktemp("board")
    write(render(parts, frame_facts(sources)), out)
    return out


@pytest.fixture(scope="module")
def chromium() -> Iterator[Any]:
    options = webdriver.ChromeOptions()
    for flag in ("--headless=new", "--no-sandbox", "--disable-dev-shm-usage"):
        options.add_argument(flag)
    options.add_argument("--host-resolver-rules=MAP * ~NOTFOUND")
    options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
    service = webdriver.ChromeService(shutil.which("chromedriver"))
    driver = webdriver.Chrome(options=options, service=service)
    driver.implicitly_wait(2)
    yield driver
    driver.quit()


@pytest.fixture(autouse=True)
def quiet(chromium: Any, folder: Path) -> Iterator[None]:
    """No console line, and no request that leaves the folder."""
    chromium.get("about:blank")
    chromium.get_log("browser")
    chromium.get_log("performance")
    yield
    assert chromium.get_log("browser") == []
    events = [json.loads(one["message"])["message"] for one in chromium.get_log("performance")]
    asked = [
        one["params"]["request"]["url"]
        for one in events
        if one["method"] == "Network.requestWillBeSent"
    ]
    allowed = (folder.as_uri(), "data:", "blob:", "about:")
    assert [url for url in asked if not url.startswith(allowed)] == []


def by_text(chromium: Any, text: str) -> Any:
    return chromium.find_element("link text", text)


def status(chromium: Any) -> str:
    return str(chromium.find_element("id", "status").text)


def test_vhr_on_pope_in_three_clicks(chromium: Any, folder: Path) -> None:
    chromium.get(f"{folder.as_uri()}/about.html")
    by_text(chromium, "Published").click()
    by_text(chromium, "POPE: yes/no questions about objects").click()
    chromium.find_element("css selector", 'a[href="#card-vhr-table-2"]').click()
    card = chromium.find_element("css selector", ":target")
    assert "VHR" in card.find_element("tag name", "h3").text
    assert "prompt: not recorded" in card.text
    assert "85.47\n+0.49 better" in card.text


def test_sorting_stays_within_a_card(chromium: Any, folder: Path) -> None:
    chromium.get(f"{folder.as_uri()}/published-pope.html#card-vhr-table-2")
    card = chromium.find_element("id", "card-vhr-table-2")

    def figures() -> list[float]:
        found = card.find_elements("css selector", "td[data-v]")
        return [float(one.get_attribute("data-v")) for one in found]

    printed, others = figures(), len(chromium.find_elements("css selector", "[aria-sort]"))
    assert others == 0
    button = card.find_element("css selector", "button.sort")
    for way in ("ascending", "descending"):
        button.send_keys("\ue007")  # Enter: the keyboard reaches it
        assert figures() == sorted(printed, reverse=way == "descending")
        (head,) = chromium.find_elements("css selector", "[aria-sort]")
        assert head.get_attribute("aria-sort") == way
    button.click()
    assert figures() == printed
    assert status(chromium) == "rows in the order of the paper"


def test_two_cards_name_what_differs_and_the_link_keeps_them(chromium: Any, folder: Path) -> None:
    chromium.get(f"{folder.as_uri()}/published-chair.html")
    for card in ("card-vhr-table-1", "card-sevi-table-1"):
        button = chromium.find_element("css selector", f'button[data-card="{card}"]')
        chromium.execute_script("arguments[0].click()", button)
        assert button.get_attribute("aria-pressed") == "true"
    said = wait_for(chromium, "so their figures do not compare")
    assert "decoding" in said
    assert "not recorded in one or both: n, images, prompt" in said
    link = chromium.current_url
    chromium.get("about:blank")
    chromium.get(link)
    assert wait_for(chromium, "so their figures do not compare") == said


def wait_for(chromium: Any, words: str) -> str:
    from selenium.webdriver.support.ui import WebDriverWait

    WebDriverWait(chromium, 5).until(lambda _: words in status(chromium))
    return status(chromium)


def test_papers_are_found_and_the_search_is_in_the_link(chromium: Any, folder: Path) -> None:
    chromium.get(f"{folder.as_uri()}/published.html")
    chromium.find_element("id", "find").send_keys("vhr pope")
    rows = chromium.find_elements("css selector", "#papers-table tbody tr")
    assert [row.text.split(" ")[0] for row in rows if row.is_displayed()] == ["VHR"]
    assert chromium.current_url.endswith("#v=1&q=vhr+pope")
    chromium.get(f"{folder.as_uri()}/published-pope.html#v=1&q=%3Cimg+src%3Dx%3E")
    assert wait_for(chromium, "0 of 11 tables")


def test_no_page_is_wider_than_a_phone(chromium: Any, folder: Path) -> None:
    phone = {"width": 360, "height": 740, "deviceScaleFactor": 1, "mobile": True}
    chromium.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", phone)
    for path in sorted(folder.glob("published*.html")):
        chromium.get(path.as_uri())
        wide = chromium.execute_script("return document.documentElement.scrollWidth")
        assert wide <= 360, path.name
    chromium.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})
