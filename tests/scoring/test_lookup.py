from __future__ import annotations

import re
import subprocess
import sys
from importlib.metadata import EntryPoint

import pytest

from headbench.errors import ConfigError
from headbench.scoring import Metric, Parser, Scorer, registry


@pytest.mark.parametrize("name", registry.PARSERS)
def test_every_parser_loads_under_its_name(name: str) -> None:
    found = registry.parser(name)
    assert isinstance(found, Parser)
    assert (found.name, found.id) == (name, f"{name}@{found.version}")
    assert found.summary


@pytest.mark.parametrize("name", registry.SCORERS)
def test_every_scorer_loads_with_its_metrics_and_its_parser(name: str) -> None:
    found = registry.scorer(name)
    assert isinstance(found, Scorer)
    assert (found.name, found.id) == (name, f"{name}@{found.version}")
    assert registry.parser(found.default_parser)
    metrics = registry.metrics_of(found)
    assert metrics and len({metric.name for metric in metrics}) == len(metrics)


@pytest.mark.parametrize("name", registry.METRICS)
def test_every_metric_loads_under_its_short_name(name: str) -> None:
    found = registry.metric(name)
    assert isinstance(found, Metric)
    assert found.name == name.partition(".")[2]
    sums = found.rows([]).sum(axis=0)
    assert found.value(sums).shape == ()


def test_a_short_name_is_found_in_its_family_or_where_only_one_has_it() -> None:
    assert registry.metric("recall", family="pope") is registry.metric("pope.recall")
    assert registry.metric("recall", family="niah") is registry.metric("niah.recall")
    assert registry.metric("yes_ratio") is registry.metric("pope.yes_ratio")
    with pytest.raises(ConfigError, match=r"chair\.recall, niah\.recall, pope\.recall"):
        registry.metric("recall")


@pytest.mark.parametrize(
    ("find", "name", "hint"),
    [
        (registry.metric, "pope.acuracy", "did you mean 'pope.accuracy'?"),
        (registry.parser, "pope_rbust", "did you mean 'pope_robust'?"),
        (registry.scorer, "pop", "did you mean 'pope'?"),
    ],
)
def test_an_unknown_name_is_answered_with_the_nearest(find, name: str, hint: str) -> None:
    with pytest.raises(ConfigError, match=re.escape(hint)):
        find(name)


def test_a_parser_of_another_version_is_refused_with_both_versions() -> None:
    assert registry.parser("pope_ref@1") is registry.parser("pope_ref")
    with pytest.raises(ConfigError, match="version 1, not 7"):
        registry.parser("pope_ref@7")


def test_other_packages_add_their_own(monkeypatch: pytest.MonkeyPatch) -> None:
    group = "headbench.metrics"
    points = {
        "mine": EntryPoint("mine", "headbench.families.pope.pope_scorer:F1", group),
        "wrong": EntryPoint("wrong", "headbench.families.pope.pope_scorer:POPE", group),
    }
    real = registry._plugins
    monkeypatch.setattr(
        registry, "_plugins", lambda kind: points if kind == "metric" else real(kind)
    )
    assert "mine" in registry.metric_names()
    assert registry.metric("mine") is registry.metric("pope.f1")
    with pytest.raises(ConfigError, match="is a Scorer"):
        registry.metric("wrong")


def test_listing_names_loads_no_family_and_nothing_heavy() -> None:
    code = (
        "import sys; from headbench.scoring import registry as r;"
        "r.metric_names(), r.parser_names(), r.scorer_names();"
        "print([m for m in ('torch', 'scipy', 'sklearn', 'headbench.families.pope.pope_scorer')"
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
