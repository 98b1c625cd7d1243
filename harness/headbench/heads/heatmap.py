"""A head map as a picture: a cell a head, layers from top to bottom, darker for higher scores."""

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
"""Cells of the scale, less one."""
CROWDED = 16
"""Up to so many heads each one is numbered; of more, every eighth."""
LETTER = 6
"""Width of a letter of the title, generously."""
RAMP = " ░▒▓█"


def shares(found: HeadMap) -> list[list[float]]:
    """Scores between the map's lowest (0) and highest (1); a map of one score is all 0.

    A layer without attention has an empty row.
    """
    every = [score for layer in found.scores for score in layer or ()]
    low, spread = min(every), max(every) - min(every)
    return [[(s - low) / spread if spread else 0.0 for s in layer or ()] for layer in found.scores]


def terminal(found: HeadMap) -> str:
    """The map as text, a line a layer, two characters a head."""
    lines = []
    for number, layer in enumerate(shares(found)):
        cells = (RAMP[min(int(share * len(RAMP)), len(RAMP) - 1)] for share in layer)
        drawn = "".join(cell * 2 for cell in cells)
        lines.append(f"{number:>4} |{drawn}|" if layer else f"{number:>4} no attention")
    return "\n".join(lines)


@dataclass(frozen=True)
class Text:
    """A piece of lettering: where it stands (its middle, or its start or end), and what it says."""

    x: int
    y: int
    said: str
    anchor: Literal["start", "middle", "end"] = "start"


@dataclass(frozen=True)
class Cell:
    """A coloured square: its corner, its colour, and the head it stands for, if any."""

    x: int
    y: int
    colour: tuple[int, int, int]
    said: str = ""


@dataclass(frozen=True)
class Drawing:
    """A map laid out, the same for every form.

    Attributes:
        size: Width and height in pixels.
        texts: All lettering.
        cells: All squares: heads first, then the scale.
    """

    size: tuple[int, int]
    texts: tuple[Text, ...]
    cells: tuple[Cell, ...]


def layout(found: HeadMap) -> Drawing:
    """Lay a map out: title, numbers of layers and heads, a cell a head, the scale below."""
    texts = [
        Text(4, 13, f"{found.model}, {found.detector}"),
        Text(4, 25, "layers down, heads across"),
    ]
    every = 1 if found.heads <= CROWDED else 8
    texts += [
        Text(MARGIN + CELL * head + CELL // 2, MARGIN - 4, str(head), "middle")
        for head in range(0, found.heads, every)
    ]
    cells = []
    for number, layer in enumerate(shares(found)):
        y = MARGIN + CELL * number
        texts.append(Text(MARGIN - 6, y + 10, str(number), "end"))
        for head, share in enumerate(layer):
            said = f"{number}-{head}: {found.score(number, head):g}"
            cells.append(Cell(MARGIN + CELL * head, y, _colour(share), said))
    below = MARGIN + CELL * found.layers + 10
    low, high = (pick(s for layer in found.scores for s in layer or ()) for pick in (min, max))
    texts.append(Text(MARGIN - 6, below + 10, f"{low:.3g}", "end"))
    cells += [Cell(MARGIN + CELL * at, below, _colour(at / STEPS)) for at in range(STEPS + 1)]
    texts.append(Text(MARGIN + CELL * (STEPS + 1) + 4, below + 10, f"{high:.3g}"))
    lettering = 4 + LETTER * max(len(text.said) for text in texts[:2])
    width = max(MARGIN + CELL * max(found.heads, STEPS + 1) + 48, lettering)
    return Drawing((width, below + CELL + 8), tuple(texts), tuple(cells))


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
        f'<text x="{text.x}" y="{text.y}" text-anchor="{text.anchor}">{escape(text.said)}</text>'
        for text in drawing.texts
    ]
    for cell in drawing.cells:
        told = f"<title>{cell.said}</title>" if cell.said else ""
        parts.append(
            f'<rect x="{cell.x}" y="{cell.y}" width="{CELL - 1}" height="{CELL - 1}" '
            f'fill="rgb{cell.colour}">{told}</rect>'
        )
    return "\n".join([*parts, "</svg>", ""])


def save_png(found: HeadMap, path: Path) -> None:
    """Write the map as a PNG."""
    from PIL import Image, ImageDraw, ImageFont

    drawing = layout(found)
    image = Image.new("RGB", drawing.size, (255, 255, 255))
    draw, font = ImageDraw.Draw(image), ImageFont.load_default(10)
    anchors = {"start": "ls", "middle": "ms", "end": "rs"}
    for text in drawing.texts:
        draw.text(
            (text.x, text.y), text.said, fill=(0, 0, 0), font=font, anchor=anchors[text.anchor]
        )
    for cell in drawing.cells:
        corners = (cell.x, cell.y, cell.x + CELL - 2, cell.y + CELL - 2)
        draw.rectangle(corners, fill=cell.colour)
    image.save(path)


def _colour(share: float) -> tuple[int, int, int]:
    red, green, blue = (
        round(low + (high - low) * share) for low, high in zip(LOW, HIGH, strict=True)
    )
    return red, green, blue
