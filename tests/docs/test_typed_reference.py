"""A page with much to do, typed: see ``test_typed.py``."""

from __future__ import annotations

from pathlib import Path

import pytest

from helpers_typed import type_all
from training.pages.typed.session import Session


@pytest.mark.slow
@pytest.mark.parametrize("page", ["docs/reference-lm-v2.md", "docs/tasks.md"])
def test_the_page_does_what_it_shows(page: str, typed_session: Session, tmp_path: Path) -> None:
    type_all(page, typed_session, tmp_path)
