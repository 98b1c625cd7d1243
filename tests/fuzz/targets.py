"""Every reader of files that users bring."""

from __future__ import annotations

import json
import random
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

from fuzz.answers import ANSWERS
from fuzz.inputs import (
    LARGE,
    changed,
    edited,
    json_text,
    packed,
    structured,
    tabular,
    tensors,
    zipped,
)
from fuzz.oracle import Input, Target
from headbench.results.figures import Sampling

QUICK = Sampling(draws=20)
"""Intervals are made of values that were read long before."""

QUESTIONS = [
    {"question_id": 1, "image": "a_1.jpg", "text": "Is there a dog in the image?", "label": "yes"},
    {"question_id": 2, "image": "a_1.jpg", "text": "Is there a cat in the image?", "label": "no"},
    {"question_id": 3, "image": "b_2.jpg", "text": "Is there a car in the image?", "label": "no"},
]
ANSWERED = [
    {
        "question_id": row["question_id"],
        "image": row["image"],
        "prompt": row["text"],
        "answer": said,
    }
    for row, said in zip(QUESTIONS, ("Yes, there is.", "no", "I see none"), strict=True)
]
CAPTIONS = [
    {"image_id": 1, "caption": "A man with a dog and a cat."},
    {"image_id": "COCO_val2014_000000000002.jpg", "caption": "Two cats."},
]
TRUTH = {"1": ["dog", "person"], "2": ["cat"], "3": ["car"]}
INSTANCES = {
    "annotations": [{"image_id": 1, "category_id": 1}, {"image_id": 2, "category_id": 2}],
    "categories": [{"id": 1, "name": "dog"}, {"id": 2, "name": "cat"}],
}
GROUPS = [[f"{letter}{number}" for number in range(4)] for letter in "abcd"]
WALLS = [
    {"wall_id": "w1", "groups": GROUPS, "connections": ["A", "B", "C", "D"]},
    {
        "wall_id": "w2",
        "groups": {
            f"group_{at}": {
                "gt_words": group,
                "gt_connection": "x",
                "human_performance": {"grouping": 1, "connection": 0},
            }
            for at, group in enumerate(GROUPS)
        },
    },
]
GROUPED = [
    {"wall_id": "w1", "groups": [*GROUPS[:3], ["d0", "d1"]], "connections": ["a", "b", "c", "d"]},
    {"wall_id": "w2", "groups": "a0, a1, a2, a3\nb0, b1, b2, b3\nGroup 3: c0, c1, c2, c3\nd0"},
]
NEEDLES = [
    {
        "context_length": 1000,
        "depth_percent": 50,
        "model_response": "eat a sandwich in Dolores Park",
        "score": 10,
    },
    {
        "context_length": 2000,
        "depth_percent": 0.5,
        "model_response": "",
        "score": 1,
        "needle": "the best thing",
    },
]
CELLS = [{"context_length": 1000, "depth_percent": 50, "score": 10, "model": "m"}]
TEXTS = [
    {"id": "t1", "text": "you are bad", "label": 1},
    {"id": "t2", "text": "hello", "label": "0"},
]
HEADS = {
    "format": "headbench-heads@1", "detector": "retrieval", "model": "m", "layers": 2, "heads": 3,
    "scores": [[0.1, 0.2, 0.3], None], "threshold": 0.1, "seed": 3, "data": {"file": "x"},
}  # fmt: skip
HEAD_LISTS: tuple[Any, ...] = (
    {"0-0": [0.1, 0.2], "0-1": [1, 0], "1-0": [0.5, 0.5], "1-1": [0, 0]},
    [[0, 1, 0.5], [1, 1, 0.25]], [[0, 1], [1, 0]], [{"layer": 0, "head": 1, "score": 2}],
    [[0.1, 0.2], [0.3, 0.4]], {"0": [1, 2], "1": [0]},
)  # fmt: skip
GAZE = {
    "format": "headbench-gaze@1", "source": "s", "measure": "ms",
    "documents": [
        {"id": "p1", "words": ["The", "old", "lamp", "fell"], "gaze": [180, 240.5, None, 12]},
        {"id": "p2", "words": ["One", "two", "three"], "gaze": [1, 2, 3], "text": "Why?"},
    ],
}  # fmt: skip
NORMS = [
    {"word": "sun", "other": "moon", "rating": "3.5"},
    {"word": "hat", "other": "cap", "rating": "1"},
]
BETAS = [
    {"subject": who, "stimulus": word, "u1": str(at), "u2": "0.25", "text": f"the {word}"}
    for who in ("p1", "p2") for at, word in enumerate(("sun", "fish", "hat"))
]  # fmt: skip
ARRAYS: dict[str, Any] = {
    "subject": ["p1"] * 3 + ["p2"] * 3, "stimulus": ["sun", "hat", "cap"] * 2,
    "vector": [[0.5, 1.0, 2.0], [1.0, 0.0, 4.0], [0.0, 3.0, 1.0]] * 2, "text": ["a", "b", "c"] * 2,
}  # fmt: skip
FEATURES: dict[str, Any] = {"document": ["a", "b"], "features": [[0.5, 1.0], [1.0, 0.0]]}
TENSORS: dict[str, Any] = {"v": np.ones((2, 3), "float32"), "w": np.zeros((2, 2, 1), "float16")}
PINS = {"niah": {"version": "1", "prompt": "abc"}}
PUBLISHED_TABLE = {
    "table": "1", "key": "t1",
    "shared": {
        "family": "pope", "task": "pope", "metric": "accuracy", "metric_printed": "Acc",
        "unit": "percent", "direction": "higher", "model": "m", "grade": "P", "read_from": "table",
        **dict.fromkeys(
            ("n", "image_set", "prompt", "chat_template", "decoding", "max_new_tokens", "parser",
             "profile", "judge", "seeds"), "not_read"),
    },
    "columns": ["id", "role", "value", "baseline_id"],
    "cells": [["41cf7f63", "baseline", "43.8", None], ["41cf7f64", "method", "44.0", "41cf7f63"]],
}  # fmt: skip
PUBLISHED = {"schema_version": 1, "paper": "P", "arxiv": "2505.18807", "tables": [PUBLISHED_TABLE]}


