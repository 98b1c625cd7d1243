"""Fixtures that every test may use, and the account of which real-data checks ran."""

from __future__ import annotations

import os
import sys
import tempfile
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import settings

if TYPE_CHECKING:
    from training.pages.typed.session import Session

os.environ.setdefault("HF_HUB_OFFLINE", "1")
if "PYTEST_XDIST_WORKER" in os.environ:
    # Several processes that each take all cores wait for one another: five times slower.
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    os.environ.setdefault("MKL_NUM_THREADS", "1")
os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")

# A loaded machine is no bug: no deadline an example; and CI draws the same examples every time.
settings.register_profile("headbench", deadline=None, derandomize="CI" in os.environ)
settings.load_profile("headbench")

MINIMUM = "HEADBENCH_REAL_MINIMUM"


@pytest.fixture(scope="session")
def real_data() -> Path:
    """The folder of third-party data, or a skip that says why."""
    named = os.environ.get("HEADBENCH_DATA", "")
    if not named:
        pytest.skip("HEADBENCH_DATA is not set: third-party data absent")
    folder = Path(named).expanduser().resolve()
    if not (folder / "INDEX.md").is_file():
        pytest.skip(f"HEADBENCH_DATA names {folder}, which holds no INDEX.md")
    return folder


@pytest.fixture(scope="session")
def minilm() -> str:
    """The folder of a real sentence encoder (six layers, twelve heads each), or a skip."""
    named = os.environ.get("HEADBENCH_REAL_MODELS", "")
    if not named:
        pytest.skip("HEADBENCH_REAL_MODELS is not set: run .ci/real_models.py FOLDER")
    folder = Path(named).expanduser().resolve() / "minilm-l6"
    if not (folder / "model.safetensors").is_file():
        pytest.skip(f"HEADBENCH_REAL_MODELS names {named}, which holds no minilm-l6")
    return str(folder)


@pytest.fixture(scope="session")
def typed_session() -> Iterator[Session]:
    """A shell in which ``headbench`` starts at once, each time in a process of its own."""
    from training.pages.typed.session import session

    # A socket's path has a hundred characters at most, and folders of tests have long names.
    with tempfile.TemporaryDirectory(prefix="typed") as folder, session(Path(folder)) as inner:
        yield inner


@pytest.fixture(autouse=True)
def threads_as_before() -> Iterator[None]:
    """Give torch its threads back: training sets them, and the next test must not inherit that."""
    before = sys.modules["torch"].get_num_threads() if "torch" in sys.modules else None
    yield
    if before is not None and sys.modules["torch"].get_num_threads() != before:
        sys.modules["torch"].set_num_threads(before)


class RealDataAccount:
    """Counts the checks marked ``real`` and fails a session that ran fewer than demanded."""

    def __init__(self) -> None:
        self.ran = 0
        self.skipped: Counter[str] = Counter()

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        if "real" not in report.keywords:
            return
        if report.skipped:
            reason = report.longrepr[2] if isinstance(report.longrepr, tuple) else "unknown"
            self.skipped[str(reason).removeprefix("Skipped: ")] += 1
        elif report.when == "call" and report.passed:
            self.ran += 1

    def pytest_sessionfinish(self, session: pytest.Session) -> None:
        if self.ran < self.minimum and session.exitstatus == pytest.ExitCode.OK:
            session.exitstatus = pytest.ExitCode.TESTS_FAILED

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        terminalreporter.section("real-data checks")
        terminalreporter.write_line(f"ran and passed: {self.ran} (demanded: {self.minimum})")
        for reason, count in sorted(self.skipped.items()):
            terminalreporter.write_line(f"skipped: {count}, because: {reason}")

    @property
    def minimum(self) -> int:
        return int(os.environ.get(MINIMUM, "0"))


def pytest_configure(config: pytest.Config) -> None:
    if hasattr(config, "workerinput"):
        return  # one of several processes: the one that started it hears of every report
    config.pluginmanager.register(RealDataAccount(), "headbench-real-data")
