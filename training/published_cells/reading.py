"""From one line of the collection to the flat fields of one cell."""

from __future__ import annotations

import hashlib
import re
from typing import Any

from headbench.results.paper_cells import NOT_APPLICABLE, NOT_READ
from training.published_cells import names

Line = dict[str, Any]
"""One line of the collection; ``value`` is the figure's own digits."""
Flat = dict[str, Any]
"""One cell: the fields of ``PaperCell`` with protocol, condition and spread spread out."""

WITH_IMAGES = {"chair", "pope", "mm_niah", "steering", "vlm_benchmarks"}
BY_RULE = {"chair", "pope", "mm_niah", "passphrase_needle", "ruler", "head_maps", "surprisal"}
"""Families whose figures no judge makes."""


def flat_cell(line: Line, large: bool) -> Flat:
    """The fields of a cell.

    Args:
        line: A line of the collection.
        large: Whether some figure of this paper and metric is above 1, so that it is no fraction.
    """
    task, setting, context = names.task(line["task"])
    metric, unit, direction, head = names.metric(line["metric"], task)
    slug = names.SLUGS[line["paper"]]
    family = names.family(task)
    note = line["note"] or ""
    arm_printed, extra, condition = _arm(line["method"] or "", slug)
    condition |= {"context_tokens": context} if context else {}
    condition |= {"head": head} if head else {}
    condition |= _from_note(note, metric)
    setting = setting or extra or _SETTING.get(line["metric"], "")
    role = names.role(arm_printed, slug, line["model"])
    shots = line["prompt"] if slug == "attention_influence" else None
    flat: Flat = {
        "id": _identity(slug, line),
        "family": family,
        "task": task,
        "setting": setting,
        "metric": metric,
        "metric_printed": line["metric"],
        "unit": ("percent" if large else "fraction") if unit == "auto" else unit,
        "direction": direction,
        "model": names.model(line["model"])
        + (" (bitsandbytes, 4 bit)" if "_bnb4_" in line["table"] else ""),
        "model_printed": line["model"] or "",
        "arm": names.arm(arm_printed),
        "arm_printed": arm_printed,
        "role": "ceiling" if metric == "ceiling" else role,
        "value": line["value"],
        "baseline_id": None,
        "grade": line["source"],
        "read_from": _read_from(line),
        "repeats": [],
        "note": _note(note),
        **dict.fromkeys(("context_tokens", "iteration", "depth", "layer", "head")),
        **condition,
        **_protocol(line, family, metric, note, arm_printed),
        **_spread(note),
    }
    if shots is not None:
        flat["prompt"] = f"{shots}; text not recorded" if shots else NOT_READ
    return flat


_SETTING = {"F1_mean3": "mean of 3", "F1_all": "all", "accuracy_all": "all"}


def _identity(slug: str, line: Line) -> str:
    """The cell's name: what the source prints in its row and column, and the settings there."""
    table = re.sub(r"[^a-z0-9.]+", "-", line["table"].lower()).strip("-.")[:32].strip("-.")
    tokens = re.search(r"max (\d+) new tokens|second machine", line["note"] or "")
    row = [
        line[key]
        for key in ("table", "model", "task", "metric", "method", "n", "prompt", "decoding")
    ]
    text = "\x1f".join(str(value) for value in [*row, tokens[0] if tokens else ""])
    return f"{slug}/{table}/{hashlib.sha256(text.encode()).hexdigest()[:8]}"


_CONTEXT = re.compile(r"context (overall|\d+K)|mean over (lengths)")
_ITERATION = re.compile(r"(.+), iteration (\d+)")
_HEAD_ROW = re.compile(r"head (\d+-\d+) \(layer-head, 0-based\)")
_LAYERS = re.compile(r"(random|observed), ((?:all|(?:top|middle|bottom) third of) layers)")
_TRAINED = re.compile(r"(.+?) (w/o? LR decay, (?:746B|1T))")


def _arm(method: str, slug: str) -> tuple[str, str, dict[str, Any]]:
    """The arm without what is no arm: printed arm, setting, condition."""
    if found := _CONTEXT.fullmatch(method):
        return "", "", {"context_tokens": found[1] or "mean over lengths"}
    if found := _ITERATION.fullmatch(method):
        return found[1], "", {"iteration": int(found[2])}
    if found := _HEAD_ROW.fullmatch(method):
        return "argmax copy score", "", {"head": found[1]}
    if found := _LAYERS.fullmatch(method):
        return found[1], "", {"layer": found[2]}
    if found := _TRAINED.fullmatch(method):
        return found[1], found[2], {}
    if method.startswith("word ") and slug == "brain_score":
        return "", method, {}
    if slug == "instruction_brain" and method in (
        "log10 size",
        "MMLU",
        "BBH world knowledge",
        "next-word-prediction loss",
        "log10 size, with vanilla models (Fig. 7)",
    ):
        return "", method, {}
    return method, "", {}


def _from_note(note: str, metric: str) -> dict[str, Any]:
    if found := re.search(r"detection at (\d+) tokens", note):
        detected = metric.endswith("score_0_1") or metric == "jaccard"
        return {"context_tokens": found[1]} if detected else {}
    if found := re.search(r"(\d+K) context", note):
        return {"context_tokens": found[1]}
    return {}


