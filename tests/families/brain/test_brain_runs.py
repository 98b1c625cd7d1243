"""Runs of brain tasks as files: continued after a kill, compared and replayed without a model."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import load_file, save_file
from typer.testing import CliRunner

import headbench
from headbench.cli import app
from headbench.errors import HeadbenchError, StoreError
from headbench.families.brain.concept_world import concept_world
from headbench.results.check import read_checked
from headbench.results.comparison import compare_files
from headbench.running.execute import RunOutcome

MASK = "mask_heads(map=retrieval,top=2)"
TASKS = ("rsa", "encoding_table", "norms", "concept_ib", "mknn_heads")
"""A geometry, an encoding model, ratings, clusters, and neighbours per head."""


def files(out: Path) -> dict[str, bytes]:
    return {
        str(path.relative_to(out)): path.read_bytes()
        for path in sorted((out / "measured").rglob("*"))
        if path.is_file() and path.name != "timing.json"
    }


@pytest.fixture(scope="module")
def asked(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """Five tasks under a mask, on the shipped model."""
    path = tmp_path_factory.mktemp("table") / "betas.npz"
    random = np.random.default_rng(0)
    words = list(concept_world().words[:24])
    truth = random.standard_normal((24, 4))
    betas = [truth + random.standard_normal((24, 4)) for _ in range(2)]
    np.savez(
        path, subject=np.repeat(["p", "q"], 24), stimulus=words * 2, vector=np.concatenate(betas)
    )
    args = {"table": path, "encoding_table.layers": [1]}
    return {
        "model": "ref-lm-v2",
        "task_args": args,
        "controls": 0,
        "draws": 20,
        "limit": 24,
    }


@pytest.fixture(scope="module")
def done(
    asked: dict[str, Any], tmp_path_factory: pytest.TempPathFactory
) -> tuple[Path, RunOutcome]:
    out = tmp_path_factory.mktemp("whole")
    return out, headbench.run(TASKS, MASK, out=out, **asked)


@pytest.mark.parametrize("share", [0.15, 0.5, 0.9])
def test_a_run_that_stopped_anywhere_ends_in_the_same_bytes(
    done: tuple[Path, RunOutcome], asked: dict[str, Any], share: float, tmp_path: Path
) -> None:
    out, _ = done
    store = tmp_path / ".store"
    store.mkdir()
    lines = (out / ".store/responses.jsonl").read_bytes().splitlines(True)
    kept = lines[: int(share * len(lines))]
    (store / "responses.jsonl").write_bytes(b"".join(kept) + lines[len(kept)][:9])  # mid-line
    shutil.copy(out / ".store/captures.bin", store / "captures.bin")
    headbench.run(TASKS, MASK, out=tmp_path, **asked)
    assert len(files(out)) > 2 * len(TASKS)
    assert files(tmp_path) == files(out)


def test_files_give_the_paired_difference_again_without_a_model(
    done: tuple[Path, RunOutcome], monkeypatch: pytest.MonkeyPatch
) -> None:
    def absent(*_: object, **__: object) -> None:
        raise AssertionError("a model was loaded")

    monkeypatch.setattr("headbench.models.adapter_catalogue.create", absent)
    _, outcome = done
    seen = 0
    by_task: dict[str, list[int]] = {}
    for at, result in enumerate(outcome.results):
        by_task.setdefault(result.task.name, []).append(at)
    for name, (base, masked) in by_task.items():
        again = compare_files(outcome.files[base], outcome.files[masked])
        ran = next(
            one for one in outcome.comparisons if one is not None and one.base.task.name == name
        )
        mine, theirs = again.main.paired, ran.main.paired
        assert mine is not None and theirs is not None
        # Both draw the same resamples: not near each other, but the same figures.
        assert (mine.difference, mine.low, mine.high, mine.p) == (
            theirs.difference, theirs.low, theirs.high, theirs.p
        )  # fmt: skip
        seen += mine.difference != 0
    assert len(by_task) == len(TASKS) and seen >= 3


def test_a_result_replays_to_the_same_files(done: tuple[Path, RunOutcome], tmp_path: Path) -> None:
    out, outcome = done
    first = CliRunner().invoke(
        app,
        ["run", "--from", str(outcome.files[0]), "--out", str(tmp_path)],
        catch_exceptions=False,
    )
    assert first.exit_code == 0, first.output
    again = files(tmp_path)
    assert again and again == files(out)


@pytest.mark.parametrize("harm", ["missing", "other", "cut"])
def test_arrays_that_are_not_those_of_the_result_are_named(
    done: tuple[Path, RunOutcome], harm: str, tmp_path: Path
) -> None:
    path = next(one for one in done[1].files if one.parent.name == "rsa")
    for one in path.parent.glob(f"{path.stem}*"):
        shutil.copy(one, tmp_path / one.name)
    (array,) = tmp_path.glob("*.safetensors")
    if harm == "missing":
        array.unlink()
    elif harm == "cut":
        array.write_bytes(array.read_bytes()[:-40])
    else:
        save_file({name: one[::-1].copy() for name, one in load_file(array).items()}, array)
    with pytest.raises(StoreError, match="arrays") as told:
        read_checked(tmp_path / path.name)
    assert array.name in str(told.value.where)


def test_more_arrays_than_a_result_may_hold_are_refused(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr("headbench.results.arrays.MOST_BYTES", 1000)
    with pytest.raises(HeadbenchError, match="MiB"):
        headbench.run("rsa", model="ref-lm-v2", limit=24, draws=4, out=tmp_path)
    assert not list(tmp_path.rglob("*.json"))


def test_names_order_and_units_of_a_table_change_no_figure(tmp_path: Path) -> None:
    random = np.random.default_rng(1)
    words = list(concept_world().words[:24])
    truth = random.standard_normal((24, 6))
    betas = np.concatenate([truth + random.standard_normal((24, 6)) for _ in range(3)])
    people = np.repeat(["p", "q", "r"], 24)
    order = random.permutation(72)
    renamed = np.array([f"s{(at * 7) % 24:02}" for at in range(24)] * 3)
    tables = {
        "given": {"subject": people, "stimulus": words * 3, "text": words * 3, "vector": betas},
        "other": {
            "subject": np.char.add("person-", people)[order],
            "stimulus": renamed[order],
            "text": np.array(words * 3)[order],
            "vector": 1000 * betas[order],
        },
    }
    figures = []
    for name, columns in tables.items():
        np.savez(tmp_path / f"{name}.npz", **columns)
        args = {"table": tmp_path / f"{name}.npz", "layers": [1]}
        out = tmp_path / name
        ran = headbench.run("rsa_table", model="ref-lm-v2", task_args=args, draws=4, out=out)
        found = ran.results[0].metrics
        names = ("table_rsa", "table_ceiling_lower", "table_ceiling_upper", "table_subject_median")
        figures.append([found[one].value for one in names])
    assert abs(figures[0][0]) > 1e-3
    np.testing.assert_allclose(figures[0], figures[1], rtol=1e-9)
