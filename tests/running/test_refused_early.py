"""What needs no weights is refused before torch is imported, and an unknown hub id in seconds."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

import headbench
from headbench.errors import ConfigError, RefusedError
from headbench.models import hub_reach

PROBE = """
import sys
from headbench.cli import main
sys.argv = ["headbench", "run", "--tasks", "niah", "--limit", "1", *{arguments!r}]
try:
    main()
except SystemExit as end:
    print("ENDED", end.code, "torch" in sys.modules, "transformers" in sys.modules)
"""


EACH = """
import json, sys
from typer.testing import CliRunner
from headbench.cli import app

for text in sys.argv[1:]:
    words = ["run", "--tasks", "niah", "--limit", "1", "--intervention", text]
    done = CliRunner().invoke(app, words)
    imported = [name for name in ("torch", "transformers") if name in sys.modules]
    print(json.dumps([str(done.exception), imported]))
"""


def ended(*arguments: str) -> tuple[str, str]:
    done = subprocess.run(
        [sys.executable, "-c", PROBE.format(arguments=arguments)],
        capture_output=True, text=True, timeout=120, check=False,
        env={**os.environ, "HF_HUB_OFFLINE": "1"},
    )  # fmt: skip
    return done.stdout.strip(), done.stderr


REFUSED = (
    ("mask_head(heads=[[0,1]])", "did you mean 'mask_heads'?"),
    ("mask_heads(heads=[[0,1]]", "was never closed"),
    ("mask_heads(headz=[[0,1]])", "has no parameter 'headz'"),
    ("mask_heads(heads=[[0,x]])", "mask_heads"),
    ("mask_heads(heads=[])", "heads=[] names no head"),
    ("mask_heads(heads=[[99,0]])", "has no head 0 in layer 99"),
    ("mask_heads(heads=[[0,99]])", "has no head 99 in layer 0"),
    ("mask_heads(map=retrieval)", "give one of top="),
    ("mask_heads(map=retrievel,top=1)", "did you mean 'retrieval'?"),
    ("mask_heads(map='none.json',top=1)", "there is no such file"),
    ("mask_heads(map='broken.json',top=1)", "broken.json"),
    ("scale_heads(heads=[[0,1]],alpha=[])", "sweeps over nothing"),
    ("scale_heads(heads=[[0,1]],alpha=1e999)", "finite number"),
    ("steer(file='none.safetensors',tensor=v,strength=1,layer=0)", "cannot read the vectors"),
    ("steer(file='broken.json',tensor=v,strength=1,layer=0)", "not a safetensors file"),
    ("offset_heads(file='one.safetensors',tensor=w,strength=1)", "holds no tensor 'w'"),
    ("vhr(alpha=2)", "none of the tasks shows any"),
    ("mask_heads(heads=[[0,1]])+pai(alpha=0.2)", "none of the tasks shows any"),
)


@pytest.fixture(scope="module")
def beside(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a broken head map, and a file of one tensor."""
    folder = tmp_path_factory.mktemp("beside")
    (folder / "broken.json").write_text("{")
    header = b'{"v":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}}'
    (folder / "one.safetensors").write_bytes(len(header).to_bytes(8, "little") + header + b"0000")
    return folder


def test_no_model_library_is_imported_to_refuse_an_intervention(beside: Path) -> None:
    """All in one process: importing the command line takes longer than any of them."""
    done = subprocess.run(
        [sys.executable, "-c", EACH, *(text for text, _ in REFUSED)],
        capture_output=True, text=True, timeout=120, check=True, cwd=beside,
        env={**os.environ, "HF_HUB_OFFLINE": "1"},
    )  # fmt: skip
    told = [json.loads(line) for line in done.stdout.splitlines()]
    for (text, words), (said, imported) in zip(REFUSED, told, strict=True):
        assert words in said, (text, said)
        assert imported == [], text


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("--intervention", "mask_head(heads=[[0,1]])"), "did you mean 'mask_heads'?"),
        (("--model", "hf", "--model-args", "pretrained=nobody/none"), "is not in the local cache"),
    ],
)
def test_no_model_library_is_imported_to_refuse(arguments: tuple[str, ...], words: str) -> None:
    out, err = ended(*arguments)
    assert out == "ENDED 2 False False"
    assert words in err
    assert "Traceback" not in err


def test_an_unknown_hub_id_fails_offline_within_five_seconds() -> None:
    start, before = time.monotonic(), os.times()
    out, err = ended("--model", "hf", "--model-args", "pretrained=nobody/none")
    spent, after = time.monotonic() - start, os.times()
    used = sum(after[2:4]) - sum(before[2:4])
    assert spent < 5 or used < 5  # a busy machine: what the processor did counts
    assert spent < 60  # and nothing waits for a network
    assert out.startswith("ENDED 2")
    assert err.startswith("error: ")


def test_a_hub_that_does_not_answer_is_given_up_within_seconds(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    from huggingface_hub import constants

    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
    monkeypatch.setattr(constants, "ENDPOINT", "http://127.0.0.1:9")
    start = time.monotonic()
    with pytest.raises(ConfigError, match="does not answer"):
        hub_reach.check_reachable({"pretrained": "nobody/none"})
    assert time.monotonic() - start < 5
    hub_reach.check_reachable({"pretrained": "/a/folder/that/is/no/hub/id"})


def test_recorded_outputs_are_asked_for_before_any_task_is_read(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="needs a file of outputs, one row per document"):
        headbench.run("no_such_task", model="recorded", out=tmp_path)


def test_a_task_of_several_steps_says_that_recorded_rows_cannot_answer_it(tmp_path: Path) -> None:
    log = tmp_path / "log.jsonl"
    log.write_text('{"id": "a", "text": "b"}\n')
    with pytest.raises(RefusedError, match=r"asks the subject in 8 steps \(zero_shot, ") as caught:
        headbench.run("stickiness", model="recorded", model_args={"path": log}, out=tmp_path)
    assert "headbench rescore" in caught.value.hint
