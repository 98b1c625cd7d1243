"""Result files: bytes, old versions, damage."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest
from pydantic import ValidationError

from headbench.errors import StoreError
from headbench.nouns import Record
from headbench.results import migrations, schema
from headbench.results.export import PATH, json_schema
from headbench.results.files import (
    Entry,
    pack_records,
    read_entries,
    read_result,
    result_path,
    slug,
    to_bytes,
    unpack_records,
    write_result,
)
from headbench.results.schema import ArmFacts, Coverage, Estimate, ModelFacts, Result, TaskFacts
from headbench.results.timing import add_timing

HERE = Path(__file__).parent
ROOT = HERE.parents[1]


def a_result(**changes: object) -> Result:
    base = Result(
        kind="measured",
        id="0123456789abcdef" * 4,
        status="ok",
        task=TaskFacts(
            name="niah", version="1", main_metric="recall", scorer="niah@1", parser="plain@1"
        ),
        model=ModelFacts(name="ref lm/v1", adapter="reference"),
        arm=ArmFacts(name="mask_heads(heads=[[0,1]])", role="toggle"),
        coverage=Coverage(answered=2, expected=2),
        headline="recall",
        metrics={
            "recall": Estimate(value=0.5, low=0.1, high=0.9, level=0.95, n=2),
            "kept": Estimate(value=1, unit="count", n=2),
        },
    )
    return Result.model_validate({**base.model_dump(), **changes})


ENTRIES = (
    Entry(
        Record(
            "d1",
            "c1",
            ("yes",),
            {"b", "a"},
            "plain@1",
            {"hit": 1, "words": ("x", "y")},
            target=("x",),
            tokens=((1, 2), (3,)),
        ),
        {"visited": 3, "kl": 0.25},
    ),
    Entry(Record("d2", "c1", ("",), None, "plain@1", {"hit": 0})),
)


def test_a_result_and_its_records_come_back(tmp_path: Path) -> None:
    path = write_result(tmp_path, a_result(), ENTRIES)
    assert path == tmp_path / "measured/ref-lm-v1/niah/mask_heads-heads-0-1-01234567.json"
    result = read_result(path)
    assert result.model_copy(update={"records": None}) == a_result()
    first, second = read_entries(path, result)
    assert first.record.parsed == ["a", "b"]
    assert first.record.tokens == ((1, 2), (3,))
    assert first.record.parts == {"hit": 1, "words": ["x", "y"]}
    assert first.facts == {"visited": 3, "kl": 0.25}
    assert second.record == ENTRIES[1].record
    assert isinstance(result.metrics["kept"].value, int)


def test_the_same_cell_gives_the_same_bytes(tmp_path: Path) -> None:
    one = write_result(tmp_path / "a", a_result(), ENTRIES)
    two = write_result(tmp_path / "b", a_result(), ENTRIES)
    for suffix in (".json", ".records.jsonl.gz"):
        left, right = (p.with_suffix("").as_posix() + suffix for p in (one, two))
        assert Path(left).read_bytes() == Path(right).read_bytes()
    assert pack_records(ENTRIES)[4:8] == b"\0\0\0\0"  # gzip's time stamp


def test_the_exported_schema_is_current() -> None:
    assert (ROOT / PATH).read_text() == json_schema(), (
        f"renew it: python -m headbench.results.export > {PATH}"
    )


def test_every_field_is_documented() -> None:
    models = [model for model in vars(schema).values() if isinstance(model, type)]
    documented = [model for model in models if issubclass(model, schema.Frozen)]
    assert Result in documented
    for model in documented:
        for name, field in model.model_fields.items():
            assert field.description, f"{model.__name__}.{name} has no docstring"


def test_the_frozen_file_of_version_1_still_loads() -> None:
    path = HERE / "data" / "frozen-v1.json"
    result = read_result(path)
    assert result.schema_version == 2
    assert result.metrics["recall"].value == 0.5
    assert [entry.record.document for entry in read_entries(path, result)] == ["d1", "d2"]


def test_an_older_file_is_brought_forward_by_its_step(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    document = json.loads(to_bytes(a_result()))
    document["schema_version"] = 0
    document["title"] = document["task"].pop("name")
    path = tmp_path / "old.json"
    path.write_text(json.dumps(document))
    with pytest.raises(StoreError, match="schema version 0; this headbench reads 2"):
        read_result(path)

    def step(old: migrations.Document) -> migrations.Document:
        task = dict(old["task"]) | {"name": old["title"]}  # type: ignore[call-overload]
        return {k: v for k, v in old.items() if k != "title"} | {"task": task}

    monkeypatch.setitem(migrations.STEPS, 0, step)
    assert read_result(path) == a_result()


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"{", "not a JSON file"),
        (b"\xff\xfe{}", "not a JSON file"),
        (b"[1]", "not an object"),
        (b"{}", "schema_version"),
        (b'{"schema_version": true}', "schema_version"),
        (b'{"schema_version": 99}', "schema version 99; this headbench reads 2"),
        (b'{"schema_version": 1, "colour": "red"}', "not a valid result"),
    ],
)
def test_what_is_no_result_is_told(tmp_path: Path, content: bytes, words: str) -> None:
    path = tmp_path / "x.json"
    path.write_bytes(content)
    with pytest.raises(StoreError, match=words):
        read_result(path)


def test_a_missing_file_is_told(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="No such file"):
        read_result(tmp_path / "none.json")


def test_records_of_another_result_are_refused(tmp_path: Path) -> None:
    path = write_result(tmp_path, a_result(), ENTRIES)
    result = read_result(path)
    assert result.records is not None
    (path.parent / result.records.name).write_bytes(pack_records(ENTRIES[:1]))
    with pytest.raises(StoreError, match="digest differs"):
        read_entries(path, result)
    (path.parent / result.records.name).unlink()
    with pytest.raises(StoreError, match="cannot read the records"):
        read_entries(path, result)


def test_a_records_name_is_never_followed_as_a_path(tmp_path: Path) -> None:
    path = write_result(tmp_path, a_result(), ENTRIES)
    document = json.loads(path.read_bytes())
    document["records"]["name"] = "../../secret.gz"
    path.write_text(json.dumps(document))
    with pytest.raises(StoreError, match="must lie beside"):
        read_entries(path, read_result(path))


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"status": "partial", "reason": "killed"}, "a partial cell has no headline"),
        ({"status": "inert"}, "the status 'inert' says why in 'reason'"),
        ({"coverage": {"answered": 1, "expected": 2}}, "has the status 'partial' or 'inert'"),
        ({"colour": "red"}, "Extra inputs"),
    ],
)
def test_contradictions_cannot_be_built(changes: dict[str, object], said: str) -> None:
    with pytest.raises(ValidationError, match=said):
        a_result(**changes)


def test_slugs_are_safe_and_short() -> None:
    assert slug("vhr(alpha=2)") == "vhr-alpha-2"
    assert slug("../../etc") == "etc"
    assert len(slug("x" * 500)) <= 60
    assert slug("()") == "unnamed"


def test_a_read_only_folder_is_told(tmp_path: Path) -> None:
    if os.geteuid() == 0:
        blocker = tmp_path / "measured"  # root may write anywhere: a file in the way does it too
        blocker.write_text("")
    else:
        tmp_path.chmod(0o500)
    with pytest.raises(StoreError, match="cannot"):
        write_result(tmp_path, a_result(), ENTRIES)


def test_a_full_disk_leaves_the_old_result(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write_result(tmp_path, a_result(), ENTRIES)
    before = path.read_bytes()

    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("headbench.results.disk.os.fsync", full)
    with pytest.raises(StoreError, match="No space left"):
        write_result(tmp_path, a_result(reason="another text"), ENTRIES)
    assert path.read_bytes() == before
    assert sorted(p.name for p in path.parent.iterdir()) == sorted(
        [path.name, f"{path.stem}.records.jsonl.gz"]
    )


def test_timing_stands_beside_and_survives_damage(tmp_path: Path) -> None:
    path = add_timing(tmp_path, "run1", {"seconds": 1.5})
    add_timing(tmp_path, "run2", {"seconds": 2.5})
    assert json.loads(path.read_text()) == {"run1": {"seconds": 1.5}, "run2": {"seconds": 2.5}}
    path.write_text("{")
    add_timing(tmp_path, "run3", {"seconds": 1})
    assert json.loads(path.read_text()) == {"run3": {"seconds": 1}}


def test_result_path_uses_the_kind(tmp_path: Path) -> None:
    rescored = a_result(kind="rescored")
    assert result_path(tmp_path, rescored).parts[-4] == "rescored"


def test_a_line_separator_within_an_answer_is_no_end_of_a_record() -> None:
    """JSON leaves U+2028, U+2029 and U+0085 as they are, and ``splitlines`` would cut there."""
    odd = Record("d1", "c1", ("one\u2028two\u2029three\u0085four",), None, "plain@1", {"hit": 1})
    entries = (Entry(odd), Entry(Record("d2", "c1", ("x",), None, "plain@1", {"hit": 0})))
    found = unpack_records(pack_records(entries))
    assert [entry.record.outputs for entry in found] == [odd.outputs, ("x",)]


def named(result: Result, model: str = "", task: str = "", **update: object) -> Result:
    return result.model_copy(
        update={
            "model": result.model.model_copy(update={"name": model or result.model.name}),
            "task": result.task.model_copy(update={"name": task or result.task.name}),
            **update,
        }
    )


@pytest.mark.parametrize(
    ("one", "other", "word"),
    [
        ({"model": "org/model"}, {"model": "org-model"}, "another model"),
        ({"model": "org/model"}, {"model": "org-model", "task": "pope"}, "another model"),
        ({"model": "m" * 70}, {"model": "m" * 80}, "another model"),
        ({"task": "a_task!"}, {"task": "a_task?"}, "another task"),
        ({"id": "01234567" * 8}, {"id": "01234567" + "f" * 56}, "another result"),
    ],
)
def test_names_that_one_folder_would_merge_are_refused(
    tmp_path: Path, one: dict[str, str], other: dict[str, str], word: str
) -> None:
    first = write_result(tmp_path, named(a_result(), **one), ENTRIES)
    before = first.read_bytes()
    with pytest.raises(StoreError, match=f"belongs to {word}"):
        write_result(tmp_path, named(a_result(), **other), ENTRIES)
    assert first.read_bytes() == before
    assert write_result(tmp_path, named(a_result(), **one), ENTRIES) == first
    first.write_bytes(before[:40])  # cut off by a crash
    assert write_result(tmp_path, named(a_result(), **one), ENTRIES).read_bytes() == before
