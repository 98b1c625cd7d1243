"""Solved examples before a prompt: the same for every document, never the document itself."""

from __future__ import annotations

from collections.abc import Sequence
from random import Random

from headbench.errors import ConfigError, DataError
from headbench.tasks.data import read_rows
from headbench.tasks.data.source import DataSpec
from headbench.tasks.documents import Shaper
from headbench.tasks.images import Images
from headbench.tasks.merge import Merged
from headbench.tasks.schema import TaskConfig
from headbench.tasks.templates import Template, compile_template

Example = dict[str, object]


class Fewshot:
    """The examples of one task, drawn once.

    Args:
        config: The task.
        merged: Its file, for line numbers.
        shaper: Gives examples the same further fields as documents.
    """

    def __init__(self, config: TaskConfig, merged: Merged, shaper: Shaper) -> None:
        self._config, self._merged, self._shaper = config, merged, shaper
        shown = config.fewshot_config
        self._text: Template | None = None
        if config.num_fewshot and shown.placement != "template":
            target = shown.doc_to_target or config.doc_to_target
            text = shown.doc_to_text or config.doc_to_text
            self._text = compile_template(text, merged.where(("fewshot_config", "doc_to_text")))
            self._target = compile_template(
                target, merged.where(("fewshot_config", "doc_to_target"))
            )
        self._drawn: tuple[Example, ...] | None = None

    def examples(self) -> tuple[Example, ...]:
        """The examples' fields, in the order in which they are shown.

        Raises:
            ConfigError: No source is named.
            DataError: There are fewer examples than asked for.
        """
        if self._drawn is None:
            self._drawn = self._draw() if self._config.num_fewshot else ()
        return self._drawn

    def before(self) -> str:
        """The examples as text to put before a prompt; empty where the template places them."""
        if self._text is None or self._config.fewshot_config.placement != "before":
            return ""
        shown = self._config.fewshot_config
        return "".join(
            self._text.text(example)
            + self._config.target_delimiter
            + self._target.text(example)
            + shown.delimiter
            for example in self.examples()
        )

    def turns(self) -> list[tuple[str, str]]:
        """Question and answer of each example; none where they are not turns of their own."""
        if self._text is None or self._config.fewshot_config.placement != "turns":
            return []
        return [
            (self._text.text(example), self._target.text(example)) for example in self.examples()
        ]

    def ids(self) -> frozenset[str]:
        """Ids of the examples, which no document may have."""
        return frozenset(str(example["id"]) for example in self.examples() if "id" in example)

    def _draw(self) -> tuple[Example, ...]:
        config, shown, count = self._config, self._config.fewshot_config, self._config.num_fewshot
        where = self._merged.where(("num_fewshot",))
        if shown.samples:
            pool: list[Example] = [dict(sample) for sample in shown.samples]
        elif config.fewshot_split is not None:
            spec = DataSpec(
                config.dataset_path,
                config.dataset_name,
                config.fewshot_split,
                config.dataset_kwargs,
                self._merged,
            )
            pool = self._shaper.examples(read_rows(spec, Images()))
        else:
            raise ConfigError(
                "num_fewshot asks for examples, and none are given",
                where=where,
                hint="name fewshot_split, or write fewshot_config.samples",
            )
        if len(pool) < count:
            raise DataError(f"{count} examples are asked for, {len(pool)} exist", where=where)
        if shown.sampler == "random":
            Random(shown.seed).shuffle(pool)
        if shown.balance is not None:
            pool = _take_turns(pool, shown.balance, where)
        return tuple(pool[:count])


def _take_turns(pool: Sequence[Example], key: str, where: str) -> list[Example]:
    """Reorder so that the values of a field take turns, the rarest question never starving."""
    by_value: dict[str, list[Example]] = {}
    for example in pool:
        if key not in example:
            raise ConfigError(
                f"fewshot_config.balance: examples have no field {key!r}", where=where
            )
        by_value.setdefault(str(example[key]), []).append(example)
    ordered: list[Example] = []
    queues = [by_value[value] for value in sorted(by_value)]
    for turn in range(max(map(len, queues), default=0)):
        ordered += [queue[turn] for queue in queues if turn < len(queue)]
    return ordered
