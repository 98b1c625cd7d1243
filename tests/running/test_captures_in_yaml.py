"""``represent`` steps of a task file that name key positions and the vision tower."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

import headbench
from headbench.errors import ConfigError, RefusedError
from headbench.results.files import read_entries

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