def _protocol(line: Line, family: str, metric: str, note: str, arm: str) -> dict[str, Any]:
    seen = line["decoding"]
    if seen is None and arm in ("greedy", "beam5"):
        seen = arm  # the row's own name says it
    text = f"{seen or ''}; {note}"
    tokens = re.search(r"max (\d+)(?: new)? tokens|(?:greedy, |<= )(\d+)(?: new)? tokens", text)
    template = re.search(r"no chat template(?: except [\w/-]+)?|raw context", line["prompt"] or "")
    prompt = line["prompt"]
    if prompt is not None:
        prompt = re.sub(r", see data/\S+", "", prompt)
    judge = re.search(
        r"GPT-4V judge|GPT-4o judge|judge [\w.-]+|keyword judge|LLM judge", note
    ) or re.search(r"GPT judge", line["metric"])
    fixed = {"judge": NOT_APPLICABLE} if family in BY_RULE else {}
    if family not in WITH_IMAGES:
        fixed["image_set"] = NOT_APPLICABLE
    if family != "chair":
        fixed["profile"] = NOT_APPLICABLE
    if family in ("chair", "head_maps", "surprisal") or metric in ("perplexity", "ce_loss"):
        fixed["parser"] = NOT_APPLICABLE
    found: dict[str, Any] = {
        "n": line["n"] if line["n"] is not None else NOT_READ,
        "image_set": NOT_READ,
        "prompt": prompt if prompt is not None else NOT_READ,
        "chat_template": NOT_READ,
        "decoding": _decoding(seen),
        "max_new_tokens": int(tokens[1] or tokens[2]) if tokens else NOT_READ,
        "parser": NOT_READ,
        "profile": NOT_READ,
        "judge": judge[0] if judge else NOT_READ,
        "seeds": _seeds(note),
    }
    if template:
        found["chat_template"] = (
            "none"
            if template[0] == "raw context"
            else template[0].replace("no chat template", "none")
        )
    return {**found, **fixed}


def _decoding(seen: str | None) -> str:
    """Decoding without the token limit, which has a field of its own."""
    if seen is None:
        return NOT_READ
    kept = re.sub(r",? ?(?:max |<= )?\d+(?: new)? tokens", "", seen)
    kept = {"beam5": "beam search, 5 beams", "beam": "beam search, beams not recorded"}.get(
        kept, kept
    )
    return re.sub(r"^beam5,", "beam search, 5 beams,", kept)


def _seeds(note: str) -> str:
    if found := re.search(r"mean of (\d+) (seeds|runs|random draws)", note):
        return f"mean of {found[1]} {found[2]}"
    if found := re.search(r"(?:^|; )(\d+) seeds", note):
        return f"{found[1]} seeds"
    found = re.search(r"\bseed (\d+)", note)
    return f"seed {found[1]}" if found else NOT_READ


def _spread(note: str) -> dict[str, Any]:
    over, k = None, None
    if found := re.search(r"mean of (\d+) (seeds|runs)", note):
        k, over = int(found[1]), found[2]
    if found := re.search(r"\bsd (\d[\d.]*)", note):
        return _as_spread("sd", found[1], over or "not_stated", k)
    if found := re.search(r"stderr (\d[\d.]*)", note):
        return _as_spread("se", found[1], "items", None)
    if found := re.search(r"95% CI half width (\d[\d.]*)", note):
        return _as_spread("ci", found[1], "items", None)
    if found := re.search(r"\+/- (\d[\d.]*)", note):
        return _as_spread("not_stated", found[1], "seeds", None)
    return _as_spread(None, None, None, None)


def _as_spread(kind: str | None, value: str | None, over: str | None, k: int | None) -> Flat:
    named = {"spread_kind": kind, "spread_value": value, "spread_over": over, "spread_k": k}
    return {key: text.rstrip(".") if isinstance(text, str) else text for key, text in named.items()}


def _read_from(line: Line) -> str:
    note, table = line["note"] or "", line["table"]
    if "image" in note and ("read" in note or "image of the table" in note):
        return "image"
    if line["source"] == "C":
        return "released_file"
    if table.startswith("Figure"):
        return "figure"
    return (
        "table"
        if table.startswith("Table") or "table" in table or table == "appendix, sampling strategies"
        else "text"
    )


_SAID_ELSEWHERE = re.compile(
    r"carried from the card, where the primary text was read|as held by the task card"
    r"|read in an image of the (?:paper's table|table in the authors' repository)"
    r"|read from the table images shipped in the authors' repository \(commit \w+\)"
    r"|image of the table in the authors' repository"
    r"|table copied from the arXiv HTML with its caption"
    r"|max \d+ new tokens|mean of \d+ (?:seeds|runs)|sd [\d.]+|stderr [\d.]+"
    r"|mean of random, popular, adversarial|\d+ seeds|seed \d+|\+/- [\d.]+"
    r"|(?:GPT-4V|keyword|LLM) judge|detection at \d+ tokens|\d+K context"
    r"|file \w+\.json|full text"
)


def _note(note: str) -> str:
    """What the other fields do not say."""
    note = note.replace(" per reader notes", " (from notes on the paper)")
    note = note.replace(
        "table copied in a markdown version of the paper", "read in a markdown copy"
    )
    note = re.sub(r"(mean of \d+ runs), (?=sd )", r"\1; ", note)
    kept = [part for part in note.split("; ") if part and not _SAID_ELSEWHERE.fullmatch(part)]
    return "; ".join(kept)
