"""Plant the faults of ``mutants.yaml`` one by one in a copy of the tree, and see which are noticed.

``python .ci/mutants.py`` copies the tracked files once for each worker, runs all named tests there
without a fault (they must pass), then plants each fault, runs the tests named beside it, and takes
the fault out again. It fails where fewer than ``--at-least`` of them are noticed.
"""

from __future__ import annotations

import argparse
import os
import queue
import shutil
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import yaml

ROOT = Path(__file__).resolve().parents[1]
LIST = Path(__file__).with_suffix(".yaml")
PACKAGE = "harness/headbench"
LIMIT_S = 600
"""Seconds that the tests of one fault may take; a fault that makes them hang is noticed."""
FAILED = 1
"""pytest's status where a test failed; any other but 0 says that the tests did not run."""


@dataclass(frozen=True)
class Fault:
    """One entry of the list.

    Attributes:
        area: Where it belongs.
        what: What goes wrong.
        file: Path below the package.
        old: Text that stands in the file exactly once.
        new: What it becomes.
        tests: What must notice it.
    """

    area: str
    what: str
    file: str
    old: str
    new: str
    tests: tuple[str, ...]

    def planted(self, text: str) -> str:
        """The file's text with the fault.

        Raises:
            ValueError: The old text does not stand there exactly once.
        """
        if (count := text.count(self.old)) != 1:
            raise ValueError(f"{self.file} holds {self.old!r} {count} times: correct {LIST.name}")
        return text.replace(self.old, self.new)


def faults() -> list[Fault]:
    """The list, in order."""
    loaded = yaml.safe_load(LIST.read_text(encoding="utf-8"))
    return [
        Fault(area, **{**entry, "tests": tuple(entry["tests"])})
        for area, entries in loaded.items()
        for entry in entries
    ]


def copy_tree(target: Path) -> Path:
    """The tracked files, as they are now."""
    listed = subprocess.run(
        ["git", "-C", str(ROOT), "ls-files", "-z"], check=True, capture_output=True, text=True
    )
    for name in filter(None, listed.stdout.split("\0")):
        if (ROOT / name).is_file():
            (target / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, target / name)
    return target


def run_tests(tree: Path, tests: tuple[str, ...]) -> tuple[int, str]:
    """Pytest's exit status and the end of what it said, on the package of this tree."""
    environment = os.environ | {
        "PYTHONPATH": str(tree / "harness"),
        "PYTHONDONTWRITEBYTECODE": "1",
        "HF_HUB_OFFLINE": "1",
        "OMP_NUM_THREADS": "1",
        "MKL_NUM_THREADS": "1",
        "HEADBENCH_REAL_MINIMUM": "0",
        "HEADBENCH_REAL_MODELS_MINIMUM": "0",
    }
    command = [sys.executable, "-m", "pytest", "-x", "-q", "-p", "no:cacheprovider", *tests]
    try:
        done = subprocess.run(
            command, cwd=tree, env=environment, capture_output=True, text=True, timeout=LIMIT_S
        )
    except subprocess.TimeoutExpired:
        return FAILED, "the tests hang"
    return done.returncode, (done.stdout + done.stderr)[-2000:]


def try_fault(fault: Fault, trees: queue.Queue[Path]) -> tuple[bool, float]:
    """Whether the tests notice a fault, and in how many seconds.

    Raises:
        SystemExit: The tests could not be run at all.
    """
    tree = trees.get()
    path = tree / PACKAGE / fault.file
    before = path.read_text(encoding="utf-8")
    started = time.monotonic()
    try:
        path.write_text(fault.planted(before), encoding="utf-8")
        status, said = run_tests(tree, fault.tests)
    finally:
        path.write_text(before, encoding="utf-8")
        trees.put(tree)
    if status not in (0, FAILED, 2):  # 2: a module of tests could not even be imported
        raise SystemExit(f"{fault.what}: pytest ended with {status}\n{said}")
    return status != 0, time.monotonic() - started


def main() -> int:
    """Run the whole list; 1 where too few are noticed."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--at-least", type=int, default=36, help="faults that must be noticed")
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1, help="copies at a time")
    parser.add_argument("--only", default="", help="faults whose file or words hold this text")
    given = parser.parse_args()
    chosen = [f for f in faults() if given.only in f.file or given.only in f.what]
    with tempfile.TemporaryDirectory(prefix="headbench-mutants-") as folder:
        trees: queue.Queue[Path] = queue.Queue()
        for number in range(given.jobs):
            trees.put(copy_tree(Path(folder) / str(number)))
        tests = tuple(sorted({test for fault in chosen for test in fault.tests}))
        status, said = run_tests(trees.queue[0], tests)
        if status:
            print(f"the tests fail without any fault:\n{said}")
            return 1
        with ThreadPoolExecutor(given.jobs) as pool:
            found = pool.map(lambda fault: try_fault(fault, trees), chosen)
            noticed = []
            for fault, (seen, seconds) in zip(chosen, found, strict=True):
                noticed.append(seen)
                word = "noticed" if seen else "MISSED "
                print(f"{word} {seconds:5.0f} s  {fault.area}: {fault.what}", flush=True)
    print(f"{sum(noticed)} of {len(noticed)} faults are noticed")
    return 0 if given.only or sum(noticed) >= given.at_least else 1


if __name__ == "__main__":
    raise SystemExit(main())
