"""A result whose records do not give its figures is refused, wherever it is read."""

from __future__ import annotations

import gzip
import hashlib
import json
import random
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from typer.testing import CliRunner

import headbench
from headbench.cli import app
from headbench.errors import HeadbenchError, StoreError
from headbench.families.pope.rescore_pope import rescore_pope
from headbench.guard.stored_results import check_stored
from headbench.models import adapter_catalogue as models
from headbench.nouns import Record
from headbench.results import check
from headbench.results.check import faults, read_checked
from headbench.results.figures import Sampling, estimate
from headbench.results.files import Entry
from headbench.results.keys import seed_for
from headbench.results.schema import (
    Coverage,
    ModelFacts,
    RecordsFile,
    Result,
    RunFacts,
    TaskFacts,
)
from headbench.scoring import lookup
from headbench.statistics.limits import Limits
from headbench.statistics.metric import SampleStatistic
from helpers_fake_task import write_tasks

Document = dict[str, Any]
GOLDEN = Path(__file__).parents[2] / "results/measured/golden/ref-lm-v1/niah"


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The result of a toggle, with intervals and a breakdown."""
    folder = tmp_path_factory.mktemp("made")
    tasks = write_tasks(folder / "tasks", count=24)
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(models.SHIPPED, "fake", ("helpers_fake_model:create", ""))  # type: ignore[misc]
        outcome = headbench.run(
            "colours",
            "mask_heads(heads=[[0,1]])",
            model="fake",
            include=(str(tasks),),
            controls=1,
            out=folder / "results",
            draws=300,
        )
    return outcome.files[1]


@pytest.fixture
def cell(tmp_path: Path, made: Path) -> Path:
    """A copy of the result with its records and its baseline, to be harmed."""
    folder = tmp_path / "results" / "measured" / "fake-1" / "colours"
    folder.mkdir(parents=True)
    for path in made.parent.iterdir():
        (folder / path.name).write_bytes(path.read_bytes())
    return folder / made.name


def change(path: Path, edit: Callable[[Document], object]) -> None:
    document = json.loads(path.read_text())
    edit(document)
    path.write_text(json.dumps(document))


def change_records(path: Path, edit: Callable[[list[Document]], object]) -> None:
    """Edit the records and make their digest right again."""
    document = json.loads(path.read_text())
    beside = path.parent / document["records"]["name"]
    lines = [json.loads(line) for line in gzip.decompress(beside.read_bytes()).splitlines()]
    edit(lines)
    write_records(path, "".join(f"{json.dumps(line)}\n" for line in lines).encode())


def write_records(
    path: Path, content: bytes, pack: Callable[[bytes], bytes] = gzip.compress
) -> None:
    document = json.loads(path.read_text())
    packed = pack(content)
    (path.parent / document["records"]["name"]).write_bytes(packed)
    document["records"]["sha256"] = hashlib.sha256(packed).hexdigest()
    path.write_text(json.dumps(document))


def at(*keys: str, put: object) -> Callable[[Document], object]:
    def edit(document: Document) -> None:
        for key in keys[:-1]:
            document = document[key]
        document[keys[-1]] = put

    return edit


def baseline_of(path: Path) -> Path:
    return next(path.parent.glob("baseline-*.json"))


def every_reader_refuses(path: Path, words: str) -> None:
    """From Python, ``show``, ``compare`` on either side, and the guard."""
    with pytest.raises(StoreError, match=words):
        read_checked(path)
    other = baseline_of(path)
    for command in (
        ("show", "result", str(path)),
        ("show", "result", str(path), "--json"),
        ("compare", str(path), str(other)),
        ("compare", str(other), str(path)),
    ):
        done = CliRunner().invoke(app, list(command))
        assert isinstance(done.exception, StoreError), command
    folder = path.parents[3]
    assert [fault.path for fault in check_stored(folder)[1]] == [path] * len(
        check_stored(folder)[1]
    )
    assert check_stored(folder)[1]


def test_an_untouched_result_is_believed(cell: Path) -> None:
    found = read_checked(cell)
    assert len(found.entries) == 24 and found.unchecked == ()
    assert check_stored(cell.parents[3]) == (3, [])
    done = CliRunner().invoke(app, ["show", "result", str(cell)])
    assert done.exit_code == 0 and "recomputed from the 24 records" in done.output


FIGURE = ("metrics", "recall")
WRONG = {"recall": {"metric": "niah.recall", "value": 0.999, "n": 24}}
EDITS: dict[str, tuple[Callable[[Document], object], str]] = {
    "a better value": (at(*FIGURE, "value", put=0.99), "recall is stored as 0.99"),
    "a value in the last digits": (
        lambda d: d["metrics"]["recall"].update(value=d["metrics"]["recall"]["value"] + 1e-7),
        "recall is stored as",
    ),
    "no value": (at(*FIGURE, "value", put=None), "recall is stored as nan"),
    "a huge value": (at(*FIGURE, "value", put=1e308), r"recall is stored as 1e\+308"),
    "a huge integer": (at(*FIGURE, "value", put=10**290), "recall is stored as"),
    "an integer beyond floats": (at(*FIGURE, "value", put=10**400), "integer of 401 digits"),
    "NaN": (at(*FIGURE, "value", put=float("nan")), "NaN is no finite number"),
    "infinity": (at(*FIGURE, "high", put=float("inf")), "Infinity is no finite number"),
    "ends swapped": (
        lambda d: d["metrics"]["recall"].update(
            low=d["metrics"]["recall"]["high"], high=d["metrics"]["recall"]["low"]
        ),
        "is no interval around",
    ),
    "an end out of range": (at(*FIGURE, "high", put=1.5), "is no interval around"),
    "a huge end": (at(*FIGURE, "high", put=1e308), "is no interval around"),
    "an interval elsewhere": (at(*FIGURE, "low", put=0.999), "is no interval around"),
    "one end": (at(*FIGURE, "low", put=None), "lacks an end"),
    "a level of certainty": (at(*FIGURE, "level", put=1.0), "confidence level 1"),
    "more records": (at(*FIGURE, "n", put=240), "rest on 240 records, and there are 24"),
    "another unit": (at(*FIGURE, "unit", put="points"), "the unit 'points'"),
    "another direction": (at(*FIGURE, "higher_is_better", put=False), "wrong direction"),
    "another metric": (at(*FIGURE, "metric", put="niah.fraction"), "which is fraction"),
    "no metric": (at(*FIGURE, "metric", put=""), "names no metric"),
    "more clusters": (at(*FIGURE, "clusters", put=24), "rest on 24 clusters, and there are 12"),
    "another formula": (
        lambda d: d["metrics"]["recall"].update(low=d["metrics"]["recall"]["low"] - 1e-3),
        "recall: low is stored as",
    ),
    "a thought that no record holds": (
        at("reasoning", "closed", put=0.5),
        "closed thoughts is 0.5",
    ),
    "another loss": (
        lambda d: d["diagnostics"]["neutral"][0].update(loss=0.1),
        "the loss on prose is stored as 0.1",
    ),
    "another loss in the summary": (at("diagnostics", "neutral_loss", put=0.1), "neutral_loss is"),
    "fewer answered": (at("coverage", put={"answered": 20, "expected": 20}), "24 records, but 20"),
    "more answered": (at("coverage", put={"answered": 48, "expected": 48}), "24 records, but 48"),
    "more than expected": (
        at("coverage", put={"answered": 24, "expected": 12}),
        "24 documents answered, of 12",
    ),
    "another count": (at("records", "count", put=23), "but 23 are announced"),
    "an unknown headline": (at("headline", put="glory"), "'glory' is none of its figures"),
    "a nicer headline": (
        lambda d: (
            d["metrics"].update(fraction=dict(d["metrics"]["recall"], metric="niah.fraction")),
            d.update(headline="fraction"),
        ),
        "its headline is 'fraction'",
    ),
    "partial without a gap": (
        lambda d: d.update(status="partial", reason="killed", headline=None),
        "called partial, and every document",
    ),
    "inert with edits": (
        lambda d: d.update(status="inert", reason="no image"),
        "called inert, and",
    ),
    "more heads altered": (at("diagnostics", "changed", put=7), "changed is stored as 7"),
    "a share above one": (at("diagnostics", "changed_share", put=1.2), "changed_share is 1.2"),
    "another divergence": (at("diagnostics", "first_token_kl", put=9.0), "first_token_kl 9"),
    "another run": (at("run", "spec", "seed", put=5), "whose digest it states"),
    "no records": (at("records", put=None), "no item records"),
    "no records, and nothing answered": (
        lambda d: d.update(
            records=None,
            coverage={"answered": 0, "expected": 24},
            status="partial",
            reason="killed",
            headline=None,
        ),
        "recall is stored as",
    ),
    "called published": (
        lambda d: d.update(kind="published", metrics={**d["metrics"], **WRONG}),
        "recall is stored as",
    ),
}


@pytest.mark.parametrize("name", EDITS)
def test_what_the_records_do_not_say_is_refused(cell: Path, name: str) -> None:
    edit, words = EDITS[name]
    change(cell, edit)
    every_reader_refuses(cell, words)


@pytest.mark.parametrize("method", ["made-up", "bootstrap-t", "wilson", "cluster-bootstrap"])
def test_an_interval_of_another_method_is_refused(cell: Path, method: str) -> None:
    def forge(document: Document) -> None:
        one = document["metrics"]["recall"]
        one.update(low=one["value"] - 1e-3, high=one["value"] + 1e-3, method=method)

    change(cell, forge)
    with pytest.raises(StoreError, match=f"made by '{method}', and is made by 'cluster-score'"):
        read_checked(cell)


def correlated() -> list[Record]:
    random = np.random.default_rng(0)
    return [
        Record(f"d{i}", f"d{i}", ("x",), None, "p@1", {"predicted": a, "observed": a + b})
        for i, (a, b) in enumerate(random.normal(size=(40, 2)).tolist())
    ]


def drawn_result(records: list[Record], versions: dict[str, str]) -> Result:
    """A run's result whose one metric has the interval of a bootstrap."""
    sampling = Sampling(seed_for(7, "interval", "t"), draws=200)
    return Result(
        kind="measured",
        id="0" * 64,
        status="ok",
        task=TaskFacts(name="t", version="1", scorer="s@1", parser="p@1", main_metric="drawn"),
        model=ModelFacts(name="m", adapter="fake"),
        coverage=Coverage(answered=len(records), expected=len(records)),
        metrics={"drawn": estimate("drawn", lookup.metric("drawn"), records, sampling)},
        records=RecordsFile(name="r", sha256="0" * 64, count=len(records)),
        run=RunFacts(spec={"draws": 200}, seed=7, versions=versions),
    )


