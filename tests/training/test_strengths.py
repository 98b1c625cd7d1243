"""The committed strengths follow from their rule, and the measurement behind it repeats."""

from __future__ import annotations

import pytest

from headbench.interventions.strengths import calibrated_strengths
from headbench.running import neutral
from headbench.worlds.scenes import SceneWorld
from training.strengths import __main__ as strengths


def test_each_committed_choice_follows_from_the_committed_candidates() -> None:
    for model in calibrated_strengths()["models"]:
        unreadable = model["baseline"]["unparsed_rate"]
        for told in model["methods"].values():
            chosen = strengths.choose(told["candidates"], unreadable, told["of_the_source"])
            assert chosen == told["chosen"]
        assert model["bounds"] == {
            "loss_high": strengths.LOSS_BOUND,
            "unreadable_more": strengths.UNREADABLE_BOUND,
        }


def tried(*rows: tuple[float, float, float]) -> list[dict[str, float]]:
    return [{"strength": s, "high": high, "unreadable": share} for s, high, share in rows]


@pytest.mark.parametrize(
    ("rows", "limit", "chosen"),
    [
        ([(1, 0.01, 0), (2, 0.02, 0), (3, 0.2, 0)], 9, 2),  # loss
        ([(1, 0.01, 0), (2, 0.02, 0.2), (3, 0.01, 0)], 9, 1),  # answers; a later one is no way out
        ([(1, 0.01, 0), (2, 0.02, 0), (3, 0.02, 0)], 2, 2),  # never above the source's
    ],
)
def test_the_largest_harmless_strength_is_chosen(
    rows: list[tuple[float, float, float]], limit: float, chosen: float
) -> None:
    assert strengths.choose(tried(*rows), 0.0, limit) == chosen


def test_a_method_that_damages_at_once_has_no_choice() -> None:
    with pytest.raises(ValueError, match="weakest candidate does damage"):
        strengths.choose(tried((1, 0.9, 0)), 0.0, 2)


def test_strengths_are_chosen_on_scenes_that_no_run_is_scored_on() -> None:
    shown, measured = neutral.captions("calibration"), neutral.captions()
    assert not shown.pictures.keys() & measured.pictures.keys()
    calibration = SceneWorld("calibration")
    text = shown.requests[0].ask["continuations"][0]  # type: ignore[index]
    first = calibration.scene(neutral.FIRST_SCENE)
    assert all(name in text for name in first.objects)
    assert "test_split: calibration" in strengths.QUESTIONS.read_text(encoding="utf-8")


def test_the_loss_under_the_default_and_under_the_papers_value_repeats() -> None:
    info, losses = strengths.caption_losses(["vhr(alpha=1.5)", "vhr(alpha=2)"])
    (model,) = calibrated_strengths()["models"]
    assert (info.family, info.layers, info.heads) == ("llava", model["layers"], model["heads"])
    known = {one["strength"]: one for one in model["methods"]["vhr"]["candidates"]}
    for strength in (1.5, 2.0):
        change = losses[f"vhr(alpha={strength:g})"].change
        assert change == pytest.approx(known[strength]["loss_change"], abs=0.003)
