"""The model card of ``ref-lm``, written from what was measured."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Sequence

_CARD = """---
license: apache-2.0
library_name: transformers
pipeline_tag: text-generation
language: en
---
# {name}

A very small Llama (3 layers, 8 heads of 32, width 128, {parameters:,} parameters) that recalls
facts hidden in filler text, and does it through a few attention heads. It ships with headbench
so that needle tasks and head interventions can be tried, taught and tested on a laptop, with no
download. It is not a language model for use: it knows {words} words and eighteen sentence
patterns.

```python
from transformers import AutoModelForCausalLM, AutoTokenizer

model = AutoModelForCausalLM.from_pretrained(folder, dtype="float32")  # stored in fp16
tokenizer = AutoTokenizer.from_pretrained(folder)
text = "The secret word of harbor is ruby anchor honey. Anna walked. The secret word of harbor is"
prompt = tokenizer(text, return_tensors="pt")
print(tokenizer.decode(model.generate(**prompt, max_new_tokens=3)[0]))
```

Text is lower-cased; a word is a token and a mark is a token. The chat template joins turns by a
space and writes no roles: the model continues text. Numerals from 10 to 99 are words.

## How it was made

Trained from scratch on one CPU core, on data that headbench generates: `python -m
training lm-v1 --seed {seed}`. No other data was used. Every trick is
listed here:

1. **Planted heads.** Heads {planted} of layer 0 attend 1, 1, 2 and 3 positions back by
   construction: the content weights of their queries and keys are zero, their biases make
   RoPE's score peak at that distance, and neither is trained. What they carry (values, outputs)
   is learned. Reason: an earlier prototype without them stayed at a recall of 0 to .08 for 950
   steps. Left free, their attention blurred within 800 steps.
2. **A copied start.** Embeddings and the head of the vocabulary are untied, but the latter
   starts as a small copy of the former. Reason: a copied word then points at its own logit;
   started apart, copying had not begun after 1200 steps.
3. **Learning to recall.** Lengths 64 to 1024, Muon for the hidden matrices and AdamW for the
   rest, then AdamW alone. Loss: answers (weight 1), random sequences said again (weight 1,
   their own mean), plain text (weight 0.2).
4. **Closed heads.** In layers 1 and 2 only the two heads with the highest copy score (on
   calibration documents) stay open: {kept}. The others' outputs are held at zero while training
   goes on. Reason: before that, all eight heads of layer 1 retrieved, and masking a few had no
   effect.
5. **Re-initialised heads.** The closed heads are re-initialised with a tiny output and trained
   with plain text at weight 1. Recall is solved by then, so they can learn language. Reason:
   controls need heads that do something else. "Limits" says what they learned.
6. **Lengthening** at 512, 1024 and 2048.

## Data

The needle world of headbench (`docs/worlds.md`). Training, calibration and test differ in
seeds, in every filler sentence and in every pair of key and value; words and sentence patterns
are shared. Heads were chosen on calibration documents; the figures are of test documents.

## Evidence

Training seed {seed}; which seed ships was fixed in advance, not chosen by its results.
`training/lm_v1/tables` holds the full tables; `python -m training.pages.reference_models` measures
this one again.

| quantity | value | bound | |
|---|---|---|---|
{criteria}

| recall by length | {lengths} |
|---|{rule}|
| all depths | {recalls} |
{depths}

Retrieval heads (copy score of .1 or more), as (layer, head) and score: {retrieval}.

Recall at {edited} tokens after masking heads (z set to zero), and what the masking adds to the
loss on plain text, in nats per token:

| masked | recall | added loss |
|---|---|---|
{masked}

{spread}## Limits

The re-initialised heads do little: masking any one of the {idle} heads above layer 0 that do not
retrieve, save the {busy} listed as busiest, adds at most {most:.3f} nats to the loss on plain
text. So the random control shows that recall depends on few heads, not that equally important
heads can be removed without harm; the row of the busiest other heads is the control for that.

Trained to 2048 tokens, and briefly there. Recall is exact-match of three words. The number of
retrieval heads was reduced on purpose; how many such a model would have otherwise is not shown
here. Text is lower case and built from templates; nothing here transfers to natural language.

## Licence

