"""Records of yes/no questions, made in one line."""

from __future__ import annotations

from collections.abc import Sequence

from headbench.nouns import Record


def answers(
    labels: Sequence[str], said: Sequence[str], clusters: Sequence[str] | None = None
) -> list[Record]:
    """POPE records ``d0, d1, ...``; each document is its own cluster unless told otherwise."""
    return [
        Record(
            document=f"d{index}",
            cluster=clusters[index] if clusters else f"d{index}",
            outputs=(answer,),
            parsed=answer,
            parser="pope_strict@1",
            parts={"label": label, "answer": answer},
            target=label,
        )
        for index, (label, answer) in enumerate(zip(labels, said, strict=True))
    ]
