"""No packaged intervention holds a ``[query, key]`` tensor in a prefill, its probes included."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
import torch
from safetensors.torch import save_file
from torch.utils._python_dispatch import TorchDispatchMode

from headbench.edits import Case, Plan
from headbench.interventions import method_catalogue
from headbench.interventions.edits import (
    SequenceEdits,
    column_correction,
    column_split,
    dense,
    dense_edits,
    recorder,
)
from headbench.interventions.resolve import resolve
from headbench.models.hf.engine import Engine
from headbench.nouns import ModelInfo, Request
from helpers_tiny import tiny_llama

LENGTH = 1024
CHUNK = 1 << 17
INFO = ModelInfo("tiny", "llama", 3, 4, 2, 12, images=True)
SPANS = {
    "first": (0,),
    "last": (LENGTH - 1,),
    "image": tuple(range(16, 16 + 576)),
    "question": tuple(range(LENGTH - 40, LENGTH - 8)),
}
HEADS = "heads=[[0,1],[1,0],[1,3]]"
INTERVENTIONS = [
    *(f"mask_heads({HEADS},mode={mode})" for mode in ("zero", "uniform", "identity", "sink")),
    f"scale_heads({HEADS},alpha=0.5)",
    "scale_values(heads=[[1,2],[1,3]],alpha=0.5)",
    "offset_heads(file=V)",
    "steer(file=V,layer=1,strength=2)",
    *(f"softpag({HEADS},u=0.5,target={t})" for t in ("identity", "uniform", "initial_token")),
    f"rope_zero({HEADS},dose=4)",
    f"stream_heads({HEADS})",
    "zerotuning(gamma=0.25)",
    "vhr(layers=[0,1,2])",
    "var(layers=[0,1,2],sink_dims=[0],tau=1.5,mass=0,rho=0)",
    "pai(alpha=0.5,layers=[0,1,2])",
    "gift(saliency_layer=1,layers=[0,1,2])",
]


class Largest(TorchDispatchMode):
    """Remembers the largest tensor that any operation returns."""

    most, shape = 0, torch.Size()

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        out = func(*args, **(kwargs or {}))
        for x in out if isinstance(out, tuple | list) else (out,):
            if isinstance(x, torch.Tensor) and x.numel() > self.most:
                self.most, self.shape = x.numel(), x.shape
        return out


@pytest.fixture(scope="module")
def engine() -> Iterator[Engine]:
    with Engine(tiny_llama()) as engine:
        yield engine


@pytest.fixture(autouse=True)
def small_chunks(monkeypatch: pytest.MonkeyPatch) -> None:
    """Chunks hold a fixed number of elements; a small number shows what is not cut into them."""
    for module in (column_split, recorder, column_correction, dense, dense_edits):
        monkeypatch.setattr(module, "CHUNK_ELEMENTS", CHUNK)


@pytest.fixture(scope="module")
def vectors(tmp_path_factory: pytest.TempPathFactory) -> str:
    path = tmp_path_factory.mktemp("vectors") / "v.safetensors"
    save_file({"offset": torch.ones(3, 4, 12), "direction": torch.ones(48)}, path)
    return repr(str(path))


def prompt(keep: tuple[int, ...] = tuple(range(LENGTH))) -> torch.Tensor:
    ids = torch.randint(10, 60, (1, LENGTH), generator=torch.Generator().manual_seed(7))
    ids[0, 0] = ids[0, 20] = 1
    return ids[:, list(keep)]


def run(engine: Engine, intervention: str) -> tuple[Largest, int]:
    """The largest tensor of the probes and of the edited pass, and what was altered."""
    (condition,) = resolve(intervention, INFO)
    message = {"role": "user", "content": "<image>"}
    request = Request("", "answer", 0, "generate", (message,), images=("",))
    case = Case(request, tuple(prompt()[0].tolist()), SPANS, INFO)
    (method,) = condition.interventions
    found: dict[str, Any] = {}
    with Largest() as largest, torch.no_grad():
        for probe in method.probes(case):
            whole = bool(probe.request.images)
            text = tuple(i for i in range(LENGTH) if i not in SPANS["image"])
            ids = prompt() if whole else prompt(text)
            row = SequenceEdits(Plan(), ids.shape[1], spans=SPANS if whole else {})
            with engine.capture(probe.captures, [row]) as captured:
                engine.model(ids, use_cache=False, logits_to_keep=1)
            found[probe.name] = captured[0]
        row = SequenceEdits(method.plan(case, found), LENGTH, spans=SPANS, probes=found)
        with engine.attach([row]) as report:
            engine.model(prompt(), use_cache=False, logits_to_keep=1)
    return largest, report.changed(0)


def test_every_packaged_method_is_here() -> None:
    assert {intervention.partition("(")[0] for intervention in INTERVENTIONS} == set(
        method_catalogue.built_in()
    )


@pytest.mark.parametrize("intervention", INTERVENTIONS)
def test_an_intervention_holds_no_whole_pattern(
    engine: Engine, vectors: str, intervention: str
) -> None:
    largest, altered = run(engine, intervention.replace("file=V", f"file={vectors}"))
    assert altered > 0, "an inert intervention would hold nothing"
    # What a probe brings home is no intermediate: image attention of the rows after the image.
    captured = 4 * (LENGTH - 592) * 576 if intervention.startswith("gift") else 0
    assert largest.most < max(LENGTH * LENGTH // 2, captured + 1), largest.shape


def test_a_whole_pattern_would_be_seen(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(column_split, "CHUNK_ELEMENTS", 1 << 30)
    largest, _ = run(engine, "var(layers=[0,1,2],sink_dims=[0],tau=1.5,mass=0,rho=0)")
    assert largest.most >= LENGTH * LENGTH // 2
