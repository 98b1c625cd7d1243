"""Released head scores through the command."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from headbench.cli.heads import heads

pytestmark = pytest.mark.real


@pytest.mark.parametrize(
    ("file", "above", "best"),
    [
        ("llama-2-7b-80k", 33, [(16, 19, 0.943), (11, 15, 0.920), (8, 26, 0.800)]),
        ("Yi-6B-200K", 53, []),
    ],
)
def test_retrieval_heads(
    real_data: Path, file: str, above: int, best: list[tuple[int, int, float]]
) -> None:
    path = real_data / f"heads/retrieval_head_scores/{file}.json"
    done = CliRunner().invoke(
        heads, ["import", str(path), "--format", "retrieval_head", "--threshold", "0.1", "--json"]
    )
    facts = json.loads(done.stdout)
    assert (facts["n_heads"], facts["above"]) == (1024, above)
    found = [(row["layer"], row["head"], round(row["score"], 2)) for row in facts["top"]]
    assert found[: len(best)] == [(layer, head, round(score, 2)) for layer, head, score in best]
