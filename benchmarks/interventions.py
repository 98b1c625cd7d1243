"""Time and memory of every intervention over the unedited sdpa run of the same model, one thread.

    python benchmarks/interventions.py [--peer-python PATH] [--write] [--json FILE] [--quick]

Edited and unedited passes alternate; a ratio is the median over rounds of edited CPU time over the
mean of the unedited passes before and after it, with the order statistics that bound it at 95 %.
``call`` is one attention call by itself, likewise.
``MiB`` is the most that one edited attention call holds in tensors above an unedited one, from the
allocations that torch's profiler records. Probes of methods that need another pass first (``vhr``,
``gift``) have a row of their own. ``--peer-python`` is the interpreter of an environment that holds
nnsight and TransformerLens beside the same torch and transformers; their results must be ours.
``--write`` makes ``docs/benchmarks.md``, of this run and of those in ``--join``.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import torch
from interventions_conditions import Bench, Condition, peak
from interventions_model import make_model, ratios
from interventions_page import machine, table, write
from measuring import ROUNDS, one_thread

from headbench.edits import Plan
from headbench.models.hf.engine import Engine

HERE = Path(__file__).resolve().parent
PAGE = HERE.parent / "docs" / "benchmarks.md"
CLOSE = 2e-3
"""Largest difference of a logit between libraries that make one edit in different order."""
SHARED = {
    "mask two heads a layer": "mask_heads(",
    "first column x 0.25": "zerotuning(",
    "image scores of the last row": "pai(",
}
"""Edit that the peers make, too -> how our intervention's name begins."""


def probing(condition: Condition) -> Condition | None:
    """The probes of a condition as a condition of their own."""
    if condition.probe is None:
        return None
    return Condition(
        f"{condition.name.split('(')[0]}, its probe alone", "probe", condition.plan, condition.probe
    )


def times(
    bench: Bench, conditions: Sequence[Condition], options: argparse.Namespace
) -> list[dict[str, Any]]:
    """Ratios of all conditions at one length."""
    runs: dict[str, Callable[[], object]] = {
        condition.name: bench.edited(condition) for condition in conditions
    }
    probes = [found for condition in conditions if (found := probing(condition)) and found.probe]
    runs |= {condition.name: condition.probe for condition in probes if condition.probe}
    spent = ratios(runs, bench.plain, options.rounds, options.seconds)
    calls = ratios({a.name: bench.call(a) for a in conditions}, bench.call(None), options.rounds)
    later: dict[str, list[float]] = {}
    if options.decode:
        plain, under = bench.decoding()
        later = ratios(
            {condition.name: under(condition) for condition in conditions}, plain, options.rounds
        )
    return [
        {
            "arm": condition.name, "label": condition.label, "kind": condition.kind,
            "length": bench.length,
            "prefill": spent[condition.name], "call": calls.get(condition.name),
            "decode": later.get(condition.name),
        }
        for condition in [*conditions, *probes]
    ]  # fmt: skip


def memory(length: int) -> dict[str, float]:
    """MiB of one call above an unedited one, by condition, and the unedited call's as ``""``.

    The process's messages are dropped.
    """
    command = [sys.executable, str(Path(__file__).resolve()), "--memory", str(length)]
    done = subprocess.run(
        command, check=True, capture_output=True, text=True, env=one_thread(), cwd=HERE
    )
    found: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    return found