def written(given: Input, path: Path, ending: str = "") -> Path:
    """The input as a file."""
    place = path.with_name(f"{path.name}{ending}")
    place.write_bytes(given if isinstance(given, bytes) else given.encode("utf-8", "surrogatepass"))
    return place


def _json(value: Any, *, gzipped: bool = False) -> Callable[[random.Random], bytes]:
    return lambda draw: structured(value, draw, gzipped=gzipped)


def _rows(*tables: Any) -> Callable[[random.Random], bytes]:
    """Rows as JSON, JSON lines, CSV or TSV, gzipped or not."""

    def make(draw: random.Random) -> bytes:
        rows = draw.choice(tables)
        kind = draw.random()
        if kind < 0.75 or not isinstance(rows, list):
            return structured(rows, draw, gzipped=True)
        return tabular(rows, draw, "," if kind < 0.9 else "\t")

    return make


def _read_rows(given: Input, path: Path) -> object:
    from headbench.results.recorded import read_rows

    return read_rows(written(given, path))


def _pope(given: Input, path: Path) -> object:
    from headbench.families.pope.rescore_pope import rescore_pope

    return rescore_pope(written(given, path), _beside(path, QUESTIONS), sampling=QUICK)


def _pope_questions(given: Input, path: Path) -> object:
    from headbench.families.pope.rescore_pope import rescore_pope

    return rescore_pope(_beside(path, ANSWERED), written(given, path), sampling=QUICK)


def _chair(given: Input, path: Path) -> object:
    from headbench.families.chair.rescore_chair import rescore_chair

    return rescore_chair(written(given, path), [_beside(path, TRUTH)], sampling=QUICK)


def _chair_truth(given: Input, path: Path) -> object:
    from headbench.families.chair.rescore_chair import rescore_chair

    return rescore_chair(_beside(path, CAPTIONS), [written(given, path)], sampling=QUICK)


