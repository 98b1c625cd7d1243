"""What needs no weights is refused before torch is imported, and an unknown hub id in seconds."""

from __future__ import annotations

import os
import subprocess
import sys
import time

import pytest

from headbench.errors import ConfigError
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
