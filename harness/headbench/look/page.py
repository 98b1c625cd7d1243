"""A view as one HTML file: no script, nothing fetched, images inside."""

from __future__ import annotations

import base64
from pathlib import Path
from typing import TYPE_CHECKING

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from headbench.look.shown_picture import overlay
from headbench.look.view import FAINT
from headbench.results.markup import visible

if TYPE_CHECKING:
    from headbench.look.attention_rows import AttentionRows
    from headbench.look.view import View


def html(view: View) -> str:
    """The page."""
    environment = Environment(
        loader=FileSystemLoader(Path(__file__).parent),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        keep_trailing_newline=True,
    )

    def cells(side: AttentionRows, row: int, head: int) -> str:
        values = view.cells(side, row, head)
        return _data(overlay(values, float(view.image_scale[head])))

    template = environment.get_template("look.html")
    page = template.render(
        view=view,
        picture=_data(view.picture) if view.picture else "",
        cells=cells,
        name=side_name,
        shown=shown_token,
        faint=f"{100 * FAINT:g} %",
    )
    # Line ends of the prompt stay; every other control or direction character becomes visible.
    return "\n".join(visible(line) for line in page.split("\n"))


def side_name(side: AttentionRows) -> str:
    """What a side is called."""
    return "Unedited" if side.condition == "baseline" else side.condition


def shown_token(piece: str) -> str:
    """A token with its blanks and line ends to be seen."""
    marks = {" ": "\N{OPEN BOX}", "\n": "\N{DOWNWARDS ARROW WITH CORNER LEFTWARDS}"}
    return "".join(marks.get(letter, letter) for letter in piece) or "(nothing)"


def _data(png: bytes) -> str:
    return f"data:image/png;base64,{base64.b64encode(png).decode()}"
