"""Which code an answer or a figure came through, when it is not headbench's own.

A stored answer may be served again only while the code that made it is the same. The user's own
files count by digest, with the modules that they import, directly or through others; installed
packages count by name and version. headbench's own code counts by headbench's version, which every
model's identity holds.

Imports are read off the source text, so those inside functions count too. What a program imports
under a computed name, and the data files that it reads, cannot be seen here.
"""

from __future__ import annotations

import ast
import functools
import hashlib
import json
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from importlib import metadata, util
from importlib.machinery import ModuleSpec
from pathlib import Path
from types import ModuleType
from typing import Any
from weakref import WeakKeyDictionary

from headbench.errors import RefusedError

OWN = "headbench"
_SITE = frozenset({"site-packages", "dist-packages"})
_LIBRARIES = frozenset(
    {"PIL", "jinja2", "numpy", "pydantic", "safetensors", "scipy", "sklearn", "tokenizers"}
    | {"torch", "transformers"}
)
"""Count by version wherever they lie: nobody edits them by the way, and they are large."""
_included: dict[str, Code] = {}
"""First part of the names of an included file's modules -> what they count as."""
_executed: WeakKeyDictionary[ModuleType, str] = WeakKeyDictionary()
"""Imported module -> digest of its file when it was first looked at."""


