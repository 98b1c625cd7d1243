"""What stands in records for a text that is not stored."""

from __future__ import annotations

import hashlib


def text_digest(text: str) -> str:
    """What stands for a text that is not stored."""
    return f"sha256:{hashlib.sha256(text.encode()).hexdigest()}"
