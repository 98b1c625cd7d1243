"""Tables as text that other programs read: Markdown, LaTeX, CSV, HTML.

Every cell is data. A name of a model, a task or an intervention comes from a file that somebody
else may have written, so each format escapes what it would otherwise read as an instruction.
"""

from __future__ import annotations

import csv
import html
import io
import re
import unicodedata
from collections.abc import Sequence

_LATEX = {
    "\\": r"\textbackslash{}",
    "&": r"\&",
    "%": r"\%",
    "$": r"\$",
    "#": r"\#",
    "_": r"\_",
    "{": r"\{",
    "}": r"\}",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "<": r"\textless{}",
    ">": r"\textgreater{}",
    "|": r"\textbar{}",
    '"': "''",  # an active character under some languages
    "[": "{[}",  # after \\ an open bracket would be a length
    "*": "{*}",
}
_MARKDOWN = re.compile(r"([\\`*_{}\[\]<>|~#&!$:@]|(?<=www)\.)")
"""What Markdown reads as markup, tables and bare links included."""
_FORMULA = ("=", "+", "-", "@", "\t", "\r")
"""How a text begins that a spreadsheet runs."""
_INVISIBLE = frozenset({"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"})


def visible(text: str) -> str:
    r"""The text with control, direction and other invisible characters as ``\x1b`` or ``\u202e``.

    They could move what stands beside them, end a row or drive a terminal.
    """
    if text.isascii() and text.isprintable():
        return text
    return "".join(
        char.encode("unicode_escape").decode() if unicodedata.category(char) in _INVISIBLE else char
        for char in text
    )


def markdown(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A pipe table of GitHub's Markdown."""
    lines = [header, ["---"] * len(header), *rows]
    return "".join(
        "| " + " | ".join(_markdown(text) if place != 1 else text for text in line) + " |\n"
        for place, line in enumerate(lines)
    )


def latex(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    r"""A ``tabular`` that needs no package."""
    lines = [
        r"\begin{tabular}{" + "l" * len(header) + "}",
        r"\hline",
        _latex_row(header),
        r"\hline",
        *(_latex_row(row) for row in rows),
        r"\hline",
        r"\end{tabular}",
    ]
    return "".join(f"{line}\n" for line in lines)


def csv_text(header: Sequence[str], rows: Sequence[Sequence[object]]) -> str:
    """Comma-separated values (RFC 4180 but for the line ends).

    Numbers are written with all their digits, ``None`` as nothing. A text that a spreadsheet would
    run as a formula gets an apostrophe before it.
    """
    stream = io.StringIO()
    writer = csv.writer(stream, lineterminator="\n")
    writer.writerow(header)
    writer.writerows([_csv(value) for value in row] for row in rows)
    return stream.getvalue()


def html_table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A plain table; each cell is isolated, so that no text changes the direction of another."""
    head = "".join(f"<th>{_html(text)}</th>" for text in header)
    body = "".join(
        f"<tr>{''.join(f'<td><bdi>{_html(text)}</bdi></td>' for text in row)}</tr>" for row in rows
    )
    return f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"


def html_text(text: str) -> str:
    """Text that is nothing but text in HTML."""
    return html.escape(visible(text))


_html = html_text


def _markdown(text: str) -> str:
    return _MARKDOWN.sub(r"\\\1", visible(text))


def _latex_row(row: Sequence[str]) -> str:
    return " & ".join("".join(_LATEX.get(c, c) for c in visible(text)) for text in row) + r" \\"


def _csv(value: object) -> object:
    if not isinstance(value, str):
        return value
    text = visible(value)
    return f"'{text}" if value.startswith(_FORMULA) else text
