from __future__ import annotations

import re
import subprocess
import sys
from importlib.metadata import EntryPoint

import pytest

from headbench import _plugins
from headbench.errors import ConfigError
from headbench.scoring import Metric, Parser, Scorer, lookup


@pytest.mark.parametrize("name", lookup.parser_names())
def test_every_parser_loads_under_its_name(name: str) -> None:
    found = lookup.parser(name)
    assert isinstance(found, Parser)
    assert (found.name, found.id) == (name, f"{name}@{found.version}")
    assert found.summary


@pytest.mark.parametrize("name", lookup.scorer_names())
def test_every_scorer_loads_with_its_metrics_and_its_parser(name: str) -> None:
    found = lookup.scorer(name)
    assert isinstance(found, Scorer)
    assert (found.name, found.id) == (name, f"{name}@{found.version}")
    assert lookup.parser(found.default_parser)
    metrics = lookup.metrics_of(found)
    assert metrics and len({metric.name for metric in metrics}) == len(metrics)


@pytest.mark.parametrize("name", lookup.metric_names())
def test_every_metric_loads_under_its_short_name(name: str) -> None:
    found = lookup.metric(name)
    assert isinstance(found, Metric)
    assert found.name == name.rpartition(".")[2]
    assert isinstance(found.of([]), float)


def test_a_short_name_is_found_in_its_family_or_where_only_one_has_it() -> None:
    assert lookup.metric("recall", family="pope") is lookup.metric("pope.recall")
    assert lookup.metric("recall", family="niah") is lookup.metric("niah.recall")
    assert lookup.metric("yes_ratio") is lookup.metric("pope.yes_ratio")
    with pytest.raises(ConfigError, match=r"chair\.recall, niah\.recall, pope\.recall"):
        lookup.metric("recall")


@pytest.mark.parametrize(
    ("find", "name", "hint"),
    [
        (lookup.metric, "pope.acuracy", "did you mean 'pope.accuracy'?"),
        (lookup.parser, "pope_rbust", "did you mean 'pope_robust'?"),
        (lookup.scorer, "pop", "did you mean 'pope'?"),
    ],
)
def test_an_unknown_name_is_answered_with_the_nearest(find, name: str, hint: str) -> None:
    with pytest.raises(ConfigError, match=re.escape(hint)):
        find(name)


def test_a_parser_of_another_version_is_refused_with_both_versions() -> None:
    assert lookup.parser("pope_ref@1") is lookup.parser("pope_ref")
    with pytest.raises(ConfigError, match="version 1, not 7"):
        lookup.parser("pope_ref@7")


def test_other_packages_add_their_own(monkeypatch: pytest.MonkeyPatch) -> None:
    group = "headbench.metrics"
    points = (
        EntryPoint("mine", "headbench.families.pope.pope_scorer:F1", group),
        EntryPoint("wrong", "headbench.families.pope.pope_scorer:POPE", group),
    )
    monkeypatch.setattr(_plugins, "_every", lambda: points)
    assert "mine" in lookup.metric_names()
    assert lookup.metric("mine") is lookup.metric("pope.f1")
    with pytest.raises(ConfigError, match="a metric is expected here, not Scorer"):
        lookup.metric("wrong")


def test_listing_names_loads_no_family_and_nothing_heavy() -> None:
    code = (
        "import sys; from headbench.scoring import lookup as r;"
        "r.metric_names(), r.parser_names(), r.scorer_names();"
        "print([m for m in ('numpy', 'torch', 'sklearn', 'headbench.families.pope.pope_scorer')"
        " if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_statistics_load_nothing_heavy() -> None:
    code = (
        "import sys, headbench.statistics, headbench.scoring.breakdown;"
        "print([m for m in ('torch', 'scipy', 'sklearn') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
