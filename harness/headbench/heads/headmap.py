"""A head map: one score per attention head, and what made it.

The canonical file is JSON, one line per layer, with the format's name and version inside. Scores
are kept as they were measured: detectors may give more than 1 or less than 0; nothing is clipped.
"""

from __future__ import annotations

import hashlib
import json
import math
from pathlib import Path
from typing import Final, Literal, NamedTuple

from pydantic import BaseModel, ConfigDict, JsonValue, ValidationError, model_validator

from headbench._reading import read_file
from headbench.errors import ConfigError, DataError

FORMAT: Final = "headbench-heads@1"
Head = tuple[int, int]
"""(layer, head), both 0-based."""
SINK, RECENT = "sink_size", "recent_size"
"""Keys of ``data`` under which an imported map holds the cache of its streaming heads."""


class Window(NamedTuple):
    """What a streaming head sees while decoding."""

    first: int
    """Keys at the start."""
    recent: int
    """Latest keys, the row's own included."""


class HeadMap(BaseModel):
    """A score for each head of a model."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    format: Literal["headbench-heads@1"] = FORMAT
    """Name and version of the file format."""
    detector: str
    """What scored the heads: a detector's registry name, or the format it was imported from."""
    model: str
    """Model the scores were measured on."""
    layers: int
    """Decoder layers."""
    heads: int
    """Heads per layer: query heads, or key/value heads where ``unit`` says so."""
    unit: Literal["query", "kv"] = "query"
    """Which heads are scored."""
    scores: tuple[tuple[float, ...] | None, ...]
    """``[layer][head]``; the larger, the more the head does what the detector looks for. ``null``
    is a layer without attention, in models that mix layers."""
    threshold: float | None = None
    """Score from which a head counts as detected; ``None``: the detector names none."""
    seed: int | None = None
    """Seed of the detection run."""
    data: dict[str, JsonValue] = {}
    """What it was measured on: name, hash, lengths, source file."""
    trials: int | None = None
    """Trials that a score is the mean of."""

    @model_validator(mode="after")
    def _shape(self) -> HeadMap:
        """Refuse scores that do not fill a ``layers x heads`` table."""
        if not self.layers or not self.heads:
            raise ValueError("a head map needs at least one layer and one head")
        widths = {len(row) for row in self.scores if row is not None}
        if len(self.scores) != self.layers or widths != {self.heads}:
            raise ValueError(
                f"scores hold {len(self.scores)} layers of {sorted(widths)} heads, "
                f"not {self.layers} of {self.heads}"
            )
        return self

    @classmethod
    def load(cls, path: str | Path) -> HeadMap:
        """Read the canonical file.

        Raises:
            DataError: The file is missing, is not UTF-8 JSON, or is no head map of this version.
        """
        return cls.parse(read_text(Path(path)), where=str(path))

    @classmethod
    def parse(cls, text: str, where: str = "") -> HeadMap:
        """Read the canonical form from text.

        Args:
            text: JSON.
            where: What to name in errors.

        Raises:
            DataError: It is no head map of this version.
        """
        try:
            return cls.model_validate_json(text)
        except ValidationError as error:
            first = error.errors(include_url=False)[0]
            key = ".".join(str(part) for part in first["loc"])
            raise DataError(
                f"not a head map of format {FORMAT}: {first['msg']}",
                where=f"{where}: {key}" if key else where,
                hint="import other formats first: headbench heads import FILE",
            ) from error

    def save(self, path: str | Path) -> None:
        """Write the canonical file.

        Raises:
            DataError: The place cannot be written.
        """
        try:
            Path(path).write_text(self.text(), encoding="utf-8", newline="\n")
        except OSError as error:
            raise DataError(
                f"the head map could not be written: {error.strerror}",
                where=str(path),
                hint="choose a place that can be written",
            ) from error

    def text(self) -> str:
        """The canonical form: sorted keys, one line per layer; equal maps give equal bytes."""
        facts = self.model_dump(mode="json", exclude={"scores"})
        lines = [f'  "{key}": {_json(facts[key])},' for key in sorted(facts)]
        rows = ",\n".join(f"    {_json(row)}" for row in self.scores)
        return "\n".join(["{", *lines, '  "scores": [', rows, "  ]", "}", ""])

    @property
    def sha256(self) -> str:
        """Digest of the canonical form, hexadecimal; results name the map by it."""
        return hashlib.sha256(self.text().encode()).hexdigest()

    @property
    def window(self) -> Window | None:
        """The window of the heads that stream, as the map's configuration deploys them.

        A streaming head's cache holds ``sink_size`` first and ``recent_size`` latest keys, and a
        row's own key comes on top of them. ``None`` where the map holds no sizes.
        """
        sink, recent = self.data.get(SINK), self.data.get(RECENT)
        if not isinstance(sink, int) or not isinstance(recent, int):
            return None
        return Window(sink, recent + 1)

    def score(self, layer: int, head: int) -> float:
        """One head's score.

        Raises:
            ConfigError: There is no such head.
        """
        if not (0 <= layer < self.layers and 0 <= head < self.heads):
            raise ConfigError(
                f"the map has no head {head} in layer {layer}",
                where=f"head {layer}-{head}",
                hint=f"it holds {self.layers} layers x {self.heads} heads, counted from 0",
            )
        row = self.scores[layer]
        if row is None:
            raise ConfigError(
                f"layer {layer} of the map has no attention heads",
                where=f"head {layer}-{head}",
                hint=f"layers with attention: {', '.join(map(str, self.attending))}",
            )
        return row[head]

    @property
    def attending(self) -> tuple[int, ...]:
        """The layers that have scores, ascending."""
        return tuple(layer for layer, row in enumerate(self.scores) if row is not None)

    def ranked(self) -> tuple[Head, ...]:
        """All heads, highest score first; ties in order of layer and head."""
        scored = (
            (-score, (layer, head))
            for layer, row in enumerate(self.scores)
            for head, score in enumerate(row or ())
        )
        return tuple(pair for _, pair in sorted(scored))

    def top(self, k: int) -> tuple[Head, ...]:
        """The ``k`` heads of the highest score, highest first.

        Raises:
            ConfigError: ``k`` is below 1 or above the number of heads.
        """
        total = len(self.attending) * self.heads
        if not 1 <= k <= total:
            raise ConfigError(
                f"top={k} of a map of {total} heads",
                where=f"top={k}",
                hint=f"choose between 1 and {total}",
            )
        return self.ranked()[:k]

    def above(self, threshold: float | None = None) -> tuple[Head, ...]:
        """Heads whose score is at least the threshold, highest first.

        Args:
            threshold: ``None`` takes the map's own.

        Raises:
            ConfigError: Neither is given.
        """
        least = self.threshold if threshold is None else threshold
        if least is None or math.isnan(least):
            raise ConfigError(
                f"the head map of detector {self.detector!r} names no threshold",
                where="threshold",
                hint="give one, or choose the top heads by number",
            )
        return tuple(pair for pair in self.ranked() if self.score(*pair) >= least)

    def top_fraction_per_layer(self, fraction: float) -> tuple[Head, ...]:
        """The best share of each layer's heads, layer by layer, highest first within a layer.

        Args:
            fraction: In (0, 1]; each layer gives ``fraction * heads`` rounded to the nearest
                number (halves up), at least one.

        Raises:
            ConfigError: The fraction is out of range.
        """
        if not 0 < fraction <= 1:
            raise ConfigError(
                f"a fraction of {fraction} of a layer's heads",
                where=f"fraction={fraction}",
                hint="choose above 0 and at most 1",
            )
        # A half may come out a little below: 0.29 * 50 is 14.499999999999998.
        count = max(1, math.floor(round(fraction * self.heads, 9) + 0.5))
        ranked = self.ranked()
        return tuple(
            pair
            for layer in range(self.layers)
            for pair in [head for head in ranked if head[0] == layer][:count]
        )

    def to_query_heads(self, heads: int) -> HeadMap:
        """A map over query heads, each with the score of its key/value head.

        Args:
            heads: Query heads per layer; a multiple of the map's heads. Consecutive query heads
                share a key/value head, as in grouped-query attention (Ainslie et al. 2023,
                arXiv 2305.13245).

        Raises:
            ConfigError: The map is over query heads of another number, or ``heads`` is no multiple.
        """
        if self.unit == "query" and heads == self.heads:
            return self
        if self.unit == "query" or heads % self.heads:
            raise ConfigError(
                f"a map over {self.heads} {self.unit} heads does not fit {heads} query heads",
                where=f"heads={heads}",
                hint="use a map that was made on this model",
            )
        group = heads // self.heads
        wide = tuple(
            None if row is None else tuple(score for score in row for _ in range(group))
            for row in self.scores
        )
        return self.model_copy(update={"scores": wide, "heads": heads, "unit": "query"})


def read_text(path: Path) -> str:
    """A file's text.

    Raises:
        DataError: The file is missing, unreadable, or not UTF-8.
    """
    try:
        return read_file(path, "the head map").decode()
    except UnicodeDecodeError as error:
        raise DataError(
            "the file is not UTF-8 text",
            where=f"{path}: byte {error.start}",
            hint="head lists are JSON, TSV or CSV; convert other formats first",
        ) from error


def _json(value: object) -> str:
    return json.dumps(value, sort_keys=True, allow_nan=False)
