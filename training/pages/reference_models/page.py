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

Three small models ship with headbench. The project trained them on data that it generates itself.
Tasks run on them when no model is named, and every intervention is tested on them: they are small
enough for a laptop, and masking a few of their heads destroys recall while masking others does not.

This page shows what `ref-lm-v1` and `ref-vlm-v2` do, how they were made, and what failed. The third
model, `ref-lm-v2`, groups walls and labels messages; see [its own page](reference-lm-v2.md).

`python -m training.pages.reference_models --write` writes this page. It measures the shipped
checkpoints again; the figures of the other training seeds come from their own training runs and
are stored beside the recipes, in `training/`. Each shipped folder has a model card with the recipe.

| | `ref-lm-v1` | `ref-vlm-v2` |
|---|---|---|
| class | `LlamaForCausalLM` | `LlavaForConditionalGeneration` |
| shape | 3 layers, width 128, 8 heads of 32 | the same behind a CLIP tower (16 image tokens) |
| shows | needle recall, retrieval heads, rotary dimensions | POPE, CHAIR, VHD, VHR, needle recall |
"""

_PLANTED = """## Are heads planted?

Four are. Before training, the biases of the queries and keys of four heads of layer 0 are set so
that these heads attend 1, 1, 2 and 3 positions back; they stay fixed during training. Whether
recall would form without them was not tested in isolation. The vocabulary head starts as a small
copy of the embeddings.

**The retrieval heads of the upper layers are not planted**: they were learned. They were made
*sparse* afterwards, so that masking a few of them shows an effect: all but two heads of each upper
layer were closed (their output was held at zero) while training went on, and the closed heads were
then re-initialised and trained as language heads. In `ref-vlm-v2`, four more heads per layer are
closed while the model learns which words usually go together; they are then re-initialised and
become visual heads.

The controls never touch layer 0: all recall depends on its planted heads, so masking them would
show nothing about the other heads.
"""

_SPLITS = """## Are train, calibration and test separate?

Yes. The split is part of every seed. Needle worlds of different splits share no filler sentence
and no pair of key and value; scenes of different splits share no seed. Heads are ranked on
calibration data; every figure on this page is from test data. The strength of 1.5 was fixed in
advance, not chosen on calibration data. See [worlds](worlds.md).
"""


_METHODS = """## Two methods

`fixed` scales the same heads for every image: the top half of each layer by mean VHD over
calibration captions, by 1.5. `vhr` chooses heads for each image at the first step (He et al. 2024,
arXiv 2412.13949). Controls scale as many heads in each layer: random halves, and the low half.
CHAIR_i falls by itself when captions get shorter; read it together with object recall.

"""
_WORLDS = """## Yes/no answers: the method or the world?

Accuracy per POPE setting, with the 95 % interval of its change against `base` (paired bootstrap
over scenes). `hinted` asks about absent objects that the place suggests. *Pull* is how far the
suggestion alone moves the answer towards yes, in logits: the same question with and without the
suggestion.
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
            "## Acceptance criteria, and what other seeds give\n",
            *(_criteria(name, now[name], stored[name]) for name in (LM, VLM)),
            _PLANTED,
            _masking(now),
            _SPLITS,
            _figures(),
            _methods(now[VLM], stored[VLM]),
            _second_world(),
            _failures(now, stored),
        ]
    )


def _criteria(name: str, now: Table, stored: Mapping[int, Table]) -> str:
    others = sorted(seed for seed in stored if seed != 0)
    rows = []
    for index, criterion in enumerate(now["gates"]):
        cells = [criterion["name"], criterion["bound"], _verdict(criterion)]
        cells += [_verdict(stored[seed]["gates"][index]) for seed in others]
        rows.append(cells)
    heading = [f"`{name}`", "bound", "seed 0 (shipped, measured now)"]
    return _table([*heading, *(f"seed {seed}" for seed in others)], rows)


def _verdict(criterion: Mapping[str, Any]) -> str:
    figure = _shown(criterion["value"])
    return figure if criterion["holds"] else f"**{figure} (fails)**"


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
        "## Does masking random heads hurt?\n\n"
        f"Recall of `{LM}` at {masking['length']} tokens with heads zeroed. Random heads come\n"
        "from the layers of the retrieval heads and retrieve nothing; each figure is one draw.\n\n"
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
                _shown(table["chair"][condition][key])
                for condition in compared
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
            [
                "",
                *(
                    f"`{condition}` {figure}"
                    for condition in compared
                    for figure in ("CHAIR_i", "recall")
                ),
            ],
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


SOURCES = {"picture": "image", "text": "text"}
"""Prior of a scene world, as stored -> where the misleading expectation comes from."""


