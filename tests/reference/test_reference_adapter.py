from __future__ import annotations

import hashlib
import json
import subprocess
import sys

import pytest

from headbench.errors import ConfigError, DataError
from headbench.models.adapter_catalogue import create
from headbench.reference import shipped
from helpers_models import answers, jobs, request
from helpers_tiny import tiny_llama, tiny_tokenizer


@pytest.fixture
def root(tmp_path, monkeypatch):
    """A folder of checkpoints with one pinned model."""
    folder = tmp_path / "ref-lm-v1"
    tiny_llama().half().save_pretrained(folder)
    tiny_tokenizer().save_pretrained(folder)
    (folder / "heads-retrieval.json").write_text("{}")
    pins = {p.name: hashlib.sha256(p.read_bytes()).hexdigest() for p in folder.iterdir()}
    (tmp_path / "pins.json").write_text(json.dumps({"ref-lm-v1": pins}))
    monkeypatch.setattr(shipped, "checkpoints_root", lambda: tmp_path)
    return tmp_path


@pytest.mark.parametrize(
    ("name", "args"),
    [("ref-lm", {}), ("reference", {"name": "ref-lm"}), ("reference", {"name": "ref-lm-v1"})],
)
def test_short_names_stand_for_the_pinned_version(root, name, args):
    model = create(name, {**args, "attn": "sdpa"})
    assert model.info.name == "ref-lm-v1"
    assert model.identity["dtype"] == "float32"
    assert set(model.info.maps) == {"retrieval"}
    assert answers(model, jobs([request("who")]))[0].first


@pytest.mark.parametrize("change", ["edit", "add", "remove"])
def test_a_checkpoint_that_is_not_the_pinned_one_is_refused(root, change):
    folder = root / "ref-lm-v1"
    if change == "edit":
        path = folder / "model.safetensors"
        content = bytearray(path.read_bytes())
        content[-1] ^= 1
        path.write_bytes(content)
    elif change == "add":
        (folder / "more.json").write_text("{}")
    else:
        (folder / "heads-retrieval.json").unlink()
    with pytest.raises(DataError, match="not the one that was shipped"):
        create("ref-lm", {})


def test_an_unknown_reference_is_named(root):
    with pytest.raises(ConfigError, match="'ref-lmm'") as caught:
        create("reference", {"name": "ref-lmm"})
    assert "ref-lm" in caught.value.hint


def test_a_retired_reference_names_its_successor_and_the_release():
    with pytest.raises(ConfigError, match="ref-vlm-v1 no longer ships") as caught:
        create("reference", {"name": "ref-vlm-v1"})
    assert "ref-vlm-v2 took its place in headbench 0.1.0" in caught.value.hint
    assert "name=ref-vlm-v2" in caught.value.hint


@pytest.mark.parametrize(
    ("module", "command"),
    [
        ("train", "python -m training lm-v1"),
        ("evidence", "python -m training.pages.reference_models"),
        ("lm2_evidence", "python -m training.pages.reference_lm_v2"),
    ],
)
def test_an_old_command_of_the_training_names_the_new_one(module, command):
    old = [sys.executable, "-m", f"headbench.reference.{module}", "lm", "--smoke"]
    done = subprocess.run(old, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert command in done.stderr
    assert "Traceback" not in done.stderr


def test_missing_pins_are_named(root):
    (root / "pins.json").unlink()
    with pytest.raises(DataError, match="pins"):
        create("ref-lm", {})
