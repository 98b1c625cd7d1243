"""The table of evidence for ``ref-lm-v2``: what it scores on test documents, and under toggles.

The two packaged tasks and a needle task are run through the harness itself, on the files that ship.
The table is plain JSON, format ``headbench-lm2-evidence@1``::

    recall        length -> {"hits", "n", "value", "low", "high"}, one needle, test documents
    walls         "groups", "solved", "connections": rates; "chance": of a random grouping;
                  "herrings": number of red herrings -> groups, solved;
                  "groups_held": groups whose four words no training row shows together, and the
                  other groups
    stickiness    "rescue": pooled; "rescue_by", "damage_by": condition -> rate; "ever_rescued";
                  "prior": zero-shot answers that follow the prior; "pairs_held": the same and
                  pooled rescue over messages whose subject and quality training never joins
    toggles       arm -> {"role", task -> figure}: toggles and their random-head controls
    gates         what the model must show

A rate is ``{"hits", "n", "value", "low", "high"}`` with Wilson's 95 % interval. Groups of one wall,
and conditions of one message, are not independent, so pooled intervals are somewhat too narrow.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from headbench.reference.lm2_data import HELD, digest_class, is_held
from headbench.reference.lm_probe import documents, hits
from headbench.scoring.statistics.binary import wilson
from headbench.scoring.stickiness import POOLED, part
from headbench.scoring.walls_chance import CHANCE
from headbench.scoring.walls_parse import read_robust, same_group

if TYPE_CHECKING:
    from transformers import PreTrainedModel, PreTrainedTokenizerFast

    from headbench.types import Document, Record

FORMAT = "headbench-lm2-evidence@1"
LENGTHS = (128, 256, 512, 1024)
DEPTHS = (0.0, 0.25, 0.5, 0.75, 1.0)
TASKS = ("walls", "stickiness")
TOGGLES = (
    "mask_heads(map=retrieval, top=2)",
    "scale_heads(map=retrieval, top=2, alpha=1.5)",
    "rope_zero(map=retrieval, top=2, dose=12)",
)


@dataclass(frozen=True)
class EvidenceSettings:
    """How much to measure.

    Attributes:
        trials: Needle documents a length.
        limit: Documents a task under toggles.
        controls: Random-head draws a toggle.
    """

    trials: int = 60
    limit: int = 24
    controls: int = 3


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


Pairs = Sequence[tuple["Document", "Record"]]


def walls_table(pairs: Pairs) -> dict[str, Any]:
    """Figures of the task ``walls`` under the baseline.

    Args:
        pairs: Documents with their records.
    """
    by_group: dict[str, list[bool]] = {"unseen": [], "other": []}
    herrings: dict[int, list[Record]] = {}
    for document, record in pairs:
        answer = read_robust(record.outputs[0]) or ()
        herrings.setdefault(int(str(document.fields["herrings"])), []).append(record)
        for group in _groups(document):
            kind = "unseen" if is_held(group) else "other"
            by_group[kind].append(any(same_group(one, group) for one in answer))
    records = [record for _, record in pairs]
    return {
        "groups": _groups_rate(records),
        "solved": rate(bool(part(record, "solved")) for record in records),
        "connections": rate(
            at < part(record, "connections_exact")
            for record in records
            for at in range(round(part(record, "connections_asked")))
        ),
        "chance": {name: CHANCE[name] for name in ("group_rate", "solved_rate", "ami")},
        "herrings": {
            str(count): {
                "groups": _groups_rate(of),
                "solved": rate(bool(part(record, "solved")) for record in of),
            }
            for count, of in sorted(herrings.items())
        },
        "groups_held": {kind: rate(found) for kind, found in by_group.items()},
    }


def _groups(document: Document) -> list[list[str]]:
    found = document.fields["groups"]
    assert isinstance(found, list)  # noqa: S101 - the world of walls gives lists
    return found


def _groups_rate(records: Sequence[Record]) -> dict[str, float | int]:
    return rate(
        at < part(record, "correct_groups")
        for record in records
        for at in range(round(part(record, "groups")))
    )


def stickiness_table(pairs: Pairs) -> dict[str, Any]:
    """Figures of the task ``stickiness`` under the baseline.

    Args:
        pairs: Documents with their records.
    """
    wrong = [(d, r) for d, r in pairs if part(r, "z")]
    right = [(d, r) for d, r in pairs if part(r, "c")]
    conditions = [
        key.removeprefix("right.") for key in pairs[0][1].parts if key.startswith("right.")
    ]
    later = [name for name in conditions if name != "zero_shot"]
    unseen = [pair for pair in pairs if _pair_held(pair[0])]
    return {
        "z": len(wrong),
        "c": len(right),
        "prior": _follows_prior(pairs),
        "rescue": _pooled(wrong),
        "ever_rescued": rate(bool(part(record, "ever")) for _, record in wrong),
        "rescue_by": {n: rate(bool(part(r, f"right.{n}")) for _, r in wrong) for n in later},
        "damage_by": {n: rate(not part(r, f"right.{n}") for _, r in right) for n in later},
        "pairs_held": {
            "prior": _follows_prior(unseen),
            "rescue": _pooled([(d, r) for d, r in unseen if part(r, "z")]),
        },
    }


def _pooled(wrong: Pairs) -> dict[str, float | int]:
    """Rescue over all conditions that mean to help."""
    return rate(bool(part(r, f"right.{n}")) for _, r in wrong for n in POOLED)


def _follows_prior(pairs: Pairs) -> dict[str, float | int]:
    said = [("yes" if part(r, "said.zero_shot") else "no", d.fields["prior"]) for d, r in pairs]
    return rate(one == prior for one, prior in said)


def _pair_held(document: Document) -> bool:
    words = str(document.fields["text"]).split()
    # "The WHO VERB the QUALITY THING ...": the two words that training keeps apart.
    return digest_class((words[1], words[4])) in HELD["test"] | HELD["calibration"]


def run_tasks(
    folder: Path, tasks: Sequence[str], toggles: Sequence[str] = (), **options: object
) -> dict[tuple[str, str], tuple[Any, list[Record]]]:
    """Run tasks on a model folder through the harness, into a folder that is thrown away.

    Returns:
        (task, arm) -> result and records.
    """
    from headbench.results.files import read_entries
    from headbench.running.api import run

    with tempfile.TemporaryDirectory() as out:
        outcome = run(
            tasks,
            toggles,
            model="hf",
            model_args={"pretrained": str(folder), "dtype": "float32", "name": folder.name},
            out=out,
            **options,
        )
        return {
            (result.task.name, result.arm.name): (
                result,
                [entry.record for entry in read_entries(path, result)],
            )
            for result, path in zip(outcome.results, outcome.files, strict=True)
        }


def baseline_pairs(folder: Path, task: str) -> list[tuple[Document, Record]]:
    """Documents of a packaged task with their records under no toggle."""
    from headbench.tasks.loader import load

    records = {r.document: r for r in run_tasks(folder, [task])[task, "baseline"][1]}
    return [(document, records[document.id]) for document in load(task).documents()]


def toggles_table(folder: Path, settings: EvidenceSettings) -> dict[str, Any]:
    """The main figure of walls, stickiness and niah under each toggle and its controls."""
    ran = run_tasks(
        folder, (*TASKS, "niah"), TOGGLES, limit=settings.limit, controls=settings.controls
    )
    table: dict[str, Any] = {}
    for (task, arm), (result, records) in ran.items():
        row = table.setdefault(arm, {"role": result.arm.role})
        row[task] = rate(_outcomes(task, records))
    return table


def _outcomes(task: str, records: Sequence[Record]) -> list[bool]:
    if task == "walls":
        return [
            at < part(r, "correct_groups")
            for r in records
            for at in range(round(part(r, "groups")))
        ]
    if task == "stickiness":
        return [bool(part(r, f"right.{n}")) for r in records if part(r, "z") for n in POOLED]
    return [str(r.target).lower() in r.outputs[0].lower() for r in records]


def gates(table: dict[str, Any]) -> list[dict[str, Any]]:
    """What ``ref-lm-v2`` must show, and whether this table does."""
    rows: list[tuple[str, float, str, Callable[[float], bool]]] = [
        (f"recall at {n}", table["recall"][str(n)]["value"], ">= 0.95", lambda x: x >= 0.95)
        for n in (128, 256, 512)
    ]
    walls, sticky = table["walls"], table["stickiness"]
    rows += [
        ("share of groups found", walls["groups"]["value"], "0.1 .. 0.9", lambda x: 0.1 < x < 0.9),
        (
            "share of walls solved",
            walls["solved"]["value"],
            "0.05 .. 0.9",
            lambda x: 0.05 < x < 0.9,
        ),
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
    table: dict[str, Any] = {
        "format": FORMAT,
        "split": "test",
        "settings": dict(vars(settings)),
        "recall": recall_table(model, tokenizer, settings.trials),
        "walls": walls_table(baseline_pairs(folder, "walls")),
        "stickiness": stickiness_table(baseline_pairs(folder, "stickiness")),
        "toggles": toggles_table(folder, settings),
    }
    table["gates"] = gates(table)
    return table
