"""The figures of the intervention benchmark as a table in the terminal and as a page."""

from __future__ import annotations

import os
import platform
from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any

import torch
import transformers
from interventions_conditions import GOALS, MEMORY_GOAL
from measuring import median
from rich.console import Console
from rich.table import Table

AT = 2048
"""Length at which time is held to its goal."""
LEAST = 5
"""Alternations below which no goal of time is judged."""
CALL_AT = 4096
"""Length at which memory is."""
PEERS = """\
All three make the same edit of the same weights; the last logits agree to {gap:.0e}. The unedited
sdpa run of the same process is 1.

- **nnsight** runs the model as it is, so an edit of head outputs costs what it costs here. Scores
  and pattern exist only in the eager attention: the model must run eagerly, in every layer, and
  holds them whole.
- **TransformerLens** runs models through its bridge, which computes every attention by its formula
  so that each hook point exists, edited or not. That is what "no edit" costs.
- **headbench** leaves unedited layers and head edits to sdpa, and takes edited columns out of the
  keys, so that only their own scores are ever made.

Both peers offer what headbench does not: any tensor of any module, and its gradients.
"""


def machine() -> dict[str, Any]:
    """The machine in general terms, and the versions that matter."""
    name = platform.processor() or platform.machine()
    info = Path("/proc/cpuinfo")
    if info.is_file():
        lines = [line for line in info.read_text().splitlines() if line.startswith("model name")]
        name = lines[0].partition(":")[2].strip() if lines else name
    return {
        "cpu": name, "cores": os.cpu_count(), "python": platform.python_version(),
        "torch": torch.__version__, "transformers": transformers.__version__,
        "headbench": version("headbench"),
    }  # fmt: skip


def merged(runs: Sequence[dict[str, Any]], part: str) -> list[dict[str, Any]]:
    """Entries of all runs, by length; the alternations of one entry in several runs add up."""
    found: dict[tuple[Any, ...], dict[str, Any]] = {}
    for entry in (e for run in runs for e in run[part]):
        key = tuple(entry.get(name) for name in ("length", "arm", "library", "edit"))
        known = found.setdefault(key, dict(entry))
        if known != entry:
            for name in ("prefill", "call", "decode", "ratios"):
                if entry.get(name):
                    known[name] = [*(known.get(name) or ()), *entry[name]]
    return sorted(found.values(), key=lambda e: int(e["length"]))


def verdict(row: dict[str, Any]) -> str:
    """Whether the row meets what is asked of its kind; empty where nothing is."""
    told = []
    goal = GOALS.get(row["kind"]) if row["length"] == AT else None
    if goal is not None and len(row["prefill"]) >= LEAST:
        told.append(f"{goal:.2f} {'met' if median(row['prefill']).value <= goal else 'MISSED'}")
    if row["length"] == CALL_AT and row["mib"] is not None and row["kind"] != "probe":
        told.append(f"{MEMORY_GOAL} MiB {'met' if row['mib'] <= MEMORY_GOAL else 'MISSED'}")
    return ", ".join(told)


def shown(values: Sequence[float] | None) -> str:
    """A median with its interval; without one where too few alternations were made."""
    if not values:
        return ""
    found = median(values)
    return str(found) if len(values) >= LEAST else f"{found.value:.2f} (of {len(values)} only)"


def cells(row: dict[str, Any]) -> list[str]:
    """A row's figures as text."""
    return [
        row["label"], row["kind"], shown(row["prefill"]), shown(row.get("call")),
        shown(row["decode"]), "" if row["mib"] is None else f"{row['mib']:.0f}", verdict(row),
    ]  # fmt: skip


BUSY = """\
The machine was busy with other work meanwhile: CPU times under load swing by several per cent, so a
goal within that of its figure is neither met nor missed for certain."""
HEAD = ("edit", "kind", "prefill / sdpa", "call / sdpa", "decode / sdpa", "MiB", "goal")


