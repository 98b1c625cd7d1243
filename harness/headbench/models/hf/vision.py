"""Images of a request: bytes to the processor's tensors, and to placeholder text."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import torch

from headbench.errors import RefusedError
from headbench.models.images import decode

if TYPE_CHECKING:
    from torch import Tensor

KEPT_TEXTS = 4096
"""Placeholder texts kept in memory, the oldest dropped first."""
KEPT = 64
"""Processed images kept in memory: enough for the questions asked of one image in a row."""


class Vision:
    """One processor's image half, with the latest images kept.

    Images are processed one at a time, so that a row's pixels never depend on its batch.

    Args:
        processor: A transformers processor with ``image_processor`` and ``replace_image_token``.
        read: Content hash -> encoded bytes.
    """

    def __init__(self, processor: Any, read: Callable[[str], bytes]) -> None:
        if not getattr(processor, "image_token", None) or not hasattr(
            processor, "replace_image_token"
        ):
            raise RefusedError(
                f"{type(processor).__name__} does not say how an image becomes tokens",
                where="image processor",
                hint="use a model whose processor has `image_token` and `replace_image_token`",
            )
        self._processor = processor
        self._read = read
        self._tensors: OrderedDict[str, dict[str, Tensor]] = OrderedDict()
        self._texts: dict[str, str] = {}

    @property
    def token(self) -> str:
        """The placeholder that a chat template writes for one image."""
        return str(self._processor.image_token)

    @property
    def token_ids(self) -> frozenset[int]:
        """Ids of the tokens that stand for image patches."""
        return frozenset(i for i in self._processor.image_token_ids if i is not None)

    def plain_placeholder(self) -> str:
        """The placeholder with the wrapping that the family uses outside a chat template."""
        begin = getattr(self._processor, "boi_token", None)
        if begin:
            return str(begin)
        vocabulary = self._processor.tokenizer.get_vocab()
        if self.token == "<|image_pad|>" and "<|vision_start|>" in vocabulary:
            return f"<|vision_start|>{self.token}<|vision_end|>"
        return self.token

    def text(self, sha256: str) -> str:
        """What the placeholder of this image expands to: one token a patch, separators between."""
        if sha256 not in self._texts:
            tensors = self.tensors(sha256)
            self._texts[sha256] = self._processor.replace_image_token(tensors, image_idx=0)
            while len(self._texts) > KEPT_TEXTS:  # methods may make a new image for every request
                self._texts.pop(next(iter(self._texts)))
        return self._texts[sha256]

    def scaling(self) -> tuple[list[float], list[float]] | None:
        """Mean and standard deviation by channel of ``pixel_values``; ``None`` if not scaled so."""
        pixels = self._processor.image_processor
        mean, spread = getattr(pixels, "image_mean", None), getattr(pixels, "image_std", None)
        if not getattr(pixels, "do_normalize", False) or mean is None or spread is None:
            return None
        return list(mean), list(spread)

    def tensors(self, sha256: str) -> dict[str, Tensor]:
        """The model's inputs for one image, e.g. ``pixel_values`` ``[1, channel, y, x]``."""
        if sha256 in self._tensors:
            self._tensors.move_to_end(sha256)
            return self._tensors[sha256]
        picture = decode(self._read(sha256), sha256)
        batch = self._processor.image_processor(images=[picture], return_tensors="pt")
        self._tensors[sha256] = dict(batch)
        while len(self._tensors) > KEPT:
            self._tensors.popitem(last=False)
        return self._tensors[sha256]


def stack(rows: Sequence[Sequence[Mapping[str, Tensor]]]) -> dict[str, Tensor]:
    """Join the images of all rows, in row order, as the models expect them.

    Raises:
        RefusedError: images of one batch have shapes that cannot be joined.
    """
    images = [image for row in rows for image in row]
    if not images:
        return {}
    joined: dict[str, Tensor] = {}
    for name in images[0]:
        parts = [image[name] for image in images]
        if len({part.shape[1:] for part in parts}) > 1:
            raise RefusedError(
                f"the images of one batch differ in the shape of {name!r}",
                where=", ".join(str(tuple(part.shape)) for part in parts[:4]),
                hint="run with --batch-size 1",
            )
        joined[name] = torch.cat(parts)
    return joined
