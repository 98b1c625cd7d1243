"""Gaze against a slow definition, and the files it is read from."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from scipy.stats import pearsonr, spearmanr
from typer.testing import CliRunner

from headbench.cli.heads import heads
from headbench.detectors import gaze
from headbench.detectors.detector import Marks, Trial, Trials
from headbench.detectors.gaze_file import laid_over, trials_of
from headbench.detectors.head_detection import detect
from headbench.errors import ConfigError, DataError, RefusedError
from headbench.models.hf.adapter import HFModel
from headbench.nouns import Request
from helpers_models import images, llama, llava
from helpers_tiny import tiny_llama, tiny_llava

TEXT = "the photo of a table, and the blue plate of stone bread."
WORDS = TEXT.split()
LOOKED = [110.0, 320.5, 0.0, None, 290.0, 80.0, 95.0, 270.0, 310.0, 60.0, 250.0, 400.0]
QUESTION = "what is the secret word?"


def write(path: Path, **changes: Any) -> Path:
    content: dict[str, Any] = {
        "format": "headbench-gaze@1",
        "source": "made up for a test",
        "documents": [
            {"id": "a", "words": WORDS, "gaze": LOOKED, "text": QUESTION},
            {"id": "b", "words": WORDS[3:9], "gaze": LOOKED[3:9], "text": QUESTION},
        ],
    }
    path.write_text(json.dumps(content | changes), encoding="utf-8")
    return path


@pytest.fixture(scope="module")
def language() -> HFModel:
    return llama(attn="headbench")


def whole(model: Any, **inputs: Any) -> torch.Tensor:
    """Whole patterns ``[layer, head, query, key]`` by the model's own eager attention."""
    model.set_attn_implementation("eager")
    with torch.no_grad():
        out = model(**inputs, output_attentions=True)
    return torch.stack([pattern[0] for pattern in out.attentions])


def slow(
    model: HFModel, trial: Trial, values: list[float | None], rows: str, corr: Callable[..., Any]
) -> torch.Tensor:
    """The definition, word by word and row by row."""
    prompt = model.prompter.resolve(trial.request)
    pattern = whole(tiny_llama(), input_ids=torch.tensor([prompt.tokens]))
    tokens = [prompt.spans[f"word {number}"] for number in range(len(values))]
    last = len(prompt.tokens) - 1
    behind = tokens[-1][-1] + 1
    scores = torch.zeros(pattern.shape[:2])
    for layer, head in torch.cartesian_prod(torch.arange(3), torch.arange(4)).tolist():
        seen, known = [], []
        for mine, value in zip(tokens, values, strict=True):
            watched = {
                "last": [last],
                "after": list(range(behind, last + 1)),
                "within": [t for t in range(behind) if t > mine[-1]],
            }[rows]
            if value is None or not watched:
                continue
            a = pattern[layer, head]
            seen.append(sum(float(a[watched, key].mean()) for key in mine))
            known.append(value)
        scores[layer, head] = corr(seen, known)
    return scores


@pytest.mark.parametrize("rows", ["last", "after", "within"])
@pytest.mark.parametrize("measure", ["pearson", "spearman", "mass"])
def test_words_against_the_definition(
    language: HFModel, tmp_path: Path, rows: str, measure: str
) -> None:
    corr = {
        "pearson": lambda x, y: pearsonr(x, y)[0],
        "spearman": lambda x, y: spearmanr(x, y)[0],
        "mass": lambda x, y: sum(a * g / max(y) for a, g in zip(x, y, strict=True)),
    }[measure]
    trials = trials_of(write(tmp_path / "gaze.json"), None, None)
    expected = [
        slow(language, trial, values, rows, corr)
        for trial, values in zip(trials.trials, (LOOKED, LOOKED[3:9]), strict=True)
    ]
    params = gaze.GazeParams.model_validate({"measure": measure, "rows": rows})
    found = gaze.run(language, trials, params)
    assert found.trials == 2
    torch.testing.assert_close(found.scores, torch.stack(expected).mean(0), atol=2e-4, rtol=0)


def test_a_picture_against_the_definition() -> None:
    store = images(1)
    model = llava(store, attn="headbench")
    (sha256,) = store
    content = "<image>\nis there a cat in the image?"
    turn = {"role": "user", "content": content}
    request = Request("s", "detect", 0, "represent", (turn,), (sha256,))
    grid = ((0.0, 1.0, 2.0, 0.0), (5.0, 0.5, 0.0, 0.0), (0.0, 3.0, 0.0, 1.0), (2.0, 0.0, 0.0, 4.0))
    trials = Trials((Trial(request, ""),), {}, "image", store, {"s": Marks("image", grid)})
    prompt = model.prompter.resolve(request)
    pixels = model.preparation.pixels(sha256)["pixel_values"]
    pattern = whole(tiny_llava(), input_ids=torch.tensor([prompt.tokens]), pixel_values=pixels)
    looked = pattern[:, :, -1, list(prompt.spans["image"])]
    flat = [value for row in grid for value in row]
    expected = [[pearsonr(row.tolist(), flat)[0] for row in layer] for layer in looked]
    found = gaze.run(model, trials, gaze.GazeParams())
    torch.testing.assert_close(found.scores, torch.tensor(expected).float(), atol=1e-3, rtol=0)


