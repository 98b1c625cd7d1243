"""A view as a PNG: the first row of every head, by matplotlib."""

from __future__ import annotations

from pathlib import Path
from textwrap import fill
from typing import TYPE_CHECKING

from headbench.errors import RefusedError
from headbench.look.page import shown_token, side_name
from headbench.models.images import decode

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from headbench.look.attention_rows import AttentionRows
    from headbench.look.view import View

INCHES = 2.4
"""Width of a panel."""
NAMED = 8
"""Tokens of a text that are named, the strongest ones."""


def check_matplotlib(path: Path) -> None:
    """Refuse a drawing where matplotlib is missing, before anything is computed.

    Raises:
        RefusedError: It is not installed.
    """
    try:
        import matplotlib  # noqa: F401
    except ImportError as error:
        raise RefusedError(
            "drawings need matplotlib, which is not installed",
            where=f"--out {path}",
            hint="pip install 'headbench[plots]', or write an .html file",
        ) from error


def draw(view: View, path: Path) -> None:
    """Draw the first row: a panel per side and head, over the image or along the text."""
    from matplotlib.figure import Figure

    seeing = bool(view.picture)
    columns = len(view.heads) if seeing else 1
    rows = len(view.sides) * (1 if seeing else len(view.heads))
    width = max(4.0, INCHES * columns) if seeing else 9.0
    height = (INCHES + 0.5 if seeing else 1.1) * rows + 0.9
    figure = Figure(figsize=(width, height), layout="constrained")
    axes = figure.subplots(rows, columns, squeeze=False)
    for number, (layer, head) in enumerate(view.heads):
        for place, side in enumerate(view.sides):
            title = f"layer {layer}, head {head}"
            if seeing:
                _over_image(axes[place][number], view, side, number, title)
            else:
                title = f"{side_name(side)}, {title}"
                _along_text(axes[number * len(view.sides) + place][0], view, side, number, title)
    for place, side in enumerate(view.sides if seeing else ()):
        axes[place][0].set_ylabel(fill(side_name(side), 28), fontsize=7)
    said = ", ".join(shown_token(side.produced[0]) for side in view.sides)
    figure.suptitle(f"{view.model}: the row that predicts the first token ({said})", fontsize=9)
    figure.savefig(path, dpi=150)


def _over_image(axis: Axes, view: View, side: AttentionRows, head: int, title: str) -> None:
    import numpy as np

    picture = np.asarray(decode(view.picture, "the picture as the model sees it"))
    axis.imshow(picture)
    scale = float(view.image_scale[head]) or 1.0
    cells = view.cells(side, 0, head)
    extent = (-0.5, picture.shape[1] - 0.5, picture.shape[0] - 0.5, -0.5)
    strength = np.clip(cells / scale, 0, 1) * 0.85
    colour = np.zeros((*cells.shape, 4))
    colour[..., :3] = (0.90, 0.38, 0.0)
    colour[..., 3] = strength
    axis.imshow(colour, extent=extent, interpolation="nearest")
    axis.set_title(f"{title}\n{100 * side.on_image(0, head):.1f} % on the image", fontsize=7)
    axis.set_xticks([])
    axis.set_yticks([])
    for edge in axis.spines.values():
        edge.set_visible(False)


def _along_text(axis: Axes, view: View, side: AttentionRows, head: int, title: str) -> None:
    import numpy as np

    row = side.weights[0, head, : side.prompt]
    scale = float(view.text_scale[head]) or 1.0
    axis.imshow(row[None, :], aspect="auto", cmap="Blues", vmin=0, vmax=scale)
    strongest = np.sort(np.argsort(-row, kind="stable")[:NAMED])
    axis.set_xticks(strongest)
    axis.set_xticklabels(
        [shown_token(side.tokens[at])[:12].replace("$", r"\$") for at in strongest],
        rotation=30, ha="right", fontsize=6,
    )  # fmt: skip
    axis.set_yticks([])
    axis.set_title(title, fontsize=7, loc="left")
