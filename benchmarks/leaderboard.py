"""Build the board of many synthetic results: CPU, memory, bytes.

    python benchmarks/leaderboard.py [--results 10000] [--builds 10]

The results are as many cells as asked: models x tasks x (a baseline, interventions, controls), each
with its records and figures as a run would write them. The answers are drawn from a seeded
generator. The first build is measured: 10,000 results within 20 CPU-s and 1 GiB. Then the board is
built again in other folders, under other locales, time zones and hash seeds: the same bytes.
"""

from __future__ import annotations

import argparse
import hashlib
import random
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from measuring import one_thread

from headbench.leaderboard.build import build
from headbench.leaderboard.site import write
from headbench.nouns import Record
from headbench.results.canonical import Plain, digest
from headbench.results.figures import Sampling, figures
from headbench.results.files import Entry, write_result
from headbench.results.keys import seed_for
from headbench.results.provenance import versions
from headbench.results.schema import (
    ArmFacts,
    ControlFacts,
    Coverage,
    Diagnostics,
    ModelFacts,
    Result,
    RunFacts,
    TaskFacts,
)
from headbench.scoring import lookup
from headbench.statistics.metric import Metric

TASKS = 20
INTERVENTIONS = 4
CONTROLS = 4
"""Per intervention, as ``headbench run`` makes them by default."""
DOCUMENTS = 20
METRICS = ("niah.recall", "niah.fraction")
DRAWS = 2000
MOST_SECONDS, MOST_GIB = 20.0, 1.0
"""What a build may take: the goals for 10,000 results."""


@dataclass(frozen=True)
class Condition:
    """Name, role, whose control, and its draw."""

    name: str
    role: Literal["baseline", "toggle", "control"]
    of: str | None = None
    draw: int | None = None


def conditions(controls: int) -> Iterator[Condition]:
    """Every condition of a model and task, the baseline first."""
    yield Condition("baseline", "baseline")
    for number in range(INTERVENTIONS):
        name = f"scale_heads(alpha={(number + 1) / 10:g},fraction=0.5,map=vhd)"
        yield Condition(name, "toggle")
        for draw in range(controls):
            yield Condition(f"{name}#control-{draw}", "control", name, draw)


def write_results(out: Path, count: int, controls: int = CONTROLS) -> int:
    """Write about ``count`` results below a folder, with so many controls per intervention.

    Returns:
        How many were written: whole models.
    """
    metrics = {name: lookup.metric(name) for name in METRICS}
    spec: dict[str, object] = {"draws": DRAWS, "level": 0.95, "seed": 0, "tasks": []}
    run = RunFacts(spec=spec, digest=digest(spec), versions=versions())
    written = 0
    cells = 1 + INTERVENTIONS * (1 + controls)
    for model in range(max(1, round(count / (TASKS * cells)))):
        for task in range(TASKS):
            baseline: str | None = None
            for condition in conditions(controls):
                entries, result = _cell(model, task, condition, baseline, metrics, run)
                if not controls:
                    arm = result.arm.model_copy(update={"controls": None})
                    result = result.model_copy(update={"arm": arm})
                baseline = baseline or result.id
                write_result(out, result, entries)
                written += 1
    return written


