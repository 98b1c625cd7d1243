"""The page of the sweep: what each class of the library is to the adapter."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

import transformers

from sweep.checks import GAP, MASKED, NEW, SIZES, TOLERANCE
from sweep.classes import summary

Row = Mapping[str, object]


def page(rows: Sequence[Row]) -> str:
    """``docs/architectures.md``, from the outcomes of all classes."""
    counts = summary(rows)
    right = [row for row in rows if row["outcome"] == "right"]
    mixed = [row for row in right if len(_layers(row)) < int(str(row["layers"]))]
    parts = [
        "# Which classes of transformers are right",
        "",
        "`make sweep` writes this page. Every model type that transformers "
        f"{transformers.__version__} maps to a causal or an image-text class was made once from a "
        "tiny configuration, saved, loaded through the `hf` adapter and held against the library:",
        "",
        f"* {NEW} greedy tokens for each of 16 prompts, in batches of "
        f"{', '.join(map(str, SIZES[:-1]))} and {SIZES[-1]}, against the library's own `generate` "
        "of each prompt alone. Tokens must be equal up to the first whose two best logits differ "
        f"by {GAP:g} or less, and log-probabilities within {TOLERANCE:g};",
        f"* `mask_heads` of one head in the last layer with attention, for {MASKED} prompts, "
        "against a plain hook that zeroes this head's part of what enters the output projection.",
        "",
        f"**{counts['right']} are right, {counts['refused']} are refused by name, "
        f"{counts['unbuilt']} cannot be built from a tiny configuration here, {counts['wrong']} "
        "are wrong.** Image-text classes are asked about texts alone; pictures are tested with "
        "LLaVA and Qwen2-VL. Where nothing else is said, every layer has attention.",
        "",
        "A refusal comes before anything is answered: when the configuration is read, when an "
        "empty plan is compared with the model's own attention, or when a few short passes at load "
        "show that the model cannot be decoded correctly.",
        "",
        "## Right",
        "",
        "| model type | class | layers with attention (of 4) | note |",
        "|---|---|---|---|",
        *(
            f"| `{row['model_type']}` | {row['class']} | "
            f"{', '.join(map(str, _layers(row))) if row in mixed else 'all'} | {_notes(row)} |"
            for row in right
        ),
        "",
        "## Refused by name",
        "",
        "| model type | class | reason |",
        "|---|---|---|",
        *_lines(rows, "refused"),
        "",
        "## Not built here",
        "",
        "The configuration's other fields do not fit the tiny sizes, or a package is missing.",
        "",
        "| model type | class | reason |",
        "|---|---|---|",
        *_lines(rows, "unbuilt"),
    ]
    if counts["wrong"]:
        parts += ["", "## Wrong", "", "| model type | class | what |", "|---|---|---|"]
        parts += _lines(rows, "wrong")
    return "\n".join([*parts, ""])


def _lines(rows: Iterable[Row], outcome: str) -> list[str]:
    return [
        f"| `{row['model_type']}` | {row['class']} | {_reason(str(row['reason']))} |"
        for row in rows
        if row["outcome"] == outcome
    ]


def _layers(row: Row) -> list[int]:
    found = row["attention"]
    assert isinstance(found, list)
    return found


def _notes(row: Row) -> str:
    notes = row["notes"]
    assert isinstance(notes, list)
    return "; ".join(str(note) for note in notes)


def _reason(text: str) -> str:
    """What happened, without where and the hint, on one line of a table."""
    text = " ".join(text.split()).replace("|", "\\|")
    for mark in (" at: pretrained=", " at: /", " hint: ", " at: --model hf"):
        text = text.partition(mark)[0]
    return text if len(text) <= 220 else text[:217] + "..."
