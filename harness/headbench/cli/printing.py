"""What verbs print: names in it are neither markup nor commands of the terminal.

A text may come from a user, a model or a file that somebody else wrote. Control characters in it
could move the cursor, hide what stands beside them or change the terminal's title; brackets could
end in an error of the table's printer.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

import typer

from headbench.results.markup import visible


def say(text: str, *, err: bool = False, nl: bool = True) -> None:
    r"""Print a text, its line breaks kept and its other control characters shown as ``\x1b``.

    Args:
        text: The text.
        err: To standard error.
        nl: End it with a line break.
    """
    typer.echo("\n".join(map(visible, str(text).split("\n"))), err=err, nl=nl)


WIDEST_NAME = 36
"""Columns of a name before it takes a line of its own."""


def say_facts(rows: Sequence[tuple[str, str, str]]) -> None:
    """Print names, values and where each comes from, within the width of the terminal.

    What does not fit beside its name goes below it; nothing is cut.

    Args:
        rows: Name, value and origin, which may be empty.
    """
    from rich.console import Console

    from headbench.results.comparison_table import columns

    for line in fact_lines(rows, columns(Console())):
        say(line)


def fact_lines(rows: Sequence[tuple[str, str, str]], width: int) -> Iterator[str]:
    """The lines that :func:`say_facts` prints.

    Args:
        rows: Name, value and origin.
        width: Columns of the terminal.
    """
    from headbench.results.block_text import wrapped

    longest = max((len(name) for name, _, _ in rows), default=0)
    names = min(WIDEST_NAME, longest, width * 7 // 20)
    origins = max((len(origin) + 4 for _, _, origin in rows if origin), default=0)
    room = max(0, width - names - 4 - origins)
    for name, value, origin in rows:
        told = f"  # {origin}" if origin else ""
        beside = "\n" not in value and len(value) <= room and len(name) <= names
        left = f"  {name:<{names}}  {value if beside else ''}"
        yield f"{left:<{names + 4 + room}}{told}".rstrip()
        for line in () if beside else value.split("\n"):
            yield from wrapped(line, width, indent=6) or [""]


def show_table(
    columns: Sequence[tuple[str, str]],
    rows: Iterable[Sequence[str]],
    *,
    title: str = "",
    whole: Sequence[str] = (),
) -> None:
    """Print a table of texts.

    Args:
        columns: Heading of each, and ``left`` or ``right``.
        rows: The cells.
        title: A line above it.
        whole: Headings of the columns whose cells are never wrapped.
    """
    from rich import box
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table(
        box=box.SIMPLE,
        pad_edge=False,
        title=Text(visible(title)) if title else None,
        title_justify="left",
    )
    for heading, justify in columns:
        table.add_column(
            heading, justify="right" if justify == "right" else "left", no_wrap=heading in whole
        )
    for row in rows:
        table.add_row(*(Text(visible(cell)) for cell in row))
    Console().print(table)
