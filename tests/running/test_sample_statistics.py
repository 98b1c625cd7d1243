"""Sample statistics and arrays all the way: run, compare, replay, check, guard, kill and resume."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import load_file, save_file

from headbench.guard.golden import deviations
from headbench.results.cell import Cell
from headbench.results.check import read_checked
from headbench.results.comparison import compare_files
from headbench.results.files import read_entries, read_result
from headbench.results.store import ARRAYS_FILE, FILE
from helpers_sample_task import write_kit, write_task

TESTS = Path(__file__).parents[1]
MASK = "mask_heads(heads=[[0,1]])"
MAIN = """
import helpers_fake_model
from headbench.results import provenance
provenance.commit = lambda: None  # a checkout may move on while the test runs
helpers_fake_model.install()
from headbench.cli import main
main()
"""


def command(home: Path, *words: str) -> list[str]:
    return [sys.executable, "-c", MAIN, *words]


def environment(home: Path) -> dict[str, str]:
    paths = os.pathsep.join([str(TESTS), str(home / "site")])
    return {**os.environ, "PYTHONPATH": paths, "COLUMNS": "300"}


def headbench(home: Path, *words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        command(home, *words),
        capture_output=True,
        text=True,
        check=False,
        cwd=home,
        env=environment(home),
    )


def run_words(out: str, count: str = "40", pause: str = "0") -> list[str]:
    return [
        *("run", "--tasks", "toy", "--include", "mine", "--model", "fake"),
        *("--model-args", f"batch_size=5,pause={pause}", "--intervention", MASK),
        *("--controls", "2", "--draws", "400", "--limit", count, "--out", out, "--all"),
    ]


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    home = tmp_path_factory.mktemp("toy")
    write_kit(home / "site")
    write_task(home / "mine")
    return home


@pytest.fixture
def kit(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let this process know the toy package, too."""
    from headbench import _code, _plugins

    caches = (_plugins._every, _code._package)
    monkeypatch.syspath_prepend(home / "site")
    for cached in caches:
        cached.cache_clear()
    yield
    for cached in caches:
        cached.cache_clear()


@pytest.fixture(scope="module")
def done(home: Path) -> tuple[Path, str]:
    ran = headbench(home, *run_words("out"))
    assert ran.returncode == 0, ran.stderr
    return home / "out", ran.stdout


def one(folder: Path, condition: str) -> Path:
    (path,) = (folder / "measured").rglob(f"{condition}-????????.json")
    return path


def test_the_table_shows_a_sample_statistic_like_any_other_figure(done: tuple[Path, str]) -> None:
    out, printed = done  # with --all: two metrics stand below the main one
    for word in ("auroc", "spearman", "geometry", MASK):
        assert word in printed
    assert "labels permuted: toy, baseline: auroc p 0.005 (+0.5" in printed
    result = read_result(one(out, "baseline"))
    null = result.metrics["spearman"].null
    assert null is not None and null.p == pytest.approx(2 / 401) and null.draws == 400
    assert result.metrics["geometry"].null is None  # it permutes nothing
    assert result.headline == "auroc" == result.task.main_metric
    methods = {name: figure.method for name, figure in result.metrics.items()}
    assert methods == {
        "auroc": "cluster-score", "spearman": "cluster-score", "geometry": "bootstrap-t"
    }  # fmt: skip
    for figure in result.metrics.values():
        assert figure.low is not None and figure.high is not None
        assert figure.low < figure.value < figure.high  # type: ignore[operator]
    for split in result.breakdowns["length"].values():
        small = [figure for figure in split.values() if figure.n < 20]
        assert all(figure.low is None for figure in small)
        assert all("below 20" in f.note or f.value is None for f in small)


@pytest.mark.usefixtures("kit")
def test_results_are_checked_and_compared_from_their_files(done: tuple[Path, str]) -> None:
    out, _ = done
    paths = one(out, "baseline"), one(out, "mask_heads-heads-0-1")
    for path in paths:
        assert read_checked(path).unchecked == ()
    found = compare_files(*paths)
    assert [line.name for line in found.lines] == ["auroc", "geometry", "spearman"]
    assert found.main.holm is not None
    tests = {line.name: line.paired.test for line in found.lines if line.paired}
    assert tests == {
        "auroc": "permutation", "spearman": "permutation", "geometry": "bootstrap-t"
    }  # fmt: skip
    for line in found.lines:
        assert line.paired is not None and line.paired.low is not None
        assert line.paired.low <= line.paired.difference <= line.paired.high  # type: ignore[operator]
    shown = headbench(out.parent, "compare", *map(str, paths), "--all")
    assert shown.returncode == 0, shown.stderr
    assert all(name in shown.stdout for name in ("auroc", "spearman", "geometry"))


@pytest.mark.usefixtures("kit")
def test_controls_have_ranks_and_a_mean(done: tuple[Path, str]) -> None:
    from headbench.results.comparison import compare_cells

    out, _ = done
    base, toggle, *drawn = (
        Cell(read_result(path), read_entries(path, read_result(path)))
        for path in (
            one(out, "baseline"),
            one(out, "mask_heads-heads-0-1"),
            *sorted((out / "measured").rglob("*control-?-????????.json")),
        )
    )
    assert len(drawn) == 2
    for line in compare_cells(base, toggle, drawn).lines:
        assert line.rank is not None and line.rank.of == 3
        assert line.against is not None and line.against.low is not None
        values = [line.metric.of(cell.records) for cell in drawn]
        assert line.against.mean == pytest.approx(np.mean(values))


