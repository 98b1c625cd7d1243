"""The one form for rescoring, typed as scripts type it, on the real data: every named field."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from headbench.cli import app

pytestmark = pytest.mark.real

CAPTIONS = "hallucination/chair_captions_opera/llava-1.5/greedy.jsonl"
OBJECTS = "hallucination/chair_ground_truth/coco_gt_objects.json"
ANSWERS = "hallucination/pope_answers_llava15_7b/llava-v1.5-7b.jsonl"
QUESTIONS = "hallucination/pope_answers_llava15_7b/labels/coco_pope_adversarial.json"
WALLS = "grouping/ocw_walls/walls_seasons_1_6.json"
CELLS = "niah/gkamradt_gpt4/OpenAI_OriginalResults.json"
CHAIR = ["chair_s", "chair_i", "recall", "len"]
CHAIR_COUNTS = ["n", "hallucinated_mentions", "mentions", "hallucinated_captions"]
POPE = ["accuracy", "precision", "recall", "f1", "yes_ratio", "unparsed_rate", "coverage"]
FIGURES = ["wd", "fms", "ari", "nmi", "ami"]


def typed(words: str, data: Path, **files: Path) -> dict[str, object]:
    """What a command prints as JSON; DATA/ stands for the data folder."""
    places = {"DATA": data, **files}
    found = [
        str(places[head] / tail) if (head := word.partition("/")[0]) in places
        and (tail := word.partition("/")[2]) is not None else word
        for word in words.split()
    ]  # fmt: skip
    done = CliRunner().invoke(app, found)
    assert done.exit_code == 0, done.output or done.exception
    document = json.loads(done.stdout)
    assert isinstance(document, dict)
    return document


def figures(document: dict[str, object], names: list[str], counts: list[str]) -> dict[str, float]:
    """Values under ``metrics.NAME.value``: fractions in 0..1, counts as integers."""
    metrics = document["metrics"]
    assert isinstance(metrics, dict)
    values = {name: metrics[name]["value"] for name in (*names, *counts)}
    for name in counts:
        assert type(values[name]) is int, name
    for name in names:
        assert type(values[name]) is float, name
        assert name == "len" or 0 <= values[name] <= 1, name
    return values


@pytest.mark.parametrize("profile", ["", " --profile chair-2018", " --profile chair-clean"])
def test_chair(real_data: Path, profile: str) -> None:
    words = f"rescore --task chair --predictions DATA/{CAPTIONS} --ground-truth DATA/{OBJECTS}"
    document = typed(f"{words}{profile} --json", real_data)
    found = figures(document, CHAIR, CHAIR_COUNTS)
    assert found["n"] == 500
    if "clean" not in profile:
        assert found["chair_s"] == pytest.approx(0.45, abs=0.002)
        assert found["chair_i"] == pytest.approx(0.1278, abs=0.002)
        assert found["recall"] == pytest.approx(0.798, abs=0.002)
    assert found["chair_i"] == found["hallucinated_mentions"] / found["mentions"]
    assert found["chair_s"] == found["hallucinated_captions"] / found["n"]


@pytest.mark.parametrize("parser", ["", " --parser pope_ref", " --parser pope_robust"])
def test_pope(real_data: Path, parser: str) -> None:
    words = f"rescore --task pope --predictions DATA/{ANSWERS} --questions DATA/{QUESTIONS}"
    document = typed(f"{words}{parser} --json", real_data)
    found = figures(document, POPE, ["tp", "fp", "tn", "fn", "n"])
    counts = tuple(found[name] for name in ("tp", "fp", "tn", "fn", "n"))
    assert counts == (1187, 133, 1367, 313, 3000)
    assert found["f1"] == pytest.approx(0.8418, abs=5e-5)


def test_people_on_the_walls(real_data: Path) -> None:
    document = typed(
        f"rescore --task walls --predictions human --walls DATA/{WALLS} --json", real_data
    )
    found = figures(document, [], ["solved_walls", "correct_groups", "connections", "n"])
    assert tuple(found.values()) == (94, 477, 545, 172)
    metrics = document["metrics"]
    assert isinstance(metrics, dict)
    assert all(metrics[name]["value"] is None for name in FIGURES)  # their wrong groups are unknown


@pytest.mark.parametrize("form", ["text", "lists", "by wall"])
def test_groupings_of_the_walls(real_data: Path, tmp_path: Path, form: str) -> None:
    """Every wall answered right but the first, in which two clues changed places."""
    walls = json.loads((real_data / WALLS).read_bytes())
    walls = walls["dataset"] if isinstance(walls, dict) else walls
    rows = []
    for place, wall in enumerate(walls):
        groups = [list(map(str, group["gt_words"])) for group in wall["groups"].values()]
        if place == 0:
            groups[0][0], groups[1][0] = groups[1][0], groups[0][0]
        rows.append({"wall_id": wall["wall_id"], "groups": groups})
    if form == "by wall":
        (tmp_path / "g.json").write_text(json.dumps({r["wall_id"]: r["groups"] for r in rows}))
    else:
        shown = [
            {"wall_id": r["wall_id"], "answer": "\n".join(", ".join(g) for g in r["groups"])}
            if form == "text" else r
            for r in rows
        ]  # fmt: skip
        (tmp_path / "g.json").write_text("\n".join(map(json.dumps, shown)))
    words = f"rescore --task walls --predictions HERE/g.json --walls DATA/{WALLS} --json"
    document = typed(words, real_data, HERE=tmp_path)
    found = figures(document, FIGURES, ["solved_walls", "correct_groups", "n"])
    assert found["n"] == len(walls) == 172
    # Clues that hold a comma cannot be told apart in plain text: those walls are lost there.
    lost = 0 if form != "text" else sum(
        any("," in str(clue) for group in wall["groups"].values() for clue in group["gt_words"])
        for wall in walls[1:]
    )  # fmt: skip
    assert 171 - lost <= found["solved_walls"] <= 171
    assert found["correct_groups"] >= 4 * found["solved_walls"] + 2
    assert found["wd"] < 0.05 and found["ami"] > 0.95


def test_judged_cells_and_plain_responses(real_data: Path, tmp_path: Path) -> None:
    document = typed(f"rescore --task niah --predictions DATA/{CELLS} --json", real_data)
    metrics, splits = document["metrics"], document["breakdowns"]
    assert isinstance(metrics, dict) and isinstance(splits, dict)
    assert (metrics["judge"]["value"], metrics["n"]["value"]) == (9.44, 225)
    assert {name: len(cells) for name, cells in splits.items()} == {"length": 15, "depth": 15}
    cells = json.loads((real_data / CELLS).read_bytes())
    whole = "Eat a sandwich and sit in Dolores Park on a sunny day."
    rows = [
        {**cell, "model_response": whole if cell["score"] == 10 else "Sit in Dolores Park."}
        for cell in cells
    ]
    (tmp_path / "r.json").write_text(json.dumps(rows))
    again = typed("rescore --task niah --predictions HERE/r.json --json", real_data, HERE=tmp_path)
    found = figures(again, ["keyphrase3", "keyphrase3_fraction"], ["n"])
    assert found["keyphrase3"] == 207 / 225
    assert found["keyphrase3_fraction"] == pytest.approx((207 + 18 / 3) / 225)
    assert isinstance(again["breakdowns"], dict) and len(again["breakdowns"]["depth"]) == 15


def test_heads_in_every_format(real_data: Path, tmp_path: Path) -> None:
    scores = "heads/retrieval_head_scores/llama-2-7b-80k.json"
    words = f"heads import DATA/{scores} --format retrieval_head --threshold 0.1 --json"
    found = typed(words, real_data)
    assert (found["n_heads"], found["above"]) == (1024, 33)
    top = found["top"]
    assert isinstance(top, list) and set(top[0]) == {"layer", "head", "score"}
    means = [[0.0] * 32 for _ in range(32)]
    for name, trials in json.loads((real_data / scores).read_bytes()).items():
        layer, head = map(int, name.split("-"))
        means[layer][head] = sum(trials) / len(trials)
    (tmp_path / "layers.json").write_text(json.dumps(means))
    rows = [
        [layer, head, score] for layer, row in enumerate(means) for head, score in enumerate(row)
    ]
    (tmp_path / "rows.json").write_text(json.dumps(rows))
    for file, form in (("layers", "per_layer"), ("rows", "rows --shape 32x32")):
        again = typed(
            f"heads import HERE/{file}.json --format {form} --threshold 0.1 --json",
            real_data,
            HERE=tmp_path,
        )
        assert (again["n_heads"], again["above"], again["top"]) == (1024, 33, top)
    duo = next((real_data / "heads/duo_patterns").rglob("*.tsv"))
    (tmp_path / duo.name).write_bytes(duo.read_bytes())
    half = typed(
        f"heads import HERE/{duo.name} --format duo --threshold 0.5 --json",
        real_data,
        HERE=tmp_path,
    )
    assert isinstance(half["n_heads"], int) and half["n_heads"] > 0
