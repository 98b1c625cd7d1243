"""Lists and profiles as users have them, through ``headbench heads import``."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from headbench.cli import app
from headbench.errors import DataError
from headbench.heads import import_heads, sniff

PROFILE = {
    "model": "small_7b",
    "seed": 42,
    "n_layers": 2,
    "n_heads": 3,
    "argmax_heads": [[1, 2], [0, 1]],
    "argmax_scores": [[0.0, 0.4, 0.1], [0.2, 0.0, 0.9]],
    "copy_heads": [[1, 0]],
    "copy_scores": [[0.0, 0.0, 0.1], [0.7, 0.0, 0.2]],
    "profile": {"n_heads": 2},
}


def imported(folder: Path, content: object, *words: str) -> tuple[dict[str, Any], str]:
    """The map that ``heads import`` writes, and what it prints."""
    (folder / "list.json").write_text(json.dumps(content))
    path, out = folder / "list.json", folder / "heads.json"
    ran = CliRunner().invoke(app, ["heads", "import", str(path), "--out", str(out), *words])
    if ran.exception is not None and not isinstance(ran.exception, SystemExit):
        raise ran.exception
    assert ran.exit_code == 0, ran.output
    return json.loads(out.read_text()), ran.output


def test_a_bare_list_of_heads_needs_the_models_shape(tmp_path: Path) -> None:
    found, _ = imported(tmp_path, [[2, 5]], "--shape", "3x8")
    assert found["scores"] == [[0.0] * 8, [0.0] * 8, [0, 0, 0, 0, 0, 1.0, 0, 0]]
    with pytest.raises(DataError, match="does not say how many heads") as caught:
        imported(tmp_path, [[2, 5]])
    assert "--shape 32x32" in caught.value.hint


def test_a_score_per_head_is_read(tmp_path: Path) -> None:
    assert sniff('{"2-5": 0.9}') == "scores"
    found, _ = imported(tmp_path, {"2-5": 0.9, "0-1": 0.25}, "--shape", "3x8")
    assert found["detector"] == "scores" and found["threshold"] is None
    assert (found["scores"][2][5], found["scores"][0][1]) == (0.9, 0.25)
    with pytest.raises(DataError, match="does not say how many heads"):
        imported(tmp_path, {"2-5": 0.9})
    for few in ({"0-0": 0.9}, {"0-0": 0.9, "0-1": 0.1}, {"0-0": 0.9, "1-0": 0.1}):
        with pytest.raises(DataError, match="does not say how many heads"):
            imported(tmp_path, few)
    whole, _ = imported(tmp_path, {f"{n}-{h}": n + h for n in range(2) for h in range(3)})
    assert whole["scores"] == [[0, 1, 2], [1, 2, 3]]
    with pytest.raises(DataError, match="head 2-5 is listed twice"):
        imported(tmp_path, {"2-5": 0.9, "02-5": 0.1}, "--shape", "3x8")
    with pytest.raises(DataError, match="not a scores head list"):
        imported(tmp_path, {"2-5": 0.9, "x": 1}, "--format", "scores")


def test_a_profile_gives_its_scores_and_the_threshold_of_its_heads(tmp_path: Path) -> None:
    found, out = imported(tmp_path, PROFILE)
    assert found["scores"] == PROFILE["argmax_scores"]
    assert (found["model"], found["seed"], found["threshold"]) == ("small_7b", 42, 0.4)
    assert found["detector"] == "profile"
    assert "small_7b: 2 layers x 3 query heads, profile" in out
    assert "2 of 6 heads" in out
    second, _ = imported(tmp_path, PROFILE, "--format", "profile_copy")
    assert second["scores"] == PROFILE["copy_scores"] and second["threshold"] == 0.7


def test_a_profile_may_hold_heads_or_scores_alone(tmp_path: Path) -> None:
    listed = {key: value for key, value in PROFILE.items() if not key.endswith("_scores")}
    assert imported(tmp_path, listed)[0]["scores"] == [[0, 1.0, 0], [0, 0, 1.0]]
    scored = {key: value for key, value in PROFILE.items() if not key.endswith("_heads")} | {
        "n_heads": 3
    }
    found, _ = imported(tmp_path, scored)
    assert found["scores"] == PROFILE["argmax_scores"] and found["threshold"] is None


def test_heads_that_no_threshold_tells_apart_give_none(tmp_path: Path) -> None:
    found, _ = imported(tmp_path, PROFILE | {"argmax_heads": [[1, 2], [1, 0]]})
    assert found["threshold"] is None


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"n_layers": None}, "the profile says n_layers is None"),
        ({"n_heads": 4}, "no table of 2 layers x 4 heads"),
        ({"argmax_scores": [[0, 0, 0]]}, "no table of 2 layers x 3 heads"),
        ({"argmax_heads": [[2, 0]]}, "head 2-0 is listed and has no score"),
        ({"argmax_heads": [[1, 2], [1, 2]]}, "a head is listed twice"),
        ({"argmax_heads": ["1-2"]}, r"'1-2' is no \[layer, head\]"),
        ({"argmax_heads": None, "argmax_scores": None}, "no argmax_heads and no argmax_scores"),
    ],
)
def test_a_profile_that_disagrees_with_itself_is_refused(
    tmp_path: Path, change: dict[str, Any], told: str
) -> None:
    with pytest.raises(DataError, match=told):
        imported(tmp_path, PROFILE | change)


def test_a_shape_that_is_not_the_profiles_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="of a model of 2 x 3 heads"):
        imported(tmp_path, PROFILE, "--shape", "4x4")
    (tmp_path / "p.json").write_text(json.dumps(PROFILE))
    assert import_heads(tmp_path / "p.json", shape=(2, 3)).layers == 2