def _walls(given: Input, path: Path) -> object:
    from headbench.families.walls.rescore_walls import rescore_walls

    return rescore_walls(written(given, path), _beside(path, WALLS), sampling=QUICK)


def _solved_walls(given: Input, path: Path) -> object:
    from headbench.families.walls.rescore_walls import rescore_walls

    return rescore_walls(None, written(given, path), sampling=QUICK)


def _needles(given: Input, path: Path) -> object:
    from headbench.families.needles.rescore_needles import rescore_niah

    return rescore_niah(written(given, path), sampling=QUICK)


def _beside(path: Path, value: Any) -> Path:
    place = path.with_name(f"beside-{id(value)}.json")
    if not place.exists():
        place.write_text(json.dumps(value), encoding="utf-8")
    return place


def _recorded(given: Input, path: Path) -> object:
    from headbench.models.recorded import RecordedModel

    return RecordedModel(written(given, path), {})


@cache
def _result() -> tuple[Any, bytes]:
    """A stored result, and its records."""
    folder = Path(__file__).parents[1] / "results" / "data"
    document = json.loads((folder / "frozen-v1.json").read_text(encoding="utf-8"))
    return document, (folder / "frozen-v1.records.jsonl.gz").read_bytes()


def _read_result(given: Input, path: Path) -> object:
    from headbench.results.files import read_entries, read_result

    place = written(given, path)
    result = read_result(place)
    if result.records is None:
        return result
    name = Path(result.records.name).name.replace("\0", "")
    beside = path.parent / name
    if name == result.records.name and len(name) < 99 and not beside.exists():
        beside.write_bytes(_result()[1])
    return read_entries(place, result)


def _records(draw: random.Random) -> bytes:
    import gzip

    lines = [json.loads(line) for line in gzip.decompress(_result()[1]).splitlines()[:4]]
    return structured(lines, draw, gzipped=True)


def _unpack(given: Input, _path: Path) -> object:
    from headbench.results.files import unpack_records

    assert isinstance(given, bytes)
    return unpack_records(given)


def _head_map(given: Input, path: Path) -> object:
    from headbench.heads.headmap import HeadMap

    found = HeadMap.load(written(given, path))
    return found.top(2), found.above(0.1), found.top_fraction_per_layer(0.5)


def _head_list(draw: random.Random) -> bytes:
    rows = draw.choice(HEAD_LISTS)
    if draw.random() < 0.7:
        return structured(rows, draw)
    return tabular(
        [{"layer": 0, "head": 1, "score": "0.5"}, {"layer": 1, "head": 0, "score": 1}], draw
    )


def _import_heads(given: Input, path: Path) -> object:
    from headbench.heads.head_lists import import_heads

    return import_heads(written(given, path), shape=(2, 3))


def _gaze(given: Input, path: Path) -> object:
    from headbench.detectors.gaze_file import trials_of

    return trials_of(written(given, path), None, None)


def _paper(given: Input, path: Path) -> object:
    from headbench.results.paper_cells import read_paper

    return read_paper(written(given, path, ".cells.json"))


def _pins(given: Input, path: Path) -> object:
    from headbench.guard.pins import read_pins

    return read_pins(written(given, path))


def _vector_table(ending: str) -> Callable[[Input, Path], object]:
    def read(given: Input, path: Path) -> object:
        from headbench.families.brain.vector_table import read_vector_table

        table = read_vector_table(written(given, path, ending))
        shown = table.shared()
        return table.of_stimuli("text"), shown and table.rdms(shown)

    return read


def _features(given: Input, path: Path) -> object:
    from headbench.models.features import FeaturesModel

    return FeaturesModel(written(given, path, ".npz"), "")


def _ratings(ending: str) -> Callable[[Input, Path], object]:
    def read(given: Input, path: Path) -> object:
        from headbench.families.brain.rating_tables import read_ratings

        table = read_ratings(written(given, path, ending), ("word", "other", "rating"))
        return table.text("word"), table.numbers("rating")

    return read


