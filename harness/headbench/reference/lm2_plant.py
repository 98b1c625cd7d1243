"""Heads that ``ref-lm-v2`` begins with: where they look is planted, all of it is trained on.

Version 1 leaves twelve heads nearly idle. Nine of them are set to look where walls and labels need
a model to look, and five write what the retrieval heads already write: the word they read. From
random queries and keys, grouping had not begun by step 200.

============ ==================================================================================
heads        begin by looking at
============ ==================================================================================
match (2)    words of the same lists as the word before: queries and keys are least-squares
             readings of list membership from the residual stream, half of the lists a head
suppress (3) the words 1, 3 and 5 positions back; what they read is written with a minus
offset (4)   11, 14, 10 and 7 positions before the answer: quality, subject, thing and place
============ ==================================================================================
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import islice
from random import Random
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from headbench.reference.lm2_data import Row, grouping_row, walls
from headbench.reference.lm2_model import code_lists, vocabulary_v2
from headbench.reference.lm_model import HEAD_DIM, head_slice, plant_previous

if TYPE_CHECKING:
    from transformers import LlamaForCausalLM

MATCH_LAYER = 1
MATCH, SUPPRESS = (1, 2), {3: 1, 4: 3, 5: 5}
"""Heads of layer 1: matching ones, and suppressing ones with their distances."""
OFFSET_LAYER = 2
OFFSETS = {1: 11, 3: 14, 4: 10, 5: 7}
"""Heads of layer 2 -> positions back."""
RETRIEVAL_HEAD = 0
"""A retrieval head of layer 1, from which the way from word to logit is copied."""
SLOW = tuple(range(7, 16))
"""Rotary pairs that turn by less than half a radian over the length of a wall."""
SHARPNESS = 5.0
"""Score of a word of the same list, over that of any other."""
RIDGE = 1.0


@torch.no_grad()
def plant(model: LlamaForCausalLM, seed: int, rows: int = 48) -> None:
    """Set the heads of the module's table.

    Args:
        model: As :func:`headbench.reference.lm2_model.start_model` gives it.
        seed: Draws the training walls on which list membership is read.
        rows: How many.
    """
    attention = model.model.layers[MATCH_LAYER].self_attn
    readings = _readings(model, seed, rows)
    dims = [*SLOW, *(pair + HEAD_DIM // 2 for pair in SLOW)]
    lists = list(range(readings[0].size(0)))
    for number, head in enumerate(MATCH):
        for projection, reading in zip((attention.q_proj, attention.k_proj), readings, strict=True):
            rows_of_head = torch.arange(head * HEAD_DIM, (head + 1) * HEAD_DIM)
            projection.weight[rows_of_head] = 0.0
            projection.bias[rows_of_head] = 0.0
            own = lists[number :: len(MATCH)][: len(dims)]
            projection.weight[rows_of_head[dims[: len(own)]]] = reading[own]
        _write_words(attention, head, 1.0)
    for head, distance in SUPPRESS.items():
        plant_previous(attention, head, distance)
        _write_words(attention, head, -0.5)
    for head, distance in OFFSETS.items():
        plant_previous(model.model.layers[OFFSET_LAYER].self_attn, head, distance)


def _write_words(attention: torch.nn.Module, head: int, strength: float) -> None:
    """Let a head write what the retrieval head writes, times ``strength``."""
    ours, theirs = head_slice(head), head_slice(RETRIEVAL_HEAD)
    attention.v_proj.weight[ours] = attention.v_proj.weight[theirs]
    attention.v_proj.bias[ours] = attention.v_proj.bias[theirs]
    attention.o_proj.weight[:, ours] = strength * attention.o_proj.weight[:, theirs]


def _readings(model: LlamaForCausalLM, seed: int, rows: int) -> tuple[Tensor, Tensor]:
    """Query and key weights ``[list, width]`` that read list membership in front of layer 1.

    A query reads, at the mark behind a word of the answer, that word's lists; a key reads, at a
    word, its own. Scaled so that two words of a list score :data:`SHARPNESS`.
    """
    random = Random(f"lm2-plant/{seed}")
    made = [grouping_row(random, *wall[:2]) for wall in islice(walls(seed, -1), rows)]
    tokens = torch.tensor([row.tokens for row in made])
    layer = model.model.layers[MATCH_LAYER]
    hidden = layer.input_layernorm(
        model.model(input_ids=tokens, output_hidden_states=True).hidden_states[MATCH_LAYER]
    )
    member = _membership()[tokens]
    at = _answer_words(made)
    query = _least_squares(hidden[:, 1:][at[:, :-1]], member[:, :-1][at[:, :-1]])
    # Marks are keys too, of no list: unconstrained, commas drew all the attention.
    key = _least_squares(hidden.flatten(0, 1), member.flatten(0, 1))
    scale = (SHARPNESS * HEAD_DIM**0.5) ** 0.5
    return query * scale, key * scale


def _membership() -> Tensor:
    """Lists of every word, ``[word, list]``, 0 or 1."""
    entries = vocabulary_v2()
    lists = code_lists()
    table = torch.zeros(len(entries), len(lists))
    for column, words in enumerate(lists.values()):
        table[[entries[word] for word in words], column] = 1.0
    return table


def _answer_words(made: Sequence[Row]) -> Tensor:
    """Where the answers' words stand, ``[row, position]``."""
    places = torch.zeros(len(made), len(made[0].tokens), dtype=torch.bool)
    for number, row in enumerate(made):
        for place in list(row.wanted)[::2]:
            places[number, place] = True
    return places


def _least_squares(given: Tensor, wanted: Tensor) -> Tensor:
    """Ridge regression without a constant, ``[output, input]``."""
    gram = given.T @ given + RIDGE * torch.eye(given.size(1))
    return torch.linalg.solve(gram, given.T @ wanted).T
