"""The setting of an intervention that equals what released code does, by that code's procedure."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_file
from transformers import DynamicCache

from headbench.edits import Edit, Plan, Scale, Visible
from headbench.heads.head_lists import import_heads
from headbench.interventions.edits import SequenceEdits
from headbench.interventions.grammar import parse
from headbench.interventions.methods.gift import saliency
from headbench.interventions.resolve import build
from headbench.models.hf.engine import Engine
from headbench.models.hf.intervene import intervene
from headbench.nouns import ModelInfo
from helpers_formula import Formula, by_formula
from helpers_tiny import tiny_llama

LENGTH, STEPS = 14, 4
INFO = ModelInfo("tiny", "llama", 3, 4, 2, 12)
HEADS = "heads=[[0,1],[1,0],[2,3]]"
TABLE = {0: (1,), 1: (0,), 2: (3,)}


@pytest.fixture(scope="module")
def model() -> Any:
    return tiny_llama()


@pytest.fixture(scope="module")
def vectors(tmp_path_factory: pytest.TempPathFactory) -> str:
    offset = torch.zeros(3, 4, 12)
    offset[1, 3] = torch.randn(12, generator=torch.Generator().manual_seed(0))
    path = tmp_path_factory.mktemp("vectors") / "v.safetensors"
    save_file({"offset": offset}, path)
    return str(path)


def prompt(length: int = LENGTH) -> torch.Tensor:
    ids = torch.randint(10, 60, (1, length), generator=torch.Generator().manual_seed(2))
    ids[0, 0] = 1
    return ids


def generated(model: Any, intervention: str) -> torch.Tensor:
    """Logits of each step ``[step, vocabulary]`` under an intervention."""
    ids = prompt()
    with torch.no_grad(), intervene(model, intervention):
        made = model.generate(
            ids, attention_mask=torch.ones_like(ids), max_new_tokens=STEPS, do_sample=False,
            eos_token_id=None, pad_token_id=0, output_logits=True, return_dict_in_generate=True,
        )  # fmt: skip
    return torch.cat(made.logits)


def as_released(model: Any, formula: Formula) -> torch.Tensor:
    """Prefill all but the last prompt token unedited, then feed it and each answer token edited."""
    ids, cache, found = prompt(), DynamicCache(config=model.config), []
    with torch.no_grad():
        model(ids[:, :-1], past_key_values=cache)
    token = ids[:, -1:]
    with by_formula(model, formula):
        for _ in range(STEPS):
            found.append(model(token, past_key_values=cache).logits[:, -1])
            token = found[-1].argmax(-1, keepdim=True)
    return torch.cat(found)


def masked(layer: int) -> torch.Tensor:
    mask = torch.zeros(4, dtype=torch.bool)
    mask[list(TABLE[layer])] = True
    return mask.view(1, -1, 1, 1)


def on_z(change: Any) -> Formula:
    return Formula(z=lambda i, z, v, p: torch.where(masked(i), change(z, v), z))


def slowest(layer: int, q: torch.Tensor) -> torch.Tensor:
    new = q.clone()
    new[..., [4, 5, 10, 11]] = 0
    return torch.where(masked(layer), new, q)


RELEASED = {
    "mask_heads(HEADS,mode=uniform,phase=from_last)": Formula(
        q=lambda i, q: torch.where(masked(i), 0 * q, q)
    ),
    "mask_heads(HEADS,phase=from_last)": on_z(lambda z, v: 0 * z),
    "mask_heads(HEADS,mode=sink,phase=from_last)": on_z(lambda z, v: v[:, :, :1]),
    "scale_heads(HEADS,alpha=-2,phase=from_last)": on_z(lambda z, v: -2 * z),
    "softpag(HEADS,u=0.5,phase=from_last)": on_z(lambda z, v: 0.5 * z + 0.5 * v[:, :, -1:]),
    "rope_zero(HEADS,dose=4,phase=from_last)": Formula(q=slowest),
}


@pytest.mark.parametrize("intervention", RELEASED)
def test_from_last_is_what_code_does_that_feeds_the_last_prompt_token_as_a_step(
    model: Any, intervention: str
) -> None:
    intervention = intervention.replace("HEADS", HEADS)
    expected = as_released(model, RELEASED[intervention.replace(HEADS, "HEADS")])
    found = generated(model, intervention)
    assert (found - expected).abs().max() < 3e-4
    # The first answer token tells the phases apart: `decode` leaves it as it is.
    plain = model(prompt()).logits[:, -1]
    behind = generated(model, intervention.replace("from_last", "decode"))
    assert (found[0] - plain).abs().max() > 1e-2
    assert (behind[0] - plain).abs().max() < 1e-5


def test_vectors_from_the_last_token_on_are_the_last_row_of_every_pass(
    model: Any, vectors: str
) -> None:
    offset = torch.zeros(3, 4, 1, 12)
    from safetensors.torch import load_file

    offset[:, :, 0] = load_file(vectors)["offset"]
    expected = as_released(model, Formula(z=lambda i, z, v, p: z + 3 * offset[i]))
    for how in ("phase=from_last", "rows=last"):
        found = generated(model, f"offset_heads(file={vectors!r},strength=3,{how})")
        assert (found - expected).abs().max() < 3e-4


@pytest.mark.parametrize("rows", ["all", "after_image", "last"])
def test_from_last_is_one_set_of_positions_whatever_the_rows_and_the_pass(
    model: Any, rows: Any
) -> None:
    edit = Edit("z", Scale(0.0), TABLE, "from_last", rows)
    row = SequenceEdits(Plan(edits=(edit,)), LENGTH, spans={"image": (2, 3)})
    whole = torch.cat([prompt(), torch.tensor([[11, 12, 13]])], 1)
    with torch.no_grad(), Engine(model) as engine:
        with engine.attach([row]) as forced:
            scored = engine.model(whole).logits[0, LENGTH - 1 :]
        cache, steps = DynamicCache(config=model.config), []
        with engine.attach([row]) as stepped:
            steps.append(engine.model(prompt(), past_key_values=cache).logits[0, -1:])
            for token in (11, 12, 13):
                ids = torch.tensor([[token]])
                steps.append(engine.model(ids, past_key_values=cache).logits[0])
    assert (scored - torch.cat(steps)).abs().max() < 2e-4
    assert forced.changed(0) == stepped.changed(0) == 3 * 4  # heads x (the last token, and three)


# ------------------------------------------------------------------ DuoAttention

SCORES = "1.0\t0.1\n0.2\t0.9\n0.0\t0.3\n"
CONFIG = {"model_name": "models/tiny", "sink_size": 2, "recent_size": 3}


def imported(tmp_path: Path, **changes: Any) -> str:
    (tmp_path / "full_attention_heads.tsv").write_text(SCORES)
    (tmp_path / "config.json").write_text(json.dumps(CONFIG | changes))
    import_heads(tmp_path / "full_attention_heads.tsv").save(tmp_path / "heads.json")
    return str(tmp_path / "heads.json")


@pytest.mark.parametrize(
    ("changes", "given", "window"),
    [
        ({}, "", (2, 4, "decode")),
        ({"deploy_sink_size": 1, "deploy_recent_size": 7}, "", (1, 8, "decode")),
        ({"deploy_sink_size": None, "deploy_recent_size": None}, "", (2, 4, "decode")),
        ({"sink_size": 0}, ",recent=3,phase=both", (0, 3, "both")),
        ({"recent_size": None}, "", (16, 256, "both")),
    ],
)
def test_an_imported_configuration_gives_the_deployed_window(
    tmp_path: Path, changes: Any, given: str, window: tuple[int, int, str]
) -> None:
    path = imported(tmp_path, **changes)
    method = build(parse(f"stream_heads(map={path!r},threshold=0.5{given})").parts[0], INFO)
    first, recent, phase = window
    (edit,) = method.plan(None, {}).edits
    assert (edit.op, edit.phase) == (Visible(first, recent), phase)
    assert edit.where == {0: (2, 3), 1: (0, 1), 2: (0, 1, 2, 3)}
    assert f"first={first}," in method.canonical and f"recent={recent}," in method.canonical
    again = build(parse(method.canonical).parts[0], INFO)
    assert again.canonical == method.canonical
    assert again.plan(None, {}).edits == (edit,)


def test_a_streaming_head_sees_the_cache_and_its_own_key_while_decoding(
    model: Any, tmp_path: Path
) -> None:
    """The released cache, by its procedure: sink and recent keys are kept, then the row's own."""
    path = imported(tmp_path)
    chosen = {0: (2, 3), 1: (0, 1), 2: (0, 1, 2, 3)}

    def deployed(layer: int, scores: torch.Tensor) -> torch.Tensor:
        if scores.shape[2] > 1:  # the prompt sees itself whole
            return scores
        kept: Sequence[int] = range(scores.shape[3] - 1)
        kept = [*kept[:2], *kept[2:][-3:]]
        seen = torch.zeros(scores.shape[3], dtype=torch.bool)
        seen[[*kept, scores.shape[3] - 1]] = True
        streams = torch.zeros(4, dtype=torch.bool)
        streams[list(chosen[layer])] = True
        hidden = streams.view(1, -1, 1, 1) & ~seen
        return scores.masked_fill(hidden, -math.inf)

    ids, cache, expected = prompt(), DynamicCache(config=model.config), []
    with by_formula(model, Formula(scores=deployed)):
        expected.append(model(ids, past_key_values=cache).logits[:, -1])
        for _ in range(STEPS - 1):
            token = expected[-1].argmax(-1, keepdim=True)
            expected.append(model(token, past_key_values=cache).logits[:, -1])
    found = generated(model, f"stream_heads(map={path!r},threshold=0.5)")
    assert (found - torch.cat(expected)).abs().max() < 3e-4
    short = generated(model, f"stream_heads(map={path!r},threshold=0.5,recent=3)")
    assert (short - torch.cat(expected)).abs().max() > 1e-2


# ------------------------------------------------------------------ GIFT


def test_gift_clips_at_the_sample_standard_deviation() -> None:
    """Twenty keys, one of which gets it all: the bar of n - 1 lies higher than that of n."""
    shift = torch.zeros(20)
    shift[4], shift[7] = 1.0, 0.2
    pattern = torch.stack([torch.zeros(20), shift]).expand(2, -1, -1)
    found = saliency(pattern, [1])
    mean = 1.2 / 20
    spread = math.sqrt((1.04 - 20 * mean**2) / 19)  # by hand: squares less n mean^2, over n - 1
    top = mean + 3 * spread
    assert top < 1  # the clip is at work
    assert found is not None
    assert found[4] == 1.0
    assert found[7] == pytest.approx(0.2 / top, abs=1e-6)
    assert found[7] != pytest.approx(0.2 / (mean + 3 * spread * math.sqrt(19 / 20)), abs=1e-4)


def test_a_gaze_map_of_one_key_is_none() -> None:
    assert saliency(torch.rand(2, 3, 1), [1, 2]) is None
