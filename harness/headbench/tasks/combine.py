"""Making one output of the several that a ``for_each`` step gives."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from headbench.errors import DataError
from headbench.nouns import CapturedArrays, Document
from headbench.tasks.steps import Step

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


def combine_outputs(
    steps: Sequence[Step], document: Document, outputs: tuple[str, ...]
) -> tuple[str, ...]:
    """Outputs as the scorer reads them: those of a combining step as one text.

    Args:
        steps: The task's steps.
        document: What was asked about; it says how many requests each step made.
        outputs: One per request, in step order.

    Raises:
        DataError: There are not as many outputs as requests, or vectors cannot be read.
    """
    if all(step.config.combine == "none" for step in steps):
        return outputs
    combined: list[str] = []
    at = 0
    for step in steps:
        items = step.items(document)
        own = outputs[at : at + len(items)]
        at += len(items)
        if len(own) < len(items):
            raise DataError(
                f"step {step.name!r} asked {len(items)} requests and has {len(own)} outputs",
                where=f"document {document.id}",
            )
        if step.config.combine == "lines":
            combined.append("\n".join(" ".join(output.split()) for output in own))
        elif step.config.combine == "balanced_kmeans":
            combined.append(_cluster([str(item) for item in items], own, document))
        else:
            combined += own
    return tuple(combined)


def _cluster(items: Sequence[str], outputs: Sequence[str], document: Document) -> str:
    """Groups of equal size by k-means over the items' vectors, a line each.

    The number of groups is that of the document's ``groups``, else 4, as the published embedding
    baselines do. Items are separated by bars, because clues may hold commas.
    """
    import numpy as np

    from headbench.tasks.balanced_kmeans import balanced_kmeans

    vectors = np.array([_vector(output, document) for output in outputs], dtype=np.float64)
    groups = document.fields.get("groups")
    count = len(groups) if isinstance(groups, list | tuple) else 4
    labels = balanced_kmeans(vectors, count)
    return "\n".join(
        " | ".join(item for item, label in zip(items, labels, strict=True) if label == group)
        for group in range(count)
    )


def _vector(output: str, document: Document) -> NDArray[np.float32]:
    """All numbers of one represented output, captures and positions joined."""
    import numpy as np

    if not isinstance(output, CapturedArrays):
        raise DataError(
            "an output of a represent step holds no vectors",
            where=f"document {document.id}",
            hint="answer the step with a model that represents, such as --model encoder",
        )
    return np.concatenate([array.ravel() for array in output.arrays])
