"""The table of evidence for ``ref-lm-v2``: figures on test documents, and under interventions.

The packaged tasks are run as a user runs them (:mod:`training.lm_v2.packaged_tasks`), on the files
that ship. The table is plain JSON, format ``headbench-lm2-evidence@1``::

    recall        length -> rate, one needle, test documents
    walls         "groups", "solved", "connections": rates; "ami": mean; "chance": of a random
                  grouping; "herrings": number of red herrings -> groups, solved;
                  "groups_held": groups whose four words no training row shows together, and the
                  other groups
    stickiness    "z", "c": messages that the prior gets wrong and right; "rescue": pooled over the
                  conditions that mean to help; "rescue_by", "damage_by": condition -> rate;
                  "ever_rescued"; "prior": zero-shot answers that follow the prior; "pairs_held":
                  the same over messages whose subject and quality training never joins
    toggles       condition -> {"role", "status", "walls", "stickiness", "niah": figure or null}
    gates         acceptance criteria

A rate is ``{"hits", "n", "value", "low", "high"}`` with Wilson's 95 % interval. Groups of one wall,
and conditions of one message, are not independent, so pooled intervals are somewhat too narrow.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from headbench.families.stickiness.stickiness_scorer import POOLED
from headbench.families.walls.walls_chance import CHANCE
from headbench.families.walls.walls_parse import read_robust, same_group
from headbench.statistics.binary import wilson
from headbench.worlds.labels import DEFINITIONS, LabelWorld, Message
from headbench.worlds.walls import Wall, WallWorld
from training.lm_v2.needle_probe import documents, hits
from training.lm_v2.packaged_tasks import Cell, run_tasks
from training.lm_v2.wall_rows import HELD, digest_class, is_held

if TYPE_CHECKING:
    from transformers import PreTrainedModel, PreTrainedTokenizerFast

NAME = "ref-lm-v2"
FORMAT = "headbench-lm2-evidence@1"
LENGTHS = (128, 256, 512, 1024)
DEPTHS = (0.0, 0.25, 0.5, 0.75, 1.0)
MAIN = {"walls": "group_rate", "stickiness": "rescue", "niah": "recall"}
"""Task -> the metric that the table of interventions shows."""
INTERVENTIONS = (
    "mask_heads(map=retrieval, top=2)",
    "scale_heads(map=retrieval, top=2, alpha=1.5)",
    "rope_zero(map=retrieval, top=2, dose=12)",
)
Records = Sequence[dict[str, Any]]


@dataclass(frozen=True)
class EvidenceSettings:
    """How much to measure.

    Attributes:
        trials: Needle documents per length.
        limit: Documents per task under interventions; figures of the baseline use all documents.
        controls: Random-head draws per intervention.
    """

    trials: int = 60
    limit: int = 72
    controls: int = 2


def rate(outcomes: Iterable[bool]) -> dict[str, float | int]:
    """A share with its count and Wilson's interval."""
    found = list(outcomes)
    interval = wilson(sum(found), len(found))
    return {
        "hits": sum(found),
        "n": len(found),
        "value": round(sum(found) / max(1, len(found)), 4),
        "low": round(interval.low, 4),
        "high": round(interval.high, 4),
    }


def recall_table(
    model: PreTrainedModel, tokenizer: PreTrainedTokenizerFast, trials: int
) -> dict[str, Any]:
    """Recall of one needle by length, on test documents."""
    return {
        str(length): rate(hits(model, tokenizer, documents("test", length, DEPTHS, trials)))
        for length in LENGTHS
    }


def _wall(record: dict[str, Any]) -> Wall:
    """The wall of a record, drawn anew from its id."""
    _, split, herrings, seed = record["document"].split("-")
    return WallWorld(split, int(herrings)).wall(int(seed))


def walls_table(records: Records) -> dict[str, Any]:
    """Figures of the task ``walls`` under the baseline."""
    by_group: dict[str, list[bool]] = {"unseen": [], "other": []}
    by_herrings: dict[int, list[dict[str, Any]]] = {}
    for record in records:
        wall, answer = _wall(record), read_robust(record["outputs"][0]) or ()
        by_herrings.setdefault(len(wall.herrings), []).append(record)
        for group in wall.groups:
            kind = "unseen" if is_held(group) else "other"
            by_group[kind].append(any(same_group(one, group) for one in answer))
    return {
        "groups": _of_counts(records, "correct_groups", "groups"),
        "solved": rate(bool(record["parts"]["solved"]) for record in records),
        "connections": _of_counts(records, "connections_exact", "connections_asked"),
        "ami": round(sum(record["parts"]["ami"] for record in records) / len(records), 4),
        "chance": {name: CHANCE[name] for name in ("group_rate", "solved_rate", "ami")},
        "herrings": {
            str(count): {
                "groups": _of_counts(of, "correct_groups", "groups"),
                "solved": rate(bool(record["parts"]["solved"]) for record in of),
            }
            for count, of in sorted(by_herrings.items())
        },
        "groups_held": {kind: rate(found) for kind, found in by_group.items()},
    }


