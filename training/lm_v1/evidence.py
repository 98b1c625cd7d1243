"""The table of evidence: recall, the heads that carry it, and every control.

Heads are chosen on calibration documents and everything is reported on test documents. The table is
plain JSON, format ``headbench-lm-evidence@1``::

    recall       length -> {"all": share, "by_depth": {depth: share}}
    copy_scores  [layer][head], from calibration documents
    retrieval_heads, strong_heads
                 [[layer, head], ...] with a score of at least .1, of at least .5, best first
    masking      recall at ``length`` after zeroing z: "top" k -> share; "random" k -> share per
                 draw of other heads from the retrieval heads' own layers, which "drawn" names;
                 "busiest" k -> share for those other heads above layer 0 whose masking hurts
                 plain text most: the control for how much a head matters at all
    rotary       recall after zeroing query dimensions of the retrieval heads:
                 "lowest" | "highest" dims -> share, "random" dims -> share per draw
    language_loss   nats per token on filler: baseline, top k masked, busiest k masked, random
                 k masked per draw; "per_head" [layer][head]: what masking that head alone adds, on
                 calibration filler
    gates        acceptance criteria: name, value, bound, whether it holds
"""

from __future__ import annotations

from contextlib import nullcontext
from dataclasses import dataclass
from itertools import combinations, pairwise
from random import Random
from typing import TYPE_CHECKING, Any

import torch

from training.lm_v1.needle_probe import (
    RETRIEVAL_THRESHOLD,
    Head,
    copy_scores,
    documents,
    hits,
    language_loss,
    masked_heads,
    ranked,
    recall,
    zeroed_rotary,
)

if TYPE_CHECKING:
    from collections.abc import Sequence
    from contextlib import AbstractContextManager

    from torch import Tensor
    from transformers import PreTrainedModel, PreTrainedTokenizerFast

    from headbench.worlds.needles import NeedleDocument, Split

FORMAT = "headbench-lm-evidence@1"
STRONG = 0.5
DEPTHS = (0.0, 0.25, 0.5, 0.75, 1.0)
LENGTHS = (128, 256, 512, 1024, 2048)
TOP = (1, 2, 3)
RANDOM = (2, 3, 4, 6)
DOSES = (4, 6, 8, 12, 16)


@dataclass(frozen=True)
class EvidenceSettings:
    """How much to measure.

    Attributes:
        lengths: Prompt lengths, in tokens, of the recall table.
        trials: Documents per length, spread over the depths and two families.
        trials_longest: Documents at lengths above 512.
        edited_length: Prompt length of masking and rotary rows.
        edited_trials: Documents of each of those rows.
        detection_length: Prompt length of the calibration documents.
        detection_trials: Calibration documents.
        draws: Random head controls of each size.
        rotary_draws: Random controls of each rotary dose.
        filler_length: Tokens of each of the rows of plain text.
        first_seed: First document seed.
    """

    lengths: tuple[int, ...] = LENGTHS
    trials: int = 60
    trials_longest: int = 25
    edited_length: int = 512
    edited_trials: int = 20
    detection_length: int = 384
    detection_trials: int = 60
    draws: int = 3
    rotary_draws: int = 2
    filler_length: int = 512
    first_seed: int = 0


DEFAULT = EvidenceSettings()


@dataclass(frozen=True)
class _Bench:
    """A model with the documents on which its edits are compared."""

    model: PreTrainedModel
    tokenizer: PreTrainedTokenizerFast
    documents: Sequence[NeedleDocument]

    def recall(self, edit: AbstractContextManager[None] | None = None) -> float:
        with edit or nullcontext():
            return round(recall(self.model, self.tokenizer, self.documents), 4)


@dataclass(frozen=True)
class _Filler:
    """A model with the plain text on which its edits are compared."""

    model: PreTrainedModel
    split: Split
    length: int

    def loss(self, masked: Sequence[Head]) -> float:
        with masked_heads(self.model, masked):
            return round(language_loss(self.model, self.split, self.length), 4)


def retrieval_scores(
    model: PreTrainedModel,
    tokenizer: PreTrainedTokenizerFast,
    settings: EvidenceSettings = DEFAULT,
) -> tuple[Tensor, int, list[NeedleDocument]]:
    """Copy scores on calibration documents ``[layer, head]``, trials kept, the documents."""
    asked = documents(
        "calibration",
        settings.detection_length,
        DEPTHS,
        settings.detection_trials,
        settings.first_seed,
    )
    scores, kept = copy_scores(model, tokenizer, asked)
    return scores, kept, asked


