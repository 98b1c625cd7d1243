"""Every intervention of attention, in one attention call, against whole matrices in float64.

With and without a sink that draws nearly all attention, at strengths near the ends (a factor of
0.01, a share of 0.99), with and without padding, through the fused paths and densely. ``steer``
edits no attention call; its formula is tested with the model around it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import pytest
import torch
from torch import Tensor

from headbench.edits import Edit, Offset, Plan
from headbench.interventions.edits import SequenceEdits, path_choice
from headbench.interventions.edits.edit_session import EditSession
from headbench.interventions.edits.model_shape import ModelShape
from headbench.interventions.grammar import parse
from headbench.interventions.resolve import build
from headbench.models.hf.attention_interface import AttentionInputs
from headbench.nouns import ModelInfo

LENGTH, HEADS, GROUPS, DIM = 40, 4, 2, 16
SHAPE = ModelShape(1, HEADS, GROUPS, DIM, DIM, HEADS * DIM)
INFO = ModelInfo("one layer", "llama", 1, HEADS, GROUPS, DIM)
TOLERANCE = 2e-5
IMAGE, QUESTION, SINKS = tuple(range(4, 14)), tuple(range(18, 26)), (0, 6, 11)
SPANS = {"image": IMAGE, "question": QUESTION}
CHOSEN = (1, 2)
SOME = "heads=[[0,1],[0,2]]"
OFFSET = torch.randn(1, HEADS, DIM, generator=torch.Generator().manual_seed(4))
GAZE = torch.rand(len(IMAGE), generator=torch.Generator().manual_seed(5)) * 4.0


@dataclass
class Dense:
    """Whole matrices of one call, float64; every step may be replaced.

    ``s`` and ``p`` are ``[head, query, key]``, ``z`` and ``v`` ``[head, query, dim]``.
    """

    q: Callable[[Tensor], Tensor] = lambda q: q
    v: Callable[[Tensor], Tensor] = lambda v: v
    s: Callable[[Tensor], Tensor] = lambda s: s
    p: Callable[[Tensor], Tensor] = lambda p: p
    z: Callable[[Tensor, Tensor], Tensor] = lambda z, v: z

    def __call__(self, query: Tensor, key: Tensor, value: Tensor) -> Tensor:
        key, value = (x[0].repeat_interleave(HEADS // GROUPS, 0) for x in (key, value))
        value = self.v(value)
        s = self.q(query[0]) @ key.transpose(1, 2) * DIM**-0.5
        s = s.masked_fill(torch.ones(LENGTH, LENGTH).triu(1).bool(), float("-inf"))
        return self.z(self.p(torch.softmax(self.s(s), -1)) @ value, value).transpose(0, 1)


@dataclass(frozen=True)
class InterventionCase:
    """An intervention, its formula, and what its row carries.

    Attributes:
        text: The intervention.
        dense: The formula.
        memory: What the row remembers from earlier.
        probes: What its probes brought home, made from the method.
    """

    text: str
    dense: Dense
    memory: Mapping[str, Tensor] = field(default_factory=dict)
    probes: Callable[[Any], Mapping[str, Any]] = lambda method: {}


def chosen(change: Callable[..., Tensor], heads: tuple[int, ...] = CHOSEN) -> Any:
    """A change of some heads only."""

    def apply(x: Tensor, *more: Tensor) -> Tensor:
        new = x.clone()
        new[list(heads)] = change(*(y[list(heads)] for y in (x, *more)))
        return new

    return apply


def seen_mean(v: Tensor) -> Tensor:
    return v.cumsum(1) / torch.arange(1, LENGTH + 1)[:, None]


def without(*dims: int) -> Callable[[Tensor], Tensor]:
    kept = torch.ones(DIM, dtype=torch.float64)
    kept[list(dims)] = 0
    return lambda q: q * kept


def first_scaled(p: Tensor) -> Tensor:
    p = p.clone()
    p[..., 0] *= 0.01
    return p / p.sum(-1, keepdim=True)


def windowed(s: Tensor) -> Tensor:
    t, j = torch.arange(LENGTH)[:, None], torch.arange(LENGTH)
    return s.masked_fill((j >= 2) & (j <= t - 7), float("-inf"))


def raised(s: Tensor) -> Tensor:
    s = s.clone()
    s[:, -1, IMAGE] += 0.5 * s[:, -1, IMAGE].abs()
    return s


def moved(p: Tensor) -> Tensor:
    p, share = p.clone(), 0.99
    rest = [j for j in IMAGE if j not in SINKS]
    for head in range(HEADS):
        for row in range(IMAGE[-1] + 1, LENGTH):
            a = p[head, row].clone()
            looks, kept = a[list(IMAGE)].sum(), a[rest].sum()
            if looks >= 0.05 and kept >= 0.3 * looks:
                omega = share * a[list(SINKS)].sum()
                p[head, row, list(SINKS)] = (1 - share) * a[list(SINKS)]
                p[head, row, rest] = a[rest] + omega * a[rest] / kept
    return p


def gazed(p: Tensor) -> Tensor:
    p, weights = p.clone(), torch.exp(GAZE.double())
    last = p[:, -1]
    looking = last[:, list(IMAGE)].sum(-1).topk(2).indices
    reading = last[:, list(QUESTION)].sum(-1).topk(2).indices
    before = last[looking][:, list(IMAGE)].sum()
    for head in looking:
        last[head, list(IMAGE)] *= weights
    scale = last[looking][:, list(IMAGE)].sum() / before
    for head in reading:
        last[head, list(QUESTION)] *= scale
    p[:, -1] = last / last.sum(-1, keepdim=True)
    return p


def reinforced(z: Tensor, v: Tensor) -> Tensor:
    size = z[:, -1].norm(dim=-1)  # the text-only pass gave zeros
    ordered = size.sort().values
    return torch.where((size > (ordered[1] + ordered[2]) / 2)[:, None, None], 0.01 * z, z)


INTERVENTIONS = (
    InterventionCase(f"mask_heads({SOME})", Dense(z=chosen(lambda z, v: 0 * z))),
    InterventionCase(
        f"mask_heads({SOME},mode=uniform)", Dense(z=chosen(lambda z, v: seen_mean(v)))
    ),
    InterventionCase(f"mask_heads({SOME},mode=identity)", Dense(z=chosen(lambda z, v: v))),
    InterventionCase(
        f"mask_heads({SOME},mode=sink)", Dense(z=chosen(lambda z, v: 0 * z + v[:, :1]))
    ),
    InterventionCase(f"scale_heads({SOME},alpha=0.01)", Dense(z=chosen(lambda z, v: 0.01 * z))),
    InterventionCase(
        f"scale_values({SOME},siblings=include,alpha=0.01)",
        Dense(v=chosen(lambda v: 0.01 * v, (0, 1, 2, 3))),
    ),
    InterventionCase(f"softpag({SOME},u=0.99)", Dense(z=chosen(lambda z, v: 0.01 * z + 0.99 * v))),
    InterventionCase(
        f"softpag({SOME},u=0.99,target=uniform)",
        Dense(z=chosen(lambda z, v: 0.01 * z + 0.99 * seen_mean(v))),
    ),
    InterventionCase(
        f"softpag({SOME},u=0.99,target=initial_token)",
        Dense(z=chosen(lambda z, v: 0.01 * z + 0.99 * v[:, :1])),
    ),
    InterventionCase(f"rope_zero({SOME},dose=4)", Dense(q=chosen(without(6, 7, 14, 15)))),
    InterventionCase(f"zerotuning({SOME},gamma=0.01)", Dense(p=chosen(first_scaled))),
    InterventionCase(
        f"stream_heads({SOME},stream=chosen,first=2,recent=7)", Dense(s=chosen(windowed))
    ),
    InterventionCase("pai(alpha=0.5)", Dense(s=raised)),
    InterventionCase(
        "var(p=0.99,mass=0.05,rho=0.3,sink_dims=[0])",
        Dense(p=moved),
        memory={"var/0/20.0/(0,)/None": torch.tensor(SINKS)},
    ),
    InterventionCase(
        "gift(saliency_layer=0)", Dense(p=gazed), memory={"gift/0/5.0/None": torch.exp(GAZE)}
    ),
    InterventionCase(
        "vhr(alpha=0.01)",
        Dense(z=reinforced),
        probes=lambda method: {"text_only": {method.capture: torch.zeros(1, 1, HEADS, DIM)}},
    ),
)


def tensors(sink: float, pad: int) -> tuple[Tensor, ...]:
    """Queries, keys and values; with a sink, the first token draws nearly all attention."""
    generator = torch.Generator().manual_seed(0)
    query = torch.randn(1, HEADS, LENGTH, DIM, generator=generator, dtype=torch.float64)
    key, value = torch.randn(2, 1, GROUPS, LENGTH, DIM, generator=generator, dtype=torch.float64)
    query[..., 0] += sink
    key[:, :, 0, 0] += sink
    return tuple(torch.nn.functional.pad(x, (0, 0, pad, 0)) for x in (query, key, value))


def attend(edits: tuple[Edit, ...], row: Any, sink: float, pad: int) -> Tensor:
    """The call in float32 under the edits, ``[query, head, dim]`` without the padding."""
    module: Any = torch.nn.Module()
    module.is_causal, module.num_key_value_groups = True, HEADS // GROUPS
    mask = None
    if pad:
        seen = torch.ones(LENGTH + pad, LENGTH + pad).tril().bool()
        seen[:, :pad] = False
        mask = seen[None, None]
    session = EditSession(
        [SequenceEdits(Plan(edits=edits), LENGTH, pad, spans=SPANS, **row)], SHAPE
    )
    session.begin(1, 0)
    query, key, value = (x.float() for x in tensors(sink, pad))
    with torch.no_grad():
        out = session.attend(0, AttentionInputs(module, query, key, value, mask, {}))
    return out[0, pad:].double()


@pytest.mark.parametrize("few", [0, 1000], ids=["fused", "dense"])
@pytest.mark.parametrize("pad", [0, 5])
@pytest.mark.parametrize("sink", [0.0, 4.0], ids=["flat", "sink"])
@pytest.mark.parametrize("intervention", INTERVENTIONS, ids=lambda intervention: intervention.text)
def test_a_call_under_an_intervention_is_true_to_float64(
    intervention: InterventionCase, sink: float, pad: int, few: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(path_choice, "FEW", few)
    method = build(parse(intervention.text).parts[0], INFO)
    probes = intervention.probes(method)
    row = {"memory": dict(intervention.memory), "probes": probes}
    found = attend(method.edits(None, probes), row, sink, pad)
    expected = intervention.dense(*tensors(sink, 0))
    assert (found - expected).abs().max() < TOLERANCE
    assert (expected - Dense()(*tensors(sink, 0))).abs().max() > 1e-3


@pytest.mark.parametrize("sink", [0.0, 4.0], ids=["flat", "sink"])
def test_given_vectors_are_true_to_float64(sink: float) -> None:
    edit = Edit("z", Offset(0.01 * OFFSET), {0: CHOSEN})
    expected = Dense(z=chosen(lambda z, v: z + 0.01 * OFFSET[0, list(CHOSEN), None].double()))
    found = attend((edit,), {}, sink, 0)
    assert (found - expected(*tensors(sink, 0))).abs().max() < TOLERANCE
