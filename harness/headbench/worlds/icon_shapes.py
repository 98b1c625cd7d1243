"""The 29 icons as data: filled shapes on a canvas of 128 units, painted in order.

A shape is ``(kind, numbers, fill)``. Kinds: ``oval`` and ``box`` (left, top, right, bottom),
``round`` (a box with round corners), ``poly`` (x, y, x, y, ...), ``line`` (an unfilled stroke
through the points), ``pie`` (left, top, right, bottom, start degree, end degree; degrees run
clockwise from three o'clock). Fill ``None`` draws the outline only.
"""

from __future__ import annotations

Colour = tuple[int, int, int]
Shape = tuple[str, tuple[float, ...], Colour | None]

INK: Colour = (38, 32, 44)
WHITE: Colour = (250, 250, 246)
STEEL: Colour = (196, 206, 216)
RED: Colour = (222, 52, 48)
DARK_RED: Colour = (150, 24, 40)
ORANGE: Colour = (244, 142, 38)
YELLOW: Colour = (252, 216, 52)
GREEN: Colour = (64, 168, 72)
TEAL: Colour = (36, 168, 164)
BLUE: Colour = (52, 108, 214)
SKY: Colour = (150, 206, 246)
NAVY: Colour = (40, 56, 120)
PURPLE: Colour = (146, 78, 186)
PINK: Colour = (248, 138, 176)
BROWN: Colour = (140, 84, 44)
TAN: Colour = (212, 164, 106)
GREY: Colour = (128, 128, 138)

_APPLE = tuple(
    float(number)
    for number in (
        *(64, 44, 84, 34, 104, 38, 117, 58, 115, 86, 99, 114, 80, 122),
        *(64, 116, 48, 122, 29, 114, 13, 86, 11, 58, 24, 38, 44, 34),
    )
)

