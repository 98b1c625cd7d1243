"""Behaviour and geometry tasks through `headbench.run`: packaged words, and a user's own tables."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
import pytest
from scipy.stats import spearmanr

import headbench
from headbench.errors import ConfigError, DataError, HeadbenchError
from headbench.families.brain.concept_world import concept_world
from headbench.results.files import read_entries, read_result
from headbench.tasks.data.source import AbsentDataError
from headbench.tasks.loader import load

WORLD = concept_world()


def table(path: Path, header: tuple[str, ...], rows: list[tuple[object, ...]]) -> Path:
    with path.open("w", encoding="utf-8", newline="") as file:
        csv.writer(file).writerows([header, *rows])
    return path


def one(task: str, out: Path, **more: object) -> dict[str, object]:
    done = headbench.run([task], model="ref-lm-v2", out=out, draws=40, **more)  # type: ignore[arg-type]
    return {name.removeprefix("brain."): cell for name, cell in done.results[0].metrics.items()}


def value(figures: dict[str, object], name: str) -> float:
    found = figures[name].value  # type: ignore[attr-defined]
    return float("nan") if found is None else found


def ours_n(figures: dict[str, object], name: str) -> int:
    return int(figures[name].n)  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    ("task", "figure", "trained", "random"),
    [
        ("norms", "norms_spearman", 0.683, 0.3),
        ("concept_ib", "ib_ami", 0.648, 0.1),
        ("mknn_heads", "mknn", 0.571, 0.2),
    ],
)
def test_the_shipped_model_lies_far_above_a_random_one(
    task: str, figure: str, trained: float, random: float, tmp_path: Path
) -> None:
    ours = one(task, tmp_path)
    assert value(ours, figure) == pytest.approx(trained, abs=0.002)
    low = ours[figure].low  # type: ignore[attr-defined]
    untrained = one(task, tmp_path, model_args={"untrained": True})
    assert abs(value(untrained, figure)) < random < low


def test_geometry_and_a_repeated_run_gives_the_same_bytes(tmp_path: Path) -> None:
    first, again = tmp_path / "a", tmp_path / "b"
    ours = one("geometry", first, limit=60, task_args={"last": "20"})
    assert value(ours, "rankme_singular") / value(ours, "rankme_eigenvalues") > 1.3
    assert value(ours, "alpha_req") > 0.5
    one("geometry", again, limit=60, task_args={"last": "20"})

    def files(root: Path) -> dict[str, bytes]:
        return {
            path.name: path.read_bytes()
            for path in sorted(root.glob("measured/**/*"))
            if path.is_file() and "timing" not in path.name
        }

    assert files(first) == files(again) != {}


def pairs(count: int, *, subjects: int = 3) -> list[tuple[object, ...]]:
    """Every pair once, rated 1 (same category) or 0, with a little noise."""
    random = np.random.default_rng(0)
    words, features = WORLD.words[:count], WORLD.features[:count]
    return [
        (f"p{who}", words[a], words[b],
         float(np.clip((features[a] @ features[b] > 0) * 0.8 + 0.2 * random.random(), 0, 1)))
        for who in range(subjects) for a in range(count) for b in range(a + 1, count)
    ]  # fmt: skip


def test_pairs_are_rated_in_both_orders(tmp_path: Path) -> None:
    path = table(tmp_path / "p.csv", ("subject", "one", "two", "rating"), pairs(20))
    args = {
        "table": str(path),
        "prompt": "Question: {{ word | span('question') }}, {{ item }} are what? Answer:",
        "answers": "no,yes",
        "numbers": "0,1",
    }
    found = one("turing_rsa", tmp_path, task_args=args)
    assert value(found, "turing_raters") == 3
    assert value(found, "turing_ceiling_lower") < value(found, "turing_ceiling_upper") < 1
    assert value(found, "turing_order_asymmetry") > 0
    assert -1 <= value(found, "turing_group") <= 1
    with pytest.raises(DataError, match="another scale than 1 to 7"):
        one("turing_rsa", tmp_path, task_args={**args, "answers": "no,yes", "numbers": "1,7"})


def test_norms_of_a_table(tmp_path: Path) -> None:
    """The expected rating of what the model says is held against the table's own column."""
    rows = [
        (word, float(WORLD.features[at, list(WORLD.categories).index("fruits")]), 0.5, 20)
        for at, word in enumerate(WORLD.words[:60])
    ]
    path = table(tmp_path / "n.csv", ("word", "fruit", "fruit_sd", "fruit_n"), rows)
    args = {
        "table": str(path),
        "prompt": "Question: {{ word | span('question') }} are what? Answer:",
        "answers": "fruits,tools",
        "numbers": "1,0",
    }
    found = one("norms_table", tmp_path, task_args=args)
    turned = one("norms_table", tmp_path, task_args={**args, "numbers": "0,1"})
    assert value(found, "norms_pearson") > 0
    assert value(turned, "norms_pearson") == pytest.approx(-value(found, "norms_pearson"), abs=1e-5)
    bare = table(tmp_path / "bare.csv", ("word", "fruit"), [row[:2] for row in rows])
    found_bare = one("norms_table", tmp_path, limit=30, task_args={**args, "table": str(bare)})
    assert np.isnan(value(found_bare, "norms_ceiling"))
    rated = np.array([row[1] for row in rows])
    assert value(found, "norms_ceiling") == pytest.approx(
        np.sqrt(1 - 0.25 / 20 / rated.var()), abs=1e-5
    )