@dataclass(frozen=True)
class Code:
    """Code that is not headbench's own.

    Attributes:
        files: Path, relative to what was given or to the package's root -> SHA-256 of the text
            with its line ends made equal.
        packages: Installed distribution -> version.
        unreadable: Modules without a source, e.g. a class that was typed at a prompt.
    """

    files: Mapping[str, str] = field(default_factory=dict)
    packages: Mapping[str, str] = field(default_factory=dict)
    unreadable: tuple[str, ...] = ()

    def __bool__(self) -> bool:
        return bool(self.files or self.packages or self.unreadable)

    @property
    def digest(self) -> str:
        """SHA-256 over files and packages, 64 hexadecimal digits.

        Raises:
            RefusedError: a part of the code has no source that could be identified.
        """
        if self.unreadable:
            raise RefusedError(
                "this code has no file, so a later change of it could not be noticed",
                where=f"module {', '.join(self.unreadable)}",
                hint="put it into a file, and give that with --include or from a package",
            )
        text = json.dumps([dict(self.files), dict(self.packages)], sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()


@dataclass(frozen=True)
class Source:
    """One module's text.

    Attributes:
        name: Dotted name.
        package: What its relative imports start from.
        label: How results name the file.
        path: Where it was read, for errors.
        data: The bytes of the file.
    """

    name: str
    package: str
    label: str
    path: str
    data: bytes


Package = tuple[str, str]
"""Distribution and version."""
Locate = Callable[[str], "Source | Package | None"]
"""Dotted name -> the user's own source, an installed package, or nothing that must count."""


# ------------------------------------------------------------------ what users give


def of_entry_point(point: metadata.EntryPoint) -> Code:
    """The code behind an entry point that was loaded: its package's files, name and version."""
    dist = point.dist
    if dist is not None and dist.name == OWN:
        return Code()
    code = of_modules([point.module], own=frozenset({point.module.partition(".")[0]}))
    if dist is None:
        return code
    return merged([code, Code(packages={dist.name: dist.version})])


def of_things(*things: object) -> Code:
    """The code of classes and functions: that of the modules that define them.

    Args:
        things: Classes (with their bases), functions, or anything that has neither.
    """
    names: set[str] = set()
    for thing in things:
        owners = thing.__mro__ if isinstance(thing, type) else (thing,)
        names |= {name for one in owners if (name := getattr(one, "__module__", None))}
    return of_modules(sorted(names))


def of_modules(names: Iterable[str], own: frozenset[str] = frozenset()) -> Code:
    """The code of imported modules and of what they import.

    Args:
        names: Dotted names.
        own: Top-level packages whose files count even where they are installed.
    """
    tops = {name: name.partition(".")[0] for name in names}
    included = {top: _included[top] for top in tops.values() if top in _included}
    rest = [name for name, top in tops.items() if top not in included]
    return merged(
        [*included.values(), gather(rest, functools.partial(locate_installed, own=own))[0]]
    )


def count_as(top: str, code: Code) -> None:
    """Say what modules of a user's file count as; their names differ from run to run.

    Args:
        top: First part of the modules' names.
        code: The file with everything of the user's that it imports.
    """
    _included[top] = code


def merged(codes: Iterable[Code]) -> Code:
    """Several codes as one."""
    files: dict[str, str] = {}
    packages: dict[str, str] = {}
    unreadable: list[str] = []
    for code in codes:
        files |= code.files
        packages |= code.packages
        unreadable += code.unreadable
    return Code(files, packages, tuple(dict.fromkeys(unreadable)))


# ------------------------------------------------------------------ following imports


def gather(names: Iterable[str], locate: Locate) -> tuple[Code, dict[str, Source]]:
    """Follow the imports of some modules, and say what was found.

    Args:
        names: Dotted names to begin with.
        locate: Finds a module.

    Returns:
        The code, and every source by its dotted name.

    Raises:
        SyntaxError: A file is not Python.
    """
    first = tuple(names)
    sources: dict[str, Source] = {}
    packages: dict[str, str] = {}
    unreadable: list[str] = []
    seen: set[str] = set()
    waiting = list(_with_parents(first))
    while waiting:
        name = waiting.pop()
        if name in seen:
            continue
        seen.add(name)
        found = locate(name)
        if isinstance(found, Source):
            if found.name not in sources:
                sources[found.name] = found
                waiting += _with_parents(_imports(found))
        elif found is not None:
            packages[found[0]] = found[1]
        elif name in first and _must_be_read(name):
            unreadable.append(name)
    files = {one.label: text_digest(one.data) for one in sources.values()}
    ordered = {label: files[label] for label in sorted(files)}
    return Code(ordered, dict(sorted(packages.items())), tuple(unreadable)), sources


def text_digest(data: bytes) -> str:
    """SHA-256 of a source with its line ends made equal: Python reads them all as one."""
    plain = data.removeprefix(b"\xef\xbb\xbf").replace(b"\r\n", b"\n").replace(b"\r", b"\n")
    return hashlib.sha256(plain).hexdigest()


def _imports(source: Source) -> set[str]:
    """Dotted names that a source imports, in functions too; relative ones made absolute."""
    if not source.path.endswith(".py"):
        return set()  # an extension module, or compiled without its source
    found: set[str] = set()
    for node in ast.walk(ast.parse(source.data, filename=source.path)):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            base = node.module or ""
            if node.level:
                try:
                    base = util.resolve_name("." * node.level + base, source.package)
                except ImportError:
                    continue  # beyond the top: it fails when it runs, and says so there
            found.add(base)
            found |= {f"{base}.{alias.name}" for alias in node.names if alias.name != "*"}
    return found


def _with_parents(names: Iterable[str]) -> Iterator[str]:
    for name in sorted(names):
        parts = name.split(".")
        yield from (".".join(parts[: end + 1]) for end in range(len(parts)))


# ------------------------------------------------------------------ what Python would import


def locate_installed(name: str, own: frozenset[str] = frozenset()) -> Source | Package | None:
    """What Python's own import would find: a file of the user's, an installed package, or neither.

    Nothing is imported. The standard library and headbench count as nothing here.
    """
    if name == "__main__":
        return _script()
    top = name.partition(".")[0]
    if top in sys.stdlib_module_names or top == OWN:
        return None
    if top not in own:
        package = _package(top)
        if package is not None:
            return package
    spec = _spec(name)
    if spec is None or spec.origin is None or not spec.has_location:
        return None
    return _read(name, spec)


def _must_be_read(name: str) -> bool:
    """Whether a module that was not found is somebody's code all the same."""
    top = name.partition(".")[0]
    return name == "__main__" or not (top in sys.stdlib_module_names or top == OWN)


def _script() -> Source | None:
    """The program that runs, where it is a file."""
    path = getattr(sys.modules["__main__"], "__file__", None)
    if path is None or not Path(path).is_file():
        return None
    spec = getattr(sys.modules["__main__"], "__spec__", None)
    name = spec.name if spec is not None else Path(path).stem
    data = Path(path).read_bytes()
    _check_executed("__main__", data, path)
    return Source("__main__", name.rpartition(".")[0], Path(path).name, path, data)


@functools.cache
def _package(top: str) -> Package | None:
    """Distribution and version of an installed top-level name; ``None`` for files elsewhere."""
    spec = _spec(top)
    if spec is None:
        return None
    places = [spec.origin] if spec.origin else list(spec.submodule_search_locations or ())
    installed = any(_SITE & set(Path(place).parts) for place in places)
    if not installed and top not in _LIBRARIES:
        return None
    try:
        found = metadata.distribution(top)
    except metadata.PackageNotFoundError:
        names = _distributions().get(top, ())
        if not names:
            return None
        found = metadata.distribution(names[0])
    return found.name, found.version


@functools.cache
def _distributions() -> Mapping[str, list[str]]:
    return metadata.packages_distributions()


def _spec(name: str) -> ModuleSpec | None:
    """Where a module was, or would be, loaded from; no parent is imported to find that out."""
    loaded = getattr(sys.modules.get(name), "__spec__", None)
    if isinstance(loaded, ModuleSpec):
        return loaded
    parent = name.rpartition(".")[0]
    path: Any = None
    if parent:
        above = _spec(parent)
        path = above.submodule_search_locations if above is not None else None
        if path is None:
            return None
    for finder in sys.meta_path:
        look = getattr(finder, "find_spec", None)
        found: ModuleSpec | None = look(name, path, None) if look is not None else None
        if found is not None:
            return found
    return None


def _read(name: str, spec: ModuleSpec) -> Source | None:
    origin = str(spec.origin)
    try:
        data = Path(origin).read_bytes()
    except OSError:  # inside an archive, or gone
        inside = getattr(spec.loader, "get_data", None)
        if inside is None:
            return None
        data = inside(origin)
    _check_executed(name, data, origin)
    package = spec.submodule_search_locations is not None
    stem = name.replace(".", "/") + ("/__init__" if package else "")
    within = name if package else name.rpartition(".")[0]
    return Source(name, within, stem + Path(origin).suffix, origin, data)


def _check_executed(name: str, data: bytes, path: str) -> None:
    """A module runs as it was when it was imported, whatever its file says by now.

    Raises:
        RefusedError: The file was changed since.
    """
    module = sys.modules.get(name)
    if module is None:
        return
    now = text_digest(data)
    if _executed.setdefault(module, now) != now:
        raise RefusedError(
            f"the module {name!r} was edited after this process imported it, so that what runs "
            "is not what the file says",
            where=path,
            hint="start a new process (restart the notebook's kernel)",
        )
