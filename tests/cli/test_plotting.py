"""`headbench show result --plot`: the drawing of a run's RDMs, and what cannot be drawn."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

import headbench
from headbench.cli import app
from headbench.errors import ConfigError, RefusedError
from headbench.families.brain.rdm_picture import rdm_picture
from headbench.nouns import Record
from headbench.results.files import read_entries
from headbench.running.execute import RunOutcome

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
