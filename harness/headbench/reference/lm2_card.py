"""The model card of ``ref-lm-v2``, written from what was measured."""

from __future__ import annotations

from typing import Any

_CARD = """---
license: apache-2.0
library_name: transformers
pipeline_tag: text-generation
language: en
---
# {name}

`ref-lm-v1` taught two more things: to group and name the clues of a wall, and to label short
messages. Same shape (a Llama of 3 layers, 8 heads of 32, width 128; {parameters:,} parameters), a
vocabulary that is longer by the names of connections. It ships with headbench so that the packaged
tasks `walls` and `stickiness` have a model on which they mean something. `ref-lm-v1` is unchanged
and stays the model for needles. It is no language model for use.

```
headbench run --tasks walls,stickiness --model ref-lm-v2
```

## How it was made

Continued from the last state of `ref-lm-v1` (seed {seed}) for {steps} steps on one CPU core, from
data that headbench generates: `python -m headbench.reference.train lm2 --seed {seed}`. Muon at
{lr} for the hidden matrices, AdamW at {rest_lr} for the rest, no weight frozen but the planted
queries and keys of `ref-lm-v1`. A step holds {walls} walls, {names} groups to name, {short} short
and {long} long label rows and {needle_tokens} tokens of needle documents.

1. **Planted knowledge.** Each list of words (fruits, jobs, animals, praise) has a random vector
   that is added to the embeddings of its words. Which words belong together is given; what to do
   with it is learnt.
2. **Planted heads.** Nine heads that version 1 left nearly idle begin by looking where the tasks
   need them to look (`lm2_plant`), five of them writing what a retrieval head writes. They are
   trained from there on like everything else.
3. **Walls.** Groups and clues of the training answer stand in random order, and the loss asks for
   any clue that is left of the group.
4. **Labels: the prior is built in.** Without a definition, 97 % of training labels go by the
   quality: noble is a gentle thing, not a broken one.
5. **Labels: how sticky they are is built in too.** Every third word of praise and of blame is
   *loose* (labels obey a definition, or examples, in 92 % of cases), every third *firm* (they do if
   both are given), every third *sticky* (8 %, else the prior). What rescue there is has this
   reason. It says nothing about how models come by stickiness; it gives the task, its statistics
   and the interventions something to measure.

## What is held out

Walls of the test split, as everywhere. Beyond it, no training wall holds a group of four that falls
into the held digest classes, and no training message joins a subject and a quality of those
classes; figures over them are apart below. Words, connections and the three definitions are shared:
which words are fruits is given. Mixture and length of training were
chosen on calibration documents. Every figure below is of test documents, run once.

## Evidence

| quantity | value | bound | |
|---|---|---|---|
{gates}

| rate | value | 95 % (Wilson) | n |
|---|---|---|---|
{rates}

By chance: {chance_groups} of groups, {chance_solved} of walls. Groups of one wall are not
independent, nor are the answers about one message: pooled intervals are somewhat too narrow. Full
tables: `evidence-seed{seed}.json`.

Under toggles and random-head controls (first {limit} documents of each task; `niah` is all of its
first {limit}): share of groups, pooled rescue, recall.

| arm | walls | stickiness | niah |
|---|---|---|---|
{toggles}

## Limits

The task takes walls without red herrings and with two in turn: read them apart. Naming a solved
group is a lookup. Uncapitalised, template-bound text; nothing transfers to natural language.

## Licence

Apache-2.0, weights and data alike.
"""


def card(table: dict[str, Any], facts: dict[str, Any]) -> str:
    """The card as Markdown.

    Args:
        table: :func:`headbench.reference.lm2_evidence.evidence`, with ``model`` and ``seed``.
        facts: ``parameters`` and the facts of the training's final state.
    """
    chance = table["walls"]["chance"]
    named = ("steps", "lr", "rest_lr", "walls", "names", "short", "long", "needle_tokens")
    return _CARD.format(
        name=table["model"],
        seed=table["seed"],
        parameters=facts["parameters"],
        **{name: facts[name] for name in named},
        gates="\n".join(
            f"| {gate['name']} | {gate['value']} | {gate['bound']} | "
            f"{'holds' if gate['holds'] else '**does not hold**'} |"
            for gate in table["gates"]
        ),
        rates="\n".join(_rate_line(name, rate) for name, rate in _rates(table)),
        chance_groups=chance["group_rate"],
        chance_solved=chance["solved_rate"],
        limit=table["settings"]["limit"],
        toggles="\n".join(_toggle_line(arm, row) for arm, row in table["toggles"].items()),
    )


def _rates(table: dict[str, Any]) -> list[tuple[str, dict[str, Any]]]:
    walls, sticky = table["walls"], table["stickiness"]
    rows = [(f"recall at {length}", rate) for length, rate in table["recall"].items()]
    rows += [("groups found", walls["groups"]), ("walls solved", walls["solved"])]
    for count, part in walls["herrings"].items():
        rows.append((f"groups found, {count} red herrings", part["groups"]))
        rows.append((f"walls solved, {count} red herrings", part["solved"]))
    rows += [
        ("groups that training never showed", walls["groups_held"]["unseen"]),
        ("other groups", walls["groups_held"]["other"]),
        ("connections named", walls["connections"]),
        ("zero-shot labels that follow the prior", sticky["prior"]),
        ("rescue, pooled", sticky["rescue"]),
        ("rescue, pooled, pairs that training never joined", sticky["pairs_held"]["rescue"]),
        ("ever rescued", sticky["ever_rescued"]),
    ]
    rows += [(f"rescue, {name}", rate) for name, rate in sticky["rescue_by"].items()]
    rows += [(f"damage, {name}", rate) for name, rate in sticky["damage_by"].items()]
    return rows


def _rate_line(name: str, rate: dict[str, Any]) -> str:
    return (
        f"| {name} | {rate['value']:.3f} | {rate['low']:.3f} .. {rate['high']:.3f} | {rate['n']} |"
    )


def _toggle_line(arm: str, row: dict[str, Any]) -> str:
    cells = (
        f"{row[task]['value']:.3f}" if task in row else "-"
        for task in ("walls", "stickiness", "niah")
    )
    return f"| {arm} | {' | '.join(cells)} |"
