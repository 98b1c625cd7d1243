"""``dataset_path: text_folder``: one needle in the user's own texts, by length and depth."""

from __future__ import annotations

from collections.abc import Iterator

from pydantic import Field

from headbench.errors import ConfigError
from headbench.families.needles.haystack import Haystack, Words, place
from headbench.tasks.data.source import DataRow, DataSpec
from headbench.tasks.images import Images
from headbench.tasks.schema import Strict


class TextFolderOptions(Strict):
    """``dataset_kwargs`` of a haystack."""

    folder: str = Field(description="Folder of texts, read in the order of their names.")
    encoding: str = Field("utf-8", description="Their encoding.")
    needle: str = Field(description="The sentence that is hidden.")
    question: str = Field(description="The question about it.")
    answer: str | tuple[str, ...] = Field(description="What an answer must hold.")
    lengths: tuple[Words, ...] = Field((1000, 2000, 4000), description="Words of the context.")
    depths: tuple[float, ...] = Field(
        (0.0, 0.11, 0.22, 0.33, 0.44, 0.56, 0.67, 0.78, 0.89, 1.0),
        description="Share of the haystack before the needle, 0 to 1.",
    )


def rows(spec: DataSpec, images: Images) -> Iterator[DataRow]:
    """Yield the grid of lengths and depths, depth by depth so that a limited run sees all lengths.

    Raises:
        ConfigError: A depth out of range, or a length that leaves no haystack.
    """
    options = spec.options(TextFolderOptions)
    haystack = Haystack(spec.locate("folder", options.folder), options.encoding)
    needle_words = len(options.needle.split())
    for depth in options.depths:
        if not 0 <= depth <= 1:
            raise ConfigError(f"depth {depth} is not in 0..1", where=spec.where("depths"))
        for length in options.lengths:
            room = length - needle_words
            if room < 1:
                raise ConfigError(
                    f"length {length} leaves no room beside the needle", where=spec.where("lengths")
                )
            before, needle, after = place(haystack.cut(room), options.needle, depth)
            yield DataRow(
                {
                    "id": f"{length}-{depth:.3f}",
                    "cluster": f"{length}-{depth:.3f}",
                    "before": before,
                    "needle": needle,
                    "after": after,
                    "question": options.question,
                    "length": length,
                    "depth": depth,
                    "target": options.answer,
                }
            )
