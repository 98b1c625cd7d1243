"""`headbench show result --plot`: RDMs, curves over layers, head maps; what cannot be drawn."""

from __future__ import annotations

import json
import shutil
import sys
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

import headbench
from headbench.cli import app
from headbench.errors import ConfigError, RefusedError, StoreError
from headbench.families.brain.rdm_picture import rdm_picture
from headbench.nouns import Record
from headbench.results.check import read_checked
from headbench.results.files import read_entries
from headbench.running.execute import RunOutcome
from helpers_tables import simulated, write

SILENCED = "mask_heads(heads=[[1, 0]])"


@pytest.fixture(scope="module")
def done(tmp_path_factory: pytest.TempPathFactory) -> RunOutcome:
    out = tmp_path_factory.mktemp("rsa")
    return headbench.run("rsa", SILENCED, out=out, limit=30, controls=0, draws=50)


def records(done: RunOutcome, at: int) -> list[Record]:
    return [entry.record for entry in read_entries(done.files[at], done.results[at])]


def test_a_picture_holds_ranks_of_people_layer_and_head(done: RunOutcome) -> None:
    found = rdm_picture(records(done, 0))
    assert found is not None
    assert [title for title, _ in found.panels] == ["mean of 8 people", "layer", "head"]
    for _, values in found.panels:
        assert values.shape == (30, 30) and np.isnan(np.diag(values)).all()
        np.testing.assert_array_equal(values, values.T)
        assert np.nanmin(values) == 0 and np.nanmax(values) == 1
    silenced = rdm_picture(records(done, 1))
    assert silenced is not None and [title for title, _ in silenced.panels][2:] == []
    assert rdm_picture([]) is None


def test_the_order_of_stimuli_changes_nothing(done: RunOutcome) -> None:
    given, turned = (rdm_picture(some) for some in (records(done, 0), records(done, 0)[::-1]))
    assert given is not None and turned is not None
    for (_, one), (_, other) in zip(given.panels, turned.panels, strict=True):
        np.testing.assert_allclose(one, other, atol=1e-9)


@pytest.mark.parametrize("suffix", ["png", "svg"])
def test_the_command_draws_a_result(done: RunOutcome, tmp_path: Path, suffix: str) -> None:
    pytest.importorskip("matplotlib", reason="drawings need the extra `plots`")
    paths = [tmp_path / f"{number}.{suffix}" for number in range(2)]
    for path in paths:
        said = CliRunner().invoke(app, ["show", "result", str(done.files[0]), "--plot", str(path)])
        assert said.exit_code == 0 and f"drawn in {path}" in said.output, said.output
    assert paths[0].read_bytes() == paths[1].read_bytes()
    begins = {"png": b"\x89PNG", "svg": b"<?xml"}[suffix]
    assert paths[0].read_bytes().startswith(begins)


def test_what_cannot_be_drawn_is_refused(
    done: RunOutcome, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from headbench.cli import plotting

    with pytest.raises(ConfigError, match=r"not written as \.pdf"):
        plotting.check(tmp_path / "x.pdf")
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    with pytest.raises(RefusedError, match="need matplotlib, which is not installed"):
        plotting.check(tmp_path / "x.png")
    with pytest.raises(RefusedError, match="has no drawing of these records"):
        plotting.plot(done.results[0], [], tmp_path / "x.png")


@pytest.fixture(scope="module")
def layers(tmp_path_factory: pytest.TempPathFactory) -> RunOutcome:
    out = tmp_path_factory.mktemp("layers")
    table = write(out / "betas.npz", simulated(count=22, subjects=3, noise=1.0))
    return headbench.run(
        "rsa_table",
        model="ref-lm-v2",
        task_args={"table": str(table), "layers": "all"},
        out=out,
        controls=0,
        draws=20,
    )


@pytest.fixture(scope="module")
def heads(tmp_path_factory: pytest.TempPathFactory) -> RunOutcome:
    out = tmp_path_factory.mktemp("heads")
    return headbench.run("mknn_heads", SILENCED, out=out, limit=30, controls=1, draws=20)


def test_a_result_keeps_the_figure_of_every_layer_within_the_ceiling(layers: RunOutcome) -> None:
    result = layers.results[0]
    (profile,) = result.profiles
    assert (profile.metric, profile.layers, profile.heads) == (
        "brain.table_rsa",
        (0, 1, 2, 3),
        (),
    )
    assert profile.floor == pytest.approx(result.metrics["table_ceiling_lower"].value)
    assert profile.ceiling == pytest.approx(result.metrics["table_ceiling_upper"].value)
    greatest = max(range(4), key=lambda at: profile.values[at][0] or -1.0)
    assert result.metrics["table_best_layer"].value == greatest
    gap = result.metrics["table_optimism_gap"].value
    rsa = result.metrics["table_rsa"].value
    assert gap is not None and rsa is not None
    assert profile.values[greatest][0] == pytest.approx(gap + rsa)


def test_a_result_keeps_the_figure_of_every_head_and_a_silenced_one_is_blank(
    heads: RunOutcome,
) -> None:
    baseline, masked, control = heads.results
    (profile,) = baseline.profiles
    assert (profile.layers, len(profile.heads)) == ((0, 1, 2, 3), 8)
    figures = {name: one.value for name, one in baseline.metrics.items()}
    assert figures["mknn_optimism_gap"] == pytest.approx(
        figures["mknn_same_stimuli"] - figures["mknn"]
    )
    best = max((one or 0, row) for row, cells in enumerate(profile.values) for one in cells)
    assert best[0] == pytest.approx(baseline.metrics["mknn_same_stimuli"].value)
    assert masked.profiles[0].values[1][0] is None
    assert masked.profiles[0].values[0] == profile.values[0]  # layer 0 is not touched
    assert control.profiles == ()


@pytest.mark.parametrize("made", ["layers", "heads"])
def test_the_command_draws_curves_and_maps(
    made: str, request: pytest.FixtureRequest, tmp_path: Path
) -> None:
    pytest.importorskip("matplotlib", reason="drawings need the extra `plots`")
    done: RunOutcome = request.getfixturevalue(made)
    path = tmp_path / "drawn.svg"
    for file in done.files:
        said = CliRunner().invoke(app, ["show", "result", str(file), "--plot", str(path)])
        assert said.exit_code == 0 and f"drawn in {path}" in said.output, said.output
        text = path.read_text()
        expected = {"layers": ["noise ceiling", "each layer", "brain.table_rsa"],
                    "heads": [">head<", ">layer<", "brain.mknn"]}[made]  # fmt: skip
        assert all(one in text for one in expected)


def test_a_profile_that_the_records_do_not_give_is_refused(
    layers: RunOutcome, tmp_path: Path
) -> None:
    for file in layers.files[0].parent.iterdir():
        shutil.copy(file, tmp_path / file.name)
    path = tmp_path / layers.files[0].name
    said = json.loads(path.read_text())
    said["profiles"][0]["values"][2][0] += 0.01
    path.write_text(json.dumps(said))
    with pytest.raises(StoreError, match=r"profile of brain\.table_rsa is not what its records"):
        read_checked(path)
    said["profiles"] = []  # as files of before
    path.write_text(json.dumps(said))
    assert read_checked(path).result.profiles == ()
