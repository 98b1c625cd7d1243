"""The same edits by other libraries, over the plain transformers run of the same process.

    PEER/bin/python benchmarks/interventions_peers.py --length 2048 --rounds 15

Run by ``interventions.py --peer-python``; it needs torch, transformers, nnsight and TransformerLens
and nothing of headbench. Prints one JSON line: for each library and edit the ratios, and the last
logits, which must be ours. ``--names`` runs every hook name that ``docs/interventions.md`` lists.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib.metadata import version

import torch
from interventions_model import CHOSEN, DIM, LAYERS, VOCABULARY, image, make_model, prompt, ratios
from nnsight import NNsight
from tokenizers import Tokenizer
from tokenizers.models import WordLevel
from transformer_lens.model_bridge import TransformerBridge
from transformers import PreTrainedTokenizerFast

GAMMA, ALPHA = 0.25, 0.5
MASK, COLUMN, LAST = "mask two heads a layer", "first column x 0.25", "image scores of the last row"


def heads(layer: int) -> list[int]:
    """The edited heads of a layer."""
    return [head for at, head in CHOSEN if at == layer]


def nnsight_conditions(ids: torch.Tensor, *, eager: bool) -> dict[str, Callable[[], torch.Tensor]]:
    """The edits by nnsight; those of the pattern need the eager attention."""
    model = make_model()
    if eager:
        model.set_attn_implementation("eager")
    traced, picture = NNsight(model), list(image(ids.shape[1]))

    def masked() -> torch.Tensor:
        with traced.trace(ids, use_cache=False, logits_to_keep=1):
            for layer in range(LAYERS):
                z = traced.model.layers[layer].self_attn.o_proj.input
                for head in heads(layer):
                    z[:, :, head * DIM : (head + 1) * DIM] = 0
            out = traced.output.logits.save()
        return out

    def column() -> torch.Tensor:
        with traced.trace(ids, use_cache=False, logits_to_keep=1):
            for layer in range(LAYERS):
                inner = traced.model.layers[layer].self_attn.source.attention_interface_1.source
                pattern = inner.nn_functional_softmax_0.output
                pattern[..., 0] *= GAMMA
                pattern /= pattern.sum(-1, keepdim=True)
            out = traced.output.logits.save()
        return out

    def last() -> torch.Tensor:
        with traced.trace(ids, use_cache=False, logits_to_keep=1):
            for layer in range(LAYERS):
                inner = traced.model.layers[layer].self_attn.source.attention_interface_1.source
                scores = inner.nn_functional_softmax_0.input
                part = scores[:, :, -1, picture]
                scores[:, :, -1, picture] = part + ALPHA * part.abs()
            out = traced.output.logits.save()
        return out

    return {COLUMN: column, LAST: last} if eager else {MASK: masked}


def bridge() -> TransformerBridge:
    """TransformerLens over the model; the tokenizer is a stand-in that it asks for."""
    words = WordLevel({str(i): i for i in range(VOCABULARY)}, unk_token="0")
    tokenizer = PreTrainedTokenizerFast(
        tokenizer_object=Tokenizer(words), unk_token="0", eos_token="1", pad_token="2"
    )
    return TransformerBridge.boot_transformers("llama", hf_model=make_model(), tokenizer=tokenizer)


def lens_conditions(ids: torch.Tensor) -> dict[str, Callable[[], torch.Tensor]]:
    """The edits by TransformerLens."""
    model, picture = bridge(), list(image(ids.shape[1]))

    def mask(z: torch.Tensor, hook: object) -> torch.Tensor:
        z[:, :, heads(int(str(hook.name).split(".")[1]))] = 0  # type: ignore[attr-defined]
        return z

    def scale(pattern: torch.Tensor, hook: object) -> torch.Tensor:
        pattern[..., 0] *= GAMMA
        return pattern.div_(pattern.sum(-1, keepdim=True))

    def raise_last(scores: torch.Tensor, hook: object) -> torch.Tensor:
        part = scores[:, :, -1, picture]
        scores[:, :, -1, picture] = part + ALPHA * part.abs()
        return scores

    def under(name: str, hook: Callable[..., torch.Tensor]) -> Callable[[], torch.Tensor]:
        pairs = [(f"blocks.{layer}.attn.{name}", hook) for layer in range(LAYERS)]
        return lambda: model.run_with_hooks(ids, fwd_hooks=pairs, logits_to_keep=1)

    return {
        "no edit": lambda: model(ids, logits_to_keep=1),
        MASK: under("hook_z", mask),
        COLUMN: under("hook_pattern", scale),
        LAST: under("hook_attn_scores", raise_last),
    }


def measure(length: int, rounds: int) -> list[dict[str, object]]:
    """Every library's edits over the plain run."""
    ids, plain = prompt(length), make_model()
    dense = make_model()
    dense.set_attn_implementation("eager")
    conditions: dict[tuple[str, str], Callable[[], torch.Tensor]] = {
        ("transformers, eager", "no edit"): lambda: (
            dense(ids, use_cache=False, logits_to_keep=1).logits
        )
    }
    for eager in (False, True):
        found = nnsight_conditions(ids, eager=eager)
        conditions |= {(f"nnsight {version('nnsight')}", edit): run for edit, run in found.items()}
    lens = f"TransformerLens {version('transformer-lens')}"
    conditions |= {(lens, edit): run for edit, run in lens_conditions(ids).items()}
    spent = ratios(
        {"\t".join(key): run for key, run in conditions.items()},
        lambda: plain(ids, use_cache=False, logits_to_keep=1),
        rounds,
    )
    return [
        {
            "library": library,
            "edit": edit,
            "ratios": spent[f"{library}\t{edit}"],
            "logits": run()[0, -1, :8].tolist(),
        }
        for (library, edit), run in conditions.items()
    ]