def _vectors(given: Input, path: Path) -> object:
    from headbench.interventions.vector_files import locate

    return locate(str(written(given, path)), "v").read()


def _stored_arrays(given: Input, _path: Path) -> object:
    from headbench.results.arrays import unpack

    assert isinstance(given, bytes)
    return unpack(given)


def _image(draw: random.Random) -> bytes:
    import io

    from PIL import Image

    from fuzz.inputs import damaged

    stream = io.BytesIO()
    size = draw.choice(((3, 2), (1, 1), (40, 30)))
    picture = Image.new(draw.choice(("RGB", "L", "P", "RGBA", "1", "I;16")), size)
    kind = "PNG" if picture.mode == "I;16" else draw.choice(("PNG", "GIF", "BMP", "TIFF", "WEBP"))
    if kind == "WEBP" and picture.mode in ("P", "1"):
        kind = "PNG"
    picture.save(stream, kind)
    content = stream.getvalue()
    return content if draw.random() < 0.2 else damaged(content, draw)


def _check_image(given: Input, _path: Path) -> object:
    from headbench._images import open_image

    assert isinstance(given, bytes)
    with open_image(given, "x") as picture:
        return picture.convert("RGB")


def _fields(draw: random.Random) -> str:
    text = draw.choice(("caption=text", "answer=resps[0][0]", "questions.label=doc.gold"))
    return text if draw.random() < 0.2 else edited(text, draw)


def _parse_fields(given: Input, _path: Path) -> object:
    from headbench.results.fields import Fields, follow

    assert isinstance(given, str)
    fields = Fields.parse([given])
    follow({"resps": [["a"]], "doc": {"gold": "b"}}, given.partition("=")[2])
    return fields


INTERVENTIONS = (
    "vhr(alpha=2)", "baseline", "mask_heads(heads=[[0,1],[1,2]])+vhr(alpha=[1,1.5])",
    "scale_heads(map=retrieval,top=3,alpha=0.5)", "pai(alpha=0.2,gamma=1.1)",
    "scale_heads(heads=[[0,1]],alpha=-.5)", "mask_heads(map='a b.json',fraction=.5)",
)  # fmt: skip


def _intervention(draw: random.Random) -> str:
    text = draw.choice(INTERVENTIONS)
    if draw.random() < 0.1:
        number = draw.choice(
            ("1e999", "9" * 5000, "-0.0", "1_0", "0x10", "1j", "\u00b2", "...", "None")
        )
        return text.replace("2", number)
    return text if draw.random() < 0.1 else edited(text, draw, 2)


def _parse_intervention(given: Input, _path: Path) -> object:
    from headbench.interventions.grammar import canonical, parse
    from headbench.interventions.resolve import check_text

    assert isinstance(given, str)
    spec = parse(given)
    assert parse(canonical(spec)) == spec
    check_text(given)
    return spec


ROWS = [
    {"id": "a", "q": "Is it red?", "t": "yes"},
    {"id": "b", "q": "Is it {{ blue }}?", "t": "no"},
]
TASKS = Path(__file__).parents[2] / "tasks"
TASK: dict[str, Any] = {
    "task": "own", "dataset_path": "jsonl", "test_split": "test",
    "dataset_kwargs": {"data_files": "rows.jsonl", "encoding": "utf-8"},
    "doc_to_text": "{% if q %}{{ q | upper }} {{ id }}{% endif %}", "doc_to_target": "{{ t }}",
    "scorer": "pope", "parser": "pope_ref",
    "generation_kwargs": {"max_gen_toks": 4, "until": ["."]},
    "metric_list": [{"metric": "pope.accuracy", "main": True}],
    "metadata": {"version": 1, "description": "d"},
}  # fmt: skip
WORLDS: tuple[dict[str, Any], ...] = tuple(
    {"include": str(TASKS / place), "task": "own", "num_fewshot": 0, "dataset_kwargs": more}
    for place, more in (
        ("niah/niah_single.yaml", {"lengths": [64], "depths": [0.5], "repeats": 1}),
        ("pope/pope_text.yaml", {"n": 6}),
        ("walls/walls.yaml", {"n": 2}),
        ("stickiness/stickiness.yaml", {"n": 2}),
    )
)
YAML_TASKS = (*[TASK] * 8, *WORLDS)
POPE_FILES = f"""include: {TASKS}/pope/_base.yaml
task: own
dataset_path: pope_files
dataset_kwargs: {{questions: {{random: input.json}}, images: images}}
doc_to_text: "<image> {{{{ question }}}}"
metadata: {{description: d}}
"""
WALL_FILES = f"""include: {TASKS}/walls/walls_ocw.yaml
task: own
dataset_kwargs: {{data_files: input.json, field: null}}
num_fewshot: 0
"""
ROW_FILES = json.dumps(
    {**TASK, "dataset_path": "json", "dataset_kwargs": {"data_files": "input.json"}}
)
ANNOTATIONS = f"""include: {TASKS}/stickiness/stickiness_gametox.yaml
task: own
dataset_kwargs: {{data_files: input.csv}}
num_fewshot: 0
"""


