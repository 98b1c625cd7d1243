"""A head map as a picture: a cell a head, layers from top to bottom, darker for higher scores."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING
from xml.sax.saxutils import escape

if TYPE_CHECKING:
    from headbench.heads.headmap import HeadMap

CELL = 14
"""Width and height of a cell in pixels."""
MARGIN = 44
LOW, HIGH = (247, 247, 242), (20, 62, 110)
"""Colours of the lowest and the highest score."""
RAMP = " ░▒▓█"


def shares(found: HeadMap) -> list[list[float]]:
    """Scores between the map's lowest (0) and highest (1); a map of one score is all 0."""
    every = [score for layer in found.scores for score in layer]
    low, spread = min(every), max(every) - min(every)
    return [[(s - low) / spread if spread else 0.0 for s in layer] for layer in found.scores]


def terminal(found: HeadMap) -> str:
    """The map as text, a line a layer, two characters a head."""
    lines = []
    for number, layer in enumerate(shares(found)):
        cells = (RAMP[min(int(share * len(RAMP)), len(RAMP) - 1)] for share in layer)
        lines.append(f"{number:>4} |{''.join(cell * 2 for cell in cells)}|")
    return "\n".join(lines)


def svg(found: HeadMap) -> str:
    """The map as an SVG; each cell says its head and score when pointed at."""
    width, height = MARGIN + CELL * found.heads + 8, MARGIN + CELL * found.layers + 8
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}" '
        'font-family="sans-serif" font-size="9">',
        f'<text x="4" y="12">{escape(_title(found))}</text>',
    ]
    for number, layer in enumerate(shares(found)):
        y = MARGIN + CELL * number
        parts.append(f'<text x="{MARGIN - 6}" y="{y + 10}" text-anchor="end">{number}</text>')
        for head, share in enumerate(layer):
            x = MARGIN + CELL * head
            said = f"{number}-{head}: {found.scores[number][head]:g}"
            parts.append(
                f'<rect x="{x}" y="{y}" width="{CELL - 1}" height="{CELL - 1}" '
                f'fill="rgb{_colour(share)}"><title>{said}</title></rect>'
            )
    return "\n".join([*parts, "</svg>", ""])


def save_png(found: HeadMap, path: Path) -> None:
    """Write the map as a PNG."""
    from PIL import Image, ImageDraw

    size = (MARGIN + CELL * found.heads + 8, MARGIN + CELL * found.layers + 8)
    image = Image.new("RGB", size, (255, 255, 255))
    draw = ImageDraw.Draw(image)
    draw.text((4, 2), _title(found), fill=(0, 0, 0))
    for number, layer in enumerate(shares(found)):
        y = MARGIN + CELL * number
        draw.text((8, y), str(number), fill=(0, 0, 0))
        for head, share in enumerate(layer):
            x = MARGIN + CELL * head
            draw.rectangle((x, y, x + CELL - 2, y + CELL - 2), fill=_colour(share))
    image.save(path)


def _title(found: HeadMap) -> str:
    return f"{found.model}, {found.detector}: layer (down) x head (across)"


def _colour(share: float) -> tuple[int, int, int]:
    red, green, blue = (
        round(low + (high - low) * share) for low, high in zip(LOW, HIGH, strict=True)
    )
    return red, green, blue
