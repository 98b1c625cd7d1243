"""The store keeps what it was given, whatever happens to the process or the disk."""

from __future__ import annotations

import errno
import json
import math
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from headbench.errors import StoreError
from headbench.nouns import Answer, Capture
from headbench.results.store import ARRAYS_FILE, FILE, ResponseStore

KEY, OTHER, BATCH = "a" * 64, "b" * 64, "0" * 16
ANSWER = Answer(
    text="yes – sûr",
    tokens=(3, 1, 4),
    logprobs=(-0.1, -1e-17, -3.3333333333333335),
    scores=(-4.5, -math.inf),
    passes=2,
    batch="00-abc",
    visited=3,
    changed=6,
    chosen={0: (1, 2)},
    first={3: -0.1, 7: -2.25},
    truncated=True,
)


def keep(store: ResponseStore, key: str, answer: Answer, *, arrays: bool = False) -> None:
    """Put one answer as a batch of its own."""
    store.put(BATCH, key, answer, arrays=arrays)
    store.commit(BATCH)


def test_an_answer_comes_back_equal_in_a_new_process_view(tmp_path: Path) -> None:
    with ResponseStore(tmp_path) as store:
        keep(store, KEY, ANSWER)
        assert store.get(KEY) == ANSWER
    with ResponseStore(tmp_path) as again:
        assert again.get(KEY) == ANSWER
        assert again.get(OTHER) is None
        assert KEY in again and len(again) == 1


def test_only_whole_batches_are_served(tmp_path: Path) -> None:
    with ResponseStore(tmp_path) as store:
        keep(store, KEY, ANSWER)
        store.put("1" * 16, KEY, replace(ANSWER, text="cut short"))
        store.put("1" * 16, OTHER, ANSWER)
        assert OTHER not in store
    with ResponseStore(tmp_path) as again:
        assert OTHER not in again
        assert again.get(KEY) == ANSWER
        keep(again, "c" * 64, ANSWER)  # another batch's commit must not count the open one
    with ResponseStore(tmp_path) as third:
        assert OTHER not in third and "c" * 64 in third
        third.put("1" * 16, KEY, ANSWER)
        third.put("1" * 16, OTHER, ANSWER)
        third.commit("1" * 16)
    with ResponseStore(tmp_path) as last:
        assert last.get(OTHER) == ANSWER


def test_the_first_committed_answer_of_a_key_stands(tmp_path: Path) -> None:
    """Result files show it already; a later one, of another batch, may differ in its last bits."""
    with ResponseStore(tmp_path) as store:
        keep(store, KEY, ANSWER)
        keep(store, KEY, replace(ANSWER, text="later"))
        assert store.get(KEY) == ANSWER
    with ResponseStore(tmp_path) as again:
        assert again.get(KEY) == ANSWER


def test_damaged_captures_are_asked_once_more_and_then_served(tmp_path: Path) -> None:
    import torch

    capture = Capture("z", (0,))
    given = replace(ANSWER, arrays={capture: torch.ones(3)})
    with ResponseStore(tmp_path) as store:
        keep(store, KEY, given, arrays=True)
    blob = bytearray((tmp_path / ARRAYS_FILE).read_bytes())
    blob[-1] ^= 1
    (tmp_path / ARRAYS_FILE).write_bytes(blob)
    with ResponseStore(tmp_path) as again:
        assert again.get(KEY) is None
        keep(again, KEY, given, arrays=True)
        healed = again.get(KEY)
        assert healed is not None and healed.arrays[capture].tolist() == [1, 1, 1]
    size = (tmp_path / ARRAYS_FILE).stat().st_size
    with ResponseStore(tmp_path) as third:
        served = third.get(KEY)
        assert served is not None and served.arrays[capture].tolist() == [1, 1, 1]
        assert third.damage == ()
        keep(third, KEY, given, arrays=True)
    assert (tmp_path / ARRAYS_FILE).stat().st_size == size, "nothing is written while one stands"