def table(runs: Sequence[dict[str, Any]]) -> None:
    """Print the figures."""
    console = Console(width=None if Console().is_terminal else 150)
    rows = merged(runs, "rows")
    for length in sorted({row["length"] for row in rows}):
        figures = Table(*HEAD, title=f"{length} tokens")
        for row in rows:
            if row["length"] == length:
                figures.add_row(*cells(row))
        console.print(figures)
    if others := merged(runs, "peers"):
        figures = Table("tokens", "edit", "library", "prefill / sdpa", title="other libraries")
        for entry in with_ours(others, rows):
            figures.add_row(*entry)
        console.print(figures)


def with_ours(
    others: Sequence[dict[str, Any]], rows: Sequence[dict[str, Any]]
) -> list[tuple[str, str, str, str]]:
    """The peers' rows with ours of the same edit in front of each group."""
    found: list[tuple[int, str, int, tuple[str, str, str, str]]] = []
    for entry in others:
        ours = [r for r in rows if r["arm"] == entry["ours"] and r["length"] == entry["length"]]
        key = (entry["length"], "" if entry["edit"] == "no edit" else entry["edit"])
        told = (str(entry["length"]), str(entry["edit"]))
        if ours and ours[0]["prefill"] and not any(k[:2] == key for k in found):
            line = (*told, "headbench", shown(ours[0]["prefill"]))
            found.append((*key, 0, line))
        line = (*told, str(entry["library"]), shown(entry["ratios"]))
        found.append((*key, 1, line))
    return [line for *_, line in sorted(found, key=lambda item: item[:3])]


def write(path: Path, runs: Sequence[dict[str, Any]]) -> None:
    """Write the page."""
    rows, others = merged(runs, "rows"), merged(runs, "peers")
    about = runs[0]["machine"]
    loads = [load for run in runs for load in run["machine"]["load"]]
    lengths = sorted({row["length"] for row in rows})
    counts = []
    for n in lengths:
        row = next(r for r in rows if r["length"] == n)
        counts.append(f"{n} tokens: {len(row['prefill'])} prefills, {len(row['call'] or ())} calls")
    parts = [
        "# What edits cost",
        "",
        "Written by `python benchmarks/interventions.py --write`.",
        "",
        "A random Llama of 2 layers, 12 heads of width 64, float32, one thread. A ratio is edited "
        "over unedited CPU time, of one prefill of the model (probes not included) and of one "
        "attention call by itself: the median over alternations with order statistics that bound "
        f"it, at 95 % from 6 alternations on ({'; '.join(counts)}). MiB is what one attention call "
        "holds in tensors above an unedited call, from every allocation that torch's profiler "
        "records. Goals of time are for a prefill of 2,048 tokens, of memory for a call of 4,096. "
        "`heads` stands for two heads a layer.",
        "",
        f"Measured on {about['cpu']}, {about['cores']} cores, Python {about['python']}, torch "
        f"{about['torch']}, transformers {about['transformers']}; load average "
        f"{min(loads)} to {max(loads)} at the beginning and end of the runs.",
        *(["", BUSY] if max(loads) > about["cores"] else []),
    ]  # fmt: skip
    for length in lengths:
        mine = [cells(row) for row in rows if row["length"] == length]
        parts += ["", f"## {length} tokens", "", *_markdown(HEAD, mine)]
    if others:
        gap = max(entry["gap"] for entry in others)
        head = ("tokens", "edit", "library", "prefill / sdpa")
        parts += ["", "## Other libraries", "", *_markdown(head, with_ours(others, rows))]
        parts += ["", PEERS.format(gap=gap).rstrip()]
    path.write_text("\n".join(parts) + "\n")


def _markdown(head: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    """A table; a column that is empty throughout is left out."""
    keep = [i for i in range(len(head)) if any(row[i] for row in rows)]
    lines = [
        [head[i] for i in keep],
        ["---"] * len(keep),
        *([row[i] for i in keep] for row in rows),
    ]
    return ["| " + " | ".join(line) + " |" for line in lines]
