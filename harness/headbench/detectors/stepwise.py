"""Reading a prompt at once up to a point, and then token by token, watching the newest row.

A whole pattern is ``[head, query, key]``; the rows that detectors need are few. Everything before
the first of them goes through the fast kernel, and each wanted row is then a pass of one query
whose pattern is ``[head, 1, key]``: contexts of tens of thousands of tokens fit, and what is seen
is exactly what the model used (masks, windows, sinks and soft caps included).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from headbench.detectors.detector import engine_of
from headbench.errors import DataError
from headbench.nouns import Capture

if TYPE_CHECKING:
    from torch import Tensor

    from headbench.models.hf.adapter import HFModel
    from headbench.models.hf.prompts import Prompt


@dataclass(frozen=True)
class Path:
    """One row's way through a prompt.

    Attributes:
        prompt: The prompt, whose spans captures may name.
        tokens: Ids to feed: the prompt's, or a part of it, and perhaps an answer's.
        start: Position of the first token that is fed by itself; at least 1.
    """

    prompt: Prompt
    tokens: tuple[int, ...]
    start: int

    @property
    def rows(self) -> int:
        """Rows that are watched before the path's tokens end."""
        return len(self.tokens) - self.start


@dataclass(frozen=True)
class Step:
    """One token of every row.

    Attributes:
        number: From 0.
        produced: ``[row]``: the likeliest next token.
        seen: Row -> capture -> tensor, of this one query position.
    """

    number: int
    produced: Tensor
    seen: Mapping[int, Mapping[Capture, Tensor]]


def decode_stepwise(
    model: HFModel, paths: Sequence[Path], captures: Sequence[Capture], steps: int
) -> Iterator[Step]:
    """Feed a batch of paths token by token; rows whose tokens have ended go on greedily.

    Args:
        model: The adapter.
        paths: One a row.
        captures: With ``rows="last"``: each step is one row.
        steps: How many; rows that need fewer are simply not read any more.

    Raises:
        DataError: A path has no token before its start, or an image after it.
    """
    for path in paths:
        image = path.prompt.spans.get("image", ())
        if path.start < 1 or (image and max(image) >= path.start):
            raise DataError(
                "nothing stands before the rows that are watched, or an image behind their start",
                where=f"position {path.start} of {len(path.tokens)}",
                hint="put context and images before the question",
            )
    engine_of(model)  # refuses models that cannot be watched
    rows = []
    for path in paths:
        row = model.preparation.sequence(path.prompt)
        row.tokens, row.prompt = list(path.tokens[: path.start]), path.start + 1
        rows.append(row)
    batch = model.runtime.encode(rows)
    produced = batch.logits[:, -1].argmax(-1).tolist()
    for number in range(steps):
        fed = [
            path.tokens[path.start + number] if number < path.rows else said
            for path, said in zip(paths, produced, strict=True)
        ]
        model.runtime.step(batch, fed, captures)
        said = batch.logits[:, -1].argmax(-1).cpu()
        produced = said.tolist()
        yield Step(number, said, batch.captured)
