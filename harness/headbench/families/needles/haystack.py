"""Any folder of text as a haystack: reading it, cutting it to length, finding sentence ends.

Length is counted in words (runs of characters with the spaces after them), because a
document must not depend on the model that reads it. Three words are about four tokens of an
English subword tokenizer.
"""

from __future__ import annotations

import re
from itertools import cycle, islice
from pathlib import Path
from typing import Annotated

from pydantic import Field

from headbench.errors import DataError
from headbench.tasks.data.tables import read_text

_WORD = re.compile(r"\S+\s*")
Words = Annotated[int, Field(le=2_000_000)]
"""Length of a context in words; no model reads more."""
_SUFFIXES = (".txt", ".md", ".rst")


class Haystack:
    """Words of all text files of a folder, in the order of their names.

    Args:
        folder: Searched with its subfolders; ``.txt``, ``.md`` and ``.rst`` count. The order of a
            folder listing depends on the file system, therefore names are sorted.
        encoding: Of the files.

    Raises:
        DataError: No text, or a file in another encoding.
    """

    def __init__(self, folder: Path, encoding: str = "utf-8") -> None:
        files = sorted(path for path in folder.rglob("*") if path.suffix in _SUFFIXES)
        texts = [read_text(path, encoding).strip() for path in files]
        self.words: tuple[str, ...] = tuple(
            word for text in texts if text for word in _WORD.findall(f"{text}\n")
        )
        if not self.words:
            raise DataError(
                "the folder holds no text",
                where=str(folder),
                hint=f"put files that end in {', '.join(_SUFFIXES)} there",
            )

    def cut(self, length: int) -> list[str]:
        """The first ``length`` words; a short haystack is repeated until it is long enough."""
        return list(islice(cycle(self.words), length))


def place(words: list[str], needle: str, depth: float) -> tuple[str, str, str]:
    """Put a sentence at a depth, moved back to the end of the sentence before it.

    As gkamradt/LLMTest_NeedleInAHaystack does: the cut is at ``int(len(words) * depth)``, moved
    back to a word that ends with a full stop; depth 1 appends; with no full stop before the cut
    the needle comes first.

    Args:
        words: The haystack, spaces included.
        needle: The sentence, without surrounding spaces.
        depth: 0 (start) to 1 (end).

    Returns:
        Text before the needle, the needle, text after it; together they are the context.
    """
    at = len(words)
    if depth < 1:
        at = int(len(words) * depth)
        while at > 0 and not words[at - 1].rstrip().endswith("."):
            at -= 1
    before, after = "".join(words[:at]).rstrip(), "".join(words[at:]).strip()
    return (f"{before}\n" if before else "", needle, f"\n{after}" if after else "")