@pytest.mark.usefixtures("kit")
@pytest.mark.parametrize(
    ("metric", "field", "value", "message"),
    [
        ("auroc", "value", 0.5, "auroc is stored as 0.5"),
        ("geometry", "value", 0.5, "geometry is stored as 0.5"),
        ("geometry", "high", 1.5, "is no interval around"),
        ("auroc", "low", 0.5, "auroc: low is stored as 0.5"),
        ("auroc", "null", {"p": 0.001, "mean": 0.5, "sd": 0.1, "draws": 400}, "p 0.001 of 400"),
    ],
)
def test_a_figure_that_the_records_do_not_give_is_refused(
    done: tuple[Path, str], tmp_path: Path, metric: str, field: str, value: object, message: str
) -> None:
    from headbench.errors import StoreError

    path = one(done[0], "baseline")
    for file in path.parent.glob(f"{path.stem}*"):
        (tmp_path / file.name).write_bytes(file.read_bytes())
    document = json.loads(path.read_text())
    document["metrics"][metric][field] = value
    (tmp_path / path.name).write_text(json.dumps(document))
    with pytest.raises(StoreError, match=message):
        read_checked(tmp_path / path.name)


@pytest.mark.usefixtures("kit")
def test_other_features_are_found_by_their_digest_or_their_figure(
    done: tuple[Path, str], tmp_path: Path
) -> None:
    import hashlib

    from headbench.errors import StoreError

    path = one(done[0], "baseline")
    for file in path.parent.glob(f"{path.stem}*"):
        (tmp_path / file.name).write_bytes(file.read_bytes())
    file = tmp_path / f"{path.stem}.arrays.safetensors"
    tensors = load_file(file)
    save_file({"features": tensors["features"][::-1].copy()}, file)
    with pytest.raises(StoreError, match="the arrays are not those") as told:
        read_checked(tmp_path / path.name)
    assert told.value.where == str(file)
    document = json.loads(path.read_text())
    document["arrays"]["sha256"] = hashlib.sha256(file.read_bytes()).hexdigest()
    (tmp_path / path.name).write_text(json.dumps(document))
    with pytest.raises(StoreError, match="geometry is stored as"):
        read_checked(tmp_path / path.name)


def test_a_result_replays_to_the_same_files(done: tuple[Path, str]) -> None:
    out, _ = done
    again = headbench(out.parent, "run", "--from", str(one(out, "baseline")), "--out", "again")
    assert again.returncode == 0, again.stderr
    assert files(out.parent / "again") == files(out)


@pytest.mark.usefixtures("kit")
def test_a_golden_cell_is_held_to_its_arrays(done: tuple[Path, str]) -> None:
    path = one(done[0], "baseline")
    result = read_result(path)
    held = Cell(result, read_entries(path, result))
    assert list(deviations(held, held, 0.0)) == []


@pytest.mark.usefixtures("kit")
def test_captured_states_reach_the_records_and_never_a_line_of_json(home: Path) -> None:
    words = [
        "run",
        "--tasks",
        "toy_states",
        "--include",
        "mine",
        "--model",
        "fake",
        "--out",
        "states",
    ]
    ran = headbench(home, *words, "--intervention", MASK, "--draws", "400")
    assert ran.returncode == 0, ran.stderr
    path = one(home / "states", "baseline")
    read = read_checked(path)
    assert read.result.metrics["geometry"].method == "bootstrap-t"
    output = read.entries[0].record.outputs[0]
    assert output.startswith("float32[1, 1, 8] ") and len(output) < 40
    assert isinstance(read.entries[0].record.parts["features"], np.ndarray)
    store = home / "states/.store"
    assert max(len(line) for line in (store / FILE).read_text().splitlines()) < 1000
    assert (store / ARRAYS_FILE).stat().st_size > 80 * 8 * 4  # 40 documents, two conditions
    before = files(home / "states")
    again = headbench(home, *words, "--intervention", MASK, "--draws", "400")
    assert again.returncode == 0, again.stderr
    assert files(home / "states") == before


def files(out: Path) -> dict[str, bytes]:
    return {
        str(path.relative_to(out)): path.read_bytes()
        for path in sorted((out / "measured").rglob("*"))
        if path.is_file() and path.name != "timing.json"
    }


@pytest.mark.bits
def test_killed_and_continued_it_ends_in_the_same_bytes(done: tuple[Path, str]) -> None:
    home = done[0].parent
    whole = headbench(home, *run_words("whole", "21", "0.01"))
    assert whole.returncode == 0, whole.stderr
    expected = files(home / "whole")
    assert sum(name.endswith(".safetensors") for name in expected) == 4
    log = home / "killed/.store" / FILE
    process = subprocess.Popen(
        command(home, *run_words("killed", "21", "0.01")), cwd=home, env=environment(home)
    )
    while process.poll() is None and (not log.is_file() or log.stat().st_size < 6000):
        time.sleep(0.005)
    process.kill()
    process.wait()
    assert log.is_file() and not (home / "killed/measured").is_dir()
    last = headbench(home, *run_words("killed", "21", "0.01"))
    assert last.returncode == 0, last.stderr
    assert files(home / "killed") == expected
