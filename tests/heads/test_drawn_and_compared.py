"""Head maps drawn and compared, and the commands that do it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from PIL import Image
from typer.testing import CliRunner

from headbench.cli.heads import heads
from headbench.detectors.detector import Detector, DetectorParams, Measurement, Trials
from headbench.detectors.head_detection import detect
from headbench.errors import ConfigError
from headbench.heads.agreement import agree, jaccard
from headbench.heads.headmap import HeadMap
from headbench.heads.heatmap import CELL, MARGIN, layout, save_png, svg, terminal
from helpers_models import llama


def head_map(scores: list[list[float]], threshold: float | None = 0.5) -> HeadMap:
    return HeadMap(
        detector="test",
        model="m <1>",
        layers=len(scores),
        heads=len(scores[0]),
        scores=tuple(tuple(row) for row in scores),
        threshold=threshold,
    )


ONE = head_map([[0.9, 0.1, 0.0, 0.0], [0.8, 0.2, 0.3, 0.0]])
TWO = head_map([[0.7, 0.1, 0.0, 0.0], [0.1, 0.2, 0.6, 0.0]])


def test_agreement_at_thresholds_tops_and_ranks() -> None:
    found = agree(ONE, TWO)
    assert found.threshold == pytest.approx(1 / 3)
    assert found.counts == (2, 2)
    assert found.top[5] == pytest.approx(1.0)
    assert agree(ONE, ONE).rank == pytest.approx(1.0)
    flipped = head_map([[-s for s in row] for row in ONE.scores], None)
    other = agree(ONE, flipped)
    assert (other.rank, other.threshold) == (pytest.approx(-1.0), None)
    assert agree(ONE, head_map([[0.0] * 4] * 2)).rank is None
    assert jaccard([(0, 0), (0, 1)], [(0, 1), (1, 1)]) == pytest.approx(1 / 3)


def test_maps_of_other_shapes_are_not_compared() -> None:
    with pytest.raises(ConfigError, match="not of one model"):
        agree(ONE, head_map([[0.0, 1.0]]))


def test_pictures_hold_every_head(tmp_path: Path) -> None:
    drawn = svg(ONE)
    assert drawn.count("<title>") == 8
    assert "1-2: 0.3" in drawn and "m &lt;1&gt;" in drawn
    lines = terminal(ONE).splitlines()
    assert len(lines) == 2 and "██" in lines[0] and lines[0].endswith("    |")
    save_png(ONE, tmp_path / "map.png")
    picture = Image.open(tmp_path / "map.png")
    dark, light = (picture.getpixel((MARGIN + CELL * head + 2, MARGIN + 2)) for head in (0, 3))
    assert sum(dark) < sum(light)


def test_the_title_and_the_scale_fit_however_few_heads_there_are(tmp_path: Path) -> None:
    small = head_map([[-0.25, 1.5]]).model_copy(update={"model": "a-model-with-a-long-name"})
    drawing = layout(small)
    title = f"{small.model}, {small.detector}"
    assert title in [label.text for label in drawing.labels]
    assert drawing.size[0] > 5 * len(title)
    assert {"-0.25", "1.5"} <= {label.text for label in drawing.labels}
    right, bottom = (
        max(place) + CELL for place in zip(*[(c.x, c.y) for c in drawing.cells], strict=True)
    )
    assert right < drawing.size[0] and bottom < drawing.size[1]


def test_the_commands(tmp_path: Path) -> None:
    files = [tmp_path / name for name in ("a.json", "b.json")]
    for found, file in zip((ONE, TWO), files, strict=True):
        found.save(file)
    done = CliRunner().invoke(heads, ["show", str(files[0]), "--svg", str(tmp_path / "a.svg")])
    assert done.exit_code == 0 and "██" in done.output
    assert (tmp_path / "a.svg").read_text().startswith("<svg")
    done = CliRunner().invoke(heads, ["agree", *map(str, files), "--json"])
    assert json.loads(done.stdout)["counts"] == [2, 2]
    assert "retrieval" in CliRunner().invoke(heads, ["detectors"]).output


def test_options_alone_mean_detect() -> None:
    for before in ([], ["detect"]):
        done = CliRunner().invoke(heads, [*before, "--detector", "retrival"])
        assert isinstance(done.exception, ConfigError)
        assert "retrieval" in done.exception.hint


def test_scores_are_kept_to_six_decimals_and_never_as_minus_nothing(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    measured = torch.tensor(
        [[0.12345649, 0.1234565001, -1e-9, 1.0], [2 / 3, -0.5000004, 1e-6, 4e-7], [0.0] * 4],
        dtype=torch.float64,
    )
    found = Detector(
        "attribution",
        DetectorParams,
        lambda model, trials, params: Measurement(measured, 3),
        "needles",
        1,
        0.25,
    )
    monkeypatch.setattr("headbench.detectors.detector_catalogue.get", lambda name: found)
    made = detect("attribution", llama(attn="headbench"), Trials((), {"world": "none"}), seed=5)
    assert made.scores == (
        (0.123456, 0.123457, 0.0, 1.0),
        (0.666667, -0.5, 0.000001, 0.0),
        (0.0, 0.0, 0.0, 0.0),
    )
    assert "-0.0" not in made.text().replace("-0.5", "")
    assert (made.trials, made.seed, made.threshold, made.layers, made.heads) == (3, 5, 0.25, 3, 4)
    assert made.data == {"world": "none", "parameters": {}}
