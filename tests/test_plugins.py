"""Entry points are found as the library finds them, and scanned once."""

from __future__ import annotations

from importlib import metadata

import pytest

from headbench import _plugins


@pytest.fixture(autouse=True)
def _fresh() -> None:
    _plugins._every.cache_clear()


def test_groups_are_told_apart_and_scanned_once(monkeypatch: pytest.MonkeyPatch) -> None:
    scans: list[int] = []
    points = metadata.EntryPoints(
        metadata.EntryPoint(name, "json:loads", group)
        for name, group in (
            ("a", "headbench.tasks"),
            ("b", "headbench.models"),
            ("c", "headbench.tasks"),
            ("d", "console_scripts"),
        )
    )

    def found() -> metadata.EntryPoints:
        scans.append(1)
        return points

    monkeypatch.setattr(metadata, "entry_points", found)
    assert [point.name for point in _plugins.entry_points("headbench.tasks")] == ["a", "c"]
    assert [point.name for point in _plugins.entry_points("headbench.models")] == ["b"]
    assert _plugins.entry_points("headbench.metrics") == ()
    assert len(scans) == 1
    _plugins._every.cache_clear()  # what this test registered must not outlive it


def test_what_is_installed_here_can_be_read() -> None:
    assert all(
        point.group == "headbench.tasks" for point in _plugins.entry_points("headbench.tasks")
    )