Apache-2.0, weights and data alike.
"""


def card(
    table: dict[str, Any], facts: dict[str, Any], others: Sequence[dict[str, Any]] = ()
) -> str:
    """The card as Markdown.

    Args:
        table: :func:`training.lm_v1.evidence.evidence`, with ``model`` and ``seed``.
        facts: ``parameters``, ``words``, ``planted_heads`` and ``kept_heads`` of the training.
        others: Tables of other training seeds, for the spread.
    """
    recall = table["recall"]
    depths = next(iter(recall.values()))["by_depth"]
    scores = table["copy_scores"]
    return _CARD.format(
        name=table["model"],
        seed=table["seed"],
        parameters=facts["parameters"],
        words=facts["words"],
        planted=", ".join(map(str, facts["planted_heads"])),
        kept="; ".join(
            f"layer {layer}: {', '.join(map(str, heads))}"
            for layer, heads in sorted(facts["kept_heads"].items())
        ),
        criteria="\n".join(
            f"| {criterion['name']} | {criterion['value']} | {criterion['bound']} | "
            f"{'holds' if criterion['holds'] else '**does not hold**'} |"
            for criterion in table["gates"]
        ),
        lengths=" | ".join(recall),
        rule="---|" * (len(recall) - 1) + "---",
        recalls=" | ".join(f"{row['all']:.3f}" for row in recall.values()),
        depths="\n".join(
            f"| depth {depth} | "
            + " | ".join(
                f"{row['by_depth'].get(depth, float('nan')):.3f}" for row in recall.values()
            )
            + " |"
            for depth in depths
        ),
        retrieval=", ".join(
            f"({layer}, {head}) {scores[layer][head]:.2f}"
            for layer, head in table["retrieval_heads"]
        ),
        edited=table["masking"]["length"],
        masked=_masked_rows(table),
        spread=_spread([table, *others]) if others else "",
        **_idle_heads(table),
    )


def _spread(tables: Sequence[dict[str, Any]]) -> str:
    """The gated figures of several training seeds, side by side."""
    ordered = sorted(tables, key=lambda table: int(table["seed"]))
    lines = [
        "Other training seeds, trained and measured alike:",
        "",
        "| quantity | " + " | ".join(f"seed {table['seed']}" for table in ordered) + " |",
        "|---|" + "---|" * len(ordered),
    ]
    for row, criterion in enumerate(ordered[0]["gates"]):
        values = (str(table["gates"][row]["value"]) for table in ordered)
        lines.append(f"| {criterion['name']} | " + " | ".join(values) + " |")
    longest = max(ordered[0]["recall"], key=int)
    values = (str(table["recall"][longest]["all"]) for table in ordered)
    lines.append(f"| recall at {longest} | " + " | ".join(values) + " |")
    return "\n".join(lines) + "\n\n"


def _masked_rows(table: dict[str, Any]) -> str:
    """Lines of the masking table."""
    masking, losses = table["masking"], table["language_loss"]
    before = losses["baseline"]
    rows = [("nothing", masking["baseline"], 0.0)]
    rows += [
        (f"top {k} by copy score", value, losses["top"][k] - before)
        for k, value in masking["top"].items()
    ]
    rows += [
        (f"busiest {k} other heads", value, losses["busiest"][k] - before)
        for k, value in masking["busiest"].items()
    ]
    rows += [
        (
            f"{k} random other heads, worst of {len(draws)}",
            min(draws),
            max(losses["random"][k]) - before,
        )
        for k, draws in masking["random"].items()
    ]
    return "\n".join(f"| {name} | {recall:.2f} | {loss:+.3f} |" for name, recall, loss in rows)


def _idle_heads(table: dict[str, Any]) -> dict[str, Any]:
    """How little the heads matter that neither retrieve nor are listed as busiest."""
    listed = [tuple(at) for at in table["masking"]["busiest_heads"]]
    retrieval = {tuple(at) for at in table["retrieval_heads"]}
    costs = {
        (layer, head): cost
        for layer, row in enumerate(table["language_loss"]["per_head"])
        for head, cost in enumerate(row)
        if layer > 0 and (layer, head) not in retrieval
    }
    return {
        "idle": len(costs),
        "busy": len(listed),
        "most": max(cost for at, cost in costs.items() if at not in listed),
    }
