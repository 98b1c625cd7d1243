"""``headbench doctor``: versions, devices, extras, and a ten-second self test."""

from __future__ import annotations

from typing import Annotated

import typer

from headbench.cli.printing import say


def doctor(
    test: Annotated[
        bool, typer.Option("--test/--no-test", help="Run the self test (about ten seconds).")
    ] = True,
) -> None:
    """Show versions and devices, and run a short self test."""
    from headbench.running.selftest import facts, self_test

    for name, value in facts().items():
        say(f"{name:<14} {value}")
    if not test:
        return
    failed = False
    for check in self_test():
        say(f"{'ok' if check.passed else 'FAILED':<14} {check.what}: {check.found}")
        failed = failed or not check.passed
    if failed:
        raise typer.Exit(1)
