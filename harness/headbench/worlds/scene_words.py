"""Every word the scene world says: objects, places, questions, captions, answers.

Pure strings, so that the tokenizer of the reference models can be built without drawing anything.
Text is lower case and punctuation is a token of its own, as in the needle world.
"""

from __future__ import annotations

OBJECTS: tuple[str, ...] = (
    "knife",
    "fork",
    "teapot",
    "cup",
    "apple",
    "banana",
    "bed",
    "lamp",
    "shoe",
    "hat",
    "book",
    "pencil",
    "car",
    "house",
    "tree",
    "bird",
    "dog",
    "bone",
    "boat",
    "anchor",
    "fish",
    "crab",
    "sun",
    "umbrella",
    "clock",
    "ball",
    "cat",
    "flower",
    "key",
)
"""The 29 objects, in the fixed order in which captions name them."""

PLACES: tuple[str, ...] = ("kitchen", "bedroom", "street", "beach")
"""The four places; each has its own drawn background."""

PAIRS: tuple[tuple[str, str], ...] = tuple(
    (OBJECTS[first], OBJECTS[first + 1]) for first in range(0, 24, 2)
)
"""The twelve pairs of objects that often occur together; three pairs belong to each place."""

HOME: dict[str, str] = {
    name: PLACES[index // 6] for index, name in enumerate(OBJECTS) if index < 24
}
"""Object -> the place it belongs to. The last five objects have no home."""

_FRAME = (
    "a an the this is there in with and of on no nothing image picture photo shows describe "
    "you can see what here it has yes people often keep usually find next to things where "
    "answer question user assistant"
)

SCENE_WORDS: tuple[str, ...] = tuple(
    dict.fromkeys((*OBJECTS, *PLACES, *_FRAME.split(), ".", ",", "?", ":"))
)
"""Every word and sign of scene text, each once."""


def article(name: str) -> str:
    """``an`` before a vowel, else ``a``."""
    return "an" if name[0] in "aeiou" else "a"


def partner(name: str) -> str | None:
    """The object that often occurs with ``name``, or ``None``."""
    index = OBJECTS.index(name)
    # Pairs are neighbours in the list: flipping the lowest bit leads from one to the other.
    return OBJECTS[index ^ 1] if index < 2 * len(PAIRS) else None
