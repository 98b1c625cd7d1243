"""What a user's files add: interventions, adapters, detectors, families.

A file says what it adds by the names that it sets at its top level. The catalogue of each kind
takes it from there; catalogues are imported only when a file adds something of their kind.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from importlib import import_module
from pathlib import Path
from typing import Protocol

from headbench._include import Loaded, defined, run_file
from headbench._reading import is_file, is_folder
from headbench.errors import ConfigError

CATALOGUES: Mapping[str, str] = {
    "FAMILY": "headbench.scoring.family",
    "METHOD": "headbench.interventions.method_catalogue",
    "METHODS": "headbench.interventions.method_catalogue",
    "ADAPTER": "headbench.models.adapter_catalogue",
    "DETECTOR": "headbench.detectors.detector_catalogue",
}
"""Name in a user's file -> the module whose ``accept`` takes what it holds."""
TASK_FILES = (".yaml", ".yml")


class Accept(Protocol):
    """Takes what a file adds into a catalogue."""

    def __call__(self, thing: object, loaded: Loaded, path: Path) -> str:
        """Take a thing.

        Returns:
            Its kind and name, for instance ``the intervention 'halve'``.

        Raises:
            ConfigError: It is of another type, or its name is taken.
        """
        ...


def include(paths: Sequence[Path]) -> None:
    """Add what the user's files and folders define.

    Args:
        paths: Python files, folders, and task files, which are left to the index of tasks. Of a
            folder, the Python files that set one of :data:`CATALOGUES`' names, and the packages in
            it that set ``FAMILY``; other files may be neighbours that these import.

    Raises:
        ConfigError: A file does not exist, does not load or adds nothing; or two files, or a file
            and headbench, define the same name.
    """
    places: dict[str, Path] = {}
    for path in paths:
        for file, names in extension_files(path):
            loaded = run_file(file)
            for extension in _accept(loaded, names, file):
                other = places.setdefault(extension, file)
                if other.absolute() != file.absolute():
                    raise ConfigError(
                        f"two files define {extension}",
                        where=f"{other} and {file}",
                        hint="rename one of them, or include only one",
                    )


def extension_files(path: Path) -> Iterator[tuple[Path, Sequence[str]]]:
    """The files of a path that add something, each with the names that it sets.

    Raises:
        ConfigError: The path does not exist, or is a file that adds nothing.
    """
    if is_folder(path):
        yield from _files_of_folder(path)
    elif path.suffix == ".py":
        names = defined(path, CATALOGUES)
        if not names:
            raise ConfigError(
                "the file adds nothing to headbench",
                where=str(path),
                hint=f"set one of {', '.join(CATALOGUES)} at its top level",
            )
        yield path, names
    elif path.suffix not in TASK_FILES or not is_file(path):
        raise ConfigError(
            "there is no such folder, Python file or task file",
            where=f"--include {path}",
            hint="check the path",
        )


def _files_of_folder(folder: Path) -> Iterator[tuple[Path, Sequence[str]]]:
    own = folder / "__init__.py"
    family = bool(defined(own, ("FAMILY",))) if own.is_file() else False
    for file in sorted(folder.glob("*.py")):
        # Of a package that is a family, its __init__ describes it whole.
        wanted = [name for name in CATALOGUES if file == own or not (family and name == "FAMILY")]
        if names := defined(file, wanted):
            yield file, names
    if not family:
        for file in sorted(folder.glob("*/__init__.py")):
            if names := defined(file, ("FAMILY",)):
                yield file, names


def _accept(loaded: Loaded, names: Sequence[str], file: Path) -> Iterator[str]:
    for name in names:
        accept: Accept = import_module(CATALOGUES[name]).accept
        thing = getattr(loaded.module, name)
        for one in thing if name == "METHODS" else (thing,):
            yield accept(one, loaded, file)
