"""Names of checkpoints: a folder, a model that `make real` built, or an id of the hub."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from headbench.models.adapter_catalogue import create
from headbench.models.hub_reach import BUILT, built_models, checkpoint_of, is_hub_id
from helpers_tiny import tiny_llama, tiny_tokenizer

NAME = "tiny-q4"


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of built models with one, whose configuration says what its weights come from."""
    models = tmp_path_factory.mktemp("models")
    tiny_llama().save_pretrained(models / NAME)
    tiny_tokenizer().save_pretrained(models / NAME)
    path = models / NAME / "config.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"weights_from": "GGUF Q4, float32"}))
    return models


def test_a_built_model_is_found_by_its_name(
    built: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv(BUILT, str(built))
    assert checkpoint_of(NAME) == str(built / NAME)
    assert not is_hub_id(NAME)
    model = create("hf", {"pretrained": NAME})
    assert model.identity["name"] == NAME
    assert model.identity["weights_from"] == "GGUF Q4, float32"
    (tmp_path / NAME).mkdir()
    assert checkpoint_of(NAME) == NAME, "a folder where the command runs comes first"


def test_other_names_stay_as_they_are(built: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(BUILT, str(built))
    for named in ("", "gpt2", "someone/model", f"./{NAME}", f"~/{NAME}", f"x/{NAME}"):
        assert checkpoint_of(named) == named
    assert is_hub_id("gpt2") and is_hub_id(f"someone/{NAME}")


def test_without_the_variable_the_users_cache_is_meant(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(BUILT, raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", "/somewhere")
    assert built_models() == Path("/somewhere/headbench/models")