def peers(python: str, length: int, rounds: int) -> list[dict[str, Any]]:
    """The other libraries' figures, checked against our logits of the same edit.

    Raises:
        SystemExit: A library's logits are not ours, so its time is of another edit.
    """
    command = [python, str(HERE / "interventions_peers.py")]
    command += ["--length", str(length), "--rounds", str(rounds)]
    done = subprocess.run(command, check=True, capture_output=True, text=True, env=one_thread())
    found: list[dict[str, Any]] = json.loads(done.stdout.splitlines()[-1])
    with tempfile.TemporaryDirectory() as folder:
        bench, conditions = prepare(length, Path(folder))
        plain = Condition("no edit", "", lambda seen: Plan())
        for entry in found:
            begin = SHARED.get(entry["edit"])
            condition = next((a for a in conditions if begin and a.name.startswith(begin)), plain)
            ours = bench.edited(condition)() if begin else bench.plain().logits  # type: ignore[attr-defined]
            gap = float((ours[0, -1, :8] - torch.tensor(entry["logits"])).abs().max())
            if gap > CLOSE:
                raise SystemExit(f"{entry['library']}, {entry['edit']}: logits differ by {gap:.1e}")
            entry |= {"length": length, "ours": condition.name, "gap": gap}
        bench.engine.close()
    return found


def prepare(length: int, folder: Path) -> tuple[Bench, list[Condition]]:
    """A model, an engine and the conditions of one length."""
    model = make_model()
    bench = Bench(model, Engine(model), length, folder)
    return bench, bench.conditions()


def measure(options: argparse.Namespace) -> dict[str, Any]:
    """Everything that was asked for."""
    rows: list[dict[str, Any]] = []
    others: list[dict[str, Any]] = []
    load = [round(os.getloadavg()[0], 2)]
    found = {"machine": machine() | {"load": load}, "rows": rows, "peers": others}
    for length in map(int, options.lengths.split(",")):
        with tempfile.TemporaryDirectory() as folder:
            bench, conditions = prepare(length, Path(folder))
            timed = times(bench, conditions, options)
            bench.engine.close()
        held = memory(length)
        plain = held.get("")
        rows += [{**row, "mib": held.get(row["arm"]), "plain_mib": plain} for row in timed]
        keep(options.json, found)
        if options.peer_python:
            others += peers(options.peer_python, length, options.peer_rounds or options.rounds)
        load.append(round(os.getloadavg()[0], 2))
        keep(options.json, found)
    return found


def keep(path: Path | None, found: dict[str, Any]) -> None:
    """Write what is measured so far: a long run that is cut loses its last length at most."""
    if path is not None:
        path.write_text(json.dumps(found, indent=1) + "\n")


def tell_memory(length: int) -> None:
    """Print MiB by condition as one JSON line."""
    with tempfile.TemporaryDirectory() as folder:
        bench, conditions = prepare(length, Path(folder))
        for condition in conditions:
            bench.row(condition)  # probes are no part of a call
        least = peak(bench.call(None))
        held = {a.name: (peak(bench.call(a)) - least) / 2**20 for a in conditions}
        print(json.dumps(held | {"": least / 2**20}))


def parse() -> argparse.Namespace:
    """The arguments; ``--quick`` is a smoke test whose figures mean nothing."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--lengths", default="512,2048,4096", help="none: only --join")
    parser.add_argument("--rounds", type=int, default=ROUNDS)
    parser.add_argument(
        "--seconds", type=float, default=math.inf, help="begin no round of a length after this"
    )
    parser.add_argument("--decode", action="store_true", help="time decoding steps, too")
    parser.add_argument("--peer-python", help="interpreter with nnsight and TransformerLens")
    parser.add_argument("--peer-rounds", type=int, help="alternations with them, if not --rounds")
    parser.add_argument("--json", type=Path, help="write the figures here")
    parser.add_argument("--join", type=Path, nargs="*", default=[], help="figures of other runs")
    parser.add_argument("--write", action="store_true", help=f"write docs/{PAGE.name}")
    parser.add_argument("--quick", action="store_true", help="one short length, one round")
    parser.add_argument("--memory", type=int, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.quick:
        options.lengths, options.rounds = "320", 1
    return options


def main() -> None:
    """Measure, print, and write what was asked for."""
    options = parse()
    torch.set_num_threads(1)
    with torch.no_grad():
        if options.memory:
            tell_memory(options.memory)
            return
        runs = [json.loads(path.read_text()) for path in options.join]
        if options.lengths != "none":
            runs.append(measure(options))
    table(runs)
    if options.write:
        write(PAGE, runs)


if __name__ == "__main__":
    main()
