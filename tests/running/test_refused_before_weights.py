"""What a checkpoint's configuration shows to be impossible is refused before its weights are read.

The weights of the checkpoint here cannot be read at all: whatever refused after them would say so.
"""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest
import transformers as t

from headbench.errors import ConfigError, HeadbenchError, RefusedError
from headbench.models.hf import adapter
from headbench.models.preview import ModelPreview
from headbench.running import respondents
from headbench.running.run_plan import make_plan
from headbench.running.spec import make_spec
from helpers_families import BASE
from helpers_tiny import tiny_tokenizer

OWN = """
from headbench.extend import BoundMethod, Method, MethodParams


class OwnParams(MethodParams):
    pass


class Own(BoundMethod):
    needs = frozenset({"NEED"})

    def edits(self, case, seen):
        return ()


METHOD = Method(
    "own_NEED", OwnParams, lambda params, info: Own("own_NEED", params, info), "own", "own"
)
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A checkpoint with a configuration, a tokenizer, and weights that are none."""
    root = tmp_path_factory.mktemp("broken")
    t.LlamaConfig(**BASE).save_pretrained(root)
    tiny_tokenizer().save_pretrained(root)
    (root / "model.safetensors").write_bytes(b"no weights")
    return root


def plan(folder: Path, task: str = "niah", method: str = "", **more: object) -> None:
    args = {"pretrained": str(folder), **more.pop("args", {})}  # type: ignore[dict-item]
    make_plan(
        make_spec(
            tasks=(task,), model="hf", model_args=args, limit=1, controls=0,
            interventions=(method,) if method else (), **more,
        )
    )  # fmt: skip


def test_the_weights_themselves_are_what_stops_an_honest_run(folder: Path) -> None:
    with pytest.raises(ConfigError, match="the checkpoint cannot be loaded"):
        plan(folder, method="mask_heads(heads=[[0,1]])")


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"task": "pope"}, "shows images, and this model takes none"),
        ({"method": "vhr"}, "acts on images, and none of the tasks shows any"),
        ({"method": "mask_heads(heads=[[7,0]])"}, "has no head 0 in layer 7"),
        ({"method": "mask_heads(heads=[[0,9]])"}, "has no head 9 in layer 0"),
        ({"method": "mask_head(heads=[[0,1]])"}, "mask_head"),
        (
            {"method": "mask_heads(heads=[[0,1]])", "args": {"attn": "sdpa"}},
            "takes no interventions",
        ),
    ],
)
def test_what_the_configuration_shows_comes_first(
    folder: Path, changes: dict[str, object], message: str
) -> None:
    with pytest.raises(HeadbenchError, match=message) as caught:
        plan(folder, **changes)  # type: ignore[arg-type]
    assert "cannot be loaded" not in str(caught.value)


@pytest.mark.parametrize("need", ["branches", "gradients"])
def test_needs_that_the_adapter_does_not_meet_come_first(
    folder: Path, need: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def poorer(args: dict[str, str]) -> ModelPreview:
        return dataclasses.replace(adapter.preview(args), branches=False, gradients=False)

    (tmp_path / "own.py").write_text(OWN.replace("NEED", need))
    own = {"method": f"own_{need}", "include": (str(tmp_path / "own.py"),)}
    with pytest.raises(ConfigError, match="the checkpoint cannot be loaded"):
        plan(folder, **own)  # type: ignore[arg-type]
    monkeypatch.setattr(respondents, "preview", lambda _name, args: poorer(args))
    word = {"branches": "compares branches", "gradients": "needs gradients"}[need]
    with pytest.raises(RefusedError, match=rf"own_{need} {word}"):
        plan(folder, **own)  # type: ignore[arg-type]


def test_a_cache_of_an_unknown_kind_comes_first(tmp_path: Path) -> None:
    t.DeepseekV4Config().save_pretrained(tmp_path)
    (tmp_path / "model.safetensors").write_bytes(b"no weights")
    with pytest.raises(RefusedError, match="cache of deepseek_v4 is of a kind"):
        plan(tmp_path)
