from __future__ import annotations

import subprocess
import sys
from importlib.metadata import EntryPoint

import pytest

from headbench import _plugins
from headbench.errors import ConfigError
from headbench.models import adapter_catalogue
from headbench.models.base_model import BaseModel


class Custom(BaseModel):
    def generate(self, request):
        return "custom"


def make_custom(args):
    return Custom(args.get("name", "custom"))


def offer(monkeypatch, *points):
    monkeypatch.setattr(_plugins, "_every", lambda: points)


def point(name, value):
    return EntryPoint(name, value, "headbench.models")


def test_shipped_names_are_listed_with_a_line_each():
    assert {"hf", "reference", "ref-lm", "ref-vlm", "recorded", "encoder"} <= set(
        adapter_catalogue.model_names()
    )
    assert set(adapter_catalogue.summaries()) == set(adapter_catalogue.model_names())


def test_an_unknown_name_gets_the_nearest_one():
    with pytest.raises(ConfigError, match="'ref-llm'") as caught:
        adapter_catalogue.create("ref-llm", {})
    assert "ref-lm" in caught.value.hint


def test_an_entry_point_adds_a_model(monkeypatch):
    offer(monkeypatch, point("custom", "test_registry:make_custom"))
    monkeypatch.setattr(EntryPoint, "load", lambda self: make_custom)
    assert "custom" in adapter_catalogue.model_names()
    assert adapter_catalogue.create("custom", {"name": "mine"}).identity["name"] == "mine"


def test_two_packages_may_not_claim_one_name(monkeypatch):
    offer(monkeypatch, point("custom", "one:make"), point("custom", "two:make"))
    with pytest.raises(ConfigError, match="two packages"):
        adapter_catalogue.create("custom", {})


@pytest.mark.parametrize("name", ["hf", "encoder", "recorded"])
def test_an_unknown_argument_is_named(name):
    with pytest.raises(ConfigError, match="'pretraind'"):
        adapter_catalogue.create(name, {"pretraind": "x"})


@pytest.mark.parametrize("text", ["0", "-1", "many", "1.5"])
def test_a_batch_size_is_auto_or_positive(text):
    with pytest.raises(ConfigError, match="batch_size"):
        adapter_catalogue.create("hf", {"pretrained": "x", "batch_size": text})


def test_listing_models_imports_no_torch():
    code = (
        "import sys; from headbench.models.adapter_catalogue import summaries; summaries(); "
        "sys.exit('torch' in sys.modules or 'transformers' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
