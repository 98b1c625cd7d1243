"""What interventions cost, as the benchmark's file says it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from headbench.leaderboard.costs import read_costs
from headbench.leaderboard.sources import read_sources

ROW = {
    "arm": "mask_heads(heads=[[2,5]])",
    "label": "mask_heads",
    "kind": "z",
    "length": 512,
    "prefill": [1.0, 1.1, 1.5],
    "call": None,
    "mib": 3.0,
    "plain_mib": 12.0,
}
MACHINE = {"cpu": "a processor", "cores": 2, "torch": "2.13.0", "load": [0.5, 2.25]}


def written(root: Path, *rows: dict[str, object], machine: object = MACHINE) -> Path:
    root.mkdir(exist_ok=True)
    (root / "cost.json").write_text(json.dumps({"machine": machine, "rows": rows, "peers": []}))
    return root


def test_ratios_are_over_the_unedited_run(tmp_path: Path) -> None:
    longer = {**ROW, "length": 2048, "mib": None}
    probe = {**ROW, "arm": "vhr, its probe alone", "kind": "probe", "mib": None}
    costs, faults = read_costs([tmp_path / "empty", written(tmp_path / "a", longer, ROW, probe)])
    assert faults == ()
    assert [one.condition for one in costs.of["vhr"]] == ["vhr, its probe alone"]
    (short, long) = costs.of["mask_heads"]
    assert (short.length, short.time, short.fastest, short.slowest, short.n) == (
        512, 1.1, 1.0, 1.5, 3,
    )  # fmt: skip
    assert short.memory == pytest.approx(1.25)
    assert long.memory is None
    assert costs.machine == "a processor, torch 2.13.0, load of the machine meanwhile 0.5 to 2.25"


@pytest.mark.parametrize(
    "text",
    [
        "{",
        '{"rows": [{"arm": "a", "kind": "z", "length": 1, "prefill": [NaN]}]}',
        '{"rows": [{"arm": "a", "kind": "z", "length": 1, "prefill": []}]}',
        "[]",
    ],
)
def test_a_broken_file_is_named_and_gives_nothing(tmp_path: Path, text: str) -> None:
    (tmp_path / "cost.json").write_text(text)
    costs, ((path, reason),) = read_costs([tmp_path])
    assert costs.of == {}
    assert path == tmp_path / "cost.json"
    assert reason


def test_the_file_is_no_broken_result(tmp_path: Path) -> None:
    sources = read_sources([written(tmp_path / "a", ROW)])
    assert sources.not_shown == ()
    assert list(sources.costs.of) == ["mask_heads"]
    (tmp_path / "a" / "cost.json").write_text("[]")
    assert [one.reason for one in read_sources([tmp_path / "a"]).not_shown] == [
        "it is no cost file"
    ]
