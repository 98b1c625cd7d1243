"""A run of a shipped model that is killed again and again, in a process of its own.

    python helpers_kills.py once OUT           one run, as a user has it
    python helpers_kills.py kill OUT N SEED    N kills, then one run that may end; prints a report

Loading the libraries takes longer than the run, so they are loaded once and every run is a fork.
Half of the kills come from outside at a random time. The other half strike at a random one of the
places where bytes go to the disk: within a line of the store, before it is synced, and where a
temporary file, half or whole, is about to get its name.
"""

from __future__ import annotations

import json
import os
import signal
import sys
import time
import traceback
from pathlib import Path
from random import Random
from typing import Any

TASKS = ("niah", "pope", "rsa")
ARMS = ("vhr", "mask_heads(map=retrieval, top=2)")


def run(out: Path) -> None:
    """Texts, images and captured states on the shipped vision model; two interventions."""
    import headbench

    headbench.run(TASKS, ARMS, out=out, limit=3, controls=1, draws=200, batch_size=8)


def load() -> None:
    """Import what a run imports, and nothing that computes."""
    import transformers  # noqa: F401

    import headbench.models.hf.adapter
    import headbench.reference.reference_adapter
    import headbench.running.execute  # noqa: F401
    from headbench.results import provenance

    provenance.commit = lambda: None  # a checkout may move on while the test runs


class Fate:
    """Kills this process at the n-th write of one kind.

    Attributes:
        results: Whether result files count, or lines of the store and syncs.
        left: Writes until then.
        half: Whether half of what is being written reaches the file.
    """

    def __init__(self, results: bool, left: int, half: bool) -> None:
        self.results, self.left, self.half = results, left, half

    def install(self) -> None:
        """Stand between the package and the disk."""
        from headbench.results.store import ResponseStore

        append, sync, rename = ResponseStore._append, os.fsync, Path.replace

        def append_or_die(store: Any, line: bytes) -> int:
            if self._now():
                store._file.write(line[: len(line) // 2] if self.half else b"")
                self._die()
            return append(store, line)

        def sync_or_die(handle: int) -> None:
            if self._now():
                self._die()
            sync(handle)

        def rename_or_die(path: Path, target: Path) -> Path:
            if self._now():
                if self.half:
                    os.truncate(path, path.stat().st_size // 2)
                self._die()
            return rename(path, target)

        if self.results:
            Path.replace = rename_or_die  # type: ignore[assignment,method-assign]
        else:
            ResponseStore._append = append_or_die  # type: ignore[method-assign]
            os.fsync = sync_or_die

    def _now(self) -> bool:
        self.left -= 1
        return self.left == 0

    def _die(self) -> None:
        os.kill(os.getpid(), signal.SIGKILL)


def fork(out: Path, fate: Fate | None = None) -> int:
    """Start a run; the process id."""
    pid = os.fork()
    if pid:
        return pid
    code = 1
    try:
        if fate:
            fate.install()
        run(out)
        code = 0
    except Exception:
        traceback.print_exc()
        raise
    finally:
        os._exit(code)


def strike(pid: int, log: Path, chance: Random, *, early: bool) -> None:
    """Kill a run from outside: soon after the store has grown, or at any time of its life."""
    end = time.monotonic() + chance.random() * (4 if early else 1)
    size = chance.randrange(1, 4000) + (log.stat().st_size if log.is_file() else 0)
    while time.monotonic() < end:
        if early and log.is_file() and log.stat().st_size >= size:
            break
        time.sleep(0.001)
    os.kill(pid, signal.SIGKILL)  # a run that has ended is still there to be waited for


def kill(out: Path, wanted: int, chance: Random) -> dict[str, int]:
    """Kill runs until enough of them died, then let one end.

    Returns:
        Kills from outside and within writes, kills after which a temporary file lay about, and
        kills after which there were result files already.
    """
    report = dict.fromkeys(("outside", "writing", "leftovers", "results"), 0)
    while (dead := report["outside"] + report["writing"]) < wanted:
        # The first half strikes while the model answers, the second while results are written.
        early, outside = dead < wanted // 2, dead % 2 == 0
        fate = Fate(not early, chance.randrange(1, 20), chance.random() < 0.5)
        pid = fork(out, None if outside else fate)
        if outside:
            strike(pid, out / ".store/responses.jsonl", chance, early=early)
        status = os.waitpid(pid, 0)[1]
        if os.WIFEXITED(status) and os.WEXITSTATUS(status):
            raise SystemExit("a run failed instead of being killed")
        if os.WIFSIGNALED(status):
            report["outside" if outside else "writing"] += 1
            report["leftovers"] += any(out.rglob("*.headbench-tmp"))
            report["results"] += any(out.rglob("*.json"))
    if os.waitpid(fork(out), 0)[1]:
        raise SystemExit("the last run failed")
    return report


if __name__ == "__main__":
    load()
    folder = Path(sys.argv[2])
    if sys.argv[1] == "once":
        run(folder)
    else:
        print(json.dumps(kill(folder, int(sys.argv[3]), Random(int(sys.argv[4])))))
