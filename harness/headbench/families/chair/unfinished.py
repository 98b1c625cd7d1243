"""Dropping a last sentence that the token limit cut off."""

from __future__ import annotations

import re

# Of a run of stops none ends a sentence: an ellipsis is how a cut text often looks. A number at the
# begin of a line ("2. A cat") numbers an item. Each alternative reads a character at most twice.
_MARK = re.compile(
    r"""^[ \t]*+\d{1,3}[.)](?=\s)"""
    r"""|(?P<end>"""
    r"""(?<!\.)\.(?!\.)[\])}>"'»”’*]*+(?=\s|\Z)"""
    r"""|(?<![!?])[!?]++[\])}>"'»”’*]*+(?=\s|\Z)"""
    r"""|[。！？][\])}>"'»”’」』*]*+)""",
    re.MULTILINE,
)


def without_unfinished(caption: str) -> str:
    """The caption up to its last sentence end, where text follows that end.

    A sentence ends with ``.``, ``!`` or ``?``, perhaps with closing quotes or brackets, before a
    blank, a line break or the end of the text, or with a full-width sign. An ellipsis, a decimal
    point and the number of a list item end nothing. An abbreviation ("St. ") is taken for an end.

    Args:
        caption: A caption as generated.

    Returns:
        The caption unchanged where nothing but blanks follows its last sentence end, and where it
        has no sentence end: its only sentence would be all of it.
    """
    ends = [match.end("end") for match in _MARK.finditer(caption) if match["end"] is not None]
    if not ends or not caption[ends[-1] :].strip():
        return caption
    return caption[: ends[-1]]


def has_sentence_end(caption: str) -> bool:
    """Whether a sentence of the caption ends, as :func:`without_unfinished` reads it."""
    return any(match["end"] is not None for match in _MARK.finditer(caption))
