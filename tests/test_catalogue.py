"""What holds for every kind of thing that users can add, whatever its catalogue is."""

from __future__ import annotations

import re
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from importlib.metadata import EntryPoint
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

import headbench
from headbench import _plugins
from headbench._catalogue import Catalogue
from headbench._code import Code
from headbench._extensions import CATALOGUES
from headbench._include import Loaded
from headbench.cli import app
from headbench.detectors.detector_catalogue import DETECTORS
from headbench.errors import ConfigError
from headbench.interventions.method_catalogue import METHODS
from headbench.models.adapter_catalogue import ADAPTERS
from headbench.scoring import family, lookup


@dataclass(frozen=True)
class Kind:
    """A catalogue, and what the tests need of its kind.

    Attributes:
        catalogue: All things of the kind.
        shipped: Name of one that headbench has.
        misspelt: The same with a letter too few.
        listed: Kind of ``headbench ls``; empty: it lists none of this kind.
    """

    catalogue: Catalogue[Any]
    shipped: str
    misspelt: str
    listed: str = ""

    def own(self, name: str) -> Any:
        """A thing like the shipped one, under another name."""
        return replace(self.catalogue.get(self.shipped).thing, name=name)


KINDS = {
    "intervention": Kind(METHODS, "scale_heads", "scale_head", "interventions"),
    "model adapter": Kind(ADAPTERS, "recorded", "recordd", "models"),
    "detector": Kind(DETECTORS, "retrieval", "retrival", "detectors"),
    "family": Kind(family.FAMILIES, "pope", "pop", "families"),
    "metric": Kind(lookup.CATALOGUES["metric"], "pope.accuracy", "pope.acuracy", "metrics"),
    "parser": Kind(lookup.CATALOGUES["parser"], "verbatim", "verbatm"),
    "scorer": Kind(lookup.CATALOGUES["scorer"], "walls", "wals"),
}
BROKEN = {
    "no_such_package:THING": "does not load: ModuleNotFoundError: No module named",
    "headbench.errors:NOTHING": "does not load: AttributeError",
    "module_that_fails:THING": "does not load: ZeroDivisionError: division by zero",
    "headbench.errors:MOST": "is expected here, not 16 \\(a int\\)",
}


@pytest.fixture(params=KINDS)
def kind(request: pytest.FixtureRequest) -> Iterator[Kind]:
    """One kind; what a test adds to it is gone afterwards."""
    one = KINDS[request.param]
    before = dict(one.catalogue.added)
    yield one
    one.catalogue.restore(before)
    one.catalogue._loaded.clear()
    family.forget()


Offer = Callable[..., None]


