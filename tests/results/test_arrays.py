"""Arrays in records: kept beside them, hashed, bounded, and given back as they were."""

from __future__ import annotations

import gzip
import hashlib
import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import load_file, save_file

from headbench.errors import RefusedError, StoreError
from headbench.nouns import Record
from headbench.results import arrays
from headbench.results.canonical import dumps
from headbench.results.check import read_checked
from headbench.results.files import Entry, as_read, read_entries, read_result, write_result
from headbench.results.migrations import migrate
from headbench.results.schema import Coverage, Estimate, ModelFacts, Result, TaskFacts

FEATURES = np.random.default_rng(0).normal(size=(5, 3, 4)).astype(np.float16)


def a_record(place: int, **parts: object) -> Record:
    return Record(f"d{place}", f"d{place}", (f"said {place}",), None, "verbatim@1", parts)


def entries(features: np.ndarray = FEATURES) -> list[Entry]:
    found = [
        Entry(a_record(i, features=row, x=i), {"visited": 1}) for i, row in enumerate(features)
    ]
    found[2] = Entry(a_record(2, x=2))  # a document without one
    return found


def a_result(count: int = 5) -> Result:
    return Result(
        kind="measured",
        id="0123456789abcdef" * 4,
        status="ok",
        task=TaskFacts(
            name="toy", version="1", main_metric="n", scorer="toy@1", parser="verbatim@1"
        ),
        model=ModelFacts(name="fake"),
        coverage=Coverage(answered=count, expected=count),
        metrics={"n": Estimate(value=count, unit="count", n=count)},
    )


def written(tmp_path: Path) -> tuple[Path, Result]:
    path = write_result(tmp_path, a_result(), entries())
    return path, read_result(path)


def test_arrays_come_back_as_they_were_and_stand_beside_the_records(tmp_path: Path) -> None:
    path, result = written(tmp_path)
    assert result.arrays is not None and result.records is not None
    file = path.parent / result.arrays.name
    assert file.name == f"{path.stem}.arrays.safetensors"
    assert result.arrays.sha256 == hashlib.sha256(file.read_bytes()).hexdigest()
    assert result.arrays.bytes == file.stat().st_size
    assert list(load_file(file)) == ["features"]
    lines = gzip.decompress((path.parent / result.records.name).read_bytes()).decode().split("\n")
    assert json.loads(lines[3])["parts"] == {"features": {"@array": 2}, "x": 3}
    back = read_entries(path, result)
    assert [dict(entry.facts) for entry in back] == [{"visited": 1}] * 2 + [{}] + [
        {"visited": 1}
    ] * 2
    for place in (0, 1, 3, 4):
        found = back[place].record.parts["features"]
        assert isinstance(found, np.ndarray) and found.dtype == np.float16
        np.testing.assert_array_equal(found, FEATURES[place])
        with pytest.raises(ValueError, match="read-only"):
            found[0, 0] = 1.0
    assert back[2].record.parts == {"x": 2}
    assert read_checked(path).result == result


def test_the_same_arrays_give_the_same_bytes(tmp_path: Path) -> None:
    first, second = (write_result(tmp_path / name, a_result(), entries()) for name in "ab")
    again = write_result(tmp_path / "c", a_result(), as_read(entries()))
    files = [sorted(p.read_bytes() for p in one.parent.iterdir()) for one in (first, second, again)]
    assert files[0] == files[1] == files[2] and len(files[0]) == 3
    packed = arrays.pack({"b": FEATURES, "a": FEATURES.astype(np.float32)})
    assert packed == arrays.pack({"a": FEATURES.astype(np.float32), "b": FEATURES})


def test_a_run_sees_the_arrays_that_its_files_will_give(tmp_path: Path) -> None:
    seen = as_read(entries())
    path, result = written(tmp_path)
    for one, other in zip(seen, read_entries(path, result), strict=True):
        np.testing.assert_equal(dict(one.record.parts), dict(other.record.parts))


def test_some_of_the_entries_can_be_written_alone(tmp_path: Path) -> None:
    """Rows are counted anew, whatever the lines said before."""
    path = write_result(tmp_path, a_result(2), as_read(entries())[3:])
    back = read_entries(path, read_result(path))
    np.testing.assert_array_equal(back[0].record.parts["features"], FEATURES[3])


def test_a_result_without_arrays_has_no_file_of_them(tmp_path: Path) -> None:
    path = write_result(tmp_path, a_result(1), [Entry(a_record(0, x=1, table={"a": [1]}))])
    assert read_result(path).arrays is None
    assert len(list(path.parent.iterdir())) == 2


def test_files_from_before_there_were_arrays_still_load(tmp_path: Path) -> None:
    path, _ = written(tmp_path)
    for version in (1, 2):
        document = json.loads(path.read_text())
        del document["arrays"]
        migrated = migrate(document | {"schema_version": version})
        assert Result.model_validate(migrated).arrays is None


