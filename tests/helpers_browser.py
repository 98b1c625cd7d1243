"""A real Chromium that opens the board from its folder, without a network."""

from __future__ import annotations

import json
import os
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

BOARD = Path(__file__).parents[1] / "leaderboard"
DEMAND = "HEADBENCH_BROWSER"
"""Set to 1, a missing browser is a failure: the checks were asked for."""


@dataclass
class Browser:
    """A Chromium, and what the tests ask of it."""

    driver: Any
    downloads: Path

    def open(self, page: Path | str, state: str = "") -> None:
        """Open a file of a built folder."""
        path = BOARD / page if isinstance(page, str) else page
        # A page that differs in its hash alone would not be loaded again.
        self.driver.get("about:blank")
        self.driver.get(f"{path.resolve().as_uri()}{state}")

    def js(self, script: str, *args: object) -> Any:
        """Run a script in the page, and give what it returns."""
        return self.driver.execute_script(script, *args)

    def errors(self) -> list[str]:
        """Lines of the console since the last call that are no information."""
        lines = self.driver.get_log("browser")
        return [line["message"] for line in lines if line["level"] in ("SEVERE", "WARNING")]

    def requests(self) -> list[str]:
        """Addresses that pages asked for since the last call."""
        found = []
        for line in self.driver.get_log("performance"):
            event = json.loads(line["message"])["message"]
            if event["method"] == "Network.requestWillBeSent":
                found.append(event["params"]["request"]["url"])
        return found

    def scheme(self, name: str) -> None:
        """Prefer light or dark."""
        feature = {"name": "prefers-color-scheme", "value": name}
        self.driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": [feature]})

    def width(self, pixels: int) -> None:
        """The width of the page, as a phone or a screen has it."""
        size = {"width": pixels, "height": 1000, "deviceScaleFactor": 1, "mobile": pixels < 500}
        self.driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)


def start(downloads: Path, *, scripts: bool = True) -> Any:
    """A Chromium without a network."""
    webdriver = pytest.importorskip("selenium.webdriver", reason="selenium is not installed")
    from selenium.webdriver.chrome.service import Service

    program, driver = shutil.which("chromium"), shutil.which("chromedriver")
    if program is None or driver is None:
        missing = "chromium or chromedriver is not installed: apt install chromium chromium-driver"
        if os.environ.get(DEMAND) == "1":
            pytest.fail(missing)
        pytest.skip(missing)
    options = webdriver.ChromeOptions()
    options.binary_location = program
    for flag in ("--headless=new", "--no-sandbox", "--disable-dev-shm-usage", "--disable-gpu"):
        options.add_argument(flag)
    options.add_argument("--host-resolver-rules=MAP * ~NOTFOUND")
    options.add_argument("--window-size=1280,1000")
    options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
    if not scripts:
        setting = {"profile.managed_default_content_settings.javascript": 2}
        options.add_experimental_option("prefs", setting)
    made = webdriver.Chrome(options=options, service=Service(driver))
    made.set_page_load_timeout(60)
    made.execute_cdp_cmd(
        "Browser.setDownloadBehavior", {"behavior": "allow", "downloadPath": str(downloads)}
    )
    return made
