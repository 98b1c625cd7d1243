"""What ``rope_zero`` knows of a family agrees with the family's own configuration."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from transformers import CONFIG_MAPPING

from headbench.interventions.methods.rope_zero import INTERLEAVED, PARTIAL, UNROTATED

PAGE = Path(__file__).parents[2] / "docs" / "architectures.md"
RIGHT = re.findall(
    r"^\| `([^`]+)` \|",
    PAGE.read_text(encoding="utf-8").partition("## Refused")[0],
    flags=re.MULTILINE,
)


def shares(parameters: Any) -> Iterator[float]:
    """Rotated shares of a head, of all layer types."""
    if isinstance(parameters, dict):
        yield float(parameters.get("partial_rotary_factor", 1.0))
        for part in parameters.values():
            yield from shares(part)


def test_the_page_names_the_families() -> None:
    assert len(RIGHT) > 100


@pytest.mark.parametrize("model_type", RIGHT)
def test_a_family_that_rotates_less_than_a_head_is_known(model_type: str) -> None:
    text = CONFIG_MAPPING[model_type]().get_text_config(decoder=True)
    parameters = getattr(text, "rope_parameters", None)
    if not parameters:
        assert model_type in UNROTATED | PARTIAL
    elif any(share != 1.0 for share in shares(parameters)):
        assert model_type in PARTIAL | INTERLEAVED
