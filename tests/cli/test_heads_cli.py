"""``headbench heads import``: counts and best heads, from every form it names."""

from __future__ import annotations

import json
from pathlib import Path

from typer.testing import CliRunner

from headbench.cli.heads import heads
from headbench.errors import ConfigError, StoreError
from headbench.heads.headmap import HeadMap


def call(*options: str) -> dict[str, object]:
    done = CliRunner().invoke(heads, ["import", *options, "--json"])
    assert done.exit_code == 0, done.output
    loaded = json.loads(done.stdout)
    assert isinstance(loaded, dict)
    return loaded


def test_counts_and_best_heads_with_scores(tmp_path: Path) -> None:
    file = tmp_path / "scores.json"
    file.write_text(json.dumps({"0-0": [0, 0.3], "0-1": [1, 2], "1-0": [0, 0], "1-1": [0.1, 0.1]}))
    facts = call(str(file), "--format", "retrieval_head", "--top", "2")
    assert (facts["n_heads"], facts["above"], facts["threshold"]) == (4, 3, 0.1)
    assert facts["top"] == [
        {"layer": 0, "head": 1, "score": 1.5},
        {"layer": 0, "head": 0, "score": 0.15},
    ]
    assert call(str(file), "--threshold", "0.12")["above"] == 2


def test_chosen_heads_need_a_shape(tmp_path: Path) -> None:
    file = tmp_path / "rows.json"
    file.write_text("[[1, 2], [0, 3]]")
    facts = call(str(file), "--format", "rows", "--shape", "2x4", "--threshold", "0.5")
    assert (facts["n_heads"], facts["above"]) == (8, 2)
    wrong = CliRunner().invoke(heads, ["import", str(file), "--shape", "2by4"])
    assert isinstance(wrong.exception, ConfigError)


def test_the_deployed_window_is_told(tmp_path: Path) -> None:
    file = tmp_path / "full_attention_heads.tsv"
    file.write_text("1.0\t0.1\n0.2\t0.9\n")
    assert call(str(file))["window"] is None
    (tmp_path / "config.json").write_text('{"sink_size": 64, "recent_size": 256}')
    assert call(str(file))["window"] == {"first": 64, "recent": 257}
    shown = CliRunner().invoke(heads, ["import", str(file)]).stdout
    assert "the first 64 and the latest 257 keys while decoding" in shown


def test_the_map_is_written_in_the_canonical_form(tmp_path: Path) -> None:
    file = tmp_path / "layers.json"
    file.write_text("[[0.5, 0.25], [0.75, 1.0]]")
    facts = call(str(file), "--format", "per_layer", "--out", str(tmp_path / "map.json"))
    assert facts["above"] is None
    assert HeadMap.load(tmp_path / "map.json").sha256 == facts["sha256"]
    shown = CliRunner().invoke(heads, ["import", str(file), "--threshold", "0.5"]).stdout
    assert "3 of 4 heads (75.00%)" in shown


def test_a_drawing_that_cannot_be_written_is_named_and_any_png_name_will_do(tmp_path: Path) -> None:
    file, stored = tmp_path / "layers.json", tmp_path / "map.json"
    file.write_text("[[0.5, 0.25], [0.75, 1.0]]")
    call(str(file), "--format", "per_layer", "--out", str(stored))
    for option in ("--svg", "--png"):
        done = CliRunner().invoke(heads, ["show", str(stored), option, str(tmp_path / "no/x.png")])
        assert isinstance(done.exception, StoreError) and "no/x.png" in str(done.exception)
    drawn = tmp_path / "drawing"
    assert CliRunner().invoke(heads, ["show", str(stored), "--png", str(drawn)]).exit_code == 0
    assert drawn.read_bytes().startswith(b"\x89PNG")