LENS_NAMES = (
    "attn.hook_q", "attn.hook_k", "attn.hook_v", "attn.hook_rot_q", "attn.hook_rot_k",
    "attn.hook_attn_scores", "attn.hook_pattern", "attn.hook_z", "hook_resid_post",
)  # fmt: skip


def names() -> dict[str, list[int]]:
    """Shape that each documented name shows, by running it on 16 tokens."""
    ids, found = prompt(64)[:, :16], {}
    lens = bridge()

    def note(name: str) -> Callable[..., None]:
        def hook(x: torch.Tensor, hook: object) -> None:
            found[name] = list(x.shape)

        return hook

    for name in LENS_NAMES:
        lens.run_with_hooks(ids, fwd_hooks=[(f"blocks.0.{name}", note(f"blocks.i.{name}"))])
    model = make_model()
    model.set_attn_implementation("eager")
    traced = NNsight(model)
    with traced.trace(ids, use_cache=False):
        attention = traced.model.layers[0].self_attn
        k = attention.k_proj.output.save()
        v = attention.v_proj.output.save()
        z = attention.o_proj.input.save()
        stream = traced.model.layers[0].output.save()
    with traced.trace(ids, use_cache=False):  # what lies inside a forward is asked for by itself
        source = traced.model.layers[0].self_attn.source
        rotated = source.apply_rotary_pos_emb_0.output.save()
        inner = source.attention_interface_1.source
        scores = inner.nn_functional_softmax_0.input.save()
        pattern = inner.nn_functional_softmax_0.output.save()
    shown = {
        "k_proj.output": k, "v_proj.output": v, "source.apply_rotary_pos_emb_0.output": rotated[0],
        "nn_functional_softmax_0.input": scores, "nn_functional_softmax_0.output": pattern,
        "o_proj.input": z, "model.layers[i].output": stream,
    }  # fmt: skip
    return found | {name: list(x.shape) for name, x in shown.items()}


@contextmanager
def one_thread() -> Iterator[None]:
    """No gradients, one thread."""
    torch.set_num_threads(1)
    with torch.no_grad():
        yield


def main() -> None:
    """Measure, or run the documented names."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--length", type=int, default=2048)
    options.add_argument("--rounds", type=int, default=15)
    options.add_argument("--names", action="store_true")
    chosen = options.parse_args()
    with one_thread():
        found = names() if chosen.names else measure(chosen.length, chosen.rounds)
    print(json.dumps(found))


if __name__ == "__main__":
    main()