def _cell(
    model: int,
    task: int,
    condition: Condition,
    baseline: str | None,
    metrics: Mapping[str, Metric],
    run: RunFacts,
) -> tuple[list[Entry], Result]:
    """One cell, its answers drawn from a generator that its place seeds."""
    name, role = condition.name, condition.role
    random_ = random.Random(f"{model} {task} {name}")
    level = 0.5 + 0.3 * random_.random()
    entries = []
    for number in range(DOCUMENTS):
        right = random_.random() < level
        text = "amber" if right else "other"
        parts = {"correct": int(right), "fraction": float(right), "depth": number / DOCUMENTS}
        record = Record(
            document=f"d{number}",
            cluster=f"d{number}",
            outputs=(text,),
            parsed=text,
            parser="verbatim@1",
            parts=parts,
            target="amber",
        )
        facts: dict[str, Plain] = {} if role == "baseline" else {"visited": 1, "changed": 2}
        entries.append(Entry(record, facts))
    records = [entry.record for entry in entries]
    task_name = f"task_{task:02d}"
    sampling = Sampling(seed_for(0, "interval", task_name), DRAWS)
    edits = {} if role == "baseline" else {"visited": DOCUMENTS, "changed": 2 * DOCUMENTS}
    controls = ControlFacts(
        unit="heads", drawn=CONTROLS, possible=100, excluded=False, test=True, smallest_p=0.4
    )
    return entries, Result(
        kind="measured",
        id=digest([model, task, name]),
        status="ok",
        task=TaskFacts(
            name=task_name,
            version="1",
            main_metric="recall",
            scorer="niah@2",
            parser="verbatim@1",
            prompt_hash=digest(task_name),
            data_hash=digest(["data", task_name]),
        ),
        model=ModelFacts(name=f"model-{model:03d}", adapter="hf", family="synthetic"),
        arm=ArmFacts(
            name=name,
            role=role,
            canonical=() if role == "baseline" else (name,),
            of=condition.of,
            draw=condition.draw,
            controls=controls if role == "toggle" else None,
            baseline=baseline,
        ),
        coverage=Coverage(answered=DOCUMENTS, expected=DOCUMENTS),
        headline="recall",
        metrics=figures(metrics, records, sampling, task_name),
        diagnostics=Diagnostics(**edits),
        run=run,
    )


ELSEWHERE = (
    {"LC_ALL": "tr_TR.UTF-8", "TZ": "Pacific/Kiritimati"},
    {"LC_ALL": "C", "TZ": "UTC"},
    {"LC_ALL": "de_DE.UTF-8", "TZ": "America/St_Johns", "PYTHONOPTIMIZE": "1"},
)
"""Environments that change what a careless program writes."""


def _child(results: Path, out: Path) -> None:
    """Build once, and say what it cost."""
    start = time.process_time()
    files = build([results])
    spent = time.process_time() - start
    write(files, out)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    first = len(files["index.html"]) / 1e6
    print(f"{spent:.1f} CPU-s, {peak:.2f} GiB, {len(files)} files, first page {first:.2f} MB")
    if spent > MOST_SECONDS or peak > MOST_GIB:
        raise SystemExit(f"more than {MOST_SECONDS:g} CPU-s or {MOST_GIB:g} GiB")


def _digest(folder: Path) -> str:
    """Digest of every path and byte of a folder."""
    found = hashlib.sha256()
    for path in sorted(one for one in folder.rglob("*") if one.is_file()):
        found.update(f"{path.relative_to(folder).as_posix()}\n".encode())
        found.update(path.read_bytes())
    return found.hexdigest()


def main() -> None:
    """Write results, build the board of them, and compare the builds' bytes."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--results", type=int, default=10_000)
    parser.add_argument("--builds", type=int, default=10)
    parser.add_argument("--child", nargs=2, type=Path, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.child:
        _child(*given.child)
        return
    with tempfile.TemporaryDirectory() as scratch:
        results = Path(scratch) / "results"
        print(f"{write_results(results, given.results):,} results of {DOCUMENTS} documents each")
        digests = set()
        for number in range(given.builds):
            place = Path(scratch, *[f"build-{number}"] * (1 + number % 3))
            place.mkdir(parents=True)
            moved = results.rename(place / "results")
            environment = {**one_thread(), "PYTHONHASHSEED": str(number)}
            environment |= ELSEWHERE[number % len(ELSEWHERE)]
            command = [sys.executable, __file__, "--child", "results", "board"]
            subprocess.run(command, check=True, cwd=place, env=environment)
            digests.add(_digest(place / "board"))
            results = moved.rename(Path(scratch) / "results")
            shutil.rmtree(place)
    print(f"{given.builds} builds, {len(digests)} different")
    if len(digests) > 1:
        raise SystemExit(1)


if __name__ == "__main__":
    main()
