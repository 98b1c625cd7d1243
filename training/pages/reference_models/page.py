"""``docs/reference-models.md``, written from the tables of evidence."""

from __future__ import annotations

import json
import statistics
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from training.pages.stored import LM, SHIPPED_SEED, TRAINING, VLM
from training.vlm_v2.criteria import random_changes

SECOND_WORLD = TRAINING / "vlm_v2" / "tables" / "second-world.json"
SETTINGS = ("random", "popular", "adversarial")
Table = Mapping[str, Any]

_HEAD = """# Reference models

Two small models ship with headbench, trained by this project on data that it draws itself. They
are what the tasks run on when no model is named, and the test bed of every intervention: small
enough for a laptop, and real enough that masking a few heads destroys recall and masking others
does not.

A third, `ref-lm-v2`, groups walls and labels messages: see [its own page](reference-lm-v2.md).

This page is written by `python -m training.pages.reference_models --write`, which measures the
shipped checkpoints again. Figures of the other training seeds come from their own training runs
and lie beside the recipes, in `training/`. Each shipped folder has a model card with the recipe.

| | `ref-lm-v1` | `ref-vlm-v2` |
|---|---|---|
| class | `LlamaForCausalLM` | `LlavaForConditionalGeneration` |
| shape | 3 layers, width 128, 8 heads of 32 | the same behind a CLIP tower (16 image tokens) |
| shows | needle recall, retrieval heads, rotary dimensions | POPE, CHAIR, VHD, VHR, needle recall |
"""

_PLANTED = """## Are heads planted?

Yes, four. Four heads of layer 0 are made to look 1, 1, 2 and 3 positions back,
by setting the biases of their queries and keys before training; during training these stay as
they are. Whether recall would form without them was not isolated. The vocabulary head starts as a
small copy of the embeddings. **The retrieval heads of the upper
layers are not planted**: they were learnt. They were made *sparse* afterwards, so that masking a
few of them shows an effect: all but two heads of each upper layer were closed, the model learned
to do without, and the closed heads were then drawn anew and trained as language heads. In
`ref-vlm-v2` four more heads a layer are closed while it learns what words usually go together,
and regrown to learn to look.

The controls never touch layer 0: everything stands on its planted heads, so masking them proves
nothing.
"""

_SPLITS = """## Are train, calibration and test apart?

Yes. The split is part of every seed. Needle worlds of different splits share no filler sentence
and no pair of key and value; scenes of different splits share no seed. Heads are ranked on
calibration; every figure on this page is of test. The strength of 1.5 was set beforehand, not
chosen on calibration. See [worlds](worlds.md).
"""


_METHODS = """## Two methods, kept apart

`fixed` scales the same heads in every picture: the top half of each layer by mean VHD over
calibration captions, by 1.5. `vhr` chooses heads anew for every picture at the first step (He et
al. 2024, arXiv 2412.13949). Controls scale as many heads in each layer: random halves, and the low
half. CHAIR_i falls by itself when captions get shorter; read it beside object recall.

"""
_WORLDS = """## Yes/no answers: the method or the world?

Accuracy per POPE setting, with the 95 % interval of its change against `base` (paired bootstrap
over scenes). `hinted` asks about absent objects that the place suggests. *Pull* is how far the
suggestion alone moves the answer towards yes, in logits: the same question with the suggestion and
without it.
"""


def page(now: Mapping[str, Table], stored: Mapping[str, Mapping[int, Table]]) -> str:
    """The whole page.

    Args:
        now: Model name -> table measured now for the shipped seed.
        stored: Model name -> training seed -> stored table.
    """
    return "\n".join(
        [
            _HEAD,
            "## The gates, and what other seeds give\n",
            *(_gates(name, now[name], stored[name]) for name in (LM, VLM)),
            _PLANTED,
            _masking(now),
            _SPLITS,
            _figures(),
            _methods(now[VLM], stored[VLM]),
            _second_world(),
            _failures(now, stored),
        ]
    )


def _gates(name: str, now: Table, stored: Mapping[int, Table]) -> str:
    others = sorted(seed for seed in stored if seed != 0)
    rows = []
    for index, gate in enumerate(now["gates"]):
        cells = [gate["name"], gate["bound"], _verdict(gate)]
        cells += [_verdict(stored[seed]["gates"][index]) for seed in others]
        rows.append(cells)
    heading = [f"`{name}`", "bound", "seed 0 (shipped, measured now)"]
    return _table([*heading, *(f"seed {seed}" for seed in others)], rows)


def _verdict(gate: Mapping[str, Any]) -> str:
    figure = _shown(gate["value"])
    return figure if gate["holds"] else f"**{figure} (fails)**"


def _shown(value: Any) -> str:
    if isinstance(value, list):
        return ", ".join(_shown(item) for item in value)
    return f"{value:.3f}" if isinstance(value, float) else str(value)


