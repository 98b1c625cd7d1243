"""Gaze: whether a head attends to what people looked at.

For a document with units j (words, or the image tokens of a picture), human gaze g_j and the
attention A_h[j] that a head gives them, summed over a word's tokens::

    score(h) = mean over documents of  corr over j (A_h[j], g_j)           measure=pearson, spearman
    score(h) = mean over documents of  sum_j  g_j / max g  *  A_h[j]       measure=mass

A head whose attention is the same everywhere correlates with nothing and scores 0. With
``measure=mass``, ``rows=last`` and gaze 1 on a panel of a picture and 0 elsewhere, the score is the
gaze score of "Gaze heads" (Gandikota and Bau, arXiv 2606.14703, Eq. 1): the raw attention of the
row that predicts the answer to the panel that was asked about, averaged over questions. Comparing
attention with fixations word by word follows arXiv 2205.10226 in idea only: it takes attention flow
over all layers, and this takes single heads. A correlation needs no more than gaze and attention
falling off alike along a line; compare with heads of other layers before reading meaning into it.

No source fixes whose attention counts; ``rows`` chooses:

* ``last``: the prompt's last row, which predicts the answer; the default for pictures;
* ``after``: the mean over all rows behind the words or the picture;
* ``within``: each token's mean over the rows of the text that come after its own word; the default
  for words. A causal model has no others.

``gaze`` needs a file with human gaze data (:mod:`headbench.detectors.gaze_file`). Without one,
``of=object`` compares attention with object positions: the packaged scenes, and the cell of the
object that is asked about.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import torch

from headbench.detectors import calibration
from headbench.detectors.detector import (
    Detector,
    DetectorParams,
    Marks,
    Measurement,
    Trial,
    Trials,
    attending_layers,
    chunks,
)
from headbench.detectors.gaze_file import LEAST, laid_over, trials_of
from headbench.detectors.stepwise import WatchedSequence, decode_stepwise
from headbench.errors import ConfigError, DataError, RefusedError
from headbench.nouns import Capture

if TYPE_CHECKING:
    from collections.abc import Sequence

    from torch import Tensor

    from headbench.models.hf.adapter import HFModel
    from headbench.models.hf.prompts import Prompt

SCENES = 40
"""Images of ``of=object``, by default."""
UNKNOWN = 0.01
"""Largest share of a text's tokens that may be unknown to the tokenizer."""


class GazeParams(DetectorParams):
    """Whose gaze, and how attention is compared with it."""

    file: str = ""
    """A file of human gaze, ``headbench-gaze@1``."""
    images: str = ""
    """Folder of the file's pictures; default: the file's own."""
    of: Literal["file", "object"] = "file"
    """``object``: the cell of the object that is asked about, in the packaged scenes."""
    measure: Literal["pearson", "spearman", "mass"] = "pearson"
    """Linear correlation, rank correlation, or the attention that falls on what was looked at."""
    rows: Literal["last", "after", "within"] | None = None
    """Whose attention; default: ``last`` for pictures, ``within`` for words."""


@dataclass(frozen=True)
class Units:
    """What attention is compared with, in one prompt.

    Attributes:
        gaze: ``[unit]``.
        places: Positions of all tokens of all units, ``[token]``.
        owner: Unit of each of them, ``[token]``.
    """

    gaze: Tensor
    places: Tensor
    owner: Tensor


def load(params: GazeParams, limit: int | None, seed: int) -> Trials:
    """The documents of the file, or the packaged scenes.

    Raises:
        ConfigError: No file is named.
        DataError: The file is missing or broken.
    """
    if params.of == "object":
        wanted = limit or SCENES
        found = calibration.load("scenes", 2 * wanted, seed)
        kept = tuple(trial for trial in found.trials if trial.request.document in found.marks)
        facts = {**found.facts, "documents": len(kept), "marks": "cell of the asked object"}
        return Trials(kept, facts, "image", found.images, found.marks)
    if not params.file:
        raise ConfigError(
            "gaze needs a file with human gaze data, and none is given",
            where="--detector gaze",
            hint="--set file=GAZE.json (docs/heads.md shows the format), or --set of=object, which "
            "compares attention with object positions in the packaged scenes",
        )
    return trials_of(Path(params.file), Path(params.images) if params.images else None, limit)


