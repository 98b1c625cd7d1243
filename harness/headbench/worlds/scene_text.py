"""Text about scenes: captions, questions and context, in ordinary English."""

from __future__ import annotations

from typing import TYPE_CHECKING

from headbench.worlds.scene_words import OBJECTS, article

if TYPE_CHECKING:
    from collections.abc import Iterable

CAPTION_REQUEST = "Describe the image."


def caption(objects: Iterable[str], place: str) -> str:
    """Caption that names the place, then objects in the world's fixed order.

    Returns:
        ``The image shows a kitchen: a knife, a fork.``
    """
    names = sorted(set(objects), key=OBJECTS.index)
    listed = ", ".join(f"{article(name)} {name}" for name in names)
    return f"The image shows a {place}: {listed or 'nothing'}."


def question(name: str) -> str:
    """``Is there a fork in the image?``."""
    return f"Is there {article(name)} {name} in the image?"


def context(place: str) -> str:
    """The sentence that sets the prior of the ``text`` world: ``This is a kitchen.``."""
    return f"This is a {place}."