def _yaml_task(draw: random.Random) -> bytes:
    import yaml

    value = changed(draw.choice(YAML_TASKS), draw, 2)
    text = json_text(value, draw)  # JSON is YAML
    if "\\ud800" not in text and "\ud800" not in text and draw.random() < 0.7:
        writer = getattr(yaml, "CSafeDumper", yaml.SafeDumper)
        text = yaml.dump(value, Dumper=writer, allow_unicode=True).replace(LARGE, "9" * 5000)
    return packed(edited(text, draw, 2) if draw.random() < 0.4 else text, draw)


def _check_task(path: Path) -> object:
    from headbench.tasks.check import check_file

    report = check_file(path, limit=1)
    for problem in report.problems:
        str(problem)
    return None if report.problems or report.absent else report


def _read_task(given: Input, path: Path) -> object:
    rows = path.with_name("rows.jsonl")
    if not rows.exists():
        rows.write_text("\n".join(map(json.dumps, ROWS)), encoding="utf-8")
    return _check_task(written(given, path, ".yaml"))


def _data(task_file: str, ending: str) -> Callable[[Input, Path], object]:
    """The rows that a task reads from a file of a user's, as documents."""

    def read(given: Input, path: Path) -> object:
        written(given, path, ending)
        task = _task(task_file, path.parent)
        task.survey()
        return task.documents(limit=1)

    return read


@cache
def _task(task_file: str, folder: Path) -> Any:
    """A task over the file that is written anew for each input."""
    from headbench.tasks.loader import load

    (folder / "images").mkdir(exist_ok=True)
    for row in QUESTIONS:
        picture = folder / "images" / row["image"]
        picture.write_bytes(_picture())
    place = folder / "task.yaml"
    place.write_text(task_file, encoding="utf-8")
    return load(str(place))


RUN_LIST = {
    "format": "headbench-run", "version": 1, "digest": "0" * 64, "model": "m", "spec": {"seed": 0},
    "cells": [{"id": "1" * 64, "task": "t", "arm": "baseline"}],
}  # fmt: skip


def _run_list(given: Input, path: Path) -> object:
    from headbench.results.run_list import read_run_list

    return read_run_list(written(given, path))


@cache
def _published() -> tuple[tuple[str, Any], ...]:
    """The files of printed figures, as text and as values."""
    import yaml

    folder = Path(__file__).parents[2] / "results" / "published"
    texts = [path.read_text(encoding="utf-8") for path in sorted(folder.glob("*.yaml"))]
    return tuple((text, yaml.safe_load(text)) for text in texts if len(text) < 9000)


def _figures(draw: random.Random) -> bytes:
    text, value = draw.choice(_published())
    if draw.random() < 0.6:
        text = json_text(changed(value, draw, 2), draw)  # JSON is YAML
    return packed(edited(text, draw, 2) if draw.random() < 0.4 else text, draw)


def _read_figures(given: Input, path: Path) -> object:
    from headbench.guard.published_cells import cells_of

    return list(cells_of(written(given, path, ".yaml")))


