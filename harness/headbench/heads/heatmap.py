"""A head map as a heatmap: one cell per head, layers from top to bottom, darker is higher."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal
from xml.sax.saxutils import escape

if TYPE_CHECKING:
    from headbench.heads.headmap import HeadMap

CELL = 14
"""Width and height of a cell in pixels."""
MARGIN = 44
LOW, HIGH = (247, 247, 242), (20, 62, 110)
"""Colours of the lowest and the highest score."""
STEPS = 7
"""Steps of the scale: it has one cell more."""
CROWDED = 16
"""Up to this many heads per layer, each is numbered; beyond, every eighth."""
LETTER = 6
"""Pixels per letter of the title, an upper bound."""
RAMP = " ░▒▓█"


def shares(found: HeadMap) -> list[list[float]]:
    """Scores between the map's lowest (0) and highest (1); a map of one score is all 0.

    A layer without attention has an empty row.
    """
    every = [score for layer in found.scores for score in layer or ()]
    low, spread = min(every), max(every) - min(every)
    return [[(s - low) / spread if spread else 0.0 for s in layer or ()] for layer in found.scores]


def terminal(found: HeadMap) -> str:
    """The map as text, one line per layer, two characters per head."""
    lines = []
    for number, layer in enumerate(shares(found)):
        cells = (RAMP[min(int(share * len(RAMP)), len(RAMP) - 1)] for share in layer)
        drawn = "".join(cell * 2 for cell in cells)
        lines.append(f"{number:>4} |{drawn}|" if layer else f"{number:>4} no attention")
    return "\n".join(lines)


@dataclass(frozen=True)
class Label:
    """A text: the place of its start, middle or end, and its words."""

    x: int
    y: int
    text: str
    anchor: Literal["start", "middle", "end"] = "start"


@dataclass(frozen=True)
class Cell:
    """A coloured square: its corner, its colour, and the text shown for its head, if any."""

    x: int
    y: int
    colour: tuple[int, int, int]
    tooltip: str = ""


@dataclass(frozen=True)
class Drawing:
    """A map laid out, the same for SVG and PNG.

    Attributes:
        size: Width and height in pixels.
        labels: All texts.
        cells: All squares: heads first, then the scale.
    """

    size: tuple[int, int]
    labels: tuple[Label, ...]
    cells: tuple[Cell, ...]


def layout(found: HeadMap) -> Drawing:
    """Lay a map out: title, numbers of layers and heads, a cell per head, the scale below."""
    labels = [
        Label(4, 13, f"{found.model}, {found.detector}"),
        Label(4, 25, "layers down, heads across"),
    ]
    every = 1 if found.heads <= CROWDED else 8
    labels += [
        Label(MARGIN + CELL * head + CELL // 2, MARGIN - 4, str(head), "middle")
        for head in range(0, found.heads, every)
    ]
    cells = []
    for number, layer in enumerate(shares(found)):
        y = MARGIN + CELL * number
        labels.append(Label(MARGIN - 6, y + 10, str(number), "end"))
        for head, share in enumerate(layer):
            tooltip = f"{number}-{head}: {found.score(number, head):g}"
            cells.append(Cell(MARGIN + CELL * head, y, _colour(share), tooltip))
    below = MARGIN + CELL * found.layers + 10
    low, high = (pick(s for layer in found.scores for s in layer or ()) for pick in (min, max))
    labels.append(Label(MARGIN - 6, below + 10, f"{low:.3g}", "end"))
    cells += [Cell(MARGIN + CELL * at, below, _colour(at / STEPS)) for at in range(STEPS + 1)]
    labels.append(Label(MARGIN + CELL * (STEPS + 1) + 4, below + 10, f"{high:.3g}"))
    lettering = 4 + LETTER * max(len(label.text) for label in labels[:2])
    width = max(MARGIN + CELL * max(found.heads, STEPS + 1) + 48, lettering)
    return Drawing((width, below + CELL + 8), tuple(labels), tuple(cells))


def svg(found: HeadMap) -> str:
    """The map as an SVG; each cell says its head and score when pointed at."""
    drawing = layout(found)
    width, height = drawing.size
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}" '
        'font-family="sans-serif" font-size="10">',
        f'<rect width="{width}" height="{height}" fill="white"/>',
    ]
    parts += [
        f'<text x="{label.x}" y="{label.y}" text-anchor="{label.anchor}">'
        f"{escape(label.text)}</text>"
        for label in drawing.labels
    ]
    for cell in drawing.cells:
        title = f"<title>{cell.tooltip}</title>" if cell.tooltip else ""
        parts.append(
            f'<rect x="{cell.x}" y="{cell.y}" width="{CELL - 1}" height="{CELL - 1}" '
            f'fill="rgb{cell.colour}">{title}</rect>'
        )
    return "\n".join([*parts, "</svg>", ""])


def save_png(found: HeadMap, path: Path) -> None:
    """Write the map as a PNG."""
    from PIL import Image, ImageDraw, ImageFont

    drawing = layout(found)
    image = Image.new("RGB", drawing.size, (255, 255, 255))
    draw, font = ImageDraw.Draw(image), ImageFont.load_default(10)
    anchors = {"start": "ls", "middle": "ms", "end": "rs"}
    for label in drawing.labels:
        draw.text(
            (label.x, label.y), label.text, fill=(0, 0, 0), font=font, anchor=anchors[label.anchor]
        )
    for cell in drawing.cells:
        corners = (cell.x, cell.y, cell.x + CELL - 2, cell.y + CELL - 2)
        draw.rectangle(corners, fill=cell.colour)
    image.save(path, "PNG")  # whatever the name ends in


def _colour(share: float) -> tuple[int, int, int]:
    red, green, blue = (
        round(low + (high - low) * share) for low, high in zip(LOW, HIGH, strict=True)
    )
    return red, green, blue
