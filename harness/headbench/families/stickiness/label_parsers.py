"""Reading a label and a confidence out of an annotator's answer."""

from __future__ import annotations

import re

from headbench.scoring.parser import Parser

Annotation = tuple[str, float | None]
"""A label in lower case, and the elicited confidence in 0..1 where one was given."""

_PREDICTION = re.compile(r"PREDICTION:\s*\[")
_BRACKET_END = re.compile(r"[\]\n]")
_CONFIDENCE = re.compile(r"CONFIDENCE:\s*\[\s*(\d{1,3}(?:\.\d+)?)\s*%?\s*\]")
_LOOSE_PREDICTION = re.compile(
    r"(?:prediction|label|answer)\W{1,4}([a-z][a-z \-]*[a-z])", re.IGNORECASE
)
_LOOSE_CONFIDENCE = re.compile(r"confidence\D{0,6}(\d{1,3}(?:\.\d+)?)\s*(%?)", re.IGNORECASE)


def read_form(text: str) -> Annotation | None:
    """The required form: ``PREDICTION: [label]`` and ``CONFIDENCE: [0-100]``, the last of each.

    Args:
        text: One answer.

    Returns:
        ``None`` where the prediction is missing; the confidence is ``None`` where it is missing or
        exceeds 100.
    """
    found = _bracketed(text)
    if not found or not found[-1].strip():
        return None
    confidences = _CONFIDENCE.findall(text)
    return _clean(found[-1]), _fraction(float(confidences[-1])) if confidences else None


def _bracketed(text: str) -> list[str]:
    """The text in the brackets after each ``PREDICTION:``, on one line; in linear time."""
    found: list[str] = []
    end = taken = -1
    for match in _PREDICTION.finditer(text):
        if match.start() < taken:
            continue  # inside the brackets of the one before
        if end < match.end():
            closing = _BRACKET_END.search(text, match.end())
            end = closing.start() if closing else len(text)
        if text[end : end + 1] == "]":
            found.append(text[match.end() : end])
            taken = end
    return found


def read_loose(text: str) -> Annotation | None:
    """The required form, else a label after a colon, else an answer of a few words.

    Args:
        text: One answer.
    """
    strict = read_form(text)
    confidences = _LOOSE_CONFIDENCE.findall(text)
    confidence = _loose_fraction(*confidences[-1]) if confidences else None
    if strict is not None:
        return strict if strict[1] is not None else (strict[0], confidence)
    named = _LOOSE_PREDICTION.findall(text)
    if named:
        return _clean(named[-1]), confidence
    first = next((line for line in text.splitlines() if line.strip()), "")
    words = "" if ":" in first else _clean(first)
    return (words, confidence) if words and len(words.split()) <= LONGEST_LABEL else None


LONGEST_LABEL = 4
"""An answer of more words than this is an explanation, not a label ("not hate speech" has 3)."""


def _clean(label: str) -> str:
    return " ".join(re.sub(r"[^a-z\- ]", " ", label.lower()).split())


def _fraction(percent: float) -> float | None:
    return percent / 100 if percent <= 100 else None


def _loose_fraction(number: str, percent: str) -> float | None:
    """``0.85`` without a percent sign is a fraction, everything else a percentage."""
    value = float(number)
    return value if "." in number and value <= 1 and not percent else _fraction(value)


LABEL_FORM = Parser(
    name="label_form",
    version=1,
    read=read_form,
    summary="PREDICTION: [label] and CONFIDENCE: [0-100], nothing else",
)
LABEL_ROBUST = Parser(
    name="label_robust",
    version=1,
    read=read_loose,
    summary="the demanded form, or a label after a colon, or an answer of a few words",
)
