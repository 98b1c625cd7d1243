"""The templates' environment: everything that a model, a user or a paper wrote is data.

Strings are escaped, their control and direction characters shown as escapes, and ``|safe`` is not
there. A text that somebody else may have written goes through ``|bdi``, which isolates its
direction and cuts what is too long for a cell.
"""

from __future__ import annotations

import re
import unicodedata
from functools import lru_cache
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup, escape

from headbench.leaderboard import numbers
from headbench.leaderboard.page import page_name
from headbench.results.markup import visible
from headbench.results.paper_comparable import in_words

TEMPLATES = Path(__file__).parent / "templates"
LONGEST = 120
"""Characters of a foreign text that a cell shows."""


def _finalize(value: object) -> object:
    """Every printed value: no control character reaches the page."""
    if isinstance(value, Markup):
        return value
    return visible(value) if isinstance(value, str) else value


def bdi(value: object, limit: int = LONGEST) -> Markup:
    """A foreign text, isolated and cut: ``<bdi>...</bdi>``."""
    text = str(value)
    if len(text) > limit:
        text = f"{text[: limit - 1]}\N{HORIZONTAL ELLIPSIS}"
    return Markup("<bdi>{}</bdi>").format(visible(text))


def code(value: object, limit: int = LONGEST) -> Markup:
    """A condition's name, isolated and cut, that may break after its commas and brackets."""
    text = visible(str(value)[:limit]) + (
        "\N{HORIZONTAL ELLIPSIS}" if len(str(value)) > limit else ""
    )
    pieces = re.findall(r"[^,(=]*[,(=]|[^,(=]+", text)
    return Markup("<bdi>{}</bdi>").format(Markup("<wbr>").join(pieces))


def lines(value: object, limit: int = 20_000) -> Markup:
    """A foreign text of several lines for ``<pre>``: its line ends stay, all else as ``bdi``."""
    text = str(value)
    cut = text if len(text) <= limit else f"{text[:limit]}\N{HORIZONTAL ELLIPSIS}"
    shown = "\n".join(visible(line) for line in cut.replace("\r\n", "\n").split("\n"))
    return Markup("<bdi>{}</bdi>").format(shown)


def element_id(value: object) -> str:
    """An id for an element that stands for a thing of any name."""
    text = unicodedata.normalize("NFKC", str(value))
    return page_name("i", text)


@lru_cache(1)
def environment() -> Environment:
    """The one environment of all pages."""
    made = Environment(
        loader=FileSystemLoader(TEMPLATES, encoding="utf-8"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
        finalize=_finalize,
    )
    del made.filters["safe"]
    made.filters.update(
        bdi=bdi,
        code=code,
        lines=lines,
        id=element_id,
        figure=numbers.figure,
        difference=numbers.difference,
        share=numbers.share,
        p=numbers.p_value,
        px=numbers.pixels,
        words=in_words,
        e=escape,
    )
    made.globals.update(along=numbers.along, page_name=page_name)
    return made
