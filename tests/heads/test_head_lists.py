from __future__ import annotations

import json
from pathlib import Path

import pytest

from headbench.errors import ConfigError, DataError
from headbench.heads import HeadMap, import_heads, sniff

CASES = {
    "retrieval_head": '{"0-0": [0, 1, 2], "0-1": [0.5, 0, 0], "1-0": [0, 0, 0], "1-1": [1, 1, 1]}',
    "duo": "1.0e+00\t-1e-4\n0.25\t0.75\n",
    "rows": "[[0, 0, 0.9], [1, 1, 0.4]]",
    "per_layer": "[[0.9, 0.0], [0.0, 0.4]]",
}


def write(folder: Path, text: str, name: str = "heads.json") -> Path:
    path = folder / name
    path.write_text(text, encoding="utf-8")
    return path


@pytest.mark.parametrize("name", CASES)
def test_each_form_is_known_by_its_content(name: str) -> None:
    assert sniff(CASES[name]) == name


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ('[{"layer": 1, "head": 2}]', "rows"),
        ("layer,head,score\n1,2,0.5\n", "rows"),
        ("[[0, 0], [1, 1]]", "rows"),
        ('{"0": [1, 2], "3": []}', "per_layer"),
        ("[[1, 2], [], [0]]", "per_layer"),
        ("[[0.5, 0.25, 1], [0, 1, 1]]", "per_layer"),
        ("0.5, 0.25\n0, 1\n", "duo"),
    ],
)
def test_variants_of_a_form_are_known_too(text: str, name: str) -> None:
    assert sniff(text) == name


def test_trials_are_averaged_and_scores_above_one_are_kept(tmp_path: Path) -> None:
    path = write(tmp_path, '{"0-0": [1, 3], "0-1": [0, 1]}')
    found = import_heads(path)
    assert found.scores == ((2.0, 0.5),)
    assert (found.trials, found.threshold, found.detector) == (2, 0.1, "retrieval_head")
    assert found.model == "heads"
    assert found.data["file"] == "heads.json"


def test_uneven_trials_have_no_common_number(tmp_path: Path) -> None:
    found = import_heads(write(tmp_path, '{"0-0": [1], "0-1": [0, 1]}'))
    assert (found.scores, found.trials) == (((1.0, 0.5),), None)


def test_duo_reads_its_model_beside_it_and_follows_no_path(tmp_path: Path) -> None:
    path = write(tmp_path, CASES["duo"], "full_attention_heads.tsv")
    assert import_heads(path).model == "full_attention_heads"
    write(tmp_path, '{"model_name": "models/Llama-2-7B-32K-Instruct"}', "config.json")
    found = import_heads(path)
    assert (found.model, found.unit) == ("Llama-2-7B-32K-Instruct", "kv")
    assert found.scores == ((1.0, -1e-4), (0.25, 0.75))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("[[0, 1], [1, 0]]", ((0, 1), (1, 0))),
        ("[[0, 1, 0.5]]", ((0, 0.5), (0, 0))),
        ('[{"layer": 1, "head": 0, "score": 2}]', ((0, 0), (2, 0))),
        ('[{"layer": 1, "head": 0}]', ((0, 0), (1, 0))),
        ("layer,head,score\n1, 0, 0.5\n", ((0, 0), (0.5, 0))),
        ("layer\thead\n1\t0\n", ((0, 0), (1, 0))),
        ('{"1": [0]}', ((0, 0), (1, 0))),
        ("[[1], [0, 1]]", ((0, 1), (1, 1))),
        ("[[0.5, 1], [1, 1]]", ((0.5, 1), (1, 1))),
        ('{"0": [1, 1], "1": [0, 1]}', ((1, 1), (0, 1))),
    ],
)
def test_chosen_heads_and_scores(tmp_path: Path, text: str, expected: object) -> None:
    assert import_heads(write(tmp_path, text), shape=(2, 2)).scores == expected