def test_an_answer_that_was_withdrawn_is_replaced_for_good(tmp_path: Path) -> None:
    with ResponseStore(tmp_path) as store:
        keep(store, KEY, ANSWER)
        store.withdraw(KEY)
    with ResponseStore(tmp_path) as again:
        assert again.get(KEY) == ANSWER, "nothing has taken its place"
        again.withdraw(KEY)
        assert KEY not in again
        keep(again, KEY, replace(ANSWER, text="new"))
    with ResponseStore(tmp_path) as third:
        assert third.get(KEY) == replace(ANSWER, text="new")


def test_an_answer_is_used_in_the_form_in_which_it_will_be_read(tmp_path: Path) -> None:
    """Mappings in one order, plain numbers: a sum over them has one order, fresh or stored."""
    import numpy as np

    probable = {70: np.float32(-0.1), 9: -2.25, 800: -3}
    with ResponseStore(tmp_path) as store:
        given = store.put(BATCH, KEY, replace(ANSWER, first=probable))
        store.commit(BATCH)
        read = store.get(KEY)
    assert read is not None
    assert list(given.first.items()) == list(read.first.items())
    assert list(given.first) != list(probable)
    assert {type(value) for value in given.first.values()} == {float}
    assert given == read


@pytest.mark.parametrize("cut", [1, 5, 29, 30, 31, 80, 10_000])
def test_a_torn_last_line_is_dropped_and_the_file_goes_on(tmp_path: Path, cut: int) -> None:
    with ResponseStore(tmp_path) as store:
        keep(store, KEY, ANSWER)
        start = (tmp_path / FILE).stat().st_size
        keep(store, OTHER, ANSWER)
    path = tmp_path / FILE
    os.truncate(path, max(start + 1, path.stat().st_size - cut))
    with ResponseStore(tmp_path) as again:
        assert OTHER not in again
        assert again.get(KEY) == ANSWER
        keep(again, OTHER, ANSWER)
    with ResponseStore(tmp_path) as third:
        assert third.get(OTHER) == ANSWER
    assert all(json.loads(line) for line in path.read_text().splitlines())


def test_a_file_killed_within_its_header_starts_afresh(tmp_path: Path) -> None:
    ResponseStore(tmp_path).close()
    os.truncate(tmp_path / FILE, 12)
    with ResponseStore(tmp_path) as store:
        keep(store, KEY, ANSWER)
    with ResponseStore(tmp_path) as again:
        assert again.get(KEY) == ANSWER


def test_a_damaged_line_is_left_out_and_said(tmp_path: Path) -> None:
    with ResponseStore(tmp_path) as store:
        keep(store, KEY, ANSWER)
        keep(store, OTHER, ANSWER)
        assert store.damage == ()
    lines = (tmp_path / FILE).read_bytes().splitlines(keepends=True)
    lines[1] = b"\x00\x00\n"
    (tmp_path / FILE).write_bytes(b"".join(lines))
    with ResponseStore(tmp_path) as again:
        assert again.get(KEY) is None and again.get(OTHER) == ANSWER
        line, batch = again.damage
        assert "line 2;" in line and str(tmp_path / FILE) in line and "asked again" in line
        assert batch.startswith("1 batches") and "as a whole" in batch
        keep(again, KEY, ANSWER)
    with ResponseStore(tmp_path) as third:
        assert third.get(KEY) == ANSWER


def test_a_line_that_rots_while_the_store_is_open_is_not_served(tmp_path: Path) -> None:
    with ResponseStore(tmp_path) as store:
        keep(store, KEY, ANSWER)
        content = (tmp_path / FILE).read_bytes()
        with (tmp_path / FILE).open("r+b") as file:
            file.seek(content.index(b"yes"))
            file.write(b"no!")
        assert store.get(KEY) is None and KEY not in store
        assert "byte" in store.damage[0]


@pytest.mark.parametrize("version", [1, 7])
def test_another_version_is_refused_with_both_named(tmp_path: Path, version: int) -> None:
    header = {"format": "headbench-store", "version": version, "headbench": "9.0"}
    (tmp_path / FILE).write_text(json.dumps(header) + "\n")
    with pytest.raises(StoreError, match=f"version {version}; this headbench reads 2"):
        ResponseStore(tmp_path)


