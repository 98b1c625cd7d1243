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

ACCOUNTS = {
    # mark: (what the account is called, the variable with the minimum that is demanded)
    "real": ("real-data checks", "HEADBENCH_REAL_MINIMUM"),
    "real_model": ("checks on real models", "HEADBENCH_REAL_MODELS_MINIMUM"),
}


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


def real_model(name: str) -> str:
    """The folder of a real model, or a skip that says why."""
    named = os.environ.get("HEADBENCH_REAL_MODELS", "")
    if not named:
        pytest.skip("HEADBENCH_REAL_MODELS is not set: see `make real`")
    folder = Path(named).expanduser().resolve() / name
    if not (folder / "model.safetensors").is_file():
        pytest.skip(f"HEADBENCH_REAL_MODELS names {named}, which holds no {name}: see `make real`")
    return str(folder)


@pytest.fixture(scope="session")
def typed_session() -> Iterator[Session]:
    """A shell in which ``headbench`` starts at once, each time in a process of its own."""
    from training.pages.typed.session import session

    # A socket's path has a hundred characters at most, and folders of tests have long names.
    with tempfile.TemporaryDirectory(prefix="typed") as folder, session(Path(folder)) as inner:
        yield inner


@pytest.fixture(scope="session")
def minilm() -> str:
    """A real sentence encoder: six layers, twelve heads each."""
    return real_model("minilm-l6")


@pytest.fixture(scope="session")
def gemma() -> str:
    """A real language model: 18 layers, four heads each, full attention in layers 5, 11 and 17."""
    return real_model("gemma-3-270m-q4_k_m")


@pytest.fixture(autouse=True)
def threads_as_before() -> Iterator[None]:
    """Give torch its threads back: training sets them, and the next test must not inherit that."""
    before = sys.modules["torch"].get_num_threads() if "torch" in sys.modules else None
    yield
    if before is not None and sys.modules["torch"].get_num_threads() != before:
        sys.modules["torch"].set_num_threads(before)


class Account:
    """Counts the checks of one mark and fails a session that ran fewer than demanded."""

    def __init__(self, mark: str, title: str, minimum: str) -> None:
        self.mark, self.title = mark, title
        self.minimum = int(os.environ.get(minimum, "0"))
        self.ran = 0
        self.skipped: Counter[str] = Counter()

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        if ("account", self.mark) not in map(tuple, report.user_properties):
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
        terminalreporter.section(self.title)
        terminalreporter.write_line(f"ran and passed: {self.ran} (demanded: {self.minimum})")
        for reason, count in sorted(self.skipped.items()):
            terminalreporter.write_line(f"skipped: {count}, because: {reason}")


def pytest_itemcollected(item: pytest.Item) -> None:
    # Not by keywords, among which the names of folders are: tests/real holds both kinds.
    item.user_properties += [
        ("account", mark) for mark in ACCOUNTS if item.get_closest_marker(mark)
    ]


def pytest_configure(config: pytest.Config) -> None:
    if hasattr(config, "workerinput"):
        return  # one of several processes: the one that started it hears of every report
    for mark, (title, minimum) in ACCOUNTS.items():
        config.pluginmanager.register(Account(mark, title, minimum), f"headbench-{mark}")
