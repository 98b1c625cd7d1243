"""One catalogue for every kind of thing that users can add: interventions, adapters, families.

headbench ships some things of a kind, installed packages offer others through an entry point, and
a user's file or a notebook adds more. The rules are the same for every kind: listing names imports
nothing, and a name stands for one thing. What a package offers is loaded when somebody asks for it;
a package that is broken is named then, and stops no listing and no other name.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from importlib.metadata import EntryPoint
from pathlib import Path
from typing import Generic, TypeVar

from headbench import _plugins
from headbench._code import Code, of_entry_point
from headbench._include import Loaded
from headbench.errors import ConfigError, nearest

Thing = TypeVar("Thing")


@dataclass(frozen=True)
class Found(Generic[Thing]):
    """A thing of a catalogue, and where it comes from.

    Attributes:
        thing: What was asked for.
        module: Dotted name of the module that it comes from; empty: a notebook's.
        place: The same in words, for errors and listings.
        code: Its code, where that is not headbench's own.
    """

    thing: Thing
    module: str
    place: str
    code: Code = field(default_factory=Code)


def _as_it_is(name: str, thing: object) -> object:
    return thing


def _code_of_point(point: EntryPoint, thing: object) -> Code:
    return of_entry_point(point)


@dataclass(eq=False)
class Catalogue(Generic[Thing]):
    """All things of a kind, by name.

    Attributes:
        kind: What one of them is called, e.g. ``intervention``.
        group: Group of the entry points through which packages offer more.
        wanted: Imports the class that a thing must have; called when a thing is first looked at.
        shipped: Names that need no entry point.
        load: Imports one of these.
        option: Where a user writes a name, for errors, e.g. ``--detector``.
        adapt: Name and what an entry point names -> the thing.
        check: Refuses a thing of the right class that cannot be used.
        code: Entry point and thing -> its code.
        named: Whether a thing has a ``name`` that must be the entry point's.
        advice: Name -> one more hint for a name that nothing has.
    """

    kind: str
    group: str
    wanted: Callable[[], type[Thing]]
    shipped: Callable[[], Collection[str]]
    load: Callable[[str], Found[Thing]]
    option: str = ""
    adapt: Callable[[str, object], object] = _as_it_is
    check: Callable[[Thing], None] = lambda thing: None
    code: Callable[[EntryPoint, object], Code] = _code_of_point
    named: bool = True
    advice: Callable[[str], str] = lambda name: ""
    _added: dict[str, Found[Thing]] = field(default_factory=dict, repr=False)
    _loaded: dict[EntryPoint, Found[Thing]] = field(default_factory=dict, repr=False)

    @property
    def one(self) -> str:
        """The kind with its article."""
        return f"{'an' if self.kind[0] in 'aeiou' else 'a'} {self.kind}"

    # -------------------------------------------------------------- asking

    def names(self) -> tuple[str, ...]:
        """Every name, sorted; nothing is imported."""
        return tuple(sorted({*self.shipped(), *self._points(), *self._added}))

    @property
    def added(self) -> Mapping[str, Found[Thing]]:
        """What user's files and :meth:`register` added, by name."""
        return self._added

    @property
    def offered(self) -> Mapping[str, str]:
        """Name -> ``module:attribute`` of what packages offer; of two packages, both."""
        taken = set(self.shipped())
        return {
            name: " and ".join(_values(points))
            for name, points in self._points().items()
            if name not in taken
        }

    def get(self, name: str) -> Found[Thing]:
        """Look a thing up.

        Raises:
            ConfigError: Nothing has this name (the hint holds the nearest one), two packages claim
                it, or what a package offers under it cannot be used.
        """
        if name in self.shipped():
            return self.load(name)
        if name in self._added:
            return self._added[name]
        if name in (points := self._points()):
            if len(_values(points[name])) > 1:
                raise self._claimed_twice(name, points[name])
            return self._load_point(points[name][0])
        raise self._unknown(name)

    def problems(self) -> tuple[ConfigError, ...]:
        """What is wrong with the names that packages offer; nothing is imported."""
        twice = [name for name in self.offered if len(_values(self._points()[name])) > 1]
        return (
            *self._shadowed(),
            *(self._claimed_twice(name, self._points()[name]) for name in twice),
        )

    def everything(self) -> tuple[Mapping[str, Found[Thing]], tuple[ConfigError, ...]]:
        """Load every thing.

        Returns:
            The things by name, sorted; and what is wrong with things that packages offer, which are
            left out.
        """
        found: dict[str, Found[Thing]] = {}
        problems = self._shadowed()
        offered = self.offered
        for name in self.names():
            try:
                found[name] = self.get(name)
            except ConfigError as problem:
                if name not in offered:
                    raise
                problems.append(problem)
        return found, tuple(problems)

    # -------------------------------------------------------------- adding

    def register(self, thing: Thing, name: str, code: Code, *, module: str = "") -> None:
        """Add a thing from Python; a later one of the same name takes the place of an earlier one.

        Raises:
            ConfigError: headbench or an installed package has one of that name, or it cannot be
                used.
        """
        self._add(name, Found(thing, module, "headbench.extend.register", code))

    def accept(self, thing: object, loaded: Loaded, path: Path) -> str:
        """Add the thing of a user's file; see :func:`headbench._extensions.include`.

        Returns:
            Its kind and name, for instance ``the intervention 'halve'``.

        Raises:
            ConfigError: It is of another class, its name is taken, or it cannot be used.
        """
        wanted = self.wanted()
        if not isinstance(thing, wanted):
            raise self.wrong_type(thing, str(path))
        name = str(thing.name)  # type: ignore[attr-defined]  # kinds that files add have names
        self._add(name, Found(thing, loaded.module.__name__, str(path), loaded.code))
        return f"the {self.kind} {name!r}"

    def restore(self, added: Mapping[str, Found[Thing]]) -> None:
        """Let what was added be this and nothing else, for instance after a refusal."""
        self._added.clear()
        self._added.update(added)

    def wrong_type(self, thing: object, place: str) -> ConfigError:
        """What to raise where something else than a thing of this kind is offered."""
        wanted = self.wanted().__name__
        return ConfigError(
            f"{self.one} is expected here, not {thing!r:.60} (a {type(thing).__name__})",
            where=place,
            hint=f"make it with headbench.extend.{wanted}(...)",
        )

    def _add(self, name: str, found: Found[Thing]) -> None:
        if name in self.shipped():
            raise ConfigError(
                f"headbench has {self.one} {name!r} already",
                where=found.place,
                hint="give it a name of its own, so that results do not confuse the two",
            )
        if name in (points := self._points()):
            raise ConfigError(
                f"an installed package offers {self.one} {name!r} already",
                where=f"{found.place} and {_said(points[name])}",
                hint="rename one of them, or uninstall the package",
            )
        self.check(found.thing)
        self._added[name] = found

    # -------------------------------------------------------------- entry points

    def _points(self) -> Mapping[str, list[EntryPoint]]:
        """Name -> the entry points that claim it; read anew, because reading is cached below."""
        found: dict[str, list[EntryPoint]] = {}
        for point in _plugins.entry_points(self.group):
            found.setdefault(point.name, []).append(point)
        return found

    def _load_point(self, point: EntryPoint) -> Found[Thing]:
        if point not in self._loaded:
            thing = self.adapt(point.name, _plugins.load(point, self.kind))
            place = _said([point])
            if not isinstance(thing, self.wanted()):
                raise self.wrong_type(thing, place)
            own = str(thing.name) if self.named else point.name  # type: ignore[attr-defined]
            if own != point.name:
                raise ConfigError(
                    f"the {self.kind} that a package offers as {point.name!r} is called {own!r}",
                    where=place,
                    hint="give the entry point the name of the thing",
                )
            self.check(thing)
            self._loaded[point] = Found(thing, point.module, place, self.code(point, thing))
        return self._loaded[point]

    # -------------------------------------------------------------- errors

    def _unknown(self, name: str) -> ConfigError:
        hint = nearest(name, self.names())
        if more := self.advice(name):
            hint = f"{hint}{'' if hint.endswith('?') else '.'} {more}"
        return ConfigError(
            f"there is no {self.kind} {name!r}",
            where=f"{self.option or self.kind} {name}",
            hint=hint,
        )

    def _claimed_twice(self, name: str, points: list[EntryPoint]) -> ConfigError:
        return ConfigError(
            f"two packages offer {self.one} {name!r}",
            where=_said(points),
            hint="uninstall one of them",
        )

    def _shadowed(self) -> list[ConfigError]:
        taken = set(self.shipped())
        return [
            ConfigError(
                f"an installed package offers {self.one} {name!r}, and so does headbench, "
                "whose own is used",
                where=_said(points),
                hint="rename the package's",
            )
            for name, points in self._points().items()
            if name in taken
        ]


def _values(points: list[EntryPoint]) -> list[str]:
    """What entry points name, each once: one package may be installed twice on the path."""
    return list(dict.fromkeys(point.value for point in points))


def _said(points: list[EntryPoint]) -> str:
    names = dict.fromkeys(_plugins.described(point) for point in points)
    return " and ".join(names)
