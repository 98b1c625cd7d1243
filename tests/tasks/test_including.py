"""Task files that include a packaged task: what they say of mistakes, and where their data lie."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from headbench.cli import app
from headbench.errors import ConfigError
from headbench.tasks.index import build_index
from headbench.tasks.loader import load

QUESTION = {"image": "a.png", "text": "Is there a dog in the image?", "label": "yes"}
MINE = """include: pope_files
task: mine
dataset_kwargs:
  questions:
    random: {file}
    popular: null
    adversarial: null
  images: null
metadata: {{version: 1}}
"""


def written(folder: Path, text: str) -> Path:
    path = folder / "mine.yaml"
    path.write_text(text)
    return path


def said(*words: str) -> tuple[int, str]:
    ran = CliRunner().invoke(app, list(words))
    return ran.exit_code, ran.output


def test_an_inherited_key_is_deleted(tmp_path: Path) -> None:
    rows = "\n".join(json.dumps(QUESTION | {"question_id": n}) for n in (1, 2))
    (tmp_path / "q.json").write_text(rows)
    path = written(tmp_path, MINE.format(file="q.json").replace("  images: null\n", ""))
    task = load(path)
    assert task.config.dataset_kwargs["questions"] == {"random": "q.json"}
    status, out = said("show", "task", str(path))
    assert status == 0
    line = next(one for one in out.splitlines() if "questions.random" in one)
    assert line.endswith(f"{path}:5")
    assert "questions.popular" not in out and "questions.adversarial" not in out
    assert "pope/pope_files.yaml" in next(o for o in out.splitlines() if "dataset_path" in o)


@pytest.mark.parametrize(
    ("line", "told", "place"),
    [
        ("scorer: null", "the key 'scorer' is missing; null deletes the included one", ":3"),
        ("doc_to_text: null", "the step has no prompt", ""),
        ("scorrer: null", "unknown key 'scorrer'", ":3"),
        ("doc_to_target: 3", "'doc_to_target'|doc_to_target: ", ":3"),
        ("dataset_path: null", "the key 'dataset_path' is missing; null deletes", ":3"),
        (
            "test_split: null\nfewshot_config: {seed: null}",
            "'seed' is null, which deletes an",
            ":4",
        ),
    ],
)
def test_a_deleted_key_is_named_where_it_must_be_there(
    tmp_path: Path, line: str, told: str, place: str
) -> None:
    path = written(tmp_path, f"include: niah\ntask: mine\n{line}\n")
    with pytest.raises(ConfigError, match=told) as caught:
        load(path)
    assert f"mine.yaml{place}" in caught.value.where
    assert said("validate", str(path))[0] == 1


def test_a_mistake_of_the_included_file_is_never_the_includers(tmp_path: Path) -> None:
    (tmp_path / "base").mkdir()
    base = tmp_path / "base/base.yaml"
    base.write_text("include: niah\ngeneration_kwargs:\n  max_gen: 5\nscorer: nope\n")
    path = written(
        tmp_path, "include: base/base.yaml\ntask: mine\ngeneration_kwargs: {until: []}\n"
    )
    _, out = said("validate", str(path))
    assert f"{base}:3, key generation_kwargs.max_gen" in out
    assert f"{base}:4, key scorer" in out
    assert "mine.yaml:3" not in out


def test_inherited_paths_are_those_of_the_file_that_wrote_them(tmp_path: Path) -> None:
    """A mapping of the includer does not move the files that an included one names in it."""
    (tmp_path / "base").mkdir()
    for place, name in (("base", "one.json"), (".", "two.json")):
        (tmp_path / place / name).write_text(json.dumps(QUESTION | {"question_id": name}))
    (tmp_path / "base/base.yaml").write_text(
        "include: pope_files\ntask: base\ndataset_kwargs:\n  questions:\n"
        "    random: one.json\n    popular: null\n    adversarial: null\n  images: .\n"
    )
    from PIL import Image

    Image.new("RGB", (8, 8)).save(tmp_path / "base/a.png")
    path = written(
        tmp_path,
        "include: base/base.yaml\ntask: mine\ndataset_kwargs: {questions: {popular: two.json}}\n",
    )
    assert len(load(path).documents()) == 2
    (tmp_path / "one.json").write_text("[]")
    path.write_text(path.read_text().replace("popular: two.json", "popular: one.json"))
    with pytest.raises(ConfigError, match=r"'one\.json' is written by files of two folders"):
        load(path).documents()


def test_a_broken_file_that_is_included_by_name_stops_the_run(tmp_path: Path) -> None:
    path = written(tmp_path, "task: [1")
    assert "niah" in build_index([tmp_path]).entries  # among others it hides nothing
    with pytest.raises(ConfigError, match=r"mine\.yaml"):
        build_index([path])
