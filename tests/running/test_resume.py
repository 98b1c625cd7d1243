"""A run that is killed at any moment, and continued, ends in the same bytes."""

from __future__ import annotations

import os
import random
import subprocess
import sys
import time
from pathlib import Path

import pytest

from headbench.results.store import FILE
from helpers_fake_task import write_tasks

HERE = Path(__file__).parents[1]
CODE = """
import sys; import helpers_fake_model, headbench
from headbench.results import provenance
provenance.commit = lambda: None  # a checkout may move on while the test runs
helpers_fake_model.install()
headbench.run(["colours", "twice"], ["mask_heads(heads=[[0,1]])"], model="fake", controls=2,
              model_args={"pause": sys.argv[3], "batch_size": 5}, include=(sys.argv[1],),
              out=sys.argv[2], draws=200)
"""


def start(tasks: Path, out: Path, pause: str) -> subprocess.Popen[bytes]:
    environment = {**os.environ, "PYTHONPATH": str(HERE)}
    command = [sys.executable, "-c", CODE, str(tasks), str(out), pause]
    return subprocess.Popen(command, env=environment)


def results(out: Path) -> dict[str, bytes]:
    return {
        str(path.relative_to(out)): path.read_bytes()
        for path in sorted((out / "measured").rglob("*"))
        if path.is_file() and path.name != "timing.json"
    }


@pytest.mark.bits
def test_killed_at_random_moments_it_ends_in_the_same_bytes(tmp_path: Path) -> None:
    tasks = write_tasks(tmp_path / "mine", count=6)
    # The pause is part of neither the identity nor the key: only of this test's clock.
    whole = start(tasks, tmp_path / "whole", "0.01")
    assert whole.wait(timeout=120) == 0
    expected = results(tmp_path / "whole")
    # Two tasks under four conditions, each with its records, and the run's list of cells.
    assert len(expected) == 2 * 4 * 2 + 1

    out, log = tmp_path / "killed", tmp_path / "killed/.store" / FILE
    chance, sizes = random.Random(7), [0]
    for _ in range(4):
        process = start(tasks, out, "0.01")
        grown = sizes[-1] + chance.randrange(200, 6000)
        while process.poll() is None and (not log.is_file() or log.stat().st_size < grown):
            time.sleep(0.002)
        process.kill()
        process.wait()
        sizes.append(log.stat().st_size if log.is_file() else 0)
    assert sizes[-1] > 0
    assert not (out / "measured").is_dir(), "the kills came too late to test anything"
    last = start(tasks, out, "0.01")
    assert last.wait(timeout=120) == 0
    assert results(out) == expected
