"""What verbs print: names in it are neither markup nor commands of the terminal.

A text may come from a user, a model or a file that somebody else wrote. Control characters in it
could move the cursor, hide what stands beside them or change the terminal's title; brackets could
end in an error of the table's printer.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

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