@pytest.fixture
def offer(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Offer:
    """Let it look as if packages offered ``name=module:attribute`` of a kind."""
    (tmp_path / "module_that_fails.py").write_text("1 / 0\n")
    monkeypatch.syspath_prepend(tmp_path)

    def offered(kind: Kind, *pairs: tuple[str, str]) -> None:
        points = tuple(EntryPoint(*pair, kind.catalogue.group) for pair in pairs)
        monkeypatch.setattr(_plugins, "_every", lambda: points)
        family.forget()

    return offered


def ls(kind: Kind) -> str:
    done = CliRunner().invoke(app, ["ls", kind.listed])
    assert done.exit_code == 0, done.output
    return done.output


def test_every_kind_of_a_users_file_has_a_catalogue_here() -> None:
    names = {name.lower() for name in CATALOGUES} - {"methods"}
    assert names == {one.catalogue.wanted().__name__.lower() for one in KINDS.values()} - {
        "metric",
        "parser",
        "scorer",
    }


def test_an_unknown_name_gets_the_nearest_one_and_says_where(kind: Kind) -> None:
    with pytest.raises(
        ConfigError, match=f"there is no {kind.catalogue.kind} '{kind.misspelt}'"
    ) as caught:
        kind.catalogue.get(kind.misspelt)
    assert f"did you mean {kind.shipped!r}?" in caught.value.hint
    assert caught.value.where.endswith(kind.misspelt)


@pytest.mark.parametrize("value", BROKEN)
def test_a_broken_entry_point_is_named_when_it_is_asked_for(
    kind: Kind, offer: Offer, value: str
) -> None:
    offer(kind, ("own", value))
    with pytest.raises(ConfigError, match=BROKEN[value]) as caught:
        kind.catalogue.get("own")
    assert f"entry point own = {value}" in caught.value.where
    assert kind.catalogue.get(kind.shipped).thing is not None


@pytest.mark.parametrize("value", BROKEN)
def test_a_broken_entry_point_stops_no_listing(kind: Kind, offer: Offer, value: str) -> None:
    offer(kind, ("own", value))
    things, problems = kind.catalogue.everything()
    assert kind.shipped in things and "own" not in things
    assert [bool(re.search(BROKEN[value], one.what)) for one in problems] == [True]
    if kind.listed:
        told = ls(kind)
        assert kind.shipped in told
        assert ("does not load" in told or "is expected here" in told) or value in told


def test_listing_names_imports_nothing_of_a_package(kind: Kind, offer: Offer) -> None:
    offer(kind, ("own", "module_that_fails:THING"))
    assert "own" in kind.catalogue.names()
    assert kind.catalogue.offered["own"] == "module_that_fails:THING"
    assert "module_that_fails" not in sys.modules


def test_two_packages_may_not_claim_one_name(kind: Kind, offer: Offer) -> None:
    offer(kind, ("own", "one:THING"), ("own", "two:THING"), ("own", "one:THING"))
    with pytest.raises(ConfigError, match=f"two packages offer an? {kind.catalogue.kind} 'own'"):
        kind.catalogue.get("own")
    (problem,) = kind.catalogue.problems()
    assert problem.where == "entry point own = one:THING and entry point own = two:THING"
    if kind.listed:
        assert "two packages offer" in ls(kind)


def test_headbenchs_own_cannot_be_taken_over_by_a_package(kind: Kind, offer: Offer) -> None:
    offer(kind, (kind.shipped, "one:THING"))
    assert kind.catalogue.get(kind.shipped).thing is not None
    assert kind.shipped not in kind.catalogue.offered
    (problem,) = kind.catalogue.problems()
    assert "whose own is used" in problem.what
    assert [str(one) for one in kind.catalogue.everything()[1]] == [str(problem)]
    if kind.listed:
        assert "whose own is used" in ls(kind)


def test_a_file_or_notebook_cannot_take_a_name_that_is_taken(
    kind: Kind, offer: Offer, tmp_path: Path
) -> None:
    catalogue = kind.catalogue
    thing = catalogue.get(kind.shipped).thing
    with pytest.raises(ConfigError, match=f"headbench has an? {catalogue.kind} '{kind.shipped}'"):
        catalogue.register(thing, kind.shipped, Code())
    offer(kind, ("own", "one:THING"))
    with pytest.raises(
        ConfigError, match=f"an installed package offers an? {catalogue.kind} 'own' already"
    ):
        catalogue.register(kind.own("own"), "own", Code())
    own = replace(thing, name=kind.shipped)
    with pytest.raises(ConfigError, match="already") as caught:
        catalogue.accept(own, Loaded(sys, Code()), tmp_path / "mine.py")
    assert caught.value.where == str(tmp_path / "mine.py")


def test_what_is_registered_is_found_with_its_code_and_can_be_replaced(kind: Kind) -> None:
    first, second = kind.own("own"), kind.own("own")
    kind.catalogue.register(first, "own", Code())
    kind.catalogue.register(second, "own", Code(files={"a.py": "0"}))
    found = kind.catalogue.get("own")
    assert found.thing is second
    assert found.code.files == {"a.py": "0"}
    assert "own" in kind.catalogue.names()


def test_an_entry_point_has_the_name_of_its_thing(
    kind: Kind, offer: Offer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("headbench.errors.OWN_THING", kind.own("other"), raising=False)
    offer(kind, ("own", "headbench.errors:OWN_THING"))
    if kind.catalogue.named:
        with pytest.raises(ConfigError, match="as 'own' is called 'other'"):
            kind.catalogue.get("own")
    else:  # a metric is registered as prefix.name
        assert kind.catalogue.get("own").thing.name == "other"
    offer(kind, ("other", "headbench.errors:OWN_THING"))
    found = kind.catalogue.get("other")
    assert (found.thing.name, found.module) == ("other", "headbench.errors")
    assert found.place == "entry point other = headbench.errors:OWN_THING"


def test_an_installed_family_that_takes_a_name_of_another_is_left_out(
    offer: Offer, monkeypatch: pytest.MonkeyPatch
) -> None:
    taking = family.Family("taking", parsers={"verbatim": "a:B"})
    monkeypatch.setattr("headbench.errors.TAKING", taking, raising=False)
    offer(KINDS["family"], ("taking", "headbench.errors:TAKING"))
    assert lookup.parser("verbatim").name == "verbatim"
    assert "taking" not in family.known()
    (problem,) = family.problems()
    assert problem.what == "two families bring 'verbatim' among their parsers"
    assert "two families bring 'verbatim'" in ls(KINDS["family"])
    monkeypatch.undo()
    family.forget()


def test_entry_points_are_read_in_one_place() -> None:
    """A kind with a reader of its own would treat a broken one in its own way."""
    package = Path(headbench.__file__).parent
    reading = {
        path.name
        for path in package.rglob("*.py")
        if "entry_points(" in path.read_text(encoding="utf-8")
    }
    assert reading == {"_catalogue.py", "_plugins.py", "index.py"}
