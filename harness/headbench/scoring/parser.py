"""What a parser is: a named, versioned reading of one raw output.

A figure depends on its parser as much as on the model, so a parser's name and version stand in
every record, and no table mixes two parsers in one column.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True)
class Parser:
    """Reads the answer out of one raw output.

    Attributes:
        name: Registry name.
        version: Raised whenever any output would be read differently.
        read: Raw output -> the answer in the family's own form, or ``None``: unparsed.
        summary: One line for ``headbench ls``.
    """

    name: str
    version: int
    read: Callable[[str], object | None]
    summary: str

    @property
    def id(self) -> str:
        """``name@version``, as records carry it."""
        return f"{self.name}@{self.version}"


def _stripped(text: str) -> str | None:
    return text.strip() or None


VERBATIM = Parser(
    name="verbatim",
    version=1,
    read=_stripped,
    summary="the output itself without outer blanks; empty outputs are unparsed",
)
