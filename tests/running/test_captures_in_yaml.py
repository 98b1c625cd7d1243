"""``represent`` steps of a task file that name key positions and the vision tower."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

import headbench
from headbench.errors import ConfigError, RefusedError
from headbench.results.files import read_entries
from headbench.tasks.loader import load_file

HEAD = """
task: looks
dataset_path: world
dataset_kwargs: {name: WORLD}
doc_to_text: 'PROMPT'
doc_to_target: id
output_type: represent
captures:
"""
TAIL = """
scorer: niah
metric_list: [{metric: niah.recall, main: true}]
metadata: {version: 1}
"""
SCENES = ("scenes-pope, n: 4", '<image>\n{{ question | span("question") }}')
NEEDLES = (
    "needles, repeats: 1, lengths: [64]",
    '{{ before }}{{ needle | span("needle") }}{{ after }} {{ question | span("question") }}',
)


def task(folder: Path, captures: str, kind: tuple[str, str] = SCENES) -> str:
    text = HEAD.replace("WORLD", kind[0]).replace("'PROMPT'", json.dumps(kind[1]))
    images = "needs_images: true\ndoc_to_image: picture\n" if kind is SCENES else ""
    path = folder / "looks.yaml"
    path.write_text(text + captures + TAIL + images)
    return str(path)


def shapes(path: str, out: Path, **options: object) -> list[tuple[int, ...]]:
    """The shapes of the first document's captures, as the record names them."""
    found = headbench.run(path, out=out, limit=2, controls=0, draws=50, **options)
    (entry, _) = read_entries(found.files[0], found.results[0])
    return [
        tuple(map(int, sizes.split(", ")))
        for sizes in re.findall(r"float32\[(.*?)\]", entry.record.outputs[0])
    ]


def test_a_pattern_over_a_span_and_inside_the_tower(tmp_path: Path) -> None:
    captures = """
  - {site: pattern, layers: [0, -1], rows: last, keys: image, pool: none}
  - {site: pattern, layers: [0], rows: last, keys: question, pool: none}
  - {site: pattern, layers: [0], keys: image, tower: vision}
  - {site: residual, layers: [-1], tower: vision}
"""
    image, question, tower, residual = shapes(task(tmp_path, captures), tmp_path / "out")
    layers, heads, rows, patches = image
    assert (layers, rows) == (2, 1)
    assert question[:3] == (1, heads, 1) and question[3] < patches
    assert tower[0] == 1 and tower[2:] == (1, patches)  # the mean over the tower's rows
    assert residual[:2] == (1, 1)


def test_the_language_model_gives_a_span_and_has_no_tower(tmp_path: Path) -> None:
    span = "\n  - {site: pattern, layers: [0], rows: last, keys: question, pool: none}\n"
    (found,) = shapes(task(tmp_path, span, NEEDLES), tmp_path / "out", model="ref-lm")
    assert found[::2] == (1, 1)
    tower = "\n  - {site: pattern, layers: [0], keys: image, tower: vision}\n"
    with pytest.raises(RefusedError, match="no vision tower that takes one image per row"):
        shapes(task(tmp_path, tower, NEEDLES), tmp_path / "no", model="ref-lm")


@pytest.mark.parametrize(
    ("capture", "kind", "told"),
    [
        ("{site: z, keys: image}", ConfigError, "needs the site pattern or scores, not z"),
        ("{site: pattern}", ConfigError, "never captured whole"),
        ("{site: z, rows: last, tower: vision}", ConfigError, "no last row"),
        ("{site: pattern, keys: needle}", RefusedError, "the prompt has no span 'needle'"),
        ("{site: pattern, keys: needle, tower: vision}", RefusedError, "no span 'needle'"),
        ("{site: z, layers: [99], tower: vision}", RefusedError, "layer 99 does not exist"),
    ],
)
def test_what_cannot_be_captured_is_refused_before_anything_is_asked(
    tmp_path: Path, capture: str, kind: type[Exception], told: str
) -> None:
    path = task(tmp_path, f"\n  - {capture}\n")
    with pytest.raises(kind, match=told):
        shapes(path, tmp_path / "out")
    assert not (tmp_path / "out/measured").exists()


ROWS = re.compile(r"float32\[2, (\d+), \d+\]")
STAGES = """
task: stages
dataset_path: world
dataset_kwargs: {name: concepts}
doc_to_text: 'Question: {{ word | span("word") }} are what? Answer:'
steps:
  - name: early
    output_type: represent
    captures:
      - {site: residual, layers: [1, 3], rows: word, pool: mean}
      - {site: residual, layers: [1, 3], rows: content, pool: last}
  - name: said
    output_type: generate_until
    generation_kwargs: {max_gen_toks: 3, until: []}
  - name: late
    output_type: represent
    continues: said
    captures:
      - {site: residual, layers: [1, 3], rows: answer, pool: mean}
      - {site: residual, layers: [1, 3], rows: all, pool: none}
scorer: niah
metric_list: [{metric: niah.recall, main: true}]
metadata: {version: 1}
"""


def test_two_stages_the_prompt_alone_and_with_the_models_own_answer(tmp_path: Path) -> None:
    path = tmp_path / "stages.yaml"
    path.write_text(STAGES)
    edit = "scale_heads(heads=[[1,0],[2,1]],alpha=0.5)"
    found = headbench.run(
        str(path), edit, model="ref-lm-v2", out=tmp_path / "out", limit=3, controls=0, draws=50
    )
    digests = []
    for file, result in zip(found.files, found.results, strict=True):
        entries = read_entries(file, result)
        assert len(entries) == 3
        for entry in entries:
            early, said, late = entry.record.outputs
            tokens = entry.record.tokens[1]
            word, content = ROWS.findall(early)
            answer, every = ROWS.findall(late)
            assert (word, content, answer) == ("1", "1", "1" if tokens else "0")
            prompt = int(every) - len(tokens)
            assert prompt > 8 and len(tokens) <= 3 and (said == "") == (not tokens)
            digests.append(late)
    assert len(set(digests)) == 6  # other words, and other states under the edit


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (("    continues: said\n", ""), "rows: answer needs `continues`"),
        (("continues: said", "continues: later"), "no step before"),
        (("continues: said", "continues: early"), "does not generate one answer"),
        (("rows: all, pool: none", "rows: last, pool: none"), "with `pool: last`"),
    ],
)
def test_stages_that_do_not_fit_are_refused(
    tmp_path: Path, change: tuple[str, str], told: str
) -> None:
    path = tmp_path / "stages.yaml"
    assert change[0] in STAGES
    path.write_text(STAGES.replace(*change))
    with pytest.raises(ConfigError, match=told):
        load_file(path)
