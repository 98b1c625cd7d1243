"""A page with much to do, typed: see ``test_typed.py``."""

from __future__ import annotations

from pathlib import Path

import pytest

from helpers_typed import type_all
from training.pages.typed.session import Session


@pytest.mark.slow
def test_the_page_does_what_it_shows(typed_session: Session, tmp_path: Path) -> None:
    type_all("docs/brain.md", typed_session, tmp_path)
