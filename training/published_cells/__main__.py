"""``python -m training.published_cells COLLECTION``: write ``results/published/cells``.

The collection is a folder of JSON lines, one printed figure each, with the keys ``paper``,
``arxiv``, ``table``, ``model``, ``task``, ``metric``, ``method``, ``value``, ``n``, ``prompt``,
``decoding``, ``note`` and ``source`` (the grade). It is not part of the repository. The same
collection gives the same bytes.
"""

from __future__ import annotations

import json
import sys
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from headbench.results.paper_cells import (
    ALL_COLUMNS,
    CONDITION,
    CONTRADICTIONS,
    ENDING,
    PROTOCOL,
    SPREAD,
    Contradiction,
    PaperCell,
    Spread,
)
from training.published_cells import names
from training.published_cells.links import contradictions, with_baselines, with_repeats
from training.published_cells.reading import Flat, Line, flat_cell

OUT = Path(__file__).resolve().parents[2] / "results" / "published" / "cells"


def read_lines(folder: Path) -> list[Line]:
    """Every line of a collection; figures keep their digits."""
    lines: list[Line] = []
    for path in sorted(folder.glob("*.jsonl")):
        for text in path.read_text(encoding="utf-8").splitlines():
            lines.append(json.loads(text, parse_float=str, parse_int=str))
    for line in lines:
        if line["n"] is not None:
            line["n"] = int(line["n"])
        line["value"] = str(line["value"])
    return lines


def cells_of(lines: Sequence[Line]) -> list[PaperCell]:
    """The cells of a collection, linked."""
    largest: dict[tuple[str, str], float] = defaultdict(float)
    for line in lines:
        key = (line["paper"], line["metric"])
        largest[key] = max(largest[key], abs(float(line["value"])))
    found = [
        _cell(flat_cell(line, largest[line["paper"], line["metric"]] > 1), line) for line in lines
    ]
    return with_repeats(with_baselines(found))


def _cell(flat: Flat, line: Line) -> PaperCell:
    protocol = {key: flat.pop(key) for key in PROTOCOL}
    condition = {key: value for key in CONDITION if (value := flat.pop(key)) is not None}
    kind, value, over, k = (flat.pop(key) for key in SPREAD)
    spread = None if kind is None else Spread(kind, value, over, k)
    arxiv = line["arxiv"].partition("v")[0] if line["arxiv"] else None
    flat["repeats"] = tuple(flat["repeats"])
    return PaperCell(
        paper=line["paper"],
        slug=names.SLUGS[line["paper"]],
        arxiv=arxiv,
        table=line["table"],
        protocol=protocol,
        condition=condition,
        spread=spread,
        **flat,
    )


def documents(cells: Sequence[PaperCell], found: Sequence[Contradiction]) -> dict[str, str]:
    """File name -> text."""
    papers: dict[str, list[PaperCell]] = defaultdict(list)
    for cell in cells:
        papers[cell.slug].append(cell)
    files = {f"{slug}{ENDING}": paper_text(group) for slug, group in sorted(papers.items())}
    rows = [
        {"kind": one.kind, "where": one.where, "cells": list(one.cells), "says": one.says}
        for one in found
    ]
    listed = ",\n".join(f"  {_line(row)}" for row in rows)
    files[CONTRADICTIONS] = f'{{"schema_version": 1, "contradictions": [\n{listed}\n]}}\n'
    return files


def paper_text(cells: Sequence[PaperCell]) -> str:
    """A paper's file: one table after the other, one cell per line, what is shared said once."""
    tables: dict[str, list[PaperCell]] = defaultdict(list)
    for cell in cells:
        tables[cell.table].append(cell)
    blocks = []
    for name, group in tables.items():
        flats = [flat_of(cell) for cell in group]
        key = group[0].id.split("/")[1]
        alike = [key for key in ALL_COLUMNS if len({json.dumps(one[key]) for one in flats}) == 1]
        shared = {key: flats[0][key] for key in alike if flats[0][key] not in (None, "", [])}
        columns = [key for key in ALL_COLUMNS if key not in alike]
        if len(flats) == 1:  # one cell alone: its row is its id
            columns, shared = ["id"], {key: value for key, value in shared.items() if key != "id"}
        rows = ",\n".join(f"   {_line([one[key] for key in columns])}" for one in flats)
        blocks.append(
            f'  {{"table": {_line(name)}, "key": {_line(key)},\n   "shared": {_line(shared)},\n'
            f'   "columns": {_line(columns)},\n   "cells": [\n{rows}]}}'
        )
    head = cells[0]
    return (
        f'{{"schema_version": 1, "paper": {_line(head.paper)}, "arxiv": {_line(head.arxiv)},\n'
        f' "tables": [\n' + ",\n".join(blocks) + "\n]}\n"
    )


def flat_of(cell: PaperCell) -> dict[str, Any]:
    """A cell as one row."""
    plain = {key: getattr(cell, key, None) for key in ALL_COLUMNS}
    plain |= {key: cell.condition.get(key) for key in CONDITION}
    plain |= dict(cell.protocol)
    spread = cell.spread
    values = (spread.kind, spread.value, spread.over, spread.k) if spread else (None,) * 4
    plain |= dict(zip(SPREAD, values, strict=True))
    plain["id"] = _short(cell.id)
    plain["baseline_id"] = cell.baseline_id and _short(cell.baseline_id)
    return plain | {"repeats": [_short(one) for one in cell.repeats]}


def _short(name: str) -> str:
    """An id within its table."""
    return name.rpartition("/")[2]


def _line(value: object) -> str:
    return json.dumps(value, ensure_ascii=False, allow_nan=False, separators=(", ", ": "))


def main(folder: Path, out: Path = OUT) -> None:
    """Import a collection."""
    cells = cells_of(read_lines(folder))
    files = documents(cells, contradictions(cells))
    out.mkdir(parents=True, exist_ok=True)
    for old in out.glob("*.json"):
        if old.name not in files:
            old.unlink()
    for name, text in files.items():
        (out / name).write_text(text, encoding="utf-8", newline="\n")
    size = sum(len(text.encode()) for text in files.values())
    print(f"{len(cells)} cells of {len(files) - 1} papers, {size:,} bytes")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