def test_flat_attention_correlates_with_nothing() -> None:
    attention = torch.tensor([[[0.25, 0.25, 0.25, 0.25], [0.1, 0.2, 0.3, 0.4]]])
    marks = torch.tensor([0.0, 1.0, 2.0, 3.0])
    for measure in ("pearson", "spearman"):
        assert gaze.compare(attention, marks, measure)[0].tolist() == pytest.approx([0.0, 1.0])


def test_a_grid_is_laid_over_another() -> None:
    coarse = [[1.0, 0.0], [0.0, 2.0]]
    assert laid_over(coarse, 4, 4) == [[1, 1, 0, 0], [1, 1, 0, 0], [0, 0, 2, 2], [0, 0, 2, 2]]
    assert laid_over([[1.0, 2.0, 3.0, 4.0]], 1, 2) == [[1.5, 3.5]]
    uneven = laid_over([[3.0, 0.0, 0.0]], 1, 2)[0]
    assert uneven == pytest.approx([2.0, 0.0])


def test_without_a_file_it_is_refused(language: HFModel) -> None:
    with pytest.raises(ConfigError, match="gaze needs a file with human gaze data"):
        detect("gaze", language)
    done = CliRunner().invoke(heads, ["--detector", "gaze"])
    assert isinstance(done.exception, ConfigError)
    assert "of=object" in done.exception.hint
    done = CliRunner().invoke(
        heads, ["--detector", "gaze", "--set", "of=object", "--data", "needles"]
    )
    assert "brings its own documents" in str(done.exception)


@pytest.mark.parametrize(
    ("documents", "told"),
    [
        ([{"id": "a", "words": ["a", "b", "c"], "gaze": [1, 2]}], "3 words have 2 values"),
        ([{"id": "a", "words": ["a", "b", "c"], "gaze": [1, 2, -3]}], "at least 0"),
        ([{"id": "a", "words": ["a", "b", "c"], "gaze": [1, 1, 1]}], "all are the same"),
        ([{"id": "a", "words": ["a", "b c", "d"], "gaze": [1, 2, 3]}], "holds blanks"),
        ([{"id": "a", "image": "../x.png", "gaze": [[1, 2, 3]]}], "without folders"),
        ([{"id": "a", "image": "x.png", "gaze": [[1, 2], [3]]}], "differ in length"),
        ([{"id": "a", "gaze": [1, 2, 3]}], "either words or an image"),
        ([{"id": "a", "words": ["a", "b", "c"], "gaze": [1, 2, 3], "x": 1}], "not permitted"),
        ([{"id": "a", "words": ["a", "b", "c"], "gaze": [1, 2, 3]}] * 2, "appears twice"),
        ([], "at least 1"),
    ],
)
def test_broken_files_are_named(tmp_path: Path, documents: list[Any], told: str) -> None:
    path = write(tmp_path / "gaze.json", documents=documents)
    with pytest.raises(DataError, match=told) as caught:
        trials_of(path, None, None)
    assert str(path) in caught.value.where


def test_files_and_pictures_that_are_missing(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="cannot read the gaze file"):
        trials_of(tmp_path / "none.json", None, None)
    (tmp_path / "text.json").write_text("{", encoding="utf-8")
    with pytest.raises(DataError, match="not JSON"):
        trials_of(tmp_path / "text.json", None, None)
    documents = [{"id": "s", "image": "x.png", "gaze": [[1, 2], [3, 4]]}]
    path = write(tmp_path / "gaze.json", documents=documents)
    with pytest.raises(DataError, match="picture of document 's'"):
        trials_of(path, None, None)
    (content,) = images(1).values()
    (tmp_path / "x.png").write_bytes(content)
    found = trials_of(path, None, None)
    assert list(found.images.values()) == [content]
    assert found.marks["s"] == Marks("image", ((1.0, 2.0), (3.0, 4.0)))


def test_words_that_the_model_does_not_know_are_refused(language: HFModel, tmp_path: Path) -> None:
    odd = [{"id": "a", "words": ["quark", "of", "stone"], "gaze": [1, 2, 3]}]
    trials = trials_of(write(tmp_path / "gaze.json", documents=odd), None, None)
    with pytest.raises(RefusedError, match="does not know"):
        gaze.run(language, trials, gaze.GazeParams())


def test_tokens_that_form_no_grid_are_refused() -> None:
    store = images(2)
    model = llava(store, attn="headbench")
    turn = {"role": "user", "content": "<image> <image>\nwho?"}
    request = Request("s", "detect", 0, "represent", (turn,), tuple(store))
    trials = Trials((Trial(request, ""),), {}, "image", store, {"s": Marks("image", ((1.0, 0.0),))})
    with pytest.raises(RefusedError, match="form no grid"):
        gaze.run(model, trials, gaze.GazeParams())
