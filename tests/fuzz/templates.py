"""Templates that loop, grow, recurse or fail, each rendered in a process of its own.

``python -m fuzz.templates`` reads templates as JSON and forks for each, under limits of memory and
time that would end the test's own process.
"""

from __future__ import annotations

import json
import os
import random
import resource
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from fuzz.inputs import edited
from fuzz.oracle import BYTES

CPU_SECONDS = 12
"""A rendering has five seconds by the package's own budget, and gives up between two steps."""
FIELDS = {
    "q": "Is there a dog?", "n": 7, "l": ["red", "cup", "blue"], "d": {"a": 1, "b": "x"}, "e": [],
    "none": None, "f": 0.25,
}  # fmt: skip
NUMBERS = ("0", "1", "2", "3", "10", "60", "1000", "100000", "10**6", "10**9", "-1", "9" * 400)
PIECES = tuple(Path(__file__).with_suffix(".txt").read_text(encoding="utf-8").splitlines())
"""One per line; N stands for a number."""


def template(draw: random.Random) -> str:
    """One to three pieces with numbers in them; a third is edited."""
    text = " ".join(draw.choices(PIECES, k=draw.choice((1, 1, 2, 3))))
    while "N" in text:
        text = text.replace("N", draw.choice(NUMBERS), 1)
    return edited(text, draw, 2) if draw.random() < 0.3 else text


def rendered_apart(templates: Sequence[str]) -> list[str]:
    """What came of each: ``read``, ``refused``, or what went wrong."""
    done = subprocess.run(
        [sys.executable, "-m", "fuzz.templates"],
        input=json.dumps(list(templates)),
        capture_output=True,
        text=True,
        check=True,
        cwd=Path(__file__).parents[1],
    )
    found: list[str] = json.loads(done.stdout)
    return found


def _in_a_child(text: str) -> str:
    """Render in a fork, under limits."""
    reading, writing = os.pipe()
    child = os.fork()
    if not child:
        os.close(reading)
        _limit()
        os.write(writing, _render(text).encode("utf-8", "replace")[:4000])
        os._exit(0)
    os.close(writing)
    with os.fdopen(reading, "rb") as stream:
        told = stream.read().decode()
    _, status, used = os.wait4(child, 0)
    if status:
        return f"the process ended with {os.waitstatus_to_exitcode(status)}"
    spent = used.ru_utime + used.ru_stime
    return f"took {spent:.1f} s" if spent > CPU_SECONDS else told


def _limit() -> None:
    pages = int(Path("/proc/self/statm").read_text().split()[0])
    most = pages * resource.getpagesize() + BYTES
    resource.setrlimit(resource.RLIMIT_AS, (most, most))
    resource.setrlimit(resource.RLIMIT_CPU, (2 * CPU_SECONDS, 2 * CPU_SECONDS))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


def _render(text: str) -> str:
    import traceback

    from headbench.errors import HeadbenchError
    from headbench.tasks.templates import compile_template

    try:
        compile_template(text, "x").text(FIELDS)
    except HeadbenchError as error:
        str(error)
        return "refused"
    except BaseException:  # noqa: BLE001 - whatever comes is what is looked for
        return traceback.format_exc(limit=-3)
    return "read"


def main() -> None:
    """Read templates as JSON, print what came of each as JSON."""
    import headbench.tasks.templates  # noqa: F401 - once, and not in every child

    print(json.dumps([_in_a_child(text) for text in json.load(sys.stdin)]))


if __name__ == "__main__":
    main()