def _of_counts(records: Records, hit: str, asked: str) -> dict[str, float | int]:
    return rate(
        at < record["parts"][hit] for record in records for at in range(record["parts"][asked])
    )


def stickiness_table(records: Records) -> dict[str, Any]:
    """Figures of the task ``stickiness`` under the baseline."""
    wrong = [record for record in records if record["parts"]["z"]]
    right = [record for record in records if record["parts"]["c"]]
    later = [
        key.removeprefix("right.")
        for key in records[0]["parts"]
        if key.startswith("right.") and key != "right.zero_shot"
    ]
    unseen = [record for record in records if _pair_held(_message(record))]
    return {
        "z": len(wrong),
        "c": len(right),
        "prior": _follows_prior(records),
        "rescue": _pooled(wrong),
        "ever_rescued": rate(bool(record["parts"]["ever"]) for record in wrong),
        "rescue_by": {name: _right(wrong, name) for name in later},
        "damage_by": {
            name: rate(not record["parts"][f"right.{name}"] for record in right) for name in later
        },
        "pairs_held": {
            "prior": _follows_prior(unseen),
            "rescue": _pooled([record for record in unseen if record["parts"]["z"]]),
        },
    }


def _right(records: Records, name: str) -> dict[str, float | int]:
    return rate(bool(record["parts"][f"right.{name}"]) for record in records)


def _pooled(wrong: Records) -> dict[str, float | int]:
    """Rescue over all conditions that mean to help."""
    return rate(bool(record["parts"][f"right.{name}"]) for record in wrong for name in POOLED)


def _message(record: dict[str, Any]) -> Message:
    """The message of a record, drawn anew from its id."""
    _, split, seed = record["document"].split("-")
    return LabelWorld(split).message(int(seed))


def _follows_prior(records: Records) -> dict[str, float | int]:
    prior = DEFINITIONS["prior"]
    return rate(
        bool(record["parts"]["said.zero_shot"]) == prior.holds(_message(record))
        for record in records
        if "said.zero_shot" in record["parts"]
    )


def _pair_held(message: Message) -> bool:
    """Whether training keeps a message's subject and quality apart."""
    return digest_class((message.who, message.quality)) in HELD["test"] | HELD["calibration"]


def interventions_table(cells: Sequence[Cell]) -> dict[str, Any]:
    """The main figure of each task by condition."""
    table: dict[str, Any] = {}
    for cell in cells:
        row = table.setdefault(cell.condition, {"role": cell.role, "status": cell.status})
        row[cell.task] = cell.metrics[MAIN[cell.task]]["value"]
        row[f"{cell.task}_n"] = len(cell.records)
    return table


def criteria(table: dict[str, Any]) -> list[dict[str, Any]]:
    """The acceptance criteria of ``ref-lm-v2``, and whether this table meets them."""
    rows: list[tuple[str, float, str, Callable[[float], bool]]] = [
        (f"recall at {n}", table["recall"][str(n)]["value"], ">= 0.95", lambda x: x >= 0.95)
        for n in (128, 256, 512)
    ]
    walls, sticky = table["walls"], table["stickiness"]
    rows += [
        ("recall at 1024", table["recall"]["1024"]["value"], ">= 0.9", lambda x: x >= 0.9),
        ("share of groups found", walls["groups"]["value"], "0.1 .. 0.9", lambda x: 0.1 < x < 0.9),
        ("rescue rate", sticky["rescue"]["value"], "0.1 .. 0.9", lambda x: 0.1 < x < 0.9),
        ("messages that the prior gets wrong", sticky["z"], ">= 30", lambda x: x >= 30),
        (
            "zero-shot labels that follow the prior",
            sticky["prior"]["value"],
            ">= 0.9",
            lambda x: x >= 0.9,
        ),
    ]
    return [
        {"name": name, "value": value, "bound": bound, "holds": bool(holds(value))}
        for name, value, bound, holds in rows
    ]


def evidence(
    folder: Path,
    model: PreTrainedModel,
    tokenizer: PreTrainedTokenizerFast,
    settings: EvidenceSettings,
) -> dict[str, Any]:
    """Measure everything on test documents; see the module's text for the fields.

    Args:
        folder: The exported model, with its head map.
        model: The same, loaded, in fp32 and eval mode.
        tokenizer: Its tokenizer.
        settings: How much to measure.
    """
    whole = {cell.task: cell.records for cell in run_tasks(folder, ("walls", "stickiness"))}
    edited = run_tasks(
        folder, tuple(MAIN), INTERVENTIONS, limit=settings.limit, controls=settings.controls
    )
    table: dict[str, Any] = {
        "format": FORMAT,
        "split": "test",
        "settings": asdict(settings),
        "recall": recall_table(model, tokenizer, settings.trials),
        "walls": walls_table(whole["walls"]),
        "stickiness": stickiness_table(whole["stickiness"]),
        "toggles": interventions_table(edited),
    }
    table["gates"] = criteria(table)
    return table


def verdicts(table: dict[str, Any]) -> str:
    """The acceptance criteria of a table, a line each."""
    return "\n".join(
        f"{'ok  ' if one['holds'] else 'FAIL'} {one['name']}: {one['value']} ({one['bound']})"
        for one in table["gates"]
    )
