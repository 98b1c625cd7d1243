"""Digests in place of texts that records do not store."""

from __future__ import annotations

import hashlib
import re

_DIGEST = re.compile(r"sha256:[0-9a-f]{64}")


def text_digest(text: str) -> str:
    """The digest that records hold in place of a text."""
    return f"sha256:{hashlib.sha256(text.encode()).hexdigest()}"


def is_digest(text: str) -> bool:
    """Whether a record's text is such a digest."""
    return _DIGEST.fullmatch(text) is not None
