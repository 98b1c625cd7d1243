"""What a plan says of prefixes holds when a prefix is forked."""

from __future__ import annotations

import pytest
import torch

from headbench.edits import Bias, Columns, Edit, Plan, Scale, Visible
from headbench.interventions.resolve import resolve
from headbench.models.hf.adapter import HFModel
from headbench.models.runtime import OPEN, TokenSequence
from headbench.models.runtime.sharing import Sharing, sharing
from helpers_models import llama, request

OWN = (
    "mask_heads(heads=[[0,1],[1,2]])",
    "mask_heads(heads=[[0,1],[1,2]],mode=uniform)",
    "mask_heads(heads=[[0,1],[1,2]],mode=identity)",
    "mask_heads(heads=[[0,1],[1,2]],mode=sink)",
    "mask_heads(heads=[[0,1],[1,2]],mode=sink,phase=decode)",
    "scale_heads(heads=[[1,1],[2,0]],alpha=2.0)",
    "scale_values(heads=[[1,0],[1,1]],alpha=2.0)",
    "rope_zero(heads=[[1,1],[2,0]],dims=lowest,dose=4)",
    "stream_heads(heads=[[1,1],[2,0]],first=1,recent=3)",
    "mask_heads(heads=[[0,1]])+scale_heads(heads=[[1,1]],alpha=2.0,phase=decode)",
)
BASELINE = (
    "mask_heads(heads=[[0,1],[1,2]],phase=decode)",
    "mask_heads(heads=[[0,1],[1,2]],phase=from_last)",
    "scale_heads(heads=[[1,1],[2,0]],alpha=2.0,phase=decode)",
)
STEPS = 5


@pytest.fixture(scope="module")
def model() -> HFModel:
    return llama(attn="headbench")


def plan_of(model: HFModel, text: str) -> Plan:
    case = model.preparation.case(request("is there a cat"))
    (condition,) = resolve(text, model.info)
    edits = tuple(edit for part in condition.interventions for edit in part.plan(case, {}).edits)
    assert edits
    return Plan(edits)


def ids(seed: int, length: int) -> list[int]:
    generator = torch.Generator().manual_seed(seed)
    return torch.randint(8, 60, (length,), generator=generator).tolist()


def decoded(model: HFModel, batch) -> torch.Tensor:
    found = [batch.logits[:, -1]]
    for number in range(STEPS):
        model.runtime.step(batch, [ids(number, 1)[0]] * len(batch.rows))
        found.append(batch.logits[:, -1])
    return torch.stack(found)


@pytest.mark.parametrize(
    ("text", "encoding"),
    [*((text, "own") for text in OWN), *((text, "baseline") for text in BASELINE)],
)
def test_prompts_that_share_as_their_plan_allows_are_as_whole_ones(model, text, encoding) -> None:
    plan = plan_of(model, text)
    assert sharing(plan) == Sharing(encoding)
    prefix, tails = ids(0, 12), [ids(1, 4), ids(2, 6), ids(3, 4)]
    first = plan if encoding == "own" else Plan()
    encoded = model.runtime.encode([TokenSequence(list(prefix), OPEN, plan=first)])
    rows = [
        encoded.rows[0].continued(tail, prompt=len(prefix) + len(tail), plan=plan) for tail in tails
    ]
    forked = decoded(model, model.runtime.fork(encoded, [0, 0, 0], rows))
    for number, tail in enumerate(tails):
        whole = TokenSequence([*prefix, *tail], len(prefix) + len(tail), plan=plan)
        wanted = decoded(model, model.runtime.encode([whole]))
        torch.testing.assert_close(forked[:, number], wanted[:, 0], atol=3e-5, rtol=0)


def chosen(view: object, z: torch.Tensor) -> torch.Tensor:
    return z.norm(dim=-1) > 0


def kept(view: object, columns: torch.Tensor) -> torch.Tensor:
    return columns


@pytest.mark.parametrize(
    ("edit", "reason"),
    [
        (Edit("z", Scale(2.0), chosen), "chosen for each prompt"),
        (Edit("pattern", Columns((0,), kept, renormalise=True), {0: (0,)}), "computes them"),
        (Edit("scores", Bias("question", 1.0), {0: (0,)}), "the span 'question'"),
        (Edit("scores", Visible(1, None, ("a", "b")), {0: (0,)}), "hides spans"),
        (Edit("z", Scale(2.0), {0: (0,)}, rows="after_image"), "behind the image"),
    ],
)
def test_what_depends_on_the_rest_of_the_prompt_shares_nothing(edit: Edit, reason: str) -> None:
    found = sharing(Plan((edit,)))
    assert found.encoding == "none"
    assert reason in found.reason


def test_no_edit_shares_all() -> None:
    assert sharing(Plan()) == Sharing("baseline")
    assert sharing(Plan((Edit("scores", Bias((0, 1), 1.0), {0: (0,)}),))) == Sharing("own")
