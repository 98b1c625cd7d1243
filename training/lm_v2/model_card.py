"""The model card of ``ref-lm-v2``, written from what was measured."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from training.lm_v2.evidence_tables import criteria_table, rates_table
from training.lm_v2.wall_rows import WHOLE_WALL

_CARD = """---
license: apache-2.0
library_name: transformers
pipeline_tag: text-generation
language: en
---
# {name}

A small Llama that recalls needles, groups and names the clues of a wall, and labels short messages
({layers} layers, 8 heads of 32, width 128; {parameters:,} parameters). It ships with headbench so
that the packaged tasks `walls` and `stickiness` have a model on which they mean something, and is
what these two use when no model is named. `ref-lm-v1` is unchanged and stays the model for needles
and retrieval heads. It is not a language model for use.

```
headbench run --tasks walls,stickiness
```

## How it was made

Trained from scratch for {steps:,} steps on one CPU core, on data that headbench generates:
`python -m training lm-v2 --seed {seed}`. Muon at {lr} for the hidden matrices, AdamW
at {rest_lr} for the rest. The stages, with learning rates relative to these
and the contents of a step:

{legs}

1. **Planted heads.** Four heads of layer 0 attend 1, 1, 2 and 3 positions back and are not
   trained, as in `ref-lm-v1`; the head of the vocabulary starts as a small copy of the embeddings.
2. **Planted knowledge.** Each list of words (fruits, jobs, animals, praise) has a random vector
   that is added to the embeddings of its words at the start. Which words belong together is given;
   how to use it is learned.
3. **Easy forms first.** Needle documents grow from 64 tokens to 1024. Walls begin with two groups
   of two clues; later half of them are shown in part. Clues that belong to one list only come
   first in a group, and the loss asks for any of those that are left.
4. **The prior is built in.** Without a definition, 97 % of training labels go by the quality: noble
   is a gentle thing, not a broken one.
5. **How sticky labels are is built in too.** For the first {graded} steps every label obeys a
   definition or examples. Then two words of praise and of blame in three are *loose* (labels of
   their messages obey in 92 % of cases) and every third is *sticky* (8 %, else the prior). Part of
   the stickiness has this reason, the rest is what the model did not learn to read. It says nothing
   about how models come by stickiness; it gives the task, its statistics and the interventions
   something to measure.

{history}Its retrieval heads were not made sparse, as those of `ref-lm-v1` were.

## What is held out

Walls of the test split, as everywhere. Beyond it, no training wall holds a group of four that falls
into the held digest classes, and no training message joins a subject and a quality of those
classes; figures over them are apart below. Words, connections and the three definitions are shared:
which words are fruits is given. Mixture and length of training were chosen on calibration
documents. Every figure below is of test documents.

## Evidence

{criteria}
{rates}
By chance: {chance} of groups, 0 of walls. Groups of one wall are not independent, nor are the
answers about one message: pooled intervals are somewhat too narrow. Figures under toggles, with
random-head controls: `docs/reference-lm-v2.md`. Full table:
`training/lm_v2/tables/seed{seed}.json`.

## Limits

The task takes walls without red herrings and with two in turn: read them apart. Naming a solved
group is a lookup. Text is lower case and built from templates; nothing here transfers to natural
language.

## Licence

Apache-2.0, weights and data alike.
"""


def card(
    table: Mapping[str, Any],
    facts: Mapping[str, Any],
    others: Sequence[Mapping[str, Any]] = (),
) -> str:
    """The card as Markdown.

    Args:
        table: :func:`training.lm_v2.evidence.evidence`, with ``model`` and ``seed``.
        facts: ``parameters``, ``layers`` and the facts of the training's final state.
        others: Tables of other training seeds, for the spread.
    """
    return _CARD.format(
        name=table["model"],
        seed=table["seed"],
        parameters=facts["parameters"],
        layers=facts["layers"],
        steps=facts["step"],
        lr=facts["lr"],
        rest_lr=facts["rest_lr"],
        graded=facts["graded_from"],
        history=f"{facts['history']}\n\n" if facts.get("history") else "",
        legs="\n".join(_leg_line(leg) for leg in facts["legs"]),
        criteria=criteria_table(table, others),
        rates=rates_table(table),
        chance=table["walls"]["chance"]["group_rate"],
    )


def _leg_line(leg: Mapping[str, Any]) -> str:
    mixture = leg["mixture"]
    return (
        f"- `{leg['name']}`, {leg['steps']} steps, {leg['first']} to {leg['last']}: "
        f"walls {mixture['walls'] * WHOLE_WALL} tokens, groups to name {mixture['names']}, "
        f"labels without examples {mixture['short']}, with {mixture['long']}, needle documents "
        f"{mixture['needle_tokens']} tokens"
    )