def with_interval(result: Result, **changed: object) -> Result:
    drawn = result.metrics["drawn"].model_copy(update=changed)
    return result.model_copy(update={"metrics": {"drawn": drawn}})


@pytest.fixture
def bootstrapped(monkeypatch: pytest.MonkeyPatch) -> None:
    """A registered metric whose intervals are resampled."""
    spearman = lookup.metric("spearman")
    assert isinstance(spearman, SampleStatistic)
    metric = replace(spearman, name="drawn", resampling="bootstrap")
    monkeypatch.setattr(lookup, "metric", lambda name: metric)
    monkeypatch.setattr(lookup, "metric_names", lambda: ("drawn",))


@pytest.mark.usefixtures("bootstrapped")
def test_resampled_intervals_are_drawn_again() -> None:
    records = correlated()
    entries = [Entry(record) for record in records]
    result = drawn_result(records, {"numpy": np.__version__})
    one = result.metrics["drawn"]
    assert one.method == "bootstrap-t" and one.low is not None and one.high is not None
    assert list(faults(result, entries)) == []
    forged = with_interval(result, low=one.low + 1e-3)
    assert "drawn: low is stored as" in "".join(faults(forged, entries))
    formula = with_interval(result, method="cluster-score")
    assert list(faults(formula, entries)) == [
        "drawn: its interval is said to be made by 'cluster-score', and is made by 'bootstrap-t'"
    ]