def test_a_first_line_of_brackets_is_refused(tmp_path: Path) -> None:
    (tmp_path / FILE).write_text("[" * 4000 + "\n")
    with pytest.raises(StoreError, match="not a headbench store"):
        ResponseStore(tmp_path)


def test_a_foreign_file_is_not_overwritten(tmp_path: Path) -> None:
    for content in (b"precious", b"precious\nwords\n"):
        (tmp_path / FILE).write_bytes(content)
        with pytest.raises(StoreError, match="not a headbench store"):
            ResponseStore(tmp_path)
        assert (tmp_path / FILE).read_bytes() == content


def test_two_writers_are_refused(tmp_path: Path) -> None:
    with ResponseStore(tmp_path), pytest.raises(StoreError, match="another run"):
        ResponseStore(tmp_path)
    ResponseStore(tmp_path).close()


def test_nan_is_refused_and_the_store_stays_whole(tmp_path: Path) -> None:
    with ResponseStore(tmp_path) as store:
        keep(store, KEY, ANSWER)
        with pytest.raises(StoreError, match="nan"):
            keep(store, OTHER, replace(ANSWER, logprobs=(math.nan,)))
        assert OTHER not in store
    with ResponseStore(tmp_path) as again:
        assert again.get(KEY) == ANSWER