def test_the_canonical_form_passes_through(tmp_path: Path) -> None:
    original = HeadMap(detector="d", model="m", layers=1, heads=2, scores=((0.0, 1.0),))
    original.save(tmp_path / "map.json")
    assert import_heads(tmp_path / "map.json") == original


def test_model_and_threshold_can_be_given(tmp_path: Path) -> None:
    found = import_heads(write(tmp_path, CASES["per_layer"]), threshold=0.3, model="mine")
    assert (found.model, found.above()) == ("mine", ((0, 0), (1, 1)))


@pytest.mark.parametrize(
    ("text", "format", "shape", "said"),
    [
        ("[[0, 1]]", "auto", None, "how many heads"),
        ("[[0, 5]]", "auto", (2, 2), "head 5"),
        ("[[0, 1], [0, 1]]", "rows", (2, 2), "listed twice"),
        ('{"0-0": [1], "1-1": [1]}', "auto", None, "2 of 2 x 2 heads have no score"),
        ('{"0-0": [1], "0-x": [1]}', "retrieval_head", None, "not a retrieval_head"),
        ('{"0-0": []}', "auto", None, "not a retrieval_head"),
        ('{"0-0": [NaN]}', "auto", None, "finite"),
        ("1 2\n3\n", "auto", None, "1 of 2 x 2 heads have no score"),
        ("1 2\n3 x\n", "duo", None, "not a duo"),
        ("[[0]]", "rows", (1, 1), "not a rows"),
        ("layer,head\n1,\n", "auto", (2, 2), "not a rows"),
        ('["a"]', "per_layer", None, "not a per_layer"),
        ("[]", "rows", (1, 1), "empty"),
        ("[]", "auto", None, "unknown"),
        ("hello world", "auto", None, "unknown"),
        ('{"a": 1}', "auto", None, "unknown"),
        ('{"0-0": [1', "auto", None, "not JSON"),
    ],
)
def test_broken_lists_are_users_mistakes(
    tmp_path: Path, text: str, format: str, shape: tuple[int, int] | None, said: str
) -> None:
    with pytest.raises(DataError, match=said) as caught:
        import_heads(write(tmp_path, text), format, shape=shape)
    assert "heads.json" in caught.value.where
    assert caught.value.hint


def test_an_unknown_format_is_answered_with_the_nearest(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"did you mean 'per_layer'\?"):
        import_heads(write(tmp_path, "[]"), "per_layers")


def test_reading_heads_loads_nothing_heavy(tmp_path: Path) -> None:
    import subprocess
    import sys

    path = write(tmp_path, json.dumps({"0-0": [1.0]}))
    code = (
        "import sys; from headbench.heads import import_heads; import_heads(sys.argv[1]);"
        "print([m for m in ('torch', 'numpy', 'scipy') if m in sys.modules])"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(path)], capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "[]"


@pytest.mark.parametrize(
    ("config", "window"),
    [
        ({}, None),
        ({"sink_size": 64}, None),
        ({"sink_size": 64, "recent_size": 256}, (64, 257)),
        ({"sink_size": 64, "recent_size": 256, "deploy_recent_size": 512}, (64, 513)),
        ({"sink_size": 0, "recent_size": 0}, (0, 1)),
    ],
)
def test_duo_sizes_make_the_deployed_window(
    tmp_path: Path, config: dict[str, int], window: tuple[int, int] | None
) -> None:
    path = write(tmp_path, CASES["duo"], "full_attention_heads.tsv")
    write(tmp_path, json.dumps(config), "config.json")
    found = import_heads(path)
    assert found.window == window
    assert HeadMap.parse(found.text()).window == window
    assert found.to_query_heads(4).window == window


@pytest.mark.parametrize("size", [-1, 2.5, "64", True])
def test_duo_sizes_that_are_no_number_of_keys_are_refused(tmp_path: Path, size: object) -> None:
    path = write(tmp_path, CASES["duo"], "full_attention_heads.tsv")
    write(tmp_path, json.dumps({"sink_size": size, "recent_size": 8}), "config.json")
    with pytest.raises(DataError, match="sink_size cannot be"):
        import_heads(path)
