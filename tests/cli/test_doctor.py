"""``headbench doctor``: facts without a test, and a self test that can fail."""

from __future__ import annotations

from typing import TYPE_CHECKING

from typer.testing import CliRunner

from headbench.cli import app
from headbench.errors import DataError
from headbench.results.provenance import LIBRARIES
from headbench.running import selftest

if TYPE_CHECKING:
    import pytest


def test_facts_name_versions_devices_and_models() -> None:
    done = CliRunner().invoke(app, ["doctor", "--no-test"])
    assert done.exit_code == 0, done.exception
    for name in ("python", "headbench", *LIBRARIES, "devices", "threads", "models", "tasks"):
        assert any(line.startswith(name) for line in done.output.splitlines()), name
    assert "cpu" in done.output


def test_a_failed_check_is_told_and_sets_the_exit_status(monkeypatch: pytest.MonkeyPatch) -> None:
    checks = [selftest.Check("first", True, "fine"), selftest.Check("second", False, "broken")]
    monkeypatch.setattr(selftest, "facts", dict)
    monkeypatch.setattr(selftest, "self_test", lambda: iter(checks))
    done = CliRunner().invoke(app, ["doctor"])
    assert done.exit_code == 1
    assert "ok" in done.output and "FAILED" in done.output and "second: broken" in done.output


def test_a_missing_checkpoint_is_a_failed_check_not_a_traceback(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def missing(*_: object, **__: object) -> None:
        raise DataError("the reference model is absent", hint="reinstall headbench")

    monkeypatch.setattr("headbench.running.execute.execute", missing)
    (check,) = selftest.self_test()
    assert not check.passed and "reinstall headbench" in check.found


def test_the_shipped_model_passes_the_self_test() -> None:
    checks = list(selftest.self_test())
    assert [check.passed for check in checks] == [True] * 4, checks
