"""What may come of an input: it is read, or an error of ours, soon and in little memory."""

from __future__ import annotations

import contextlib
import io
import random
import resource
import signal
import sys
import time
import traceback
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from types import FrameType

from headbench.errors import HeadbenchError

SECONDS = 2.0
"""Processor time of one input; a few kilobytes take milliseconds."""
HANGS = 60.0
"""Seconds after which an input is stopped, however busy the machine is."""
BYTES = 2**30
"""Memory that may be asked for beyond what the process has."""

Input = str | bytes


class HungError(BaseException):
    """Too long; no ``except Exception`` of what is tested holds it up."""


@dataclass(frozen=True)
class Target:
    """Something that reads what users bring.

    Attributes:
        name: What it is.
        make: Draws an input.
        read: Reads it, with an empty path to write it to; ``None`` says that it read nothing.
        accepted: Least share of inputs that are read.
        refused: Least share that is not.
    """

    name: str
    make: Callable[[random.Random], Input]
    read: Callable[[Input, Path], object]
    accepted: float = 0.05
    refused: float = 0.05


@dataclass
class Outcome:
    """What came of many inputs.

    Attributes:
        read: Inputs that were read.
        refused: Inputs that were not.
        failures: Short name of a failure -> an input, and what happened.
        failed: Inputs that failed.
        spent: Processor time, in seconds.
    """

    read: int = 0
    refused: int = 0
    failures: dict[str, tuple[Input, str]] = field(default_factory=dict)
    failed: int = 0
    spent: float = 0.0

    @property
    def inputs(self) -> int:
        """All of them."""
        return self.read + self.refused + self.failed


def fuzz(
    target: Target,
    folder: Path,
    *,
    seed: int = 0,
    inputs: int | None = 2000,
    seconds: float | None = None,
) -> Outcome:
    """Try inputs of a target; the same seed gives the same ones.

    Args:
        target: What reads them.
        folder: For files.
        seed: Of the draws.
        inputs: How many at most.
        seconds: For how long at most.
    """
    found, ends = Outcome(), None if seconds is None else time.monotonic() + seconds
    draw = random.Random(f"{target.name}/{seed}")
    path = folder / "input"
    with contextlib.suppress(Exception):  # what is imported at first is no cost of an input
        target.read(target.make(random.Random(0)), path)
    with _limited():
        while (inputs is None or found.inputs < inputs) and (
            ends is None or time.monotonic() < ends
        ):
            _one(target, target.make(draw), path, found)
    return found


def _one(target: Target, given: Input, path: Path, found: Outcome) -> None:
    start = time.process_time()
    signal.setitimer(signal.ITIMER_REAL, HANGS)
    try:
        came = target.read(given, path)
        signal.setitimer(signal.ITIMER_REAL, 0)
    except HeadbenchError as error:
        signal.setitimer(signal.ITIMER_REAL, 0)
        str(error)
        found.refused += 1
    except (Exception, HungError) as error:  # noqa: BLE001 - whatever comes is what is looked for
        signal.setitimer(signal.ITIMER_REAL, 0)
        _failed(found, given, _name(error), traceback.format_exc(limit=-6))
    else:
        if came is None:
            found.refused += 1
        else:
            found.read += 1
    spent = time.process_time() - start
    found.spent += spent
    if spent > SECONDS and (again := _once_more(target, given, path)) > SECONDS:
        _failed(found, given, f"took {again:.0f} s", f"{spent:.2f} s, then {again:.2f} s")


def _once_more(target: Target, given: Input, path: Path) -> float:
    """Processor time of a second reading: the first may have imported, or shared its core."""
    start = time.process_time()
    with contextlib.suppress(Exception):
        target.read(given, path)
    return time.process_time() - start


def _failed(found: Outcome, given: Input, name: str, told: str) -> None:
    found.failed += 1
    found.failures.setdefault(name, (given, told))


def _name(error: BaseException) -> str:
    """The error and the last line of the package that it passed."""
    frames = traceback.extract_tb(error.__traceback__)
    own = [one for one in frames if "/headbench/" in one.filename]
    last = own[-1] if own else frames[-1]
    return f"{type(error).__name__} in {Path(last.filename).name}:{last.name}"


@contextlib.contextmanager
def _limited() -> Iterator[None]:
    """Stop what hangs, and let no input take more memory than :data:`BYTES`."""

    def stop(_number: int, _frame: FrameType | None) -> None:
        raise HungError(f"not done after {HANGS:g} s")

    before = resource.getrlimit(resource.RLIMIT_AS)
    handler = signal.signal(signal.SIGALRM, stop)
    with warnings.catch_warnings(), contextlib.redirect_stderr(io.StringIO()):
        warnings.simplefilter("ignore")
        try:
            if sys.platform == "linux":
                pages = int(Path("/proc/self/statm").read_text().split()[0])
                most = pages * resource.getpagesize() + BYTES
                resource.setrlimit(resource.RLIMIT_AS, (most, before[1]))
            yield
        finally:
            resource.setrlimit(resource.RLIMIT_AS, before)
            signal.signal(signal.SIGALRM, handler)
