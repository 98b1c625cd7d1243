"""The rows of attention that predict an answer's tokens, with and without an intervention."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from headbench.detectors.gaze import token_grid
from headbench.errors import RefusedError
from headbench.interventions.rewriting import check_rewritten
from headbench.jobs import Condition, Job
from headbench.models.hf.preparation import check_visited, note
from headbench.models.runtime.threads import threads
from headbench.nouns import Capture, Request

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from torch import Tensor

    from headbench.models.hf.adapter import HFModel

MOST_HEADS = 64
"""Heads that one page shows."""
Pair = tuple[int, int]


@dataclass(frozen=True)
class AttentionRows:
    """One answer, and the attention of the rows that predict its tokens.

    Attributes:
        condition: The intervention, or ``baseline``.
        tokens: Text of each token of the prompt, then of the answer; image tokens are empty.
        prompt: Tokens of the prompt.
        image: Positions of the image's tokens.
        grid: Rows and columns that the image's tokens form; ``None`` without an image.
        produced: Text of the token that each row predicts.
        answer: The text of these tokens together.
        heads: (layer, head) pairs.
        weights: ``[row, head, position]``, each row over all keys in [0, 1] and summing to at most
            1 (sinks without a key take the rest); what a row cannot see is 0.
    """

    condition: str
    tokens: tuple[str, ...]
    prompt: int
    image: tuple[int, ...]
    grid: tuple[int, int] | None
    produced: tuple[str, ...]
    answer: str
    heads: tuple[Pair, ...]
    weights: NDArray[np.float32]

    def on_image(self, row: int, head: int) -> float:
        """Share of a row's attention that lies on the image, in [0, 1]."""
        return float(self.weights[row, head, list(self.image)].sum())

    def of(self, heads: Sequence[Pair]) -> AttentionRows:
        """The same answer with some of the heads, in the given order."""
        places = [self.heads.index(pair) for pair in heads]
        return replace(self, heads=tuple(heads), weights=self.weights[:, places])


def attention_rows(
    model: HFModel, request: Request, condition: Condition, layers: Sequence[int], steps: int
) -> AttentionRows:
    """Answer a request greedily and record the rows that predict the answer.

    Args:
        model: A transformers model with the intervention engine.
        request: One prompt, of the kind ``generate``.
        condition: Under which intervention.
        layers: All of their heads are recorded.
        steps: Most tokens of the answer.

    Raises:
        RefusedError: The condition compares branches or rewrites requests, the prompt does not fit
            the model, or its image tokens form no known grid.
    """
    job = Job(request, condition)
    model.refuse(job)
    check_rewritten(job)
    model.preparation.check_plan(job)
    with threads(model.threads):
        return _recorded(model, job, tuple(layers), steps)


def _recorded(model: HFModel, job: Job, layers: tuple[int, ...], steps: int) -> AttentionRows:
    (work,) = model.preparation.open([job])
    group = model.preparation.group(work)
    if len(group.sequences) > 1:
        raise RefusedError(
            f"{job.condition.name} compares several sequences; none of them is the answer's own",
            where=work.where,
            hint="look at an intervention without branches",
        )
    runtime, prompter, prompt = model.runtime, model.prompter, work.prompt
    capture = Capture("pattern", layers, rows="last")
    rows = group.prompt_rows  # with a companion that the edits read, where the method has one
    place = next(number for number, row in enumerate(rows) if row is group.main)
    batch = runtime.encode(rows, captures=(capture,), recorded=(place,))
    seen: list[Tensor] = [batch.captured[place][capture]]
    if len(rows) > 1:
        batch = runtime.select(batch, [place])
    produced: list[int] = []
    while True:
        token = int(batch.logits[0, -1].argmax())
        produced.append(token)
        if token in model.decoder.ends or len(produced) == steps:
            break
        runtime.step(batch, [token], captures=(capture,))
        seen.append(batch.captured[0][capture])
    runtime.finish(batch)
    note(work, group)
    check_visited(work)
    image = prompt.spans.get("image", ())
    whole = [*prompt.tokens, *produced[:-1]]
    heads = tuple((layer, head) for layer in layers for head in range(model.preparation.info.heads))
    weights = np.zeros((len(seen), len(heads), len(whole)), dtype=np.float32)
    for number, pattern in enumerate(seen):
        # [layer, head, 1, key] -> [layer x head, key]; a window's keys end at the row itself.
        row = pattern[..., -1, :].flatten(0, 1).float().cpu().numpy()
        end = len(prompt.tokens) + number
        kept = min(row.shape[-1], end)
        weights[number, :, end - kept : end] = row[:, row.shape[-1] - kept :]
    shown = set(image)
    pieces = prompter.pieces(whole)
    return AttentionRows(
        condition=job.condition.name,
        tokens=tuple("" if at in shown else piece for at, piece in enumerate(pieces)),
        prompt=len(prompt.tokens),
        image=tuple(image),
        grid=token_grid(model, prompt) if image else None,
        produced=tuple(prompter.pieces(produced)),
        answer=prompter.decode(produced),
        heads=heads,
        weights=weights,
    )


def most_attentive(rows: AttentionRows, count: int) -> tuple[tuple[Pair, ...], str]:
    """The heads to show where none are named, and how they were chosen.

    With an image: those that put most of the first row's attention on it. Without one: those that
    put most on tokens other than the first, where idle attention rests, and the row itself.
    """
    first: NDArray[np.float32] = rows.weights[0]  # [head, position]
    if rows.image:
        mass, how = first[:, list(rows.image)].sum(axis=1), "attend most to the image"
    else:
        inner = first[:, 1 : max(1, rows.prompt - 1)]
        mass, how = inner.sum(axis=1), "attend most to tokens between the first and the last"
    order = np.argsort(-mass, kind="stable")[:count]
    chosen = tuple(rows.heads[at] for at in order)
    return chosen, f"the {len(chosen)} heads that {how}, in the unedited first row"


def check_count(heads: Sequence[Pair]) -> None:
    """Refuse more heads than a page shows.

    Raises:
        RefusedError: There are more than :data:`MOST_HEADS`.
    """
    if len(heads) > MOST_HEADS:
        raise RefusedError(
            f"{len(heads)} heads are more than the {MOST_HEADS} that one page shows",
            where="--heads, --layers",
            hint="name fewer, for example --heads 'map=NAME, top=8'",
        )
