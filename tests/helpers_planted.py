"""A model in which one known head reads a pattern that is planted in the words' embeddings."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

from headbench.models.hf.adapter import HFModel
from helpers_known_head import KNOWN, known_llama
from helpers_tiny import WORDS, tiny_tokenizer

if TYPE_CHECKING:
    import numpy as np

STIMULI = WORDS[2:34]
DIMS = slice(3, 15)
"""Dimensions of the stream that hold a word's planted pattern."""


def planted(patterns: np.ndarray) -> HFModel:
    """A model in which one head alone reads the patterns of the words, and looks at the words."""
    adapter = known_llama(" ".join(STIMULI), sink=False)
    model = adapter.model
    ids = tiny_tokenizer().convert_tokens_to_ids
    with torch.no_grad():
        embedding = model.get_input_embeddings().weight
        embedding[:, DIMS] = 0.0
        for word, pattern in zip(STIMULI, patterns, strict=True):
            embedding[ids(word), DIMS] = torch.tensor(pattern, dtype=torch.float32)
        for layer in model.model.layers:
            attention, mlp = layer.self_attn, layer.mlp
            for writer in (attention.o_proj, mlp.down_proj):
                writer.weight[DIMS] = 0.0
            readers = (attention.q_proj, attention.k_proj, attention.v_proj)
            for reader in (*readers, mlp.gate_proj, mlp.up_proj):
                reader.weight[:, DIMS] = 0.0
        layer, head = KNOWN
        values = model.model.layers[layer].self_attn.v_proj
        first = head * model.config.head_dim
        values.weight[first : first + 12] = 0.0
        values.weight[first : first + 12, DIMS] = 5.0 * torch.eye(12)
    return adapter