def test_other_arrays_are_refused_and_their_file_is_named(tmp_path: Path) -> None:
    path, result = written(tmp_path)
    assert result.arrays is not None
    file = path.parent / result.arrays.name
    packed = bytearray(file.read_bytes())
    packed[-1] ^= 1
    file.write_bytes(packed)
    with pytest.raises(StoreError, match="the arrays are not those the result was made of") as told:
        read_checked(path)
    assert told.value.where == str(file)
    file.unlink()
    with pytest.raises(StoreError, match="cannot read the arrays") as told:
        read_checked(path)
    assert told.value.where == str(file)


@pytest.mark.parametrize(
    ("tensors", "message"),
    [
        ({"features": FEATURES[:4]}, ""),
        ({"features": FEATURES[:3]}, "refers to array 3, which is not there"),
        ({"features": FEATURES}, "5 arrays are stored .* 'features', and records refer to 4"),
        ({"others": FEATURES[:4]}, "refers to array 0, which is not there"),
        ({"features": FEATURES[:4].astype(np.float64)}, "float64"),
        ({"features": FEATURES[:4, 0, 0]}, "1 dimensions"),
    ],
)
def test_a_file_that_does_not_fit_the_records_is_refused(
    tmp_path: Path, tensors: dict[str, np.ndarray], message: str
) -> None:
    path, result = written(tmp_path)
    assert result.arrays is not None
    file = path.parent / result.arrays.name
    save_file(tensors, file)
    sha256 = hashlib.sha256(file.read_bytes()).hexdigest()
    told = result.model_copy(update={"arrays": result.arrays.model_copy(update={"sha256": sha256})})
    if not message:
        assert len(read_entries(path, told)) == 5
        return
    with pytest.raises(StoreError, match=message) as error:
        read_entries(path, told)
    assert str(file) in error.value.where


def test_references_without_a_file_and_paths_are_refused(tmp_path: Path) -> None:
    path, result = written(tmp_path)
    with pytest.raises(StoreError, match="names no file of them"):
        read_entries(path, result.model_copy(update={"arrays": None}))
    assert result.arrays is not None
    outside = result.arrays.model_copy(update={"name": "../arrays.safetensors"})
    with pytest.raises(StoreError, match="must lie beside the result"):
        read_entries(path, result.model_copy(update={"arrays": outside}))


@pytest.mark.parametrize("packed", [b"", b"no safetensors", b"\xff" * 64])
def test_damaged_arrays_are_told(packed: bytes) -> None:
    with pytest.raises(StoreError, match="the arrays are damaged"):
        arrays.unpack(packed, "here")


@pytest.mark.parametrize(
    ("value", "message"),
    [
        (np.ones(4), "an array of float64 with the shape"),
        (np.ones(4, dtype=np.int32), "an array of int32"),
        (np.zeros(0, np.float16), r"with the shape \[0\]"),
        (np.array([1.0, np.inf], np.float16), "not finite"),
        ({"@array": 3}, "the key '@array' is kept"),
        ([np.ones(2, np.float16)], "is not written as JSON"),
    ],
)
def test_what_cannot_be_kept_is_refused_where_it_is_made(value: object, message: str) -> None:
    with pytest.raises(StoreError, match=message):
        as_read([Entry(a_record(0, features=value))])


def test_arrays_of_several_shapes_or_precisions_are_refused() -> None:
    for other in (np.ones((4, 3), np.float16), np.ones((3, 4), np.float32)):
        mixed = [Entry(a_record(0, features=FEATURES[0])), Entry(a_record(1, features=other))]
        with pytest.raises(StoreError, match="those of other records are") as told:
            as_read(mixed)
        assert "document d1, part 'features'" in told.value.where


def test_more_than_the_stated_size_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path, result = written(tmp_path)
    monkeypatch.setattr(arrays, "MOST_BYTES", 4 * FEATURES[0].nbytes)
    as_read(entries())
    with pytest.raises(RefusedError, match="a result holds at most 0 MiB"):
        as_read(entries(np.concatenate([FEATURES, FEATURES])))
    monkeypatch.setattr(arrays, "MOST_BYTES", -(2**20))
    with pytest.raises(RefusedError, match="the arrays take"):
        read_entries(path, result)


def test_an_array_never_becomes_json() -> None:
    with pytest.raises(StoreError, match="an array of 60 numbers is not written as JSON"):
        dumps({"features": FEATURES})


def test_a_golden_cell_allows_two_steps_of_half_precision() -> None:
    from headbench.guard.golden import _near

    one = {"features": FEATURES[0], "x": 1}
    near = replace(a_record(0), parts=one | {"features": FEATURES[0] * np.float16(1.001)}).parts
    assert _near(one, near) and not _near(one, one | {"features": FEATURES[1]})
    assert not _near(one, one | {"features": FEATURES[0][:2]})


def test_a_row_that_no_record_names_is_missed_though_another_is_named_twice() -> None:
    bare, tensors = arrays.take_out([a_record(i, features=FEATURES[i]) for i in range(2)])
    twice = [bare[0], replace(bare[1], parts=bare[0].parts)]
    with pytest.raises(StoreError, match=r"2 arrays are stored .* records refer to 1 of them"):
        arrays.put_back(twice, tensors)
