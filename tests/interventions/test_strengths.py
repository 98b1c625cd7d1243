"""Strengths that nobody wrote: which value is taken, and that its origin is said."""

from __future__ import annotations

from dataclasses import replace

import pytest

from headbench.interventions.resolve import resolve
from headbench.interventions.strengths import assumed_strengths, calibrated_strengths
from headbench.nouns import ModelInfo

LLAVA_7B = ModelInfo("llava-hf/llava-1.5-7b-hf", "llava", 32, 32, 32, 128, images=True)
SHIPPED = ModelInfo("ref-vlm-v2", "llava", 3, 8, 8, 32, images=True)
QWEN = replace(LLAVA_7B, name="qwen", family="qwen2_vl", layers=28, heads=28)


@pytest.mark.parametrize(
    ("info", "text", "alpha", "words"),
    [
        (LLAVA_7B, "vhr", 2.0, "the default: arXiv 2412.13949, Sec. 4.4 for llava"),
        (QWEN, "vhr", 2.0, "carried over: qwen2_vl has no default of its own"),
        (SHIPPED, "vhr", 1.5, "chosen on calibration scenes of ref-vlm-v2"),
        (replace(SHIPPED, name="/a/copy"), "vhr", 1.5, "calibration scenes of ref-vlm-v2"),
        (LLAVA_7B, "pai", 0.5, "the default: arXiv 2407.21771 and its code for llava"),
        (QWEN, "pai", 0.2, "carried over"),
        (SHIPPED, "pai", 0.1, "chosen on calibration scenes"),
        (QWEN, "gift", 4.0, "for qwen2_vl"),
        (SHIPPED, "gift", 5.0, "chosen on calibration scenes"),
        # Chosen with heads per sample: another choice of heads takes the paper's value.
        (SHIPPED, "vhr(per_sample=false,heads=[[1,2]])", 2.0, "Sec. 4.4 for llava"),
    ],
)
def test_a_default_and_where_it_comes_from(
    info: ModelInfo, text: str, alpha: float, words: str
) -> None:
    (condition,) = resolve(text, info)
    (part,) = condition.interventions
    assert f"alpha={alpha:g}" in part.canonical, "ids hold the value that was taken"
    said = assumed_strengths(condition.interventions)
    (name,) = said
    assert name == text.partition("(")[0]
    assert said[name].startswith(f"alpha={alpha:g}, ") and words in said[name]


def test_a_written_strength_is_no_default_and_is_the_same_edit() -> None:
    (assumed,), (written,) = (resolve(text, SHIPPED) for text in ("vhr", "vhr(alpha=1.5)"))
    assert assumed_strengths(written.interventions) == {}
    assert assumed.interventions[0].canonical == written.interventions[0].canonical


def test_methods_without_a_default_strength_say_none() -> None:
    (condition,) = resolve("scale_heads(heads=[[1,2]],alpha=2)", SHIPPED)
    assert assumed_strengths(condition.interventions) == {}


def test_no_chosen_strength_is_above_its_source_and_each_is_a_candidate() -> None:
    for model in calibrated_strengths()["models"]:
        assert model["scenes"]["split"] == "calibration"
        for told in model["methods"].values():
            assert told["chosen"] <= told["of_the_source"]
            assert told["chosen"] in [one["strength"] for one in told["candidates"]]
