"""What a family of tasks brings, and which families there are.

A family is the Python that several task files share: rows of its data files, parsers, scorers,
metrics, recorded outputs, recipes of the guard. It lives in one folder and describes itself once,
as a :class:`Family` called ``FAMILY``. All other code asks for things by kind and name, and
knows no family; detectors use the arithmetic of two.

Packaged families are the folders of ``headbench.families``. A package adds its own through the
entry point group ``headbench.families``, a user's file or folder comes with
``--include``.
"""

from __future__ import annotations

import inspect
import pkgutil
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, fields, is_dataclass, replace
from functools import cache
from importlib import import_module
from importlib.metadata import EntryPoint
from pathlib import Path
from types import FunctionType
from typing import Literal, cast, get_args

from headbench._catalogue import Catalogue, Found
from headbench._code import OWN, Code, merged, of_entry_point, of_modules
from headbench._include import FAULTS, Loaded
from headbench.errors import ConfigError
from headbench.scoring.views import View

PACKAGED = "headbench.families"

Kind = Literal[
    "metrics",
    "parsers",
    "scorers",
    "sources",
    "worlds",
    "rescorers",
    "recipes",
    "log_formats",
    "roles",
    "output_roles",
]
"""What a family brings by name: the mappings of :class:`Family`."""
Things = Mapping[str, object]
"""Name -> the thing itself, or ``module:attribute`` that is imported when the thing is needed."""


@dataclass(frozen=True)
class Family:
    """What one family of tasks brings.

    Every mapping goes from a name to the thing itself or to ``"module:attribute"``. A module that
    begins with a dot is relative to the family's own; what is named this way is imported when it is
    first needed, so that listing names costs nothing. A name may be brought by one family only.

    Attributes:
        name: One word; the name of its folder.
        summary: One line for ``headbench ls families``.
        metrics: ``prefix.name`` -> :class:`~headbench.statistics.metric.Metric`.
        parsers: Name -> :class:`~headbench.scoring.parser.Parser`. ``name@1`` is an earlier
            version, kept for the figures that name it.
        scorers: Name -> :class:`~headbench.scoring.scorer.Scorer`, and earlier versions.
        sources: ``dataset_path`` -> function ``(spec, images) -> rows``
            (:mod:`headbench.tasks.data`).
        worlds: ``dataset_kwargs.name`` under ``dataset_path: world`` -> such a function.
        rescorers: ``headbench rescore --task`` -> :class:`~headbench.results.rescorer.Rescorer`.
        recipes: ``kind`` of a published row's recipe -> a subclass of
            :class:`~headbench.results.recipe.Recipe`.
        log_formats: Name of a log format that defines its fields ->
            :class:`~headbench.results.fields.LogFormat`.
        roles: Role of a field of recorded files -> the names that such fields go by.
        output_roles: The same for roles that hold what a model said; the common names of outputs
            are added to these.
        settings: Settings with which the names of the family's tasks may end.
        views: What pages of results show of it, besides its figures.
        marks: Score part that lists words of an output -> what these words are, in a few words;
            pages of documents mark them.
    """

    name: str
    summary: str = ""
    metrics: Things = field(default_factory=dict)
    parsers: Things = field(default_factory=dict)
    scorers: Things = field(default_factory=dict)
    sources: Things = field(default_factory=dict)
    worlds: Things = field(default_factory=dict)
    rescorers: Things = field(default_factory=dict)
    recipes: Things = field(default_factory=dict)
    log_formats: Things = field(default_factory=dict)
    roles: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    output_roles: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    settings: tuple[str, ...] = ()
    views: tuple[View, ...] = ()
    marks: Mapping[str, str] = field(default_factory=dict)

    def things(self, kind: Kind) -> Things:
        """What it brings of one kind."""
        found: Things = getattr(self, kind)
        return found


@dataclass(frozen=True)
class Known:
    """A family that was found.

    Attributes:
        family: What it brings.
        home: Package that its relative modules start from; empty: there is none.
        place: Where it was found, for errors.
        code: Its code, where that is not headbench's own.
    """

    family: Family
    home: str
    place: str
    code: Code = field(default_factory=Code)


_tables: dict[Kind, dict[str, tuple[Known, object]]] = {}
"""Kind -> name -> family and thing; built when first asked for."""