def _second_world() -> str:
    worlds = json.loads(SECOND_WORLD.read_text())["worlds"]
    parts = [_WORLDS]
    for name, world in worlds.items():
        rows = []
        for condition, scores in world["pope"].items():
            cells = [f"`{condition}`"]
            for score in scores.values():
                low, high = score["change_95"]
                change = "" if condition == "base" else f" ({low:+.3f} to {high:+.3f})"
                cells.append(f"{score['accuracy']:.3f}{change}")
            pull = world["pull"].get(condition)
            rows.append([*cells, f"{pull['pull']:.2f}" if pull else ""])
        settings = list(world["pope"]["base"])
        parts.append(
            f"The prior comes from the {SOURCES[name]}:\n\n"
            + _table(["condition", *settings, "pull"], rows)
        )
    return "\n".join(parts) + "\n" + WORLDS_VERDICT


WORLDS_VERDICT = """
It is the world. Where the prior comes from the image, no condition gains more than .007 in any
setting. A likely reason: visual heads carry both the knife that suggests the fork and the evidence
that the fork is missing.

Where the prior comes from words, amplifying visual heads weighs the image against the words, and
does what the method promises. `fixed` raises accuracy on questions that the words mislead
(`hinted`) from .68 to .85, and in the usual settings by .03 to .06. The low half does the opposite
(.50), random halves lie between (-.16 to +.07). `vhr-2` gains .07 on `hinted`, .05 on popular and
.03 on adversarial questions; its random halves gain nothing on `hinted` and .02 on popular ones.
*Pull* says less: under a random half it falls as far as under `fixed`.

Both models were trained from an untrained language model by the present recipe, with 600 image
steps and no needles; one seed each, test scenes, methods as above, nothing selected. An earlier
pair, by an earlier recipe, pointed the same way less clearly: `vhr-2` gained .12 on `hinted` there,
and its random halves .06 to .09.
"""
FAILURES = """
How to read this, and what else failed:

- **`ref-vlm-v2` was selected, and not blindly.** Its recipe was chosen on calibration scenes, but
  eight states of its seed had been measured on test data before, and five of them had missed one
  or two bounds by .005 or less. Seeds 1 and 2 went through the final recipe once: they show what
  the recipe gives without selection. There the fixed heads lower CHAIR_i by only .023; relative to
  the mean of random halves that is .019 and .021, and .023 in the shipped seed. [The training
  notes](decisions-training.md) list every state with its figures.
- **While those states were tried, the bound on random halves applied to the mean of five.** Single
  halves differ by .02, so a mean of five is known to .01, as much as the bound; the criterion now
  takes twenty. On its first five, `ref-vlm-v2` would miss the bound by .001.
- **A random half can do what the fixed heads do**, at two to three times the cost in recall. Its
  effect depends mostly on which planted heads of layer 0 it contains: scaled alone (400 calibration
  scenes), head 2 raises CHAIR_i by .018, head 0 lowers it by .014 and head 3 by .007; the
  retrieval head 1-0 raises it by .010, and no other head moves it by more than .005. The fixed
  heads have their effect only together.
- The low half *raises* CHAIR_i by .05: the prior is carried by heads that are not visual, so
  amplifying them is no neutral control either.
- In layer 1, the map ranks two heads that were not trained as visual heads above two that were.
- `vhr` over all layers at 1.5 lowers CHAIR_i in two seeds of three, and costs more recall than the
  fixed heads. At the paper's strength of 2 it breaks captions and answers: with three layers of
  eight heads, half of all heads are doubled, including retrieval heads. On POPE no condition,
  including fixed heads, gains more than .004.
- The trained language model was slow to learn to read images: an earlier recipe took about 2,000
  steps. With words for patches and longer image tokens, 800 steps gave as much; the recipe takes
  1,500.
- Questions about absent objects that belong to no place must occur, but rarely. If they never
  occur, the name alone comes to mean yes. If they are as frequent as others, common objects mislead
  no one.
"""


def _failures(now: Mapping[str, Table], stored: Mapping[str, Mapping[int, Table]]) -> str:
    measured = {name: {SHIPPED_SEED: table} for name, table in now.items()}
    failed = [
        f"- `{name}` seed {seed}: {one['name']} is {_shown(one['value'])} ({one['bound']})."
        for name in now
        for seed, table in sorted({**stored[name], **measured.get(name, {})}.items())
        for one in table["gates"]
        if not one["holds"]
    ]
    listed = "\n".join(failed) or "- Every criterion holds in every seed."
    return f"## What failed\n\nCriteria that do not hold:\n\n{listed}\n{FAILURES}"
