"""Gemma 3 270M: a language model that nobody here trained, and what masking its heads changes.

Heads 5.1, 11.2 and 17.2 copy the needle; all three lie in layers with full attention. The claims
are those of arXiv 2404.15574 (masking them takes recall away, other heads' masking does not) and
arXiv 2606.21249 (so does zeroing their lowest rotary dimensions, and not the highest).
"""

from __future__ import annotations

import pytest

import headbench
from headbench.running.execute import RunOutcome

pytestmark = pytest.mark.real_model

HEADS = "heads=[[5, 1], [11, 2], [17, 2]]"
MASKED = f"mask_heads({HEADS})"
LOWEST, HIGHEST = (
    f"rope_zero({HEADS}, dims=lowest, dose=32)",
    f"rope_zero({HEADS}, dims=highest, dose=128)",
)


@pytest.fixture(scope="module")
def ran(gemma: str, tmp_path_factory: pytest.TempPathFactory) -> RunOutcome:
    return headbench.run(
        "niah",
        [MASKED, LOWEST, HIGHEST],
        model="hf",
        model_args={"pretrained": gemma},
        limit=5,
        controls=2,
        draws=200,
        out=tmp_path_factory.mktemp("gemma"),
    )


def recalls(ran: RunOutcome, role: str) -> list[float]:
    """Recall of the cells of one role, in the order of the conditions."""
    return [one.metrics["recall"].value for one in ran.results if one.arm.role == role]


def test_masking_the_heads_that_copy_takes_recall_away(ran: RunOutcome) -> None:
    (plain,) = recalls(ran, "baseline")
    masked, lowest, highest = recalls(ran, "intervention")
    assert plain == 1.0
    assert masked == 0.0
    assert lowest <= 0.2 and highest >= 0.8


def test_masking_other_heads_of_the_same_layers_leaves_more(ran: RunOutcome) -> None:
    controls = recalls(ran, "control")
    assert len(controls) >= 2 and max(controls) > 0.0


def test_the_model_says_that_its_weights_were_quantised(ran: RunOutcome) -> None:
    for one in ran.results:
        assert one.model.identity["name"] == "gemma-3-270m-q4_k_m"
        assert one.model.identity["weights_from"].startswith("GGUF Q4_K_M")
