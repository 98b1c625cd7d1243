"""CPU seconds of the light commands: help 0.3, ls and validate of one task 0.5.

python benchmarks/startup.py [--rounds 15]
"""

from __future__ import annotations

import argparse
import sys
from functools import partial

from measuring import ROUNDS, alternate, child_cpu, median

HEADBENCH = (sys.executable, "-c", "from headbench.cli import main; main()")
COMMANDS: dict[str, tuple[tuple[str, ...], float | None]] = {
    "python -c pass": ((sys.executable, "-c", "pass"), None),
    "headbench --help": ((*HEADBENCH, "--help"), 0.3),
    "headbench ls tasks": ((*HEADBENCH, "ls", "tasks"), 0.5),
    "headbench ls interventions": ((*HEADBENCH, "ls", "interventions"), 0.5),
    "headbench ls metrics": ((*HEADBENCH, "ls", "metrics"), 0.5),
    "headbench validate niah": ((*HEADBENCH, "validate", "niah"), 0.5),
}


def main() -> None:
    """Alternate the commands and print a line each."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--rounds", type=int, default=ROUNDS)
    rounds = options.parse_args().rounds
    measures = {name: partial(child_cpu, command) for name, (command, _) in COMMANDS.items()}
    for measure in measures.values():
        measure()  # byte code and disk caches
    for name, values in alternate(measures, rounds).items():
        found, limit = median(values), COMMANDS[name][1]
        told = (
            "" if limit is None else f"  limit {limit}  {'ok' if found.value <= limit else 'OVER'}"
        )
        print(f"{name:<28} {found} CPU-s{told}")


if __name__ == "__main__":
    main()