def evidence(
    model: PreTrainedModel,
    tokenizer: PreTrainedTokenizerFast,
    split: Split = "test",
    settings: EvidenceSettings = DEFAULT,
    scores: Tensor | None = None,
) -> dict[str, Any]:
    """Measure everything; see the module's text for the table's fields.

    Args:
        model: In fp32, eval mode.
        tokenizer: Its tokenizer.
        split: World of the reported documents.
        settings: How much to measure; the default takes under a minute on one core.
        scores: Copy scores that select the heads; by default detected here, on calibration.
    """
    if scores is None:
        scores, _, _ = retrieval_scores(model, tokenizer, settings)
    order = ranked(scores)
    retrieval = [at for at in order if float(scores[at]) >= RETRIEVAL_THRESHOLD]
    bench = _Bench(
        model,
        tokenizer,
        documents(
            split, settings.edited_length, DEPTHS, settings.edited_trials, settings.first_seed
        ),
    )
    drawn = _random_heads(scores, settings.draws)
    costs = _head_costs(model, settings.filler_length)
    busiest = [at for at in ranked(torch.tensor(costs)) if at[0] > 0 and at not in retrieval]
    table: dict[str, Any] = {
        "format": FORMAT,
        "split": split,
        "settings": {key: value for key, value in vars(settings).items()},
        "recall": _recall_table(model, tokenizer, split, settings),
        "copy_scores": [[round(float(value), 4) for value in row] for row in scores],
        "retrieval_heads": [list(at) for at in retrieval],
        "strong_heads": [list(at) for at in order if float(scores[at]) >= STRONG],
        "masking": _masking(bench, order, busiest, drawn),
        "rotary": _rotary(bench, retrieval, settings.rotary_draws),
        "language_loss": {
            "per_head": costs,
            **_losses(_Filler(model, split, settings.filler_length), order, busiest, drawn),
        },
    }
    table["gates"] = criteria(table)
    return table


def _recall_table(
    model: PreTrainedModel,
    tokenizer: PreTrainedTokenizerFast,
    split: Split,
    settings: EvidenceSettings,
) -> dict[str, Any]:
    table = {}
    for length in settings.lengths:
        trials = settings.trials if length <= 512 else settings.trials_longest
        asked = documents(split, length, DEPTHS, trials, settings.first_seed)
        found = hits(model, tokenizer, asked)
        by_depth = {
            str(depth): [hit for hit, d in zip(found, asked, strict=True) if d.depth == depth]
            for depth in DEPTHS
        }
        table[str(length)] = {
            "all": round(sum(found) / len(found), 4),
            "trials": len(found),
            "by_depth": {
                depth: round(sum(of) / len(of), 4) for depth, of in by_depth.items() if of
            },
        }
    return table


def _random_heads(scores: Tensor, draws: int) -> dict[int, list[list[Head]]]:
    """Size -> distinct draws of heads that retrieve nothing, from the layers of those that do.

    Layer 0 is left out: it holds the planted heads that all recall stands on.
    """
    layers = {layer for layer, head in ranked(scores) if scores[layer, head] >= RETRIEVAL_THRESHOLD}
    pool = [
        at
        for at in sorted(ranked(scores))
        if at[0] in layers - {0} and float(scores[at]) < RETRIEVAL_THRESHOLD
    ]
    random = Random("random heads")
    sets = {size: list(combinations(pool, size)) for size in RANDOM if size <= len(pool)}
    return {
        size: [list(heads) for heads in random.sample(possible, min(draws, len(possible)))]
        for size, possible in sets.items()
    }


def _masking(
    bench: _Bench, order: list[Head], busiest: list[Head], drawn: dict[int, list[list[Head]]]
) -> dict[str, Any]:
    top = {str(k): bench.recall(masked_heads(bench.model, order[:k])) for k in TOP}
    busy = {str(k): bench.recall(masked_heads(bench.model, busiest[:k])) for k in TOP}
    random = {
        str(size): [bench.recall(masked_heads(bench.model, heads)) for heads in draws]
        for size, draws in drawn.items()
    }
    return {
        "length": int(bench.documents[0].id.split("-")[2]),
        "baseline": bench.recall(),
        "top": top,
        "busiest": busy,
        "busiest_heads": [list(at) for at in busiest[: max(TOP)]],
        "random": random,
        "drawn": {
            str(size): [[list(at) for at in heads] for heads in d] for size, d in drawn.items()
        },
    }


