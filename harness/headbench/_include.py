"""Running a user's file, with the modules beside it, as exactly the text that was digested.

A file that is given with ``--include`` may import what lies beside it: ``import helper``,
``from .helper import x``, or modules of the package it belongs to. All these texts are read once;
what runs is compiled from them, never from a cache, and an import inside a function that runs much
later still finds the text of that moment. Each state of the files gets module names of its own, so
two folders may both have a ``helper.py``, and an edited file runs anew in the same process.
"""

from __future__ import annotations

import ast
import builtins
import importlib
import itertools
import os
import sys
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from importlib.abc import InspectLoader, MetaPathFinder
from importlib.machinery import ModuleSpec
from importlib.util import decode_source, spec_from_loader
from pathlib import Path
from types import CodeType, ModuleType
from typing import Any

from headbench._code import OWN, Code, Package, Source, count_as, gather, locate_installed
from headbench.errors import ConfigError, HeadbenchError

FAULTS: tuple[type[Exception], ...] = (
    *(ImportError, SyntaxError, NameError, AttributeError, TypeError, ValueError, LookupError),
    *(ArithmeticError, AssertionError, OSError, RuntimeError, HeadbenchError),
)
"""What code of others may raise while it is imported: a fault of that code, to be named."""
_ROOT = "include"
"""Stands for the folder in names of sources; at run time a name of its own takes its place."""
_PREFIX = "headbench_include_"
_number = itertools.count()


@dataclass(frozen=True)
class Loaded:
    """A file that ran.

    Attributes:
        module: What it defined.
        code: What ran: the file and everything of the user's that it imports.
    """

    module: ModuleType
    code: Code


_kept: dict[Path, Loaded] = {}


def load(path: Path) -> Loaded:
    """Run a user's file, or give back what it defined if no text has changed since.

    Of a package's ``__init__.py``, all modules of the package count, because one that is named as
    text and imported later leaves no trace in the file.

    Raises:
        OSError: The file cannot be read.
        SyntaxError: It, or a module that it imports, is not Python.
        Exception: Whatever the file raises.
    """
    path = Path(os.path.abspath(path))  # noqa: PTH100 - a link's neighbours lie beside the link
    neighbours = Neighbours.of(path)
    name = f"{_ROOT}.{neighbours.name}"
    code, sources = gather([name, *_inner_modules(path, name)], neighbours)
    kept = _kept.get(path)
    if kept is not None and kept.code == code:
        return kept
    prefix = f"{_PREFIX}{next(_number)}"
    tops = {inner.split(".")[1] for inner in sources}
    _FINDER.texts[prefix] = _Texts(prefix, sources, frozenset(filter(neighbours.claims, tops)))
    count_as(prefix, code)
    module = importlib.import_module(prefix + name.removeprefix(_ROOT))
    _kept[path] = loaded = Loaded(module, code)
    return loaded


def _inner_modules(path: Path, package: str) -> list[str]:
    """Dotted names of all modules of the package that a file is the ``__init__`` of."""
    if path.name != "__init__.py":
        return []
    inner = (file.relative_to(path.parent).with_suffix("") for file in path.parent.rglob("*.py"))
    names = (".".join(part for part in one.parts if part != "__init__") for one in inner)
    return [f"{package}.{name}" for name in sorted(names) if name]


def run_file(path: Path) -> Loaded:
    """Run a user's file as :func:`load` does; whatever is wrong with it is the user's to correct.

    Raises:
        ConfigError: The file cannot be read, or is not a program that runs.
    """
    try:
        return load(path)
    except HeadbenchError:
        raise
    except FAULTS as error:
        if isinstance(error, OSError) and not path.is_file():
            raise ConfigError(
                f"the file cannot be read: {error.strerror}", where=str(path)
            ) from error
        file = error.filename if isinstance(error, SyntaxError) else None
        line = getattr(error, "lineno", None) or _line_in(path.absolute(), error)
        raise ConfigError(
            f"the file does not load: {type(error).__name__}: {error}",
            where=f"{file or path}:{line}",
            hint="run it with python to see the whole trace",
        ) from error


def _line_in(path: Path, error: BaseException) -> int:
    """The last line of ``path`` in an error's trace; 0 where it has none."""
    trace, line = error.__traceback__, 0
    while trace is not None:
        if trace.tb_frame.f_code.co_filename == str(path):
            line = trace.tb_lineno
        trace = trace.tb_next
    return line


def defined(path: Path, names: Iterable[str]) -> tuple[str, ...]:
    """Those of some names that a file sets or imports at its top level; nothing is run.

    Of a file that is not Python it is the first one, because running it says what is wrong.
    """
    wanted = tuple(names)
    try:
        body = ast.parse(path.read_bytes()).body
    except (OSError, SyntaxError, ValueError):
        return wanted[:1]
    assigned: set[str] = set()
    for node in body:
        if isinstance(node, ast.Assign):
            leaves = (leaf for target in node.targets for leaf in ast.walk(target))
            assigned |= {leaf.id for leaf in leaves if isinstance(leaf, ast.Name)}
        elif isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name):
            assigned.add(node.target.id)
        elif isinstance(node, ast.ImportFrom):
            assigned |= {alias.asname or alias.name for alias in node.names}
    return tuple(name for name in wanted if name in assigned)


