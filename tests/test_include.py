"""A user's file runs as exactly the text that was digested, with the modules beside it."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

from headbench import _include
from headbench._code import Code

MAIN = """
from helper import FACTOR
from .more import MORE
import deep.inner as inner
import zlib

CONSTANT = 1

def twice(x):
    return 2 * x

def later():
    import lazy
    return lazy.VALUE
"""
FILES = {
    "main.py": MAIN,
    "helper.py": "from far import FAR\nFACTOR = 1\n",
    "far.py": "FAR = 1\n",
    "more.py": "from helper import FACTOR\nMORE = 10 + FACTOR\n",
    "deep/inner.py": "VALUE = 5\n",
    "lazy.py": "VALUE = 7\n",
    "unrelated.py": "VALUE = 1\n",
    "notes.txt": "text\n",
}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return write(tmp_path / "mine")


def write(folder: Path, files: dict[str, str] = FILES) -> Path:
    for name, text in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(text.encode())
    return folder


def code(folder: Path, name: str = "main.py") -> Code:
    return _include.load(folder / name).code


def edit(path: Path, old: str, new: str) -> None:
    text = path.read_text()
    assert text.count(old) == 1
    path.write_text(text.replace(old, new))


def test_every_way_of_importing_a_neighbour_works_and_counts(folder: Path) -> None:
    loaded = _include.load(folder / "main.py")
    found = vars(loaded.module)
    assert (found["FACTOR"], found["MORE"], found["inner"].VALUE, found["later"]()) == (1, 11, 5, 7)
    assert set(loaded.code.files) == set(FILES) - {"unrelated.py", "notes.txt"}
    assert loaded.code.packages == {}


@pytest.mark.parametrize(
    ("name", "old", "new"),
    [
        ("main.py", "CONSTANT = 1", "CONSTANT = 2"),
        ("main.py", "2 * x", "3 * x"),
        ("helper.py", "FACTOR = 1", "FACTOR = 2"),
        ("far.py", "FAR = 1", "FAR = 2"),
        ("more.py", "10 +", "20 +"),
        ("deep/inner.py", "5", "6"),
        ("lazy.py", "7", "8"),
    ],
)
def test_an_edit_of_what_runs_changes_the_digest_and_runs(
    folder: Path, name: str, old: str, new: str
) -> None:
    before = _include.load(folder / "main.py")
    edit(folder / name, old, new)
    after = _include.load(folder / "main.py")
    assert after.code.digest != before.code.digest
    assert values(after) != values(before)
    edit(folder / name, new, old)
    again = _include.load(folder / "main.py")
    assert again.code.digest == before.code.digest and values(again) == values(before)


def values(loaded: _include.Loaded) -> list[object]:
    """Everything that an edit of the files above can change."""
    found = vars(loaded.module)
    helper = sys.modules[found["later"].__module__.rpartition(".")[0] + ".helper"]
    return [
        found["CONSTANT"],
        found["twice"](1),
        found["FACTOR"],
        found["MORE"],
        found["inner"].VALUE,
        found["later"](),
        vars(helper)["FAR"],
    ]


def test_what_is_not_imported_does_not_count(folder: Path) -> None:
    before = _include.load(folder / "main.py")
    (folder / "unrelated.py").write_text("VALUE = 2\n")
    (folder / "new.py").write_text("VALUE = 2\n")
    (folder / "notes.txt").write_text("other\n")
    (folder / "__pycache__").mkdir(exist_ok=True)
    (folder / "__pycache__" / "helper.cpython-311.pyc").write_bytes(b"junk")
    assert _include.load(folder / "main.py") is before


def test_line_ends_and_places_do_not_count(folder: Path, tmp_path: Path) -> None:
    moved = write(tmp_path / "elsewhere" / "deeper")
    assert code(moved).digest == code(folder).digest
    for ends in ("\r\n", "\r"):
        other = write(
            tmp_path / f"ends-{len(ends)}",
            {name: text.replace("\n", ends) for name, text in FILES.items()},
        )
        assert code(other).digest == code(folder).digest
    (moved / "far.py").write_bytes(b"\xef\xbb\xbf" + FILES["far.py"].encode())
    assert code(moved).digest == code(folder).digest


def test_an_import_that_runs_late_finds_the_text_of_the_digest(folder: Path) -> None:
    before = _include.load(folder / "main.py")
    (folder / "lazy.py").write_text("VALUE = 8\n")
    after = _include.load(folder / "main.py")
    assert vars(before.module)["later"]() == 7
    assert vars(after.module)["later"]() == 8


def test_stale_bytecode_is_not_run(folder: Path) -> None:
    """Python trusts bytecode of a file with the same size and second of change."""
    stamp = (folder / "helper.py").stat()
    assert vars(_include.load(folder / "main.py").module)["FACTOR"] == 1
    sys.path.insert(0, str(folder))
    try:
        import helper  # writes __pycache__

        assert helper.FACTOR == 1
    finally:
        sys.path.remove(str(folder))
        for name in ("helper", "far"):
            sys.modules.pop(name, None)
    edit(folder / "helper.py", "FACTOR = 1", "FACTOR = 2")
    os.utime(folder / "helper.py", ns=(stamp.st_atime_ns, stamp.st_mtime_ns))
    assert vars(_include.load(folder / "main.py").module)["FACTOR"] == 2


def test_two_folders_may_have_neighbours_of_one_name(folder: Path, tmp_path: Path) -> None:
    other = write(tmp_path / "other", {**FILES, "helper.py": "from far import FAR\nFACTOR = 9\n"})
    one, two = _include.load(folder / "main.py"), _include.load(other / "main.py")
    assert (vars(one.module)["FACTOR"], vars(two.module)["FACTOR"]) == (1, 9)
    assert "helper" not in sys.modules


def test_a_neighbour_does_not_hide_the_standard_library_or_headbench(tmp_path: Path) -> None:
    files = {
        "main.py": "import json, headbench\nOWN = headbench.__version__, json.dumps\n",
        "json.py": "1/0\n",
        "headbench.py": "1/0\n",
    }
    loaded = _include.load(write(tmp_path, files) / "main.py")
    assert vars(loaded.module)["OWN"]
    assert list(loaded.code.files) == ["main.py"]


def test_a_folder_with_the_name_of_an_installed_package_is_no_neighbour(tmp_path: Path) -> None:
    files = {"main.py": "import numpy\nHERE = numpy.__file__\n", "numpy/setup.py": "X = 1\n"}
    loaded = _include.load(write(tmp_path, files) / "main.py")
    assert str(tmp_path) not in vars(loaded.module)["HERE"]
    assert list(loaded.code.files) == ["main.py"] and "numpy" in loaded.code.packages


def test_a_file_of_a_package_may_reach_all_of_it(tmp_path: Path) -> None:
    files = {
        "kit/__init__.py": "BASE = 1\n",
        "kit/tools.py": "TOOL = 2\n",
        "kit/inner/__init__.py": "",
        "kit/inner/main.py": "from ..tools import TOOL\nfrom kit import BASE\nimport kit.far\n",
        "kit/far.py": "FAR = 3\n",
        "kit/unrelated.py": "",
        "beside.py": "1/0\n",
    }
    write(tmp_path, files)
    loaded = _include.load(tmp_path / "kit/inner/main.py")
    found = vars(loaded.module)
    assert (found["TOOL"], found["BASE"], found["kit"].far.FAR) == (2, 1, 3)
    assert set(loaded.code.files) == set(files) - {"kit/unrelated.py", "beside.py"}


def test_a_link_to_a_file_finds_its_neighbours_beside_the_link(
    folder: Path, tmp_path: Path
) -> None:
    (tmp_path / "links").mkdir()
    for name in ("main.py", "more.py", "lazy.py", "far.py", "deep"):
        (tmp_path / "links" / name).symlink_to(folder / name)
    (tmp_path / "links/helper.py").write_text("from far import FAR\nFACTOR = 4\n")
    loaded = _include.load(tmp_path / "links/main.py")
    assert vars(loaded.module)["FACTOR"] == 4
    edit(folder / "far.py", "FAR = 1", "FAR = 5")
    assert _include.load(tmp_path / "links/main.py").code.digest != loaded.code.digest


def test_modules_that_import_each_other_load(tmp_path: Path) -> None:
    files = {"main.py": "import other\nX = 1\n", "other.py": "import main\nY = 2\n"}
    loaded = _include.load(write(tmp_path, files) / "main.py")
    assert vars(loaded.module)["other"].Y == 2
    assert set(loaded.code.files) == set(files)


def test_a_computed_name_is_not_found_rather_than_not_counted(folder: Path) -> None:
    (folder / "main.py").write_text("import importlib\nimportlib.import_module('helper')\n")
    with pytest.raises(ModuleNotFoundError, match="helper"):
        _include.load(folder / "main.py")


def test_a_dot_in_a_name_is_no_package(tmp_path: Path) -> None:
    loaded = _include.load(write(tmp_path, {"v1.2.py": "X = 1\n"}) / "v1.2.py")
    assert vars(loaded.module)["X"] == 1
