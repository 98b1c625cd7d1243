"""Which test file types which page."""

from __future__ import annotations

from pathlib import Path

from training.pages.typed.blocks import ROOT, blocks_of, pages
from training.pages.typed.session import Session
from training.pages.typed.typing import type_page

PAGES = tuple(p.relative_to(ROOT).as_posix() for p in pages() if blocks_of(p))
"""Every page that has a block."""
HEAVY = ("README.md", "docs/brain.md", "docs/reference-lm-v2.md", "docs/tasks.md")
"""Pages with more to do, which have files of their own."""


def light() -> list[str]:
    """The other pages."""
    return [page for page in PAGES if page not in HEAVY]


def type_all(page: str, session: Session, folder: Path) -> None:
    """Type a page; every block of it was run, read or marked.

    Raises:
        PageError: What does not hold.
    """
    blocks = blocks_of(ROOT / page)
    found = type_page(ROOT / page, folder, session)
    elsewhere = sum(block.output_of not in ("", "above") for block in blocks)
    assert len(found.ran) + len(found.marked) + elsewhere == len(blocks)
