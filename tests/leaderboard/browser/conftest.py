"""The browsers of these tests: one for all pages, one with scripts switched off."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from helpers_browser import Browser, start


@pytest.fixture(scope="session")
def chromium(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    downloads = tmp_path_factory.mktemp("downloads")
    driver = start(downloads)
    yield Browser(driver, downloads)
    driver.quit()


@pytest.fixture
def browser(chromium: Browser) -> Browser:
    """The one browser of the session, as it was at its start."""
    chromium.scheme("light")
    chromium.width(1280)
    chromium.errors()
    chromium.requests()
    return chromium


@pytest.fixture(scope="session")
def without_scripts(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    downloads = tmp_path_factory.mktemp("downloads")
    driver = start(downloads, scripts=False)
    yield Browser(driver, downloads)
    driver.quit()