# ------------------------------------------------------------------ asking


def known() -> Mapping[str, Known]:
    """Every family by name: packaged, installed, added; broken ones of packages are left out."""
    return _known()[0]


def problems() -> tuple[ConfigError, ...]:
    """What is wrong with families of installed packages, which are left out."""
    return _known()[1]


def advice(name: str) -> str:
    """One more hint for a name that nothing has: which installed families are left out, and why."""
    return " ".join(f"({one.what})" for one in problems())


@cache
def _known() -> tuple[Mapping[str, Known], tuple[ConfigError, ...]]:
    every, broken = FAMILIES.everything()
    families: dict[str, Known] = {}
    problems = list(broken)
    # headbench's own come first, so that of two that clash it is the other one that is left out or
    # refused, and what both bring alike counts as headbench's own.
    offered = FAMILIES.offered
    for name in sorted(every, key=lambda name: (name in FAMILIES.added, name in offered)):
        found = every[name]
        one = Known(found.thing, _home(found.module), found.place, found.code)
        clash = _clash(one, families.values())
        if clash is None:
            families[name] = one
        elif name in offered:
            problems.append(clash)
        else:
            raise clash
    return families, tuple(problems)


def names(kind: Kind) -> tuple[str, ...]:
    """Names of all things of a kind, in the families' order; nothing of theirs is imported."""
    return tuple(_table(kind))


def has(kind: Kind, name: str) -> bool:
    """Whether a family brings a thing of this name."""
    return name in _table(kind)


def place_of(kind: Kind, name: str) -> str:
    """Where a thing comes from, for errors."""
    owner, thing = _table(kind)[name]
    return thing if isinstance(thing, str) else f"family {owner.family.name!r}, {owner.place}"


def load(kind: Kind, name: str) -> object:
    """A thing by kind and name.

    Raises:
        KeyError: No family brings it.
        ConfigError: The family names a module or an attribute that is not there.
    """
    owner, thing = _table(kind)[name]
    if not isinstance(thing, str):
        return thing
    module, _, attribute = thing.partition(":")
    try:
        return getattr(import_module(module, owner.home or None), attribute)
    except FAULTS as error:
        raise ConfigError(
            f"the family {owner.family.name!r} names {thing!r} for {name!r}: {error}",
            where=owner.place,
            hint="write module:attribute; a file that is given with --include must also import the "
            "module, so that its code counts",
        ) from error


def code_of(kind: Kind, name: str) -> Code:
    """The code of the family that brings a thing; nothing for headbench's own."""
    return _table(kind)[name][0].code


def marks(metric: str) -> Mapping[str, str]:
    """The marks of the family that brings a metric; none for a metric of no family."""
    found = _table("metrics").get(metric)
    return found[0].family.marks if found else {}


def views(metric: str) -> tuple[View, ...]:
    """The views of the family that brings a metric; none for a metric of no family."""
    found = _table("metrics").get(metric)
    return found[0].family.views if found else ()


def settings() -> tuple[str, ...]:
    """Settings of all families, each once."""
    return tuple(dict.fromkeys(one for owner in known().values() for one in owner.family.settings))


def revision() -> int:
    """A number that changes whenever a family is added, for caches of what families bring."""
    return _revision


_revision = 0


def _table(kind: Kind) -> dict[str, tuple[Known, object]]:
    if kind not in _tables:
        table: dict[str, tuple[Known, object]] = {}
        for owner in known().values():
            for name, thing in owner.family.things(kind).items():
                table.setdefault(name, (owner, thing))
        _tables[kind] = table
    return _tables[kind]


def _clash(new: Known, others: Iterable[Known]) -> ConfigError | None:
    """What to say where a family brings a name that another one brings, for another thing."""
    for other in others:
        for kind in get_args(Kind):
            ours, theirs = new.family.things(kind), other.family.things(kind)
            for name in sorted(ours.keys() & theirs.keys()):
                if _absolute(new, ours[name]) != _absolute(other, theirs[name]):
                    return ConfigError(
                        f"two families bring {name!r} among their {kind.replace('_', ' ')}",
                        where=f"{other.place} and {new.place}",
                        hint="rename one of them, so that results do not confuse the two",
                    )
    return None