def _rotary(bench: _Bench, heads: list[Head], draws: int) -> dict[str, Any]:
    """Dose-response of zeroed query dimensions, slowest, fastest and random pairs."""
    config = bench.model.config.get_text_config()
    pairs = list(range(config.head_dim // 2))
    random = Random("random pairs")

    def after(chosen: list[int]) -> float:
        return bench.recall(zeroed_rotary(bench.model, heads, chosen))

    return {
        "heads": [list(at) for at in heads],
        "lowest": {str(dose): after(pairs[-dose // 2 :]) for dose in DOSES},
        "highest": {str(dose): after(pairs[: dose // 2]) for dose in DOSES},
        "random": {
            str(dose): [after(sorted(random.sample(pairs, dose // 2))) for _ in range(draws)]
            for dose in DOSES
        },
    }


def _head_costs(model: PreTrainedModel, length: int) -> list[list[float]]:
    """What masking each head alone adds to the loss on calibration filler, in nats per token."""
    config = model.config.get_text_config()
    baseline = language_loss(model, "calibration", length)

    def cost(at: Head) -> float:
        with masked_heads(model, [at]):
            return round(language_loss(model, "calibration", length) - baseline, 4)

    return [
        [cost((layer, head)) for head in range(config.num_attention_heads)]
        for layer in range(config.num_hidden_layers)
    ]


def _losses(
    filler: _Filler, order: list[Head], busiest: list[Head], drawn: dict[int, list[list[Head]]]
) -> dict[str, Any]:
    after = filler.loss
    return {
        "baseline": after(()),
        "top": {str(k): after(order[:k]) for k in TOP},
        "busiest": {str(k): after(busiest[:k]) for k in TOP},
        "random": {str(size): [after(heads) for heads in draws] for size, draws in drawn.items()},
    }


def criteria(table: dict[str, Any]) -> list[dict[str, Any]]:
    """The acceptance criteria of ``ref-lm-v1``, and whether this table meets them.

    Returns:
        ``{"name", "value", "bound", "holds"}`` each; ``value`` is the worst case of its row.
    """
    recall_at = {int(length): row["all"] for length, row in table["recall"].items()}
    masking, rotary = table["masking"], table["rotary"]
    lowest = [rotary["lowest"][str(dose)] for dose in DOSES]
    # Without a retrieval head there are no controls to draw; 0.0 then fails the criterion.
    random = min((value for draws in masking["random"].values() for value in draws), default=0.0)
    rises = max((later - earlier for earlier, later in pairwise(lowest)), default=0.0)
    rows = [(f"recall at {n}", recall_at[n], ">=", 0.95) for n in (128, 256, 512) if n in recall_at]
    if 1024 in recall_at:
        rows.append(("recall at 1024", recall_at[1024], ">=", 0.90))
    strong = len(table["strong_heads"])
    rows += [
        ("heads with a copy score of .5 or more, at least", strong, ">=", 2),
        ("heads with a copy score of .5 or more, at most", strong, "<=", 5),
        ("recall after masking the top 2", masking["top"]["2"], "<", 0.20),
        ("recall after masking the top 3", masking["top"]["3"], "<", 0.20),
        ("worst recall after masking 2-6 random heads of the same layers", random, ">=", 0.90),
        ("recall after zeroing the 12 lowest-frequency dimensions", lowest[3], "<=", 0.20),
        ("largest rise of recall along the lowest-frequency doses", round(rises, 4), "<=", 0.0),
        (
            "worst recall after zeroing up to 16 highest-frequency dimensions",
            min(rotary["highest"].values()),
            ">=",
            0.95,
        ),
    ]
    compare = {">=": float.__ge__, "<=": float.__le__, "<": float.__lt__}
    return [
        {
            "name": name,
            "value": value,
            "bound": f"{sign} {bound}",
            "holds": bool(compare[sign](float(value), float(bound))),
        }
        for name, value, sign, bound in rows
    ]


def verdicts(table: dict[str, Any]) -> str:
    """The acceptance criteria of a table, a line each."""
    return "\n".join(
        f"{'ok  ' if one['holds'] else 'FAIL'} {one['name']}: {one['value']} ({one['bound']})"
        for one in table["gates"]
    )
