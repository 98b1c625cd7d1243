"""Running the sweep: a process per class, with limits, so that one crash ends nothing."""

from __future__ import annotations

import hashlib
import json
import multiprocessing
import resource
import sys
import tempfile
import time
import traceback
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict
from pathlib import Path

import transformers

import headbench
from sweep.checkpoint import Unbuilt, save
from sweep.checks import Found, Wrong, check
from sweep.configs import FAULTS, kinds

SECONDS = 240
"""CPU time of one class."""
PATIENCE = 1800
"""Wall-clock time of one class, on a machine with other work."""
MEMORY = 12 * 2**30
"""Address space of one class, in bytes."""


def outcome(model_type: str, folder: Path, count: int = 16) -> Found:
    """Build, load and hold one class against the library; whatever happens is an outcome."""
    try:
        save(model_type, folder)
        return check(folder, count)
    except Unbuilt as error:
        return Found("unbuilt", str(error))
    except Wrong as error:
        return Found("wrong", str(error))
    except FAULTS as error:  # a traceback is what a user must never see
        place = traceback.extract_tb(error.__traceback__)[-1]
        first = (str(error).strip().splitlines() or [""])[0]
        at = f"{Path(place.filename).name}:{place.lineno}"
        return Found("wrong", f"{type(error).__name__}: {first} ({at})")


def sweep(
    model_types: Sequence[str], results: Path, say: Callable[[str], object] = print
) -> list[dict[str, object]]:
    """Run classes that have no stored outcome yet; all outcomes, in order.

    Args:
        model_types: Which.
        results: Folder of stored outcomes, one file per class; outcomes of other code are not read.
        say: Told each outcome.
    """
    results.mkdir(parents=True, exist_ok=True)
    digest = source()
    rows = []
    for number, model_type in enumerate(model_types, start=1):
        path = results / f"{model_type}.json"
        row = json.loads(path.read_text()) if path.is_file() else {}
        if row.get("source") != digest:
            row = {**_apart(model_type), "source": digest}
            path.write_text(json.dumps(row, indent=1) + "\n")
        rows.append(row)
        say(f"{number}/{len(model_types)} {model_type}: {row['outcome']} {row['reason']}")
    return rows


def source() -> str:
    """Digest of the code under test and of the sweep: another code's outcomes are not believed."""
    digest = hashlib.sha256(transformers.__version__.encode())
    for root in (Path(headbench.__file__).parent, Path(__file__).parent):
        for path in sorted(root.rglob("*.py")):
            digest.update(path.read_bytes())
    return digest.hexdigest()[:12]


def _apart(model_type: str) -> dict[str, object]:
    """One class in a process of its own."""
    began = time.monotonic()
    context = multiprocessing.get_context("fork")
    with tempfile.TemporaryDirectory(prefix="sweep-") as folder:
        told = Path(folder) / "outcome.json"
        process = context.Process(target=_child, args=(model_type, Path(folder), told))
        process.start()
        process.join(PATIENCE)
        if process.is_alive():
            process.kill()
            process.join()
        if told.is_file():
            found = json.loads(told.read_text())
        else:
            limits = f"{SECONDS} s, {MEMORY >> 30} GiB"
            died = f"its process ended with {process.exitcode} (limits: {limits})"
            found = asdict(Found("wrong", died))
    row = {"model_type": model_type, "class": kinds()[model_type], **found}
    return row | {"seconds": round(time.monotonic() - began, 1)}


def _child(model_type: str, folder: Path, told: Path) -> None:
    resource.setrlimit(resource.RLIMIT_CPU, (SECONDS, SECONDS))
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
    transformers.utils.logging.set_verbosity_error()
    transformers.utils.logging.disable_progress_bar()
    sys.stdout = sys.stderr = (folder / "log").open("w")
    found = outcome(model_type, folder / model_type)
    draft = told.with_suffix(".part")
    draft.write_text(json.dumps(asdict(found)))
    draft.rename(told)


def summary(rows: Iterable[dict[str, object]]) -> dict[str, int]:
    """How many classes had each outcome."""
    counts = dict.fromkeys(("right", "refused", "unbuilt", "wrong"), 0)
    for row in rows:
        counts[str(row["outcome"])] += 1
    return counts