def run(model: HFModel, trials: Trials, params: GazeParams) -> Measurement:
    """Score every head.

    Raises:
        DataError: A document has no gaze, or too little of it.
        RefusedError: The model's image tokens form no known grid, or it does not know the words.
    """
    missing = [t.request.document for t in trials.trials if t.request.document not in trials.marks]
    if missing:
        raise DataError(f"the document {missing[0]!r} has no gaze", hint="give marks for each one")
    scores: list[Tensor] = []
    for batch in chunks(model, trials.trials):
        scores += _batch(model, batch, trials, params)
    return Measurement(torch.stack(scores).mean(0), len(scores))


def _batch(
    model: HFModel, batch: Sequence[Trial], trials: Trials, params: GazeParams
) -> list[Tensor]:
    sequences, received = [], []
    for trial in batch:
        marks = trials.marks[trial.request.document]
        prompt = model.prompter.resolve(trial.request)
        units = units_of(model, prompt, marks)
        rows = params.rows or ("last" if marks.over == "image" else "within")
        start, stop = watched(units, len(prompt.tokens), rows, trial.request.document)
        sequences.append(WatchedSequence(prompt, prompt.tokens[:stop], start))
        received.append(_ReceivedAttention(units))
    capture = Capture("pattern", attending_layers(model))
    for step in decode_stepwise(
        model, sequences, (capture,), max(sequence.rows for sequence in sequences)
    ):
        for row, (sequence, attention) in enumerate(zip(sequences, received, strict=True)):
            if step.number < sequence.rows:
                attention.add(sequence.start + step.number, step.captured[row][capture][..., 0, :])
    return [attention.score(params.measure) for attention in received]


def watched(units: Units, length: int, rows: str, document: str) -> tuple[int, int]:
    """First and last-plus-one position of the rows whose attention is read.

    Raises:
        DataError: There is none.
    """
    behind = int(units.places.max()) + 1  # the first position after all units
    first = int(units.places.min()) + 1
    start, stop = {
        "last": (length - 1, length),
        "after": (behind, length),
        "within": (max(1, first), behind),
    }[rows]
    if start >= stop or (rows == "last" and start < behind):
        raise DataError(
            f"no token of the document {document!r} follows what was looked at",
            where=f"rows={rows}",
            hint="give the document a text that follows, or use --set rows=within for words",
        )
    return start, stop


class _ReceivedAttention:
    """The attention that the units of one document have received, ``[layer, head, token]``."""

    def __init__(self, units: Units) -> None:
        self.units = units
        self.rows = torch.zeros(len(units.places))  # [token]: rows that counted
        self.sums: Tensor | None = None

    def add(self, at: int, row: Tensor) -> None:
        """Add the row at position ``at``: ``[layer, head, key]``, its own position last."""
        places, owner = self.units.places, self.units.owner
        own_unit = owner[places == at]
        # A word's later tokens look at its earlier ones, which says nothing about reading.
        counts = (places < at) & ~torch.isin(owner, own_unit)
        # Counted from the end of the row, whose last key is position ``at``; later positions are
        # clamped to any key, because ``counts`` drops them.
        keys = (row.shape[-1] - 1 - at + places).clamp(max=row.shape[-1] - 1)
        weights = row[..., keys.to(row.device)].float().cpu() * counts  # [layer, head, token]
        self.sums = weights if self.sums is None else self.sums + weights
        self.rows += counts

    def score(self, measure: str) -> Tensor:
        """``[layer, head]``.

        Raises:
            DataError: Too few units were seen by a row.
        """
        units = self.units
        count = len(units.gaze)
        # A unit counts if every token of it was seen by some row: [unit], from tokens to units.
        unread_tokens = torch.zeros(count).index_add(0, units.owner, (self.rows == 0).float())
        seen = unread_tokens == 0
        if self.sums is None or int(seen.sum()) < (1 if measure == "mass" else LEAST):
            raise DataError("too few words are followed by rows that could look back at them")
        mean = self.sums / self.rows.clamp(min=1)
        # A unit's attention is the sum over its tokens: [layer, head, unit].
        attention = mean.new_zeros(*mean.shape[:2], count).index_add(-1, units.owner, mean)
        return compare(attention[..., seen], units.gaze[seen], measure)


