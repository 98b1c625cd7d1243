"""`untrained=true`: the same configuration with seeded random weights, and said to be so."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from typer.testing import CliRunner

from headbench.cli import app
from headbench.detectors.head_detection import detect
from headbench.errors import ConfigError
from headbench.models.adapter_catalogue import create, preview
from headbench.models.hf.adapter import HFModel, wrap
from headbench.reference.shipped import checkpoint
from helpers_tiny import tiny_llama, tiny_tokenizer


def model(**args: str) -> HFModel:
    made = create("reference", {"name": "ref-lm-v2", **args})
    assert isinstance(made, HFModel)
    return made


@pytest.fixture(scope="module")
def control() -> HFModel:
    return model(untrained="true")


def test_identity_and_name_say_it_and_the_rest_is_the_trained_models(control: HFModel) -> None:
    trained = model()
    differing = {
        key
        for key in {*control.identity, *trained.identity}
        if control.identity.get(key) != trained.identity.get(key)
    }
    assert differing == {"name", "weights", "untrained"}
    assert control.name == "ref-lm-v2-untrained"
    assert control.identity["untrained"] == "seed 0"
    assert control.info is not None and trained.info is not None
    assert (control.info.layers, control.info.heads) == (trained.info.layers, trained.info.heads)


def test_the_weights_are_random_and_the_same_every_time(control: HFModel) -> None:
    torch.manual_seed(5)
    before = torch.random.get_rng_state()
    again = model(untrained="true")
    assert torch.equal(torch.random.get_rng_state(), before)
    assert again.identity == control.identity
    trained = dict(model().model.named_parameters())
    for name, drawn in again.model.named_parameters():
        if drawn.ndim > 1:
            assert abs(np.corrcoef(drawn.flatten(), trained[name].flatten())[0, 1]) < 0.05, name


def test_another_type_holds_the_same_draw(control: HFModel) -> None:
    half = model(untrained="true", dtype="bfloat16")
    name, drawn = next(iter(half.model.named_parameters()))
    assert drawn.dtype == torch.bfloat16
    assert torch.equal(drawn, dict(control.model.named_parameters())[name].bfloat16())


def test_it_stops_at_the_checkpoints_own_end_tokens(tmp_path: Path) -> None:
    folder = shutil.copytree(checkpoint("ref-lm-v2"), tmp_path / "two-ends")
    file = folder / "generation_config.json"  # the configuration names one of them only
    file.write_text(json.dumps(json.loads(file.read_text()) | {"eos_token_id": [2, 5]}))
    made = create("hf", {"pretrained": str(folder), "untrained": "true"})
    assert isinstance(made, HFModel)
    assert made.model.generation_config.eos_token_id == [2, 5]


def test_buffers_have_the_types_of_the_trained_models() -> None:
    half, trained = model(untrained="true", dtype="bfloat16"), model(dtype="bfloat16")
    kinds = {name: buffer.dtype for name, buffer in trained.model.named_buffers()}
    assert torch.float32 in kinds.values()  # rotary frequencies
    assert {name: buffer.dtype for name, buffer in half.model.named_buffers()} == kinds


def test_the_hf_adapter_takes_it_and_its_preview_knows_the_name() -> None:
    args = {"pretrained": str(checkpoint("ref-lm-v2")), "untrained": "true"}
    seen, made = preview("hf", args), create("hf", args)
    assert seen is not None
    assert seen.identity["name"] == made.identity["name"] == "ref-lm-v2-untrained"
    with pytest.raises(ConfigError, match="untrained cannot be 'yes'"):
        create("hf", args | {"untrained": "yes"})
    with pytest.raises(ConfigError, match="has the weights that it has"):
        wrap(tiny_llama(), tiny_tokenizer(), untrained="true")


def test_no_head_of_it_knows_the_concepts(control: HFModel) -> None:
    found = detect("rsa", control)
    assert found.model == "ref-lm-v2-untrained"
    assert max(abs(score) for layer in found.scores for score in layer or ()) < 0.03
    near = detect("mknn", control)
    chance = near.data["chance"]
    assert isinstance(chance, float)
    assert max(score for layer in near.scores for score in layer or ()) < 2 * chance


def test_a_run_of_it_stands_apart_from_the_trained_models(tmp_path: Path) -> None:
    out = tmp_path / "results"
    words = ["run", "--tasks", "niah", "--limit", "2", "--out", str(out), "--model", "ref-lm-v2"]
    for more in ([], ["--model-args", "untrained=true"]):
        ran = CliRunner().invoke(app, [*words, *more])
        assert ran.exit_code == 0, ran.output
    assert "untrained=true" in ran.output  # in the command that makes it again
    models = {path.name: path for path in (out / "measured").iterdir()}
    assert set(models) == {"ref-lm-v2", "ref-lm-v2-untrained"}
    recall = {}
    for name, folder in models.items():
        (path,) = (folder / "niah").glob("baseline-*.json")
        result = json.loads(path.read_text(encoding="utf-8"))
        said = result["model"]["identity"].get("untrained")
        assert said == ("seed 0" if name.endswith("untrained") else None)
        recall[name] = result["metrics"]["recall"]["value"]
    assert recall["ref-lm-v2"] == 1 and recall["ref-lm-v2-untrained"] == 0