@cache
def _prompter() -> Any:
    """Prompts of a tiny model with a chat template."""
    from headbench.models.hf.prompts import Prompter
    from helpers_tiny import tiny_tokenizer

    tokenizer = tiny_tokenizer(chat_template=True)
    return Prompter(tokenizer, None, tokenizer)


def _prompt(draw: random.Random) -> str:
    from fuzz.answers import answer

    return draw.choice(("", "<image>", "<s>", "</s>", "<pad>", "USER :", "\U000f0000")) + answer(
        draw
    )


def _read_prompt(given: Input, _path: Path) -> object:
    from headbench.nouns import Request

    assert isinstance(given, str)
    messages = ({"role": "system", "content": given[:20]}, {"role": "user", "content": given})
    spans = {"q": ((1, 0, min(5, len(given))),)} if given else {}
    asked = Request("d", "answer", 0, "generate", messages=messages, spans=spans)
    return _prompter().resolve(asked)


@cache
def _picture() -> bytes:
    import io

    from PIL import Image

    stream = io.BytesIO()
    Image.new("RGB", (2, 2)).save(stream, "PNG")
    return stream.getvalue()


def _text(value: Any) -> Callable[[random.Random], bytes]:
    def make(draw: random.Random) -> bytes:
        text = json_text(value, draw)
        return packed(edited(text, draw), draw)

    return make


TARGETS: tuple[Target, ...] = (
    Target("task files", _yaml_task, _read_task),
    Target("question files", _json(QUESTIONS), _data(POPE_FILES, ".json")),
    Target("wall files", _json(WALLS), _data(WALL_FILES, ".json")),
    Target("annotations", lambda draw: tabular(TEXTS, draw), _data(ANNOTATIONS, ".csv")),
    Target("rows of a task", _json(ROWS), _data(ROW_FILES, ".json")),
    Target("run lists", _json(RUN_LIST), _run_list),
    Target("published figures", _figures, _read_figures),
    Target("prompts", _prompt, _read_prompt),
    Target("interventions", _intervention, _parse_intervention),
    Target("fields", _fields, _parse_fields),
    Target("recorded rows", _rows(ANSWERED, CAPTIONS, TRUTH, GROUPED, NEEDLES), _read_rows),
    Target(
        "recorded model", _rows([{"id": "1", "text": "a"}, {"id": 2, "resps": [["b"]]}]), _recorded
    ),
    Target("pope answers", _rows(ANSWERED), _pope),
    Target("pope questions", _rows(QUESTIONS), _pope_questions),
    Target("captions", _rows(CAPTIONS), _chair),
    Target("objects of images", _rows(TRUTH, INSTANCES), _chair_truth),
    Target("groupings", _rows(GROUPED), _walls),
    Target("solved walls", _rows(WALLS[1:]), _solved_walls),
    Target("needle responses", _rows(NEEDLES, CELLS), _needles),
    Target("results", lambda draw: structured(_result()[0], draw), _read_result),
    Target("records", _records, _unpack),
    Target("head maps", _json(HEADS), _head_map),
    Target("head lists", _head_list, _import_heads),
    Target("gaze", _json(GAZE), _gaze),
    Target("published cells", _json(PUBLISHED), _paper),
    Target("pins", _json(PINS), _pins),
    Target("vectors in csv", lambda draw: tabular(BETAS, draw), _vector_table(".csv")),
    Target("vectors in npz", lambda draw: zipped(ARRAYS, draw), _vector_table(".npz")),
    Target("features", lambda draw: zipped(FEATURES, draw), _features),
    Target("ratings in csv", lambda draw: tabular(NORMS, draw), _ratings(".csv")),
    Target("ratings in tsv", lambda draw: tabular(NORMS, draw, "\t"), _ratings(".tsv")),
    Target("vectors of heads", lambda draw: tensors(TENSORS, draw), _vectors),
    Target("arrays of records", lambda draw: tensors(TENSORS, draw), _stored_arrays),
    Target("images", _image, _check_image),
    *ANSWERS,
)