def test_word_pairs_and_typicality(tmp_path: Path) -> None:
    rated = [(a, b, rating) for _, a, b, rating in pairs(12, subjects=1)]
    path = table(tmp_path / "w.csv", ("one", "two", "rating"), rated)
    ask = "Question: {{ item | span('question') }} are what? Answer:"
    args = {"table": str(path), "prompt": ask, "rows": "last", "pool": "none", "layers": "1"}
    found = one("wordsim", tmp_path, task_args=args)
    assert value(found, "same_state") == 0
    head = one("wordsim", tmp_path, task_args={**args, "site": "z", "head": "0"})
    assert ours_n(found, "word_pairs") == len(rated)
    assert value(head, "word_pairs") != value(found, "word_pairs")
    with pytest.raises(ConfigError, match="residual has no head 0"):
        one("wordsim", tmp_path, task_args={**args, "head": "0"})

    members = [
        (word, name, at)
        for c, name in enumerate(("fruits", "tools", "tableware"))
        for at, word in enumerate(np.array(WORLD.words)[WORLD.features[:, _column(name)] > 0][:8])
    ]
    path = table(tmp_path / "t.csv", ("item", "category", "rating"), members)
    found = one("typicality", tmp_path, task_args={**args, "table": str(path)})
    assert value(found, "typicality_categories") == 3
    assert -1 <= value(found, "typicality") <= 1


def _column(name: str) -> int:
    return list(WORLD.categories).index(name)


HEADER = ("one", "two", "rating")
MANY = [(f"a{at}", f"b{at}", at) for at in range(25)]


@pytest.mark.parametrize(
    ("task", "header", "rows", "told"),
    [
        ("wordsim", ("one", "two"), [("a", "b")], "lacks rating"),
        ("wordsim", HEADER, MANY[:19], "19 pairs are too few"),
        ("wordsim", HEADER, [*MANY, ("a", "b", "x")], "'x' in the column 'rating' is no number"),
        ("wordsim", HEADER, [*MANY, ("a", "", 1)], "a cell of 'two' is empty"),
        ("wordsim", HEADER, [*MANY, ("a", "b", 1, 2)], "a row has 4 fields, not 3"),
        ("wordsim", HEADER, [*MANY, ("a", "b", "nan")], "is no number"),
        ("turing_rsa", HEADER, MANY, "a list of some pairs is no full RDM"),
        ("norms_table", ("word",), [("a",)], "too few|no column"),
        ("norms_table", ("word", "x"), [("a", 1)] * 25, "the word 'a' has two rows"),
        (
            "typicality",
            ("item", "category", "rating"),
            [(f"a{at}", f"c{at}", 1) for at in range(25)],
            "fewer than three items",
        ),
    ],
)
def test_wrong_tables_are_refused(
    task: str, header: tuple[str, ...], rows: list[tuple[object, ...]], told: str, tmp_path: Path
) -> None:
    path = table(tmp_path / "t.csv", header, rows)
    with pytest.raises(HeadbenchError, match=told):
        load(task, args={"table": str(path)}).documents()


@pytest.mark.parametrize("task", ["wordsim", "turing_rsa", "norms_table", "typicality"])
def test_a_missing_table_is_asked_for(task: str) -> None:
    with pytest.raises(AbsentDataError, match="reads a table of your own"):
        load(task).documents()


def test_a_text_list_without_a_header_is_read(tmp_path: Path) -> None:
    path = tmp_path / "list.txt"
    path.write_text("".join(f"a{at}\tb{at} {at}\n" for at in range(20)), encoding="utf-8")
    found = load("wordsim", args={"table": str(path)}).documents()
    assert (found[3].fields["words"], found[3].target) == (["a3", "b3"], 3.0)
    with pytest.raises(DataError, match="another file than the one named"):
        load("wordsim", args={"table": str(path), "sha256": "0" * 64}).documents()


def test_norms_leave_out_words_of_two_concepts() -> None:
    documents = load("norms").documents()
    words = [one.fields["word"] for one in documents]
    assert len(words) == len(set(words)) == 80
    assert "chest" not in words
    every = load("norms_things").documents()
    assert len(every[0].fields["asked"]) == 11
    assert len({one.fields["word"] for one in every}) == len(every)
    with pytest.raises(ConfigError, match="nobody rated 'heavyy'"):
        load("norms_things", args={"norms": "heavyy"}).documents()


def test_categories_of_things_are_those_with_enough_concepts() -> None:
    documents = load("concept_ib_things").documents()
    assert len(documents) == 697
    assert len({one.target for one in documents}) == 21


def test_norms_are_the_correlation_of_what_records_hold(tmp_path: Path) -> None:
    found = one("norms", tmp_path, limit=30)
    path = next(
        path for path in (tmp_path / "measured").glob("**/norms/*.json") if "run-" not in path.name
    )
    entries = read_entries(path, read_result(path))
    expected, rated = (
        [float(np.asarray(entry.record.parts[part])[0]) for entry in entries]
        for part in ("expected", "rated")
    )
    assert value(found, "norms_spearman") == pytest.approx(spearmanr(expected, rated)[0])


def test_every_packaged_things_task_has_its_documents() -> None:
    counts = {"geometry_things": 927, "mknn_heads_things": 927}
    assert {name: len(load(name).documents()) for name in counts} == counts