@pytest.mark.usefixtures("bootstrapped")
def test_draws_of_another_library_may_differ_by_chance_and_no_more() -> None:
    records = correlated()
    entries = [Entry(record) for record in records]
    result = drawn_result(records, {"numpy": "0.1"})
    assert list(faults(result, entries)) == []
    other = result.run.model_copy(update={"seed": 8})  # other numbers, as if from another library
    assert list(faults(result.model_copy(update={"run": other}), entries)) == []
    same = other.model_copy(update={"versions": {"numpy": np.__version__}})
    assert list(faults(result.model_copy(update={"run": same}), entries))
    value = float(result.metrics["drawn"].value or 0)
    forged = with_interval(result, low=value - 1e-3, high=value + 1e-3)
    assert len(list(faults(forged, entries))) == 2


@pytest.mark.usefixtures("bootstrapped")
def test_without_a_seed_a_gross_forgery_shows_and_a_small_one_cannot() -> None:
    records = correlated()
    entries = [Entry(record) for record in records]
    result = drawn_result(records, {})
    result = result.model_copy(update={"kind": "rescored", "run": RunFacts()})
    one = result.metrics["drawn"]
    assert one.low is not None and one.high is not None and one.value is not None
    assert list(faults(result, entries)) == []
    assert list(faults(with_interval(result, low=one.low + 1e-3), entries)) == []
    forged = with_interval(result, low=one.value - 1e-3, high=one.value + 1e-3)
    found = list(faults(forged, entries))
    assert [line.partition(" is stored")[0] for line in found] == ["drawn: low", "drawn: high"]