@dataclass(frozen=True)
class Neighbours:
    """What a file may import from beside it.

    Attributes:
        path: The file.
        name: Its dotted name below the root.
        root: Folder that absolute imports start from.
        only: The package that the file belongs to; empty for a file in a plain folder, whose
            neighbours are all modules and packages of the folder.
    """

    path: Path
    name: str
    root: Path
    only: str = ""

    @classmethod
    def of(cls, path: Path) -> Neighbours:
        """The neighbours of a file: its package's modules, else its folder's."""
        root = path.parent
        while (root / "__init__.py").is_file():
            root = root.parent
        parts = path.relative_to(root).with_suffix("").parts
        inner = parts[:-1] if parts[-1] == "__init__" else parts
        name = ".".join(part.replace(".", "-") for part in inner)
        return cls(path, name, root, "" if root == path.parent else parts[0])

    def claims(self, name: str) -> bool:
        """Whether an absolute import means a neighbour; the standard library goes first."""
        top = name.partition(".")[0]
        if top in sys.stdlib_module_names or top == OWN or (self.only and top != self.only):
            return False
        if self.file(top) is not None:
            return True
        # A plain folder is a package without a file. One that merely bears the name of an
        # installed package (a clone beside the file) is not meant.
        return (self.root / top).is_dir() and locate_installed(top) is None

    def file(self, name: str) -> Path | None:
        """The file of a dotted name below the root."""
        if name == self.name:
            return self.path
        place = self.root.joinpath(*name.split("."))
        for path in (place / "__init__.py", place.with_name(f"{place.name}.py")):
            if path.is_file():
                return path
        return None

    def __call__(self, name: str) -> Source | Package | None:
        """Find a module for :func:`headbench._code.gather`."""
        top, _, rest = name.partition(".")
        if top == _ROOT and not rest:
            return None
        below = rest if top == _ROOT else name
        if top != _ROOT and not self.claims(name):
            return locate_installed(name)
        path = self.file(below)
        if path is None:
            return None
        full = f"{_ROOT}.{below}"
        package = full if path.name == "__init__.py" else full.rpartition(".")[0]
        label = path.relative_to(self.root).as_posix()
        return Source(full, package, label, str(path), path.read_bytes())


@dataclass(frozen=True)
class _Texts:
    """One state of the files, under one prefix of module names.

    Attributes:
        prefix: Takes the place of the folder in the names of modules.
        sources: Their texts, by dotted name.
        tops: Absolute imports that begin so mean a neighbour.
    """

    prefix: str
    sources: Mapping[str, Source]
    tops: frozenset[str]

    def spec(self, name: str) -> ModuleSpec | None:
        inner = _ROOT + name.removeprefix(self.prefix)
        source = self.sources.get(inner)
        if source is not None:
            package = source.package == inner
            spec = spec_from_loader(
                name, _Loader(self, source), origin=source.path, is_package=package
            )
            if spec is not None:
                spec.has_location = True
            return spec
        if any(other.startswith(f"{inner}.") for other in self.sources):
            return ModuleSpec(name, None, is_package=True)
        return None

    def import_(
        self,
        name: str,
        names: Mapping[str, object] | None = None,
        local: Mapping[str, object] | None = None,
        fromlist: Sequence[str] = (),
        level: int = 0,
    ) -> ModuleType:
        """What an import statement of these files does: a neighbour is meant before all others."""
        plain = builtins.__import__
        top = name.partition(".")[0]
        if level or top not in self.tops:
            return plain(name, names, local, fromlist, level)
        if fromlist:
            return plain(f"{self.prefix}.{name}", names, local, fromlist, 0)
        importlib.import_module(f"{self.prefix}.{name}")
        return sys.modules[f"{self.prefix}.{top}"]


class _Loader(InspectLoader):
    """Compiles the text that was read, never a cached one."""

    def __init__(self, texts: _Texts, source: Source) -> None:
        self._texts, self._source = texts, source

    def is_package(self, fullname: str) -> bool:
        return Path(self._source.path).name == "__init__.py"

    def get_source(self, fullname: str) -> str:
        return decode_source(self._source.data)

    def get_code(self, fullname: str) -> CodeType:
        return self.source_to_code(self._source.data, self._source.path)

    def exec_module(self, module: ModuleType) -> None:
        own: dict[str, Any] = {**vars(builtins), "__import__": self._texts.import_}
        vars(module)["__builtins__"] = own
        super().exec_module(module)


class _Finder(MetaPathFinder):
    """Finds the modules of user's files by their prefix, and nothing else."""

    def __init__(self) -> None:
        self.texts: dict[str, _Texts] = {}

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        texts = self.texts.get(fullname.partition(".")[0])
        return texts.spec(fullname) if texts is not None else None


_FINDER = _Finder()
sys.meta_path.insert(0, _FINDER)
