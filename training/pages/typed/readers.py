"""Blocks that are data: each is read by the loader that it is for."""

from __future__ import annotations

import json
import shlex
import tomllib
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from training.pages.typed.blocks import Block
from training.pages.typed.session import Session

Read = Callable[[Block, Any, Path, Session], None]


def read(block: Block, folder: Path, session: Session) -> None:
    """Read a block by its language and its keys.

    Raises:
        AssertionError: It is not valid, or nothing reads its kind.
    """
    if block.language in ("python", "csv"):
        return  # a file; the page's commands read it
    reader = LANGUAGES.get(block.language)
    if reader is None:
        raise AssertionError(f"{block.where}: nothing reads a block of {block.language!r}")
    reader(block, folder, session)


def _json(block: Block, folder: Path, session: Session) -> None:
    """One document, or lines of them."""
    try:
        found = [json.loads(block.text)]
    except json.JSONDecodeError:
        found = [json.loads(line) for line in block.text.splitlines()]
    _by_keys(JSON, block, found[0], folder, session)


def _yaml(block: Block, folder: Path, session: Session) -> None:
    import yaml

    _by_keys(YAML, block, yaml.safe_load(block.text), folder, session)


def _toml(block: Block, folder: Path, session: Session) -> None:
    """Entry points: the groups are ones that headbench reads."""
    import headbench

    package = Path(str(headbench.__file__)).parent
    found = tomllib.loads(block.text)["project"]["entry-points"]
    code = "".join(path.read_text() for path in package.rglob("*.py"))
    for group in found:
        kind = group.removeprefix("headbench.")
        if f'"{group}"' not in code and f'"{kind}"' not in code:
            raise AssertionError(f"{block.where}: nothing reads the group {group!r}")


def _text(block: Block, folder: Path, session: Session) -> None:
    """Interventions, one a line."""
    from headbench.interventions import method_catalogue
    from headbench.interventions.grammar import parse

    for line in block.text.splitlines():
        for part in parse(line).parts:
            method_catalogue.get(part.name)


LANGUAGES: Mapping[str, Callable[[Block, Path, Session], None]] = {
    "json": _json,
    "yaml": _yaml,
    "toml": _toml,
    "text": _text,
}


def _by_keys(
    readers: Mapping[str, Read], block: Block, found: Any, folder: Path, session: Session
) -> None:
    for key, reader in readers.items():
        if key in found:
            reader(block, found, folder, session)
            return
    if not block.name:
        raise AssertionError(f"{block.where}: nothing reads a block with the keys {list(found)}")


def _task(block: Block, found: Any, folder: Path, session: Session) -> None:
    """``headbench validate``, with what the page's Python files add."""
    if not block.name:
        raise AssertionError(f"{block.where}: a task file needs a name on its page")
    added = [f"--include {path.name}" for path in sorted(folder.glob("*.py"))]
    command = f"headbench validate {shlex.quote(block.name)} {' '.join(added)}"
    done = session.bash(command, folder)
    if done.status:
        raise AssertionError(f"{block.where}: $ {command}\n{done.out}{done.err}")


def _paper(block: Block, found: Any, folder: Path, session: Session) -> None:
    from headbench.guard.published_cells import cells_of

    path = folder / "paper.yaml"
    path.write_text(block.text, encoding="utf-8")
    assert list(cells_of(path)), block.where  # noqa: S101
    path.unlink()


def _golden(block: Block, found: Any, folder: Path, session: Session) -> None:
    from headbench.guard.golden import read_runs

    path = folder / "golden" / "measured" / "runs.yaml"
    path.parent.mkdir(parents=True)
    path.write_text(block.text, encoding="utf-8")
    assert read_runs(folder / "golden").runs, block.where  # noqa: S101


def _workflow(block: Block, found: Any, folder: Path, session: Session) -> None:
    """Its headbench commands name verbs and options that there are."""
    from training.pages.typed.options import faults

    for job in found["jobs"].values():
        for step in job["steps"]:
            command = step.get("run", "")
            if command.startswith("headbench ") and (wrong := faults(command)):
                raise AssertionError(f"{block.where}: {command}: {wrong}")


def _cells(block: Block, found: Any, folder: Path, session: Session) -> None:
    from headbench.results.paper_cells import read_paper

    path = folder / "mine.cells.json"
    path.write_text(block.text, encoding="utf-8")
    assert read_paper(path), block.where  # noqa: S101


def _gaze(block: Block, found: Any, folder: Path, session: Session) -> None:
    from headbench.detectors.gaze_file import read as read_gaze

    assert read_gaze(folder / block.name)[0].documents, block.where  # noqa: S101


def _any(block: Block, found: Any, folder: Path, session: Session) -> None:
    """Rows of a log: the commands of the page read them."""


YAML: Mapping[str, Read] = {
    "task": _task,
    "paper": _paper,
    "runs": _golden,
    "jobs": _workflow,
}
JSON: Mapping[str, Read] = {
    "paper": _cells,
    "format": _gaze,
    "image_id": _any,
    "condition": _any,
}