def compare(attention: Tensor, gaze: Tensor, measure: str) -> Tensor:
    """How far attention lies where gaze does, ``[layer, head]``.

    Args:
        attention: ``[layer, head, unit]``.
        gaze: ``[unit]``.
        measure: As in :class:`GazeParams`.
    """
    if measure == "mass":
        return (attention * (gaze / gaze.max().clamp(min=torch.finfo(gaze.dtype).tiny))).sum(-1)
    x, y = attention.double(), gaze.double()
    # Below float32's own noise a row of attention is flat, and correlates with nothing.
    spread = (x - x.mean(-1, keepdim=True)).norm(dim=-1)
    flat = spread <= 1e-6 * x.abs().amax(-1)
    if measure == "spearman":
        from scipy.stats import rankdata

        x = torch.from_numpy(rankdata(x.numpy(), axis=-1))
        y = torch.from_numpy(rankdata(y.numpy()))
    x, y = x - x.mean(-1, keepdim=True), y - y.mean()
    size = x.norm(dim=-1) * y.norm()
    found: Tensor = torch.where(flat | (size == 0), 0.0, (x * y).sum(-1) / size.clamp(min=1e-300))
    return found.float()


def units_of(model: HFModel, prompt: Prompt, marks: Marks) -> Units:
    """The tokens of each word or cell, with their gaze.

    Raises:
        DataError: A word has no token of its own.
        RefusedError: The image tokens form no known grid, or many words are unknown.
    """
    if marks.over == "image":
        return _cells(model, prompt, marks)
    share = model.prompter.unknown_share(prompt)
    if share > UNKNOWN:
        raise RefusedError(
            f"{model.name} does not know {share:.1%} of a text's words",
            hint="use a model with an open vocabulary",
        )
    gaze: list[float] = []
    places: list[int] = []
    owner: list[int] = []
    for number, value in enumerate(marks.weights[0]):
        tokens = prompt.spans.get(f"word {number}", ())
        if not tokens:
            raise DataError(f"word {number} of a text has no token", hint="look at its words")
        if value is not None:
            owner += [len(gaze)] * len(tokens)
            places += tokens
            gaze.append(value)
    return Units(torch.tensor(gaze), torch.tensor(places), torch.tensor(owner))


def _cells(model: HFModel, prompt: Prompt, marks: Marks) -> Units:
    image = prompt.spans.get("image", ())
    if any(value is None for row in marks.weights for value in row):
        raise DataError(
            "the gaze over an image has missing values", hint="fill them in: 0 where nobody looked"
        )
    rows, columns = token_grid(model, prompt)
    known = [[float(value or 0.0) for value in row] for row in marks.weights]
    gaze = [value for row in laid_over(known, rows, columns) for value in row]
    return Units(torch.tensor(gaze), torch.tensor(image), torch.arange(len(image)))


def token_grid(model: HFModel, prompt: Prompt) -> tuple[int, int]:
    """Rows and columns of a picture's tokens.

    Raises:
        RefusedError: The prompt has several pictures, or the family lays tokens out in another way.
    """
    count = len(prompt.spans.get("image", ()))
    if len(prompt.images) == 1:
        tensors = model.preparation.pixels(prompt.images[0])
        grid = tensors.get("image_grid_thw")
        if grid is not None:
            _, down, across = (int(part) for part in grid.flatten()[:3])
            merge = max(1, math.isqrt(down * across // max(1, count)))
            if (down // merge) * (across // merge) == count:
                return down // merge, across // merge
        side = math.isqrt(count)
        if grid is None and "image_sizes" not in tensors and side and side * side == count:
            return side, side
    raise RefusedError(
        f"the {count} image tokens of a prompt with {len(prompt.images)} pictures form no grid "
        "that is known",
        where=model.name,
        hint="show one picture, to a model whose image tokens are one grid",
    )


DETECTOR = Detector("gaze", GazeParams, run, "scenes", SCENES, data=load)