class _FullDisk:
    """A raw file whose device takes half of a line and then is full."""

    def __init__(self, inner: object) -> None:
        self.inner, self.calls = inner, 0

    def write(self, data: memoryview) -> int:
        self.calls += 1
        if self.calls == 1:
            return int(self.inner.write(data[: len(data) // 2]))  # type: ignore[attr-defined]
        raise OSError(errno.ENOSPC, "No space left on device")

    def __getattr__(self, name: str) -> object:
        return getattr(self.inner, name)


def test_a_full_disk_loses_nothing_that_was_stored(tmp_path: Path) -> None:
    with ResponseStore(tmp_path) as store:
        keep(store, KEY, ANSWER)
        inner = store._file
        store._file = _FullDisk(inner)  # type: ignore[assignment]
        with pytest.raises(StoreError, match="No space left") as caught:
            keep(store, OTHER, ANSWER)
        assert "free some space" in str(caught.value)
        store._file = inner
        assert OTHER not in store
        keep(store, "c" * 64, ANSWER)  # space was made: the same process goes on
    with ResponseStore(tmp_path) as again:
        assert again.get(KEY) == ANSWER
        assert again.get("c" * 64) == ANSWER
        assert OTHER not in again


def test_a_path_through_a_file_is_told(tmp_path: Path) -> None:
    (tmp_path / "taken").write_text("a file")
    with pytest.raises(StoreError, match="cannot make the folder"):
        ResponseStore(tmp_path / "taken" / ".store")


def test_a_read_only_folder_is_told(tmp_path: Path) -> None:
    if os.geteuid() == 0:
        pytest.skip("root may write anywhere")
    tmp_path.chmod(0o500)
    with pytest.raises(StoreError, match="cannot"):
        ResponseStore(tmp_path / ".store")


def test_answers_put_before_a_sigkill_are_there_(tmp_path: Path) -> None:
    code = (
        "import os, signal, sys; from pathlib import Path\n"
        "from headbench.results.store import ResponseStore; from headbench.nouns import Answer\n"
        "store = ResponseStore(Path(sys.argv[1]))\n"
        "for i in range(20):\n"
        "    store.put(format(i, '016x'), format(i, '064x'), Answer(text=str(i)))\n"
        "    store.commit(format(i, '016x'))\n"
        "os.kill(os.getpid(), signal.SIGKILL)\n"
    )
    done = subprocess.run([sys.executable, "-c", code, str(tmp_path)], check=False)
    assert done.returncode == -9
    with ResponseStore(tmp_path) as store:
        assert [store.get(format(i, "064x")).text for i in range(20)] == [  # type: ignore[union-attr]
            str(i) for i in range(20)
        ]


def test_arrays_are_kept_for_represent_only(tmp_path: Path) -> None:
    import torch

    from headbench.nouns import Capture

    capture = Capture("residual", (0, 1), pool="mean")
    values = torch.arange(6, dtype=torch.float32).reshape(2, 3) / 7
    answer = Answer(text=None, arrays={capture: values})
    with ResponseStore(tmp_path) as store:
        keep(store, KEY, answer)
        keep(store, OTHER, answer, arrays=True)
        plain, whole = store.get(KEY), store.get(OTHER)
    assert plain is not None and whole is not None
    assert plain.arrays == {}
    assert torch.equal(whole.arrays[capture], values)


def stored_arrays(tmp_path: Path) -> tuple[Answer, Path]:
    import torch

    from headbench.nouns import Capture

    first, second = Capture("residual", (0, 1), pool="mean"), Capture("z", (3,))
    answer = Answer(
        text=None,
        arrays={second: torch.arange(8.0).reshape(1, 2, 4) / 3, first: torch.ones(2, 1, 3)},
    )
    with ResponseStore(tmp_path) as store:
        given = store.put(BATCH, KEY, answer, arrays=True)
        store.commit(BATCH)
        keep(store, OTHER, ANSWER)
        assert list(given.arrays) == [second, first]
        assert torch.equal(given.arrays[second], answer.arrays[second])
    return answer, tmp_path / ARRAYS_FILE


def test_arrays_lie_in_a_file_of_their_own_and_not_in_the_lines(tmp_path: Path) -> None:
    import torch

    answer, file = stored_arrays(tmp_path)
    lines = [json.loads(line) for line in (tmp_path / FILE).read_text().splitlines()]
    stored = lines[1]["answer"]["arrays"]
    assert sorted(stored) == ["captures", "length", "sha256", "start"]
    assert stored["length"] == file.stat().st_size
    with ResponseStore(tmp_path) as again:
        found = again.get(KEY)
        assert found is not None and list(found.arrays) == list(answer.arrays)
        for capture, values in answer.arrays.items():
            assert torch.equal(found.arrays[capture], values)


def test_a_blob_cut_short_by_a_kill_is_passed_over(tmp_path: Path) -> None:
    answer, file = stored_arrays(tmp_path)
    with file.open("ab") as stream:
        stream.write(b"half of a blob")
    with ResponseStore(tmp_path) as again:
        keep(again, "c" * 64, answer, arrays=True)
        for key in (KEY, "c" * 64):
            found = again.get(key)
            assert found is not None
            assert [a.tolist() for a in found.arrays.values()] == [
                a.tolist() for a in answer.arrays.values()
            ]


@pytest.mark.parametrize("damage", ["changed", "cut", "gone"])
def test_an_answer_whose_arrays_are_damaged_is_asked_again(tmp_path: Path, damage: str) -> None:
    _, file = stored_arrays(tmp_path)
    packed = bytearray(file.read_bytes())
    packed[-1] ^= 1
    if damage == "gone":
        file.unlink()
    else:
        file.write_bytes(packed if damage == "changed" else packed[:-1])
    with ResponseStore(tmp_path) as again:
        assert again.get(KEY) is None
        assert KEY not in again and "damaged" in again.damage[0]
        assert again.get(OTHER) == ANSWER


def test_stores_that_hold_arrays_in_their_lines_are_still_read() -> None:
    """As version 0.1.0 wrote them: base64 of little-endian single precision."""
    import torch

    from headbench.results.answers import decode

    capture = {
        "keys": None, "layers": [0], "pool": "none", "rows": "last", "site": "z", "tower": "text"
    }  # fmt: skip
    line = {"capture": capture, "shape": [1, 2], "data": "AACAPwAAAMA="}
    found = decode({"text": None, "passes": 1, "batch": "b", "arrays": [line]})
    assert torch.equal(next(iter(found.arrays.values())), torch.tensor([[1.0, -2.0]]))
