"""What needs no weights is refused before torch is imported, and an unknown hub id in seconds."""

from __future__ import annotations

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


def ended(*arguments: str) -> tuple[str, str]:
    done = subprocess.run(
        [sys.executable, "-c", PROBE.format(arguments=arguments)],
        capture_output=True, text=True, timeout=120, check=False,
        env={**os.environ, "HF_HUB_OFFLINE": "1"},
    )  # fmt: skip
    return done.stdout.strip(), done.stderr


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("--intervention", "mask_head(heads=[[0,1]])"), "did you mean 'mask_heads'?"),
        (("--intervention", "mask_heads(headz=[[0,1]])"), "has no parameter 'headz'"),
        (("--model", "hf", "--model-args", "pretrained=nobody/none"), "is not in the local cache"),
        (("--model", "recorded"), "needs a file of outputs, one row per document"),
        (("--model", "recorded"), "join=id for a headline where rows hold no question"),
    ],
)
def test_no_model_library_is_imported_to_refuse(arguments: tuple[str, ...], words: str) -> None:
    out, err = ended(*arguments)
    assert out == "ENDED 2 False False"
    assert words in err
    assert "Traceback" not in err


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


def test_a_task_of_several_steps_says_that_recorded_rows_cannot_answer_it(tmp_path: Path) -> None:
    log = tmp_path / "log.jsonl"
    log.write_text('{"id": "a", "text": "b"}\n')
    with pytest.raises(RefusedError, match=r"asks the subject in 8 steps \(zero_shot, ") as caught:
        headbench.run("stickiness", model="recorded", model_args={"path": log}, out=tmp_path)
    assert "headbench rescore" in caught.value.hint