@pytest.mark.usefixtures("bootstrapped")
@pytest.mark.parametrize(
    ("undefined", "version", "refused"),
    [(0.06, np.__version__, True), (0.06, "0.1", False), (0.0, "0.1", True)],
)
def test_an_interval_that_draws_do_not_give_is_refused_unless_other_draws_could(
    monkeypatch: pytest.MonkeyPatch, undefined: float, version: str, refused: bool
) -> None:
    records = correlated()
    result = drawn_result(records, {"numpy": version})
    none = Limits(None, None, "", 40, undefined, "no interval: why")
    monkeypatch.setattr(check, "value_limits", lambda *_, **__: none)
    found = list(faults(result, [Entry(record) for record in records]))
    said = "drawn: an interval is stored, and its records give none (no interval: why)"
    assert found == ([said] if refused else [])


def set_part(value: object) -> Callable[[list[Document]], object]:
    return lambda lines: [line["parts"].update(correct=value) for line in lines]


RECORDS: dict[str, tuple[Callable[[list[Document]], object], str]] = {
    "a part beyond floats": (set_part(10**400), "integer of 401 digits"),
    "a huge part": (set_part(10**290), "recall is stored as"),
    "a huge float": (set_part(1e308), "recall is stored as"),
    "a part of text": (set_part("yes"), "must be a number"),
    "a part that is NaN": (set_part(float("nan")), "NaN is no finite number"),
    "a lost record": (lambda lines: lines.pop(), "23 records, but 24"),
    "a repeated record": (lambda lines: lines.append(lines[0]), "two records"),
    "a cluster of numbers": (lambda lines: lines[0].update(cluster=[1]), "expected a text"),
    "outputs that are no list": (lambda lines: lines[0].update(outputs=7), "expected a list"),
    "a line that is no object": (lambda lines: lines.insert(0, [1]), "expected an object"),  # type: ignore[arg-type]
    "facts that are a text": (lambda lines: lines[0].update(facts="x"), "expected an object"),
}


@pytest.mark.parametrize("name", RECORDS)
def test_records_that_are_no_records_are_refused(cell: Path, name: str) -> None:
    edit, words = RECORDS[name]
    change_records(cell, edit)
    every_reader_refuses(cell, words)


BREAKDOWN = ("breakdowns", "depth", "0.5")


@pytest.mark.parametrize(
    ("edit", "words"),
    [
        (at(*BREAKDOWN, "recall", "value", put=0.5), "depth 0.5: recall is stored as 0.5"),
        (at(*BREAKDOWN, "recall", "n", put=1), "depth 0.5: recall is said to rest on 1 records"),
        (at(*BREAKDOWN, "recall", "low", put=2.0), "depth 0.5: recall: low is stored as 2"),
        (at("breakdowns", "depth", put={}), "breakdown depth has the values none"),
        (at("breakdowns", "colour", put={"red": {}}), "cannot be split by 'colour'"),
        (at("metrics", "recall", "low", put=0.93), "recall: low is stored as 0.93"),
        (at("metrics", "fraction", "low", put=0.999), "is no interval around"),
    ],
)
def test_breakdowns_and_intervals_of_an_older_version_are_checked(
    tmp_path: Path, edit: Callable[[Document], object], words: str
) -> None:
    """Version 1 resampled some intervals: what was right then is believed, nonsense is not."""
    for path in GOLDEN.glob("baseline-*"):
        (tmp_path / path.name).write_bytes(path.read_bytes())
    path = next(tmp_path.glob("*.json"))
    change(path, at("metrics", "fraction", "method", put="cluster-bootstrap"))
    with pytest.raises(StoreError, match="said to be made by 'cluster-bootstrap'"):
        read_checked(path)
    change(path, at("schema_version", put=1))
    assert read_checked(path).result.metrics["fraction"].method == "cluster-bootstrap"
    change(path, edit)
    with pytest.raises(StoreError, match=words):
        read_checked(path)


def test_damaged_packing_and_nesting_are_told(cell: Path) -> None:
    sound = cell.read_text()
    write_records(
        cell, b"x" * 900, lambda b: gzip.compress(b)[:12] + b"\xff\xff" + gzip.compress(b)[14:]
    )
    every_reader_refuses(cell, "records are damaged")
    write_records(cell, b'{"document":' + b"[" * 5000 + b"]" * 5000 + b"}\n")
    every_reader_refuses(cell, "nested more than 100 deep")
    for text in ("[" * 100_000, '{"a":' * 900 + "1" + "}" * 900):
        cell.write_text(text)
        every_reader_refuses(cell, "nested more than 100 deep|not a JSON file")
    cell.write_text(sound.replace('"reason": ""', '"reason": "\\ud800"'))
    every_reader_refuses(cell, "not a JSON file")