SHAPES: dict[str, tuple[Shape, ...]] = {
    "knife": (
        ("poly", (52, 8, 76, 22, 80, 78, 52, 78), STEEL),
        ("round", (48, 76, 80, 122), BROWN),
        ("oval", (59, 88, 69, 98), WHITE),
    ),
    "fork": (
        ("round", (54, 58, 74, 124), STEEL),
        ("poly", (28, 40, 100, 40, 88, 66, 40, 66), STEEL),
        ("box", (28, 6, 42, 46), STEEL),
        ("box", (57, 6, 71, 46), STEEL),
        ("box", (86, 6, 100, 46), STEEL),
    ),
    "teapot": (
        ("poly", (86, 70, 104, 40, 122, 34, 116, 52, 98, 98), TEAL),
        ("oval", (4, 46, 46, 96), None),
        ("oval", (22, 36, 104, 116), TEAL),
        ("box", (42, 30, 84, 44), WHITE),
        ("oval", (54, 12, 72, 32), WHITE),
        ("line", (34, 76, 92, 76), WHITE),
    ),
    "cup": (
        ("oval", (78, 40, 120, 84), None),
        ("oval", (84, 48, 110, 76), None),
        ("poly", (14, 28, 94, 28, 84, 106, 24, 106), WHITE),
        ("box", (18, 56, 90, 76), RED),
        ("oval", (14, 18, 94, 38), BROWN),
    ),
    "apple": (
        ("poly", _APPLE, RED),
        ("oval", (28, 52, 42, 70), WHITE),
        ("line", (64, 46, 64, 28, 70, 12), BROWN),
        ("oval", (70, 10, 108, 32), GREEN),
    ),
    "banana": (
        (
            "poly",
            (16, 22, 30, 16, 44, 58, 74, 82, 116, 80, 120, 94, 84, 114, 46, 104, 20, 70),
            YELLOW,
        ),
        ("poly", (14, 22, 24, 6, 34, 10, 32, 24), BROWN),
        ("poly", (110, 78, 124, 78, 124, 96, 112, 96), BROWN),
    ),
    "bed": (
        ("box", (6, 20, 18, 116), BROWN),
        ("box", (112, 58, 124, 116), BROWN),
        ("box", (14, 66, 116, 98), BLUE),
        ("round", (20, 44, 60, 70), WHITE),
    ),
    "lamp": (
        ("box", (58, 58, 70, 108), GREY),
        ("oval", (34, 98, 94, 122), GREY),
        ("poly", (42, 8, 86, 8, 112, 64, 16, 64), YELLOW),
    ),
    "shoe": (
        ("poly", (12, 34, 50, 34, 62, 62, 110, 76, 120, 102, 12, 102), PURPLE),
        ("box", (8, 98, 122, 114), WHITE),
        ("line", (54, 52, 70, 44), WHITE),
        ("line", (64, 64, 82, 56), WHITE),
    ),
    "hat": (
        ("oval", (2, 78, 126, 112), NAVY),
        ("poly", (34, 18, 94, 18, 98, 92, 30, 92), NAVY),
        ("box", (32, 66, 97, 84), RED),
    ),
    "book": (
        ("poly", (6, 24, 64, 36, 64, 114, 6, 102), GREEN),
        ("poly", (122, 24, 64, 36, 64, 114, 122, 102), GREEN),
        ("poly", (16, 16, 64, 30, 64, 102, 16, 90), WHITE),
        ("poly", (112, 16, 64, 30, 64, 102, 112, 90), WHITE),
        ("line", (26, 42, 54, 50), GREY),
        ("line", (26, 62, 54, 70), GREY),
        ("line", (102, 42, 74, 50), GREY),
        ("line", (102, 62, 74, 70), GREY),
    ),
    "pencil": (
        ("poly", (84, 10, 116, 42, 50, 108, 18, 76), ORANGE),
        ("poly", (18, 76, 50, 108, 8, 120), TAN),
        ("poly", (13, 98, 29, 114, 8, 120), INK),
        ("poly", (84, 10, 96, 2, 124, 30, 116, 42), PINK),
    ),
    "car": (
        ("poly", (28, 62, 44, 30, 88, 30, 106, 62), SKY),
        ("round", (4, 56, 124, 96), RED),
        ("line", (66, 30, 66, 60), INK),
        ("oval", (16, 80, 50, 114), INK),
        ("oval", (78, 80, 112, 114), INK),
        ("oval", (27, 91, 39, 103), STEEL),
        ("oval", (89, 91, 101, 103), STEEL),
    ),
    "house": (
        ("box", (20, 56, 108, 120), TAN),
        ("poly", (64, 6, 122, 60, 6, 60), DARK_RED),
        ("box", (54, 78, 78, 120), BROWN),
        ("box", (28, 70, 46, 90), SKY),
        ("box", (86, 70, 102, 90), SKY),
    ),
    "tree": (
        ("box", (52, 76, 76, 124), BROWN),
        ("oval", (8, 34, 72, 90), GREEN),
        ("oval", (56, 34, 120, 90), GREEN),
        ("oval", (26, 4, 102, 72), GREEN),
        ("oval", (34, 40, 94, 84), GREEN),
    ),
    "bird": (
        ("poly", (6, 52, 30, 60, 40, 90, 20, 88), BLUE),
        ("oval", (20, 44, 96, 106), BLUE),
        ("oval", (68, 18, 112, 62), BLUE),
        ("poly", (106, 34, 126, 44, 106, 52), ORANGE),
        ("oval", (88, 30, 98, 40), WHITE),
        ("oval", (34, 56, 76, 90), SKY),
        ("line", (52, 106, 52, 122), ORANGE),
        ("line", (68, 106, 68, 122), ORANGE),
    ),
    "dog": (
        ("oval", (28, 18, 100, 112), TAN),
        ("oval", (8, 16, 42, 84), BROWN),
        ("oval", (86, 16, 120, 84), BROWN),
        ("oval", (42, 66, 86, 112), WHITE),
        ("oval", (52, 66, 76, 84), INK),
        ("oval", (44, 44, 54, 56), INK),
        ("oval", (74, 44, 84, 56), INK),
        ("box", (57, 94, 71, 114), PINK),
    ),
    "bone": (
        ("oval", (4, 66, 40, 100), WHITE),
        ("oval", (24, 86, 60, 122), WHITE),
        ("oval", (68, 6, 104, 42), WHITE),
        ("oval", (88, 28, 124, 62), WHITE),
        ("poly", (28, 84, 84, 28, 100, 44, 44, 100), WHITE),
    ),
    "boat": (
        ("line", (62, 8, 62, 84), INK),
        ("poly", (68, 10, 112, 76, 68, 76), WHITE),
        ("poly", (56, 24, 56, 76, 20, 76), SKY),
        ("poly", (4, 84, 124, 84, 102, 118, 26, 118), BROWN),
    ),
    "anchor": (
        ("line", (64, 34, 64, 112), NAVY),
        ("line", (34, 50, 94, 50), NAVY),
        ("line", (16, 72, 22, 96, 42, 112, 64, 116, 86, 112, 106, 96, 112, 72), NAVY),
        ("poly", (16, 58, 32, 82, 4, 84), NAVY),
        ("poly", (112, 58, 124, 84, 96, 82), NAVY),
        ("oval", (50, 4, 78, 34), STEEL),
    ),
    "fish": (
        ("poly", (34, 64, 4, 32, 4, 96), ORANGE),
        ("poly", (58, 40, 74, 14, 92, 40), ORANGE),
        ("oval", (24, 30, 124, 98), ORANGE),
        ("poly", (62, 32, 78, 32, 78, 96, 62, 96), WHITE),
        ("oval", (96, 50, 110, 64), INK),
    ),
    "crab": (
        ("line", (34, 84, 12, 112), RED),
        ("line", (46, 96, 34, 120), RED),
        ("line", (94, 84, 116, 112), RED),
        ("line", (82, 96, 94, 120), RED),
        ("line", (36, 66, 20, 44), RED),
        ("line", (92, 66, 108, 44), RED),
        ("oval", (24, 52, 104, 104), RED),
        ("pie", (2, 6, 44, 48, 300, 590), RED),
        ("pie", (84, 6, 126, 48, 310, 600), RED),
        ("oval", (42, 40, 60, 62), WHITE),
        ("oval", (68, 40, 86, 62), WHITE),
        ("oval", (49, 48, 56, 58), INK),
        ("oval", (73, 48, 80, 58), INK),
    ),
    "sun": (
        ("poly", (64, 0, 76, 36, 52, 36), YELLOW),
        ("poly", (64, 128, 76, 92, 52, 92), YELLOW),
        ("poly", (0, 64, 36, 76, 36, 52), YELLOW),
        ("poly", (128, 64, 92, 76, 92, 52), YELLOW),
        ("poly", (18, 18, 50, 38, 38, 50), YELLOW),
        ("poly", (110, 18, 90, 50, 78, 38), YELLOW),
        ("poly", (18, 110, 38, 78, 50, 90), YELLOW),
        ("poly", (110, 110, 78, 90, 90, 78), YELLOW),
        ("oval", (32, 32, 96, 96), YELLOW),
    ),
    "umbrella": (
        ("line", (64, 60, 64, 106, 72, 118, 84, 116, 88, 102), INK),
        ("pie", (6, 10, 122, 126, 180, 360), PURPLE),
        ("pie", (40, 10, 88, 126, 180, 360), YELLOW),
    ),
    "clock": (
        ("oval", (8, 8, 120, 120), BROWN),
        ("oval", (22, 22, 106, 106), WHITE),
        ("line", (64, 64, 64, 34), INK),
        ("line", (64, 64, 88, 76), INK),
    ),
    "ball": (
        ("oval", (8, 8, 120, 120), WHITE),
        ("pie", (8, 8, 120, 120, 200, 260), RED),
        ("pie", (8, 8, 120, 120, 320, 380), BLUE),
        ("pie", (8, 8, 120, 120, 80, 140), GREEN),
        ("oval", (52, 52, 76, 76), WHITE),
    ),
    "cat": (
        ("poly", (16, 8, 54, 34, 18, 66), GREY),
        ("poly", (112, 8, 74, 34, 110, 66), GREY),
        ("oval", (12, 26, 116, 118), GREY),
        ("oval", (32, 54, 54, 78), YELLOW),
        ("oval", (74, 54, 96, 78), YELLOW),
        ("oval", (40, 56, 46, 76), INK),
        ("oval", (82, 56, 88, 76), INK),
        ("poly", (54, 84, 74, 84, 64, 96), PINK),
    ),
    "flower": (
        ("line", (64, 60, 64, 124), GREEN),
        ("oval", (66, 92, 104, 114), GREEN),
        ("oval", (46, 2, 82, 38), PINK),
        ("oval", (20, 20, 56, 56), PINK),
        ("oval", (72, 20, 108, 56), PINK),
        ("oval", (30, 50, 66, 86), PINK),
        ("oval", (62, 50, 98, 86), PINK),
        ("oval", (46, 28, 82, 64), YELLOW),
    ),
    "key": (
        ("oval", (6, 36, 62, 92), YELLOW),
        ("oval", (22, 52, 46, 76), WHITE),
        ("box", (60, 56, 122, 72), YELLOW),
        ("box", (90, 70, 102, 94), YELLOW),
        ("box", (110, 70, 122, 90), YELLOW),
    ),
}
"""Icon of every object."""