def _absolute(owner: Known, thing: object) -> object:
    """A name with the module that it starts from: ``.metrics:F1`` of two families are two."""
    relative = isinstance(thing, str) and thing.startswith(".")
    return f"{owner.home}{thing}" if relative else thing


# ------------------------------------------------------------------ finding


@cache
def _packaged() -> frozenset[str]:
    """Folders of the package; plain modules there are what several families share."""
    modules = pkgutil.iter_modules(import_module(PACKAGED).__path__)
    return frozenset(module.name for module in modules if module.ispkg)


def _load(name: str) -> Found[Family]:
    home = f"{PACKAGED}.{name}"
    return Found(import_module(home).FAMILY, home, home)


def _code_of_point(point: EntryPoint, family: object) -> Code:
    """The code of an installed family counts with the modules that it names."""
    own = frozenset({point.module.partition(".")[0]})
    modules = _modules(cast("Family", family), _home(point.module))
    return merged([of_entry_point(point), of_modules(modules, own=own)])


FAMILIES = Catalogue(
    "family",
    "headbench.families",
    wanted=lambda: Family,
    shipped=_packaged,
    load=_load,
    code=_code_of_point,
)


def accept(thing: object, loaded: Loaded, path: Path) -> str:
    """Add the family of a user's file; see :func:`headbench._extensions.include`.

    Raises:
        ConfigError: It is no family, or brings a name that is taken.
    """
    if isinstance(thing, Family):  # modules that it only names in text count too
        home = _home(loaded.module.__name__)
        inner = f"{home.partition('.')[0]}."
        others = [one for one in _modules(thing, home) if not one.startswith(inner)]
        loaded = replace(loaded, code=merged([loaded.code, of_modules(others)]))
    with _undone_if_refused():
        return FAMILIES.accept(thing, loaded, path)


def register(family: Family) -> Family:
    """Add a family from Python; a later one of the same name takes the place of an earlier one.

    The module that calls this counts as the family's code where the family brings values, such as
    metrics: ``auroc("score", "positive")`` has parameters that no module but the caller's holds.

    Raises:
        ConfigError: A name that it brings is taken.
    """
    modules = set(_modules(family, ""))
    if _brings_values(family):
        modules |= set(_caller())
    with _undone_if_refused():
        FAMILIES.register(family, family.name, of_modules(sorted(modules)))
    return family


@contextmanager
def _undone_if_refused() -> Iterator[None]:
    """Check what was added against all families, and leave everything as it was if it clashes."""
    before = dict(FAMILIES.added)
    try:
        yield
        forget()
        known()
    except ConfigError:
        FAMILIES.restore(before)
        forget()
        raise


def forget() -> None:
    """Ask anew what families there are, after one was added or installed."""
    global _revision
    _known.cache_clear()
    _tables.clear()
    _revision += 1


def _home(module: str) -> str:
    """Package that relative modules start from; empty for a family of a notebook."""
    return (import_module(module).__package__ or "") if module else ""


def _modules(family: Family, home: str) -> tuple[str, ...]:
    """Modules of everything that a family brings, sorted; relative ones made absolute."""
    found: set[str] = set()
    for kind in get_args(Kind):
        for thing in family.things(kind).values():
            if isinstance(thing, str):
                module = thing.partition(":")[0]
                found.add(f"{home}{module}" if module.startswith(".") else module)
            else:
                found |= set(_defining(thing))
    return tuple(sorted(found))


def _brings_values(family: Family) -> bool:
    """Whether it brings things that are neither named nor classes or functions of a module."""
    kinds = (kind for kind in get_args(Kind) if kind not in ("roles", "output_roles"))
    things = (thing for kind in kinds for thing in family.things(kind).values())
    return any(not isinstance(thing, str | type | FunctionType) for thing in things)


def _caller() -> Iterator[str]:
    """The module outside headbench that called into it; none where headbench itself did."""
    frame = inspect.currentframe()
    while frame is not None:
        name = str(frame.f_globals.get("__name__", "__main__"))
        if name.partition(".")[0] != OWN:
            yield name
            return
        frame = frame.f_back


def _defining(thing: object) -> Iterator[str]:
    """Modules of a class or function, or of those that a frozen value holds."""
    held = [getattr(thing, one.name) for one in fields(thing)] if is_dataclass(thing) else []
    for one in (thing, *held):
        if callable(one) and (module := getattr(one, "__module__", None)):
            yield module
