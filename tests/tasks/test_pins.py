"""What the packaged tasks ask stays what it was, unless their version says otherwise."""

from __future__ import annotations

import hashlib
import json

import pytest

from headbench.tasks.loader import load

PINS = {
    "niah": "1:92be4ffc7c199232",
    "niah_single": "1:4376b30c4c51ae6b",
    "niah_multikey": "1:a425bb3630a208e5",
    "niah_multiquery": "1:c391095d242dfe0d",
    "ruler_niah_single_1": "1:8d860d2851600b49",
    "ruler_niah_multikey_2": "1:b30578e043783c79",
    "pope": "1:ecfb645730436b57",
    "chair": "1:5bcad12ceda58195",
    "walls": "1:c36fb9539655e4c9",
    "stickiness": "1:7e226e85bfb599ed",
}


def digest(name: str) -> str:
    """Version, and a digest of ids, fields and targets; pictures have their own pins."""
    task = load(name)
    held = [[d.id, d.cluster, d.fields, d.target] for d in task.documents()]
    text = json.dumps(held, sort_keys=True)
    return f"{task.version}:{hashlib.sha256(text.encode()).hexdigest()[:16]}"


@pytest.mark.parametrize("name", PINS)
def test_documents_are_pinned(name: str) -> None:
    assert digest(name) == PINS[name], (
        "documents changed: raise metadata.version and the world's WORLD_VERSION, then pin anew "
        "(or this Python draws other random numbers)"
    )
