"""Which code counts: files of packages and of the user's own, and versions of what is installed."""

from __future__ import annotations

import importlib
import sys
import zipfile
from collections.abc import Iterator
from importlib import metadata
from pathlib import Path

import pytest

from headbench import _code
from headbench.errors import RefusedError

FILES = {
    "kit_of_test/__init__.py": "",
    "kit_of_test/main.py": "import numpy\nfrom kit_of_test import helper\nTHING = helper.VALUE\n",
    "kit_of_test/helper.py": "def late():\n    from . import far\n\nVALUE = 1\n",
    "kit_of_test/far.py": "VALUE = 1\n",
    "kit_of_test/unrelated.py": "VALUE = 1\n",
}
COUNTED = {name for name in FILES if "unrelated" not in name}
METADATA = "Metadata-Version: 2.1\nName: kit-of-test\nVersion: {version}\n"


@pytest.fixture(params=["site-packages", "src"])
def home(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A package, installed or in a checkout, with its metadata beside it."""
    home = tmp_path / request.param
    for name, text in FILES.items():
        (home / name).parent.mkdir(parents=True, exist_ok=True)
        (home / name).write_text(text)
    install(home)
    monkeypatch.syspath_prepend(home)
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    return home


@pytest.fixture(autouse=True)
def _fresh() -> Iterator[None]:
    restart()
    yield
    restart()


def install(home: Path, version: str = "1.0") -> None:
    folder = home / "kit_of_test-1.0.dist-info"
    folder.mkdir(exist_ok=True)
    (folder / "METADATA").write_text(METADATA.format(version=version))
    (folder / "entry_points.txt").write_text("[headbench.test]\nkit = kit_of_test.main:THING\n")


def restart() -> None:
    """Forget what was imported, as a new process has."""
    for name in [name for name in sys.modules if name.partition(".")[0] == "kit_of_test"]:
        del sys.modules[name]
    importlib.invalidate_caches()
    _code._package.cache_clear()


def code() -> _code.Code:
    (point,) = metadata.entry_points(group="headbench.test")
    point.load()
    return _code.of_entry_point(point)


def test_a_package_counts_with_its_files_name_and_version(home: Path) -> None:
    found = code()
    assert set(found.files) == COUNTED
    assert found.packages == {"kit-of-test": "1.0", "numpy": metadata.version("numpy")}


@pytest.mark.parametrize("name", sorted(COUNTED))
def test_an_edited_file_changes_the_digest(home: Path, name: str) -> None:
    before = code().digest
    (home / name).write_text(FILES[name].replace("VALUE = 1", "VALUE = 2") + "#\n")
    restart()
    assert code().digest != before


def test_another_version_changes_the_digest(home: Path) -> None:
    before = code().digest
    install(home, "1.1")
    restart()
    assert code().digest != before


def test_what_is_not_imported_does_not_count(home: Path) -> None:
    before = code().digest
    (home / "kit_of_test/unrelated.py").write_text("VALUE = 2\n")
    (home / "kit_of_test/new.py").write_text("VALUE = 2\n")
    restart()
    assert code().digest == before


def test_a_module_that_was_edited_after_its_import_is_refused(home: Path) -> None:
    """What runs is the old text; a digest of the new one would file its answers wrongly."""
    code()
    (home / "kit_of_test/helper.py").write_text(FILES["kit_of_test/helper.py"] + "#\n")
    with pytest.raises(RefusedError, match=r"'kit_of_test\.helper' was edited after"):
        code()


def test_a_package_in_an_archive_counts_too(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    archive = tmp_path / "kit.zip"
    with zipfile.ZipFile(archive, "w") as file:
        for name, text in FILES.items():
            file.writestr(name, text)
    monkeypatch.syspath_prepend(archive)
    point = metadata.EntryPoint("kit", "kit_of_test.main:THING", "headbench.test")
    point.load()
    found = _code.of_entry_point(point)
    assert set(found.files) == COUNTED
    assert found.files["kit_of_test/far.py"] == _code.text_digest(b"VALUE = 1\n")


def test_classes_count_with_their_bases_and_our_own_do_not(home: Path) -> None:
    (home / "kit_of_test/far.py").write_text("class Base: ...\n")
    (home / "kit_of_test/unrelated.py").write_text(
        "from kit_of_test.far import Base\nclass Thing(Base): ...\n"
    )
    module = importlib.import_module("kit_of_test.unrelated")
    found = _code.of_things(module.Thing)
    if home.name == "site-packages":  # without an entry point, an installed package is a version
        assert found.packages == {"kit-of-test": "1.0"}
    else:
        assert set(found.files) == {
            "kit_of_test/__init__.py", "kit_of_test/far.py", "kit_of_test/unrelated.py",
        }  # fmt: skip
    assert not _code.of_things(_code.Code, dict, len)


def test_what_was_typed_at_a_prompt_has_no_identity(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(sys.modules["__main__"], "__file__", raising=False)
    typed = type("Typed", (), {"__module__": "__main__"})
    with pytest.raises(RefusedError, match="has no file"):
        _ = _code.of_things(typed).digest
    gone = type("Typed", (), {"__module__": "made_in_memory"})
    with pytest.raises(RefusedError, match="has no file"):
        _ = _code.of_things(gone).digest