BACKGROUNDS: dict[str, tuple[Shape, ...]] = {
    "kitchen": (
        ("box", (0, 0, 128, 128), (244, 238, 214)),
        *(("line", (0, y, 128, y), (228, 218, 186)) for y in (16, 32, 48, 64)),
        *(("line", (x, 0, x, 78), (228, 218, 186)) for x in (16, 48, 80, 112)),
        ("box", (0, 78, 128, 90), (206, 190, 164)),
        ("box", (0, 90, 128, 128), (226, 212, 190)),
    ),
    "bedroom": (
        ("box", (0, 0, 128, 128), (222, 212, 236)),
        *(("line", (x, 0, x, 88), (210, 198, 226)) for x in (10, 34, 58, 82, 106)),
        ("box", (84, 8, 118, 44), (206, 226, 240)),
        ("box", (0, 88, 128, 128), (222, 196, 166)),
        *(("line", (0, y, 128, y), (208, 180, 148)) for y in (100, 114)),
    ),
    "street": (
        ("box", (0, 0, 128, 128), (214, 230, 240)),
        ("box", (8, 14, 34, 80), (204, 208, 216)),
        ("box", (44, 30, 72, 80), (210, 206, 208)),
        ("box", (86, 20, 116, 80), (202, 210, 212)),
        ("box", (0, 80, 128, 128), (188, 188, 192)),
        *(("box", (x, 102, x + 18, 107), (232, 230, 214)) for x in (4, 38, 72, 106)),
    ),
    "beach": (
        ("box", (0, 0, 128, 128), (202, 232, 248)),
        ("box", (0, 44, 128, 84), (164, 210, 228)),
        *(("line", (x, 60, x + 14, 60), (190, 226, 238)) for x in (6, 40, 74, 104)),
        ("box", (0, 84, 128, 128), (244, 230, 190)),
    ),
}
"""Pale backdrop of every place, so that the icons stay in front."""
