"""Released head lists: retrieval heads (arXiv 2404.15574) and DuoAttention (arXiv 2410.10819)."""

from __future__ import annotations

from pathlib import Path

import pytest

from headbench.heads import HeadMap, import_heads

pytestmark = pytest.mark.real


def retrieval(real_data: Path, name: str) -> HeadMap:
    return import_heads(real_data / "heads" / "retrieval_head_scores" / f"{name}.json")


def printed(found: HeadMap, k: int, digits: int) -> dict[str, str]:
    pairs = found.top(k)
    return {f"{layer}-{head}": f"{found.score(layer, head):.{digits}f}" for layer, head in pairs}


def test_llama_2_7b_80k(real_data: Path) -> None:
    found = retrieval(real_data, "llama-2-7b-80k")
    assert (found.layers, found.heads, found.trials) == (32, 32, 586)
    assert len(found.above()) == 33
    assert len(found.above(0.5)) == 6
    assert sum(score == 0 for row in found.scores for score in row) == 719
    assert printed(found, 3, 3) == {"16-19": "0.943", "11-15": "0.920", "8-26": "0.800"}
    # The ten heads that the authors' own documentation lists, rounded as there.
    assert printed(found, 10, 2) == {
        "16-19": "0.94",
        "11-15": "0.92",
        "8-26": "0.80",
        "6-9": "0.62",
        "7-12": "0.61",
        "17-22": "0.56",
        "11-2": "0.46",
        "6-16": "0.44",
        "19-15": "0.42",
        "21-30": "0.40",
    }


def test_yi_6b_200k(real_data: Path) -> None:
    found = retrieval(real_data, "Yi-6B-200K")
    assert (found.layers, found.heads, found.trials) == (32, 32, 567)
    assert (len(found.above()), len(found.above(0.5))) == (53, 7)
    assert sum(score == 0 for row in found.scores for score in row) == 506
    assert list(printed(found, 5, 2)) == ["17-2", "14-9", "17-6", "23-30", "14-12"]


def test_duo_patterns_of_six_models(real_data: Path) -> None:
    shapes = {}
    for path in sorted((real_data / "heads" / "duo_patterns").rglob("*.tsv")):
        found = import_heads(path)
        assert found.unit == "kv"
        assert found.window == (128, 257)
        shapes[found.model] = (found.layers, found.heads)
    assert shapes == {
        "Llama-2-7B-32K-Instruct": (32, 32),
        "Llama-3-8B-Instruct-Gradient-1048k": (32, 8),
        "Llama-3-8B-Instruct-Gradient-4194k": (32, 8),
        "Meta-Llama-3.1-8B-Instruct": (32, 8),
        "Mistral-7B-Instruct-v0.2": (32, 8),
        "Mistral-7B-Instruct-v0.3": (32, 8),
    }
