"""One encoded prefix, many continuations: as every whole prompt alone, on every kind of cache.

The bound is measured, not chosen: twice what an ordinary padded batch of the same prompts differs
from the prompts alone.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import pytest
import torch

from headbench.edits import Bias, Edit, Plan, Scale, ZeroDims
from headbench.errors import RefusedError
from headbench.models.hf.engine import Engine
from headbench.models.hf.forward_pass import HFBackend
from headbench.models.hf.state_check import check_state
from headbench.models.runtime import OPEN, Batch, Runtime, TokenSequence
from helpers_families import DECODERS
from helpers_hybrids import HYBRIDS, hybrid
from helpers_tiny import tiny_llava, tiny_qwen2_vl

if TYPE_CHECKING:
    import transformers as t

PREFIX, QUESTIONS, STEPS = 30, 18, 12
FLOOR = 1e-6
"""Smallest bound, relative to the largest logit: what rounding alone may do in fp32."""
PLANS = ("none", "z", "bias", "q", "z last", "decode", "span in the prefix")
ON_THE_BASELINES_PREFIX = ("z last", "decode")


def plan_of(name: str, prefix: int, layers: Sequence[int]) -> Plan:
    """The edits of a plan; columns stand at the end of the prefix, where windows still see them.

    Args:
        name: One of ``PLANS``.
        prefix: Tokens of the prefix.
        layers: The layers with attention; two of them are edited.
    """
    low, high = layers[0], layers[1]
    columns = (prefix - 5, prefix - 4, prefix - 3)
    edits: dict[str, tuple[Edit, ...]] = {
        "none": (),
        "z": (Edit("z", Scale(0.0), {low: (1,)}),),
        "bias": (Edit("scores", Bias(columns, 2.0), {low: (0,), high: (2,)}),),
        "q": (Edit("q", ZeroDims(None), {high: (1,)}),),
        "z last": (Edit("z", Scale(2.0), {low: (1,)}, rows="last"),),
        "decode": (Edit("z", Scale(2.0), {low: (1,)}, phase="decode"),),
        "span in the prefix": (Edit("scores", Bias("needle", 2.0), {low: (0,)}),),
    }
    return Plan(edits[name])


FORKED = ("LFM2", "Falcon-H1", "Bamba", "Granite hybrid", "Qwen3-Next", "Qwen3.5")
"""Convolution, recurrence beside attention in one layer, two of state spaces, gated delta rule."""
ONE_TOKEN = "Jamba"
"""It forgets its state when several tokens follow a cache."""
REFUSED = ("MiniMax", "RecurrentGemma")
"""A cache of its own kind, and a state beside the cache: refused when the model is loaded."""
TEXT = ("Llama", "Mistral", "Gemma3", "Qwen3-MoE", "GPT-2")
OF_ANOTHER_KIND = ("DeepSeek-V3", "GPT-OSS", "Gemma2", "OPT", "Qwen2.5-VL")
"""Latent attention, sinks, capped scores, learned positions that start at 2, parts of positions."""


def ids(seed: int, length: int) -> list[int]:
    generator = torch.Generator().manual_seed(seed)
    return torch.randint(10, 60, (length,), generator=generator).tolist()


def tails() -> list[list[int]]:
    return [ids(100 + number, (5, 9, 12, 5, 1)[number % 5]) for number in range(QUESTIONS)]


def decode(rt: Runtime, batch: Batch) -> torch.Tensor:
    """Log-probabilities of STEPS forced tokens, ``[row, step, vocabulary]``."""
    found = [batch.logits[:, -1]]
    for number in range(STEPS):
        rt.step(batch, [ids(number, 1)[0]] * len(batch.rows))
        found.append(batch.logits[:, -1])
    return torch.stack(found, 1)


class Case:
    """A model with a prefix, and how its rows are made."""

    def __init__(self, model: t.PreTrainedModel) -> None:
        engine = Engine(model)
        self.rt = Runtime(HFBackend(model.eval(), 0), engine)
        self.attending = engine.shape.attending
        self.prefix: list[int] = ids(7, PREFIX)
        self.image: tuple[int, ...] = ()
        self.pixels: tuple[dict[str, torch.Tensor], ...] = ()

    @property
    def spans(self) -> dict[str, tuple[int, ...]]:
        end = len(self.prefix)
        return {"needle": (end - 2, end - 1), "image": self.image}

    def row(self, tokens: list[int], plan: Plan, prompt: int) -> TokenSequence:
        return TokenSequence(list(tokens), prompt, self.image, self.pixels, plan, self.spans)

    def whole(self, tail: list[int], plan: Plan) -> TokenSequence:
        tokens = self.prefix + tail
        return self.row(tokens, plan, len(tokens))

    def check(self, name: str, every: int = 1) -> None:
        """Compare a fork of all questions with whole prompts of every ``every``-th one."""
        plan, rt = plan_of(name, len(self.prefix), self.attending), self.rt
        asked = tails()[::every]
        single = torch.cat([decode(rt, rt.encode([self.whole(q, plan)])) for q in asked])
        padded = decode(rt, rt.encode([self.whole(q, plan) for q in asked]))
        noise = float((padded - single).abs().max())
        first = Plan() if name in ON_THE_BASELINES_PREFIX else plan
        prefix = rt.encode([self.row(self.prefix, first, OPEN)])
        rows = [
            prefix.rows[0].continued(q, prompt=len(self.prefix) + len(q), plan=plan)
            for q in tails()
        ]
        forked = decode(rt, rt.fork(prefix, [0] * QUESTIONS, rows))
        bound = max(2 * noise, FLOOR * float(single.abs().max()))
        assert float((forked[::every] - single).abs().max()) <= bound
        if plan.edits:
            plain = decode(rt, rt.encode([self.whole(tails()[0], Plan())]))
            assert float((plain - single[:1]).abs().max()) > 1e-3, "the edit does something"


def case(name: str) -> Case:
    torch.manual_seed(0)
    if name in HYBRIDS:
        model = hybrid(name)
        if name == "Qwen3.5":
            # With weights as wide as the others', it multiplies the rounding of single rows by
            # a thousand, in an ordinary padded batch too: no bound would say anything.
            for weight in model.parameters():
                weight.data *= 0.4 if weight.dim() > 1 else 1.0
        return Case(model)
    if name in ("LLaVA", "Qwen2-VL"):
        return pictured(name)
    return Case(DECODERS[name]())


def pictured(name: str) -> Case:
    """A prefix that holds a picture."""
    generator = torch.Generator().manual_seed(1)
    if name == "LLaVA":
        found = Case(tiny_llava())
        token, count = found.rt.backend.model.config.image_token_id, 16
        pixels = {"pixel_values": torch.randn(1, 3, 32, 32, generator=generator)}
    else:
        found = Case(tiny_qwen2_vl())
        config = found.rt.backend.model.config
        token, vision = config.image_token_id, config.vision_config
        width = vision.in_channels * vision.temporal_patch_size * vision.patch_size**2
        count = 4 * 6 // vision.spatial_merge_size**2
        pixels = {
            "pixel_values": torch.randn(24, width, generator=generator),
            "image_grid_thw": torch.tensor([[1, 4, 6]]),
        }
    before = ids(7, 5)
    found.prefix = [*before, *[token] * count, *ids(8, 6)]
    found.image = tuple(range(len(before), len(before) + count))
    found.pixels = (pixels,)
    return found


@pytest.mark.parametrize("plan", PLANS)
@pytest.mark.parametrize("name", [*TEXT, "LLaVA", "Qwen2-VL"])
def test_questions_on_one_prefix_are_as_whole_prompts(name: str, plan: str) -> None:
    case(name).check(plan)


@pytest.mark.parametrize("name", OF_ANOTHER_KIND)
def test_classes_of_other_kinds_are_forked(name: str) -> None:
    """Texts, five whole prompts of 18 questions: an edit of columns, and one of late rows."""
    found = case(name)
    for plan in ("bias", "decode"):
        found.check(plan, every=4)


@pytest.mark.parametrize("plan", PLANS)
@pytest.mark.parametrize("name", FORKED)
def test_recurrent_states_are_forked_and_joined_under_edits(name: str, plan: str) -> None:
    """Edits of the layers with attention; states of the others feel them through the stream."""
    case(name).check(plan, every=4)  # slow models: five whole prompts, of all lengths


def test_a_model_that_forgets_its_state_is_continued_by_single_tokens_alone() -> None:
    found = case(ONE_TOKEN)
    rt, backend = found.rt, found.rt.backend
    backend.extends = check_state(backend.model, 0)
    assert not backend.extends
    prefix = rt.encode([found.row(found.prefix, Plan(), OPEN)])
    tokens = [ids(seed, 1) for seed in range(QUESTIONS)]
    with pytest.raises(RefusedError, match="forgets its state when several tokens follow"):
        rt.fork(prefix, [0], [prefix.rows[0].continued(tokens[0] + tokens[1])])
    rows = [prefix.rows[0].continued(one) for one in tokens]
    forked = decode(rt, rt.fork(prefix, [0] * QUESTIONS, rows))
    whole = [rt.encode([found.whole(one, Plan())]) for one in tokens[::9]]
    single = torch.cat([decode(rt, one) for one in whole])
    assert float((forked[::9] - single).abs().max()) <= 1e-5 * float(single.abs().max())


@pytest.mark.parametrize("name", REFUSED)
def test_models_whose_state_is_not_in_their_cache_are_refused(name: str) -> None:
    with pytest.raises(RefusedError, match="cannot be decoded"):
        check_state(case(name).rt.backend.model, 0)


def test_every_hybrid_is_forked_or_refused() -> None:
    assert {*FORKED, ONE_TOKEN, *REFUSED} == set(HYBRIDS)


def test_a_window_shorter_than_the_prefix_drops_rows_rightly() -> None:
    """Right-padded tails would be right for one token here, and wrong by whole logits after it."""
    found = case("Mistral")
    window = found.rt.backend.model.config.sliding_window
    assert window < PREFIX
    layer = found.rt.encode([found.row(found.prefix, Plan(), OPEN)]).cache.layers[0]
    assert layer.keys.shape[2] == window - 1