def _table(heading: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = ["| " + " | ".join(heading) + " |", "|" + "---|" * len(heading)]
    lines += ["| " + " | ".join(row) + " |" for row in rows]
    return "\n".join(lines) + "\n"


def _masking(now: Mapping[str, Table]) -> str:
    masking, niah = now[LM]["masking"], now[VLM]["niah"]["masked"]
    rows = [["none", _shown(masking["baseline"])]]
    rows += [[f"top {count}", _shown(value)] for count, value in masking["top"].items()]
    rows += [
        [f"random {count}, same layers", _shown(values)]
        for count, values in masking["random"].items()
    ]
    seen = ", ".join(_shown(value) for value in niah["random"].values())
    return (
        "## Does random masking hurt?\n\n"
        f"Recall of `{LM}` at {masking['length']} tokens with heads zeroed. Random heads come\n"
        "from the retrieval heads' own layers and retrieve nothing; each figure is a draw.\n\n"
        + _table(["masked", "recall"], rows)
        + f"\n`{VLM}` at {niah['length']}: none {_shown(niah['baseline'])}, its top 2 heads\n"
        f"{_shown(niah['top'])}, random pairs of the same layers {seen}.\n"
    )


def _figures() -> str:
    drawn = {
        "recall-by-depth": "recall by prompt length and depth of the needle",
        "masked-heads": "recall against masked heads, with matched random heads",
        "rotary-dose": "recall against zeroed rotary dimensions: lowest, highest, random",
        "pope": "POPE accuracy in three settings",
        "chair-recall": "CHAIR_i against object recall at several strengths",
    }
    return "## Figures\n\n" + "\n".join(
        f"![{text}](figures/{name}.svg)\n" for name, text in drawn.items()
    )


def _methods(now: Table, stored: Mapping[int, Table]) -> str:
    rows = []
    for name, chair in now["chair"].items():
        accuracy = [now["pope"][name][setting]["accuracy"] for setting in SETTINGS]
        figures = [chair[key] for key in ("chair_i", "chair_s", "recall", "mentions", "length")]
        rows.append([f"`{name}`", *map(_shown, figures), _shown(accuracy)])
    compared = ("base", "fixed", "vhr-1.5", "vhr-2")
    spread = [
        [
            f"seed {seed}",
            *(
                _shown(table["chair"][arm][key])
                for arm in compared
                for key in ("chair_i", "recall")
            ),
        ]
        for seed, table in sorted(stored.items())
    ]
    heading = ["condition", "CHAIR_i", "CHAIR_s", "object recall", "objects named", "words"]
    return (
        _METHODS
        + _table([*heading, "POPE random, popular, adversarial"], rows)
        + _random_halves(now, stored)
        + "\nCHAIR_i and object recall by training seed:\n\n"
        + _table(
            ["", *(f"`{arm}` {figure}" for arm in compared for figure in ("CHAIR_i", "recall"))],
            spread,
        )
    )


def _random_halves(now: Table, stored: Mapping[int, Table]) -> str:
    changes, chair = random_changes(now), now["chair"]
    fall = chair["fixed"]["chair_i"] - chair["base"]["chair_i"]
    lost = [
        drawn["recall"] - chair["base"]["recall"]
        for drawn, change in zip(now["chair_random_halves"].values(), changes, strict=True)
        if change <= fall
    ]
    recall = chair["fixed"]["recall"] - chair["base"]["recall"]
    error = statistics.stdev(changes) / len(changes) ** 0.5
    beyond = (
        f"\n{len(lost)} of them lower it at least as much as `fixed`; object recall changes by "
        f"{min(lost):+.3f} to\n{max(lost):+.3f} under these, by {recall:+.3f} under `fixed`."
        if lost
        else "\nNone of them lowers it as much as `fixed`."
    )
    return (
        f"\nOver {len(changes)} random halves CHAIR_i changes by {statistics.mean(changes):+.3f}\n"
        f"on average (standard error {error:.3f}, single halves {min(changes):+.3f} to "
        f"{max(changes):+.3f};\nthe five in the table alone: {statistics.mean(changes[:5]):+.3f})."
        f"{beyond}\n\n"
        "At equal object recall, read off the line that the fixed heads draw over strengths, "
        f"more is\ninvented under {_above_the_line(now)} of the {len(changes)} random halves"
        + "".join(
            f", in seed {seed} under {_above_the_line(table)}"
            for seed, table in sorted(stored.items())
            if seed != SHIPPED_SEED
        )
        + ".\n"
    )


def _above_the_line(table: Table) -> int:
    """How many random halves have a higher CHAIR_i than fixed heads of the same object recall."""
    line = sorted((at["recall"], at["chair_i"]) for at in table["chair_by_strength"].values())
    recall, invented = zip(*line, strict=True)
    return sum(
        drawn["chair_i"] > float(np.interp(drawn["recall"], recall, invented))
        for drawn in table["chair_random_halves"].values()
    )


def _second_world() -> str:
    worlds = json.loads(SECOND_WORLD.read_text())["worlds"]
    parts = [_WORLDS]
    for name, world in worlds.items():
        rows = []
        for arm, scores in world["pope"].items():
            cells = [f"`{arm}`"]
            for score in scores.values():
                low, high = score["change_95"]
                change = "" if arm == "base" else f" ({low:+.3f} to {high:+.3f})"
                cells.append(f"{score['accuracy']:.3f}{change}")
            pull = world["pull"].get(arm)
            rows.append([*cells, f"{pull['pull']:.2f}" if pull else ""])
        settings = list(world["pope"]["base"])
        parts.append(
            f"The prior lives in the {name}:\n\n" + _table(["condition", *settings, "pull"], rows)
        )
    return "\n".join(parts) + "\n" + WORLDS_VERDICT


WORLDS_VERDICT = """
It is the world. Where the prior arrives through the picture, no condition gains more than .007 in
any setting. A likely reason: heads that look carry the knife that suggests the fork as well as the
missing fork.

Where the prior arrives through words, turning up heads that look weighs the picture against the
words, and does what the method promises. `fixed` raises accuracy on questions that the words
mislead (`hinted`) from .68 to .85, and in the usual settings by .03 to .06. The low half does the
opposite (.50), random halves lie between (-.16 to +.07). `vhr-2` gains .07 on `hinted`, .05 on
popular and .03 on adversarial questions; its random halves gain nothing on `hinted` and .02 on
popular ones. *Pull* says less: under a random half it falls as far as under `fixed`.

Both models were trained from an untrained language model by the present recipe, with 600 steps of
looking and no needles; one seed each, test scenes, methods as above, nothing chosen. An earlier
pair, by an earlier recipe, pointed the same way less clearly: `vhr-2` gained .12 on
`hinted` there, and its random halves .06 to .09.
"""
FAILURES = """
How to read this, and what else failed on the way:

- **`ref-vlm-v2` was chosen, and not blindly.** Its recipe was picked on calibration scenes, but
  eight states of its seed had been measured on test before it, and five of them had missed one
  bound or two by .005 or less. Seeds 1 and 2 went once through the final recipe: they are what it
  gives where nobody chose. There the fixed heads lower CHAIR_i by .023 only; beyond the mean of
  random halves that is .019 and .021, and .023 in the shipped seed. [The training
  notes](decisions-training.md) hold every state with its figures.
- **The bound on random halves was on the mean of five of them while those states were tried.**
  Single halves differ by .02, so that a mean of five is known to .01, as much as the bound; the
  gate now takes twenty. In `ref-vlm-v2` the five alone would miss it by .001.
- **A random half can do what the fixed heads do**, at two to three times the price in recall. What
  it does depends most on which planted heads of layer 0 are in it: scaled alone (400 calibration
  scenes), head 2 raises CHAIR_i by .018, head 0 lowers it by .014 and head 3 by .007; the
  retrieval head 1-0 raises it by .010, and no other head moves it by more than .005. What the
  fixed heads do, they do together.
- The low half *raises* CHAIR_i by .05: the prior lives in heads that do not look, and turning them
  up is no neutral control either.
- Of layer 1, the map ranks two heads that were not regrown to look above two that were.
- `vhr` over all layers at 1.5 lowers CHAIR_i in two seeds of three, for more recall than the fixed
  heads cost. At the paper's strength of 2 it breaks captions and answers: with three layers of
  eight heads half of all heads are doubled, retrieval heads among them. On POPE no condition, fixed
  heads included, gains more than .004.
- Looking was slow to learn on top of the trained language model: an earlier recipe took about 2,000
  steps. With words for patches and loud image tokens 800 gave as much; 1,500 are spent.
- Absent objects that belong to no place must be asked about, but seldom. Never: their name alone
  comes to mean yes. Evenly: common objects mislead nobody.
"""


def _failures(now: Mapping[str, Table], stored: Mapping[str, Mapping[int, Table]]) -> str:
    measured = {name: {SHIPPED_SEED: table} for name, table in now.items()}
    failed = [
        f"- `{name}` seed {seed}: {gate['name']} is {_shown(gate['value'])} ({gate['bound']})."
        for name in now
        for seed, table in sorted({**stored[name], **measured.get(name, {})}.items())
        for gate in table["gates"]
        if not gate["holds"]
    ]
    listed = "\n".join(failed) or "- No gate fails in any of the seeds."
    return f"## What failed\n\nGates that do not hold:\n\n{listed}\n{FAILURES}"