def test_a_replayed_run_is_the_one_that_was_made(cell: Path) -> None:
    change(cell, at("run", "spec", "limit", put=2))
    done = CliRunner().invoke(app, ["run", "--from", str(cell), "--dry-run"])
    assert isinstance(done.exception, StoreError) and "does not have the digest" in str(
        done.exception
    )


def test_a_metric_that_is_not_installed_is_named_and_not_refused(cell: Path) -> None:
    for path in (cell, baseline_of(cell)):
        change(
            path,
            lambda d: d["metrics"].update(mine=dict(d["metrics"]["recall"], metric="own.mine")),
        )
    said = "mine was not computed again: no metric 'own.mine' is installed here"
    assert read_checked(cell).unchecked == (said,)
    shown = CliRunner().invoke(app, ["show", "result", str(cell)])
    assert shown.exit_code == 0 and said in shown.output
    compared = CliRunner().invoke(app, ["compare", str(baseline_of(cell)), str(cell)])
    assert compared.exit_code == 0 and said in compared.output


def test_another_scorer_is_named_where_figures_differ(cell: Path) -> None:
    change(cell, at("task", "scorer", put="niah@9"))
    assert read_checked(cell).entries
    change(cell, at("metrics", "recall", "value", put=0.99))
    with pytest.raises(StoreError, match="recall is stored") as caught:
        read_checked(cell)
    assert "the scorer niah@9 made the records, and niah@2 is here" in str(caught.value)


def test_rescored_figures_are_computed_again_too(tmp_path: Path) -> None:
    rows = [
        {"question_id": i, "image": f"{i // 3}.png", "text": f"is there a cat {i}?", "label": label}
        for i, label in enumerate(("yes", "no", "yes", "no") * 6)
    ]
    questions, answers = tmp_path / "q.jsonl", tmp_path / "a.jsonl"
    questions.write_text("".join(json.dumps(row) + "\n" for row in rows))
    answers.write_text(
        "".join(
            json.dumps({**{k: row[k] for k in ("question_id", "image")}, "answer": "yes"}) + "\n"
            for row in rows
        )
    )
    path = rescore_pope(answers, questions).write(tmp_path / "results")
    assert read_checked(path).unchecked == ()
    for name, value in (("n", 23), ("coverage", 0.5), ("tp", 11), ("accuracy", 0.75)):
        before = path.read_text()
        change(path, at("metrics", name, "value", put=value))
        with pytest.raises(StoreError, match=f"{name} is stored as"):
            read_checked(path)
        path.write_text(before)


ODD = (None, True, -1, 0, 1e308, -1e-308, 10**290, "", "x", [], {}, [[1]], {"a": None})


def leaves(value: object, at: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """The place of every value in a JSON document."""
    pairs = {dict: dict.items, list: enumerate}.get(type(value), lambda _: ())(value)  # type: ignore[arg-type]
    return [at, *(place for key, one in pairs for place in leaves(one, (*at, key)))]


def put_odd(document: Any, chance: random.Random) -> None:
    place = chance.choice(leaves(document)[1:])
    for key in place[:-1]:
        document = document[key]
    if chance.random() < 0.2 and isinstance(document, dict):
        del document[place[-1]]
    else:
        document[place[-1]] = chance.choice(ODD)


@pytest.mark.parametrize("seed", range(6))
def test_no_edit_ends_in_a_traceback(cell: Path, seed: int) -> None:
    """Half of the edits are of the result, half of a record; some still leave what is believed."""
    chance = random.Random(seed)
    kept = {path: path.read_bytes() for path in cell.parent.iterdir()}
    refused = 0
    for number in range(40):
        for path, content in kept.items():
            path.write_bytes(content)
        if number % 2:
            change(cell, lambda document: put_odd(document, chance))
        else:
            change_records(cell, lambda lines: put_odd(lines[chance.randrange(24)], chance))
        for command in (
            ("show", "result", str(cell)),
            ("compare", str(cell), str(baseline_of(cell))),
        ):
            done = CliRunner().invoke(app, list(command))
            assert done.exception is None or isinstance(done.exception, HeadbenchError), command
            refused += done.exception is not None
        check_stored(cell.parents[3])
    assert refused > 20
