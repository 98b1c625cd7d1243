"""How far a join of recorded rows with their questions can be trusted."""

from __future__ import annotations

from typing import Literal

from headbench.results.fields import Reading

Vouched = Literal["id", "order"]
"""By what a user says that rows belong together."""

WEAK: dict[str, Vouched] = {"id only": "id", "order": "order", "order only": "order"}
"""Joins that give no headline by themselves -> what a user must say for one."""


def unproven(how: str, vouched: Vouched | None) -> str:
    """Why a join gives no headline, or the empty string.

    Args:
        how: What the join went by, as results name it.
        vouched: By what the user says that rows belong together.
    """
    needs = WEAK.get(how)
    if needs is None or needs == vouched:
        return ""
    shown = "an order that fits" if how == "order" else f"{needs}s alone" if needs == "id" else how
    return (
        f"joined by {how}, and {shown} cannot show that log and questions belong together: "
        f"--join {needs} says that they do"
    )


def is_prompt(reading: Reading) -> bool:
    """Whether what a log says that was asked is the prompt itself, by the name of its field."""
    return "prompt" in reading.names.get("question", "").lower()
