"""Methods of a user's own that compare branches or differentiate, run by ``headbench run``."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from headbench.cli import app
from headbench.edits import Plan
from headbench.errors import RefusedError
from headbench.jobs import Condition, Job
from headbench.models.base_model import BaseModel
from headbench.nouns import Request, Site
from helpers_models import request

CONTRAST = '''
"""Contrast with the same prompt about noise: l <- l_image + weight (l_image - l_noise); own."""

from dataclasses import dataclass

import torch

from headbench.extend import BoundMethod, Branch, Method, MethodParams, Plan


class NoiseParams(MethodParams):
    """How strong the contrast is."""

    weight: float = 1.0


@dataclass(frozen=True)
class NoiseContrast(BoundMethod):
    needs = frozenset({"image", "branches"})

    def edits(self, case, seen):
        return ()

    def plan(self, case, seen):
        weight = self.params.weight
        if weight == 0:
            return Plan()
        return Plan(
            branches={"noise": Branch(pixels=noisy)},
            combine=lambda logits, forced: (
                (1 + weight) * logits["main"] - weight * logits["noise"]
            ),
        )


def noisy(image):
    chance = torch.Generator().manual_seed(0)
    return {**image, "pixel_values": torch.randn(image["pixel_values"].shape, generator=chance)}


METHOD = Method(
    "noise_contrast", NoiseParams,
    lambda params, info: NoiseContrast("noise_contrast", params, info), "own", "contrast",
)
'''
SENSITIVE = '''
"""Scale the heads whose output the answer is most sensitive to; own."""

from dataclasses import dataclass

import torch

from headbench.extend import BoundMethod, Capture, Edit, Method, MethodParams, Probe, Scale


class SensitiveParams(MethodParams):
    """How many heads, and their factor."""

    count: int = 2
    alpha: float = 0.0


@dataclass(frozen=True)
class Sensitive(BoundMethod):
    needs = frozenset({"gradients"})

    @property
    def capture(self):
        return Capture("z", self.info.attending, rows="last")

    def probes(self, case):
        return (
            Probe("value", case.request, (self.capture,)),
            Probe("slope", case.request, (self.capture,), gradient=True),
        )

    def edits(self, case, seen):
        # what zeroing a head would take from the log-probability, to first order: [layer, head]
        loss = (seen["value"][self.capture] * seen["slope"][self.capture]).sum(-1)[:, -1]
        best = loss.flatten().topk(self.params.count).indices.tolist()
        table = {}
        for place in best:
            layer = self.info.attending[place // self.info.heads]
            table[layer] = (*table.get(layer, ()), place % self.info.heads)
        return (Edit("z", Scale(self.params.alpha), table),)


METHOD = Method(
    "sensitive", SensitiveParams,
    lambda params, info: Sensitive("sensitive", params, info), "own", "by gradient",
)
'''


def run(folder: Path, source: str, *words: str) -> dict[str, dict[str, object]]:
    """The results of a run with an own method, by canonical condition."""
    (folder / "own_method.py").write_text(source)
    words = (
        "run",
        "--include",
        str(folder / "own_method.py"),
        "--out",
        str(folder / "out"),
        *words,
    )
    ran = CliRunner().invoke(app, words)
    assert ran.exit_code == 0, ran.output
    found = [json.loads(path.read_text()) for path in (folder / "out/measured").rglob("*.json")]
    return {one["arm"]["name"]: one for one in found if "arm" in one}


@pytest.mark.parametrize("task", ["pope", "pope_choices"])  # generate, score
def test_a_contrast_with_noise_runs_from_a_file(tmp_path: Path, task: str) -> None:
    cells = run(
        tmp_path, CONTRAST, "--tasks", task, "--model", "ref-vlm", "--limit", "4",
        "--intervention", "noise_contrast(weight=[0,3])",
    )  # fmt: skip
    assert len(cells) == 3
    still, strong = cells["noise_contrast(weight=0)"], cells["noise_contrast(weight=3)"]
    assert still["status"] == "inert"
    assert strong["status"] == "ok"
    assert strong["diagnostics"]["changed"] > 0
    assert strong["diagnostics"]["first_token_kl"] > 1e-3


def test_heads_chosen_by_a_gradient_run_from_a_file(tmp_path: Path) -> None:
    cells = run(
        tmp_path, SENSITIVE, "--tasks", "niah", "--model", "ref-lm", "--limit", "2",
        "--intervention", "sensitive",
    )  # fmt: skip
    (edited,) = [one for name, one in cells.items() if name.startswith("sensitive")]
    assert edited["status"] == "ok"
    assert edited["diagnostics"]["changed"] > 0


class Editable(BaseModel):
    """A model that edits, and neither compares branches nor differentiates."""

    sites: frozenset[Site] = frozenset({"z"})

    def generate(self, request: Request) -> str:
        return "yes"


@pytest.mark.parametrize(
    ("need", "message"), [("branches", "compares branches"), ("gradients", "needs gradients")]
)
def test_a_model_without_the_door_refuses_by_name_when_the_run_is_planned(
    need: str, message: str
) -> None:
    class Own:
        canonical = "own_method(weight=2.0)"
        needs = frozenset({need})

        def plan(self, case: object, seen: object) -> Plan:
            raise AssertionError("asked for a plan")

    job = Job(request("who"), Condition("own", (Own(),), "toggle"))  # type: ignore[arg-type]
    with pytest.raises(RefusedError, match=rf"own_method\(weight=2\.0\) {message}"):
        Editable("plain").plan([job])
