"""Help, lists, validation and comparison must not pay for the model libraries."""

from __future__ import annotations

import subprocess
import sys

import pytest

HEAVY = ("torch", "transformers", "datasets", "sklearn", "scipy")
PROBE = """
import sys
from headbench.cli import main
sys.argv = ["headbench", *{arguments!r}]
try:
    main()
except SystemExit as end:
    code = end.code
else:
    code = 0
loaded = [name for name in {heavy!r} if name in sys.modules]
print("LOADED", code or 0, ",".join(loaded))
"""


def loaded(*arguments: str) -> tuple[int, str]:
    """Exit code and the heavy modules that a command line leaves loaded."""
    source = PROBE.format(arguments=list(arguments), heavy=HEAVY)
    done = subprocess.run(
        [sys.executable, "-c", source], capture_output=True, text=True, timeout=120, check=False
    )
    line = next((x for x in done.stdout.splitlines() if x.startswith("LOADED")), "")
    assert line, f"no closing line:\n{done.stdout[-1500:]}\n{done.stderr[-3000:]}"
    _, code, *names = line.split(" ")
    return int(code), names[0] if names else ""


@pytest.mark.parametrize(
    "arguments",
    [
        ("--help",),
        ("run", "--help"),
        ("ls", "tasks"),
        ("ls", "interventions"),
        ("ls", "metrics"),
        ("ls", "models"),
        ("show", "task", "niah"),
        ("validate", "niah"),
    ],
    ids=" ".join,
)
def test_no_model_library(arguments: tuple[str, ...]) -> None:
    code, names = loaded(*arguments)
    assert code == 0
    assert names == ""


def test_help_of_rescore_reads_options_and_loads_nothing_that_scores() -> None:
    light = ("numpy", "headbench.results.schema", "headbench.results.rescored")
    source = PROBE.format(arguments=["rescore", "--help"], heavy=(*HEAVY, *light))
    done = subprocess.run(
        [sys.executable, "-c", source], capture_output=True, text=True, timeout=120, check=True
    )
    assert "--ground-truth" in done.stdout and "--phrases" in done.stdout
    assert done.stdout.splitlines()[-1].rstrip() == "LOADED 0"
