"""Fixtures that every test may use."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

os.environ.setdefault("HF_HUB_OFFLINE", "1")
os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")


@pytest.fixture(scope="session")
def real_data() -> Path:
    """The folder of third-party data, or a skip that says why."""
    named = os.environ.get("HEADBENCH_DATA", "")
    if not named:
        pytest.skip("HEADBENCH_DATA is not set: third-party data absent")
    folder = Path(named).expanduser().resolve()
    if not (folder / "INDEX.md").is_file():
        pytest.skip(f"HEADBENCH_DATA names {folder}, which holds no INDEX.md")
    return folder
