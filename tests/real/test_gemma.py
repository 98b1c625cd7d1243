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


def recalls(ran: RunOutcome) -> dict[str, float]:
    """Condition -> recall; controls end in ``#control-N``."""
    return {one.arm.name: one.metrics["recall"].value for one in ran.results}


def test_masking_the_heads_that_copy_takes_recall_away(ran: RunOutcome) -> None:
    found = recalls(ran)
    (masked,) = (found[name] for name in found if name.startswith("mask") and "#" not in name)
    assert found["baseline"] == 1.0
    assert masked == 0.0


def test_zeroing_their_lowest_rotary_dimensions_does_too_and_the_highest_not(
    ran: RunOutcome,
) -> None:
    found = {name: value for name, value in recalls(ran).items() if "#" not in name}
    (lowest,) = (value for name, value in found.items() if "dims=lowest" in name)
    (highest,) = (value for name, value in found.items() if "dims=highest" in name)
    assert lowest <= 0.2 and highest >= 0.8


def test_other_heads_of_the_same_layers_leave_more(ran: RunOutcome) -> None:
    # Two draws of each: single draws may take heads that matter too.
    controls = {name: value for name, value in recalls(ran).items() if "#control" in name}
    assert len(controls) == 6
    assert max(value for name, value in controls.items() if name.startswith("mask")) >= 0.4
    assert min(value for name, value in controls.items() if "dims=lowest" in name) >= 0.4


def test_the_model_says_that_its_weights_were_quantised(ran: RunOutcome) -> None:
    for one in ran.results:
        assert one.model.identity["name"] == "gemma-3-270m-q4_k_m"
        assert one.model.identity["weights_from"].startswith("GGUF Q4_K_M")
