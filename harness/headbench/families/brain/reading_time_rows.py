"""Documents of ``rt_natural_stories``: one sentence, scored word by word after what precedes it."""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np
from pydantic import Field

from headbench.families.brain.natural_stories import ReadingTimes, reading_times
from headbench.families.brain.reading_times import sentence_initial
from headbench.tasks.data.source import DataRow, DataSpec
from headbench.tasks.images import Images
from headbench.tasks.schema import Strict


class StoryOptions(Strict):
    """``dataset_kwargs`` of Natural Stories."""

    context_words: int = Field(
        300, ge=1, description="Most words of the story that stand before a sentence."
    )


def sentence_rows(spec: DataSpec, images: Images) -> Iterator[DataRow]:
    """One row per sentence, in reading order.

    A sentence is asked about by its beginnings: one word, two words, and so on. What a word adds to
    the log-probability is that of its own characters, however they are cut into tokens. The first
    word of a story has nothing before it and is context only.

    Raises:
        MissingDataError: The data is not there.
    """
    options, times = spec.options(StoryOptions), reading_times()
    for story in np.unique(times.story).tolist():
        mine = np.flatnonzero(times.story == story)
        words = [times.words[at] for at in mine]
        starts = [at for at, first in enumerate(sentence_initial(words)) if first and at > 1]
        ends = [*starts, len(words)]
        for start, end in zip([1, *starts], ends, strict=True):
            yield _sentence(times, mine, start, end, options.context_words)


def _sentence(times: ReadingTimes, mine: np.ndarray, start: int, end: int, context: int) -> DataRow:
    words = [times.words[at] for at in mine]
    places = mine[start:end]
    name = f"story {times.story[places[0]]} word {times.zone[places[0]]}"
    own = words[start:end]
    fields: dict[str, object] = {
        "id": name,
        "cluster": name,
        "context": " ".join(words[max(0, start - context) : start]),
        "beginnings": [" ".join(own[: number + 1]) for number in range(len(own))],
        "lengths": [len(word) for word in own],
        "positions": times.zone[places].tolist(),
        "left_out": times.initial[places].tolist(),
        "log_counts": [
            math.log1p(one) if math.isfinite(one) else None for one in times.counts[places].tolist()
        ],
        "order": int(places[0]),
        "target": {
            "ms": times.mean[places].tolist(),
            "deviation": times.deviation[places].tolist(),
            "readers": times.readers[places].tolist(),
            "before": times.mean[places - 1].tolist(),  # a story's first word is never asked about
        },
    }
    return DataRow(fields, place=name)
