"""Digests in place of texts that records do not store."""

from __future__ import annotations

import hashlib


def text_digest(text: str) -> str:
    """The digest that records hold in place of a text."""
    return f"sha256:{hashlib.sha256(text.encode()).hexdigest()}"
