"""The page of effects: tables, and sentences that the figures choose.

No sentence here says what was found: each is one of several, picked by comparing numbers.
"""

from __future__ import annotations

import itertools
import textwrap
from collections.abc import Mapping, Sequence
from typing import Any

from training.pages.effects.sentences import (
    LEVEL,
    WORDS,
    Effect,
    between,
    change,
    drawn,
    effects,
    grid,
    listed,
    loss,
    losses,
    num,
    ranked,
)

Table = Mapping[str, Any]
KINDS = ("lowest", "highest", "random")
WIDTH = 100
LOST = 0.05
"""Object recall that a caption method may cost before its CHAIR is not worth naming."""


def page(table: Table) -> str:
    """The whole page."""
    parts = [_head(table), _masking(table), _rotary(table), _vision(table), _redistribution(table)]
    return "\n".join(_filled(line) for line in "\n".join(parts).split("\n"))


def _filled(line: str) -> str:
    """A line of prose at the width of the other pages; tables, code and images as they are."""
    if len(line) <= WIDTH or line.startswith(("|", "!", "#")):
        return line
    return textwrap.fill(
        line,
        WIDTH,
        subsequent_indent="  " if line.startswith("- ") else "",
        break_long_words=False,
        break_on_hyphens=False,
    )


def _head(table: Table) -> str:
    models = " and ".join(f"`{name}`" for name in dict.fromkeys(table["models"].values()))
    return f"""\
# What the interventions do on the reference models

This page is written by `python -m training.pages.effects`, which runs every cell through
`headbench.run` on the models that ship ({models}) and stores the figures in
[effects.json](effects.json). Each sentence about an outcome is chosen by comparing those figures.
`--check` measures anew and compares.

A change is the value under the intervention less the unedited model's, on the same documents, with
its 95 % interval ([statistics](statistics.md#intervals)). *Seen* means p below {LEVEL} after Holm's
adjustment over the cells of one task in one section. *Less controls* is the change less the mean
change under the control draws, with an interval over documents and draws; with one draw it is over
documents alone and says nothing about other draws. The *rank* counts from the nearer end of the
intervention and its controls, and its p is two-tailed. With K draws, chance alone gives rank 1 in 2
of K + 1 cells: always with one draw, {_chance(2)} of the time with two, {_chance(3)} with three and
{_chance(39)} with 39. So *beyond controls* is said only where that p is at most {LEVEL}, on the
side of the change, which takes 39 draws; *beyond their mean* where the interval of *less controls*
excludes zero on that side, which may also happen with random heads. Controls are other sets of
heads, which may share some with the intervention; all strengths of a sweep have the same sets.
*Inert* cells altered nothing. The models are small and were trained to show some of these effects
([reference models](reference-models.md)): this page shows that the interventions do what they say
and what the controls do, and says nothing about large models.
"""


def _chance(draws: int) -> str:
    """How often chance alone puts an intervention beyond that many draws."""
    return f"{200 / (draws + 1):.0f} %"


# ------------------------------------------------------------------ masking


def _masking(table: Table) -> str:
    found = effects(table, "masking", "niah")
    modes = list(dict.fromkeys(str(e.params["mode"]) for e in found))
    counts = sorted({int(e.params["top"]) for e in found})
    rows = [
        [
            f"`{e.params['mode']}`",
            str(e.params["top"]),
            num(e.main["value"]),
            change(e.main),
            drawn(e.others),
            change(e.less),
            ranked(e),
            num(e.row["first_token_kl"], 2),
            loss(e),
            e.verdict,
        ]
        for e in found
    ]
    heading = ["mode", "heads", "recall", "change", "under controls", "less controls", "rank"]
    heading += ["first-token KL, at least", "loss on prose"]
    base = found[0].main["base"]
    return "\n".join(
        [
            "## Masking retrieval heads\n",
            f"`niah` ({found[0].row['documents']} questions) under "
            "`mask_heads(map=retrieval,top=K,mode=MODE)`. Controls mask "
            f"{found[0].row['control_unit']}, as many in each: {_sets(found)}. "
            f"Recall unedited: {num(base)}.\n",
            grid([*heading, "verdict"], rows),
            *(_at_count(found, count) for count in counts),
            "",
            _smallest(found, modes),
            losses(found),
            "",
            "![recall by masked heads and mode](figures/effects-masking.svg)\n",
        ]
    )


def _at_count(found: Sequence[Effect], count: int) -> str:
    here = [e for e in found if e.params["top"] == count]
    values = {str(e.params["mode"]): e.main["value"] for e in here}
    spread = max(values.values()) - min(values.values())
    low, high = min(values, key=values.__getitem__), max(values, key=values.__getitem__)
    others = [e.main["base"] + other for e in here for other in e.others]
    heads = "head" if count == 1 else f"{count} heads"
    ends = f"{num(values[low])} (`{low}`) to {num(values[high])} (`{high}`)"
    alike = f"all modes leave a recall of {between(list(values.values()))}"
    said = alike if spread < 0.1 else f"the modes disagree, from {ends}"
    return f"- Top {heads}: {said}; controls leave {between(others)}."


def _smallest(found: Sequence[Effect], modes: Sequence[str]) -> str:
    told = []
    for mode in modes:
        enough = [e.params["top"] for e in found if e.params["mode"] == mode
                  and e.seen and (e.own or e.further) and not e.better]  # fmt: skip
        told.append(f"`{mode}` {min(enough) if enough else 'never'}")
    said = "Fewest masked heads whose loss of recall is seen and beyond the mean of the controls"
    return f"{said}: {listed(told)}."


def _sets(found: Sequence[Effect]) -> str:
    """How many of the possible control sets ran, for each number of masked heads."""
    counts: dict[int, tuple[int, int]] = {}
    for e in found:
        ran, possible = counts.get(e.params["top"], (0, 0))
        counts[e.params["top"]] = (
            max(ran, len(e.row["controls"])),
            max(possible, e.row["possible"]),
        )
    said = [f"{ran} of {possible:,} possible sets for {top}" for top, (ran, possible) in
            sorted(counts.items())]  # fmt: skip
    return f"at most {listed(said)}"


# ------------------------------------------------------------------ rotary dimensions


def _rotary(table: Table) -> str:
    found = effects(table, "rotary", "niah")
    by_kind = {kind: _doses([e for e in found if e.params["dims"] == kind]) for kind in KINDS}
    doses = sorted({dose for cells in by_kind.values() for dose in cells})
    rows = [
        [
            f"`{kind}`",
            *(_cell(by_kind[kind].get(dose)) for dose in doses),
        ]
        for kind in KINDS
    ]
    others = [e.main["base"] + other for e in found for other in e.others]
    unit = next((e.row["control_unit"] for e in found if e.row["controls"]), "")
    return "\n".join(
        [
            "## Zeroing rotary dimensions of retrieval heads\n",
            "`niah` under `rope_zero(map=retrieval,top=2,dims=DIMS,dose=N)`: recall, with its "
            f"change, when N of {table['head_dim']} query dimensions are zeroed.\n",
            grid(["dims", *(f"{dose}" for dose in doses)], rows),
            "- Smallest dose that takes half of the recall: "
            + listed([f"`{kind}` {_half(by_kind[kind])}" for kind in KINDS])
            + ".",
            *(f"- `{kind}`: {_order(by_kind[kind])}." for kind in KINDS),
            f"- The lowest dimensions of {unit}, at every dose: recall {between(others)}.",
            "",
            losses(found),
            "",
            "![recall by dose of zeroed rotary dimensions](figures/effects-rotary.svg)\n",
        ]
    )


def _doses(found: Sequence[Effect]) -> dict[int, Effect]:
    return {int(e.params["dose"]): e for e in sorted(found, key=lambda e: int(e.params["dose"]))}


def _cell(effect: Effect | None) -> str:
    return "–" if effect is None else f"{num(effect.main['value'])}, {change(effect.main)}"


def _half(cells: Mapping[int, Effect]) -> str:
    gone = [dose for dose, e in cells.items() if e.main["value"] <= e.main["base"] / 2]
    return str(min(gone)) if gone else "never"


def _order(cells: Mapping[int, Effect]) -> str:
    values = [e.main["value"] for e in cells.values()]
    falls = all(after <= before for before, after in itertools.pairwise(values))
    seen = [dose for dose, e in cells.items() if e.seen]
    shape = "no further dose raises recall" if falls else "recall does not fall dose by dose"
    return f"{shape}; a change is seen at {listed([str(dose) for dose in seen], 'no dose')}"


# ------------------------------------------------------------------ vision heads


def _vision(table: Table) -> str:
    captions, answers = (effects(table, "vision", task) for task in ("chair", "pope"))
    return "\n".join(
        [
            "## Scaling vision heads\n",
            _vision_intro(captions, answers),
            _captions(captions),
            _best(captions),
            _unchanged(captions),
            "",
            _answers(answers),
            _gains(answers),
            losses([*captions, *answers]),
            "",
            "![CHAIR_i against object recall](figures/effects-captions.svg)\n",
        ]
    )


def _vision_intro(captions: Sequence[Effect], answers: Sequence[Effect]) -> str:
    return f"""\
`chair` ({captions[0].row["documents"]} captions) and `pope` ({answers[0].row["documents"]} \
questions) with the better half of each layer by mean divergence scaled (`scale_heads`), and with \
heads chosen for each sample (`vhr`). Fewer invented objects lower CHAIR_i; so do captions that \
name less, hence object recall and length beside it. Unedited: \
CHAIR_i {num(captions[0].main["base"])}, \
object recall {num(_base(captions, "recall"))}, {num(_base(captions, "len"), 1)} words, \
accuracy {num(answers[0].main["base"])}.
"""


def _captions(found: Sequence[Effect]) -> str:
    rows = [
        [
            f"`{e.condition}`",
            change(e.main),
            drawn(e.others),
            change(e.less),
            ranked(e),
            change(e.of("recall")),
            change(e.of("len"), 1),
            loss(e),
            e.verdict,
        ]
        for e in found
    ]
    heading = ["captions under", "CHAIR_i", "under controls", "less controls", "rank"]
    heading += ["object recall", "words", "loss on true captions", "verdict"]
    return grid(heading, rows)


def _answers(found: Sequence[Effect]) -> str:
    rows = [
        [
            f"`{e.condition}`",
            change(e.main),
            drawn(e.others),
            change(e.less),
            ranked(e),
            change(e.of("yes_ratio")),
            e.verdict,
        ]
        for e in found
    ]
    heading = ["answers under", "accuracy", "under controls", "less controls", "rank"]
    heading += ["yes ratio", "verdict"]
    return grid(heading, rows)


def _base(found: Sequence[Effect], metric: str) -> float | None:
    return next((e.of(metric)["base"] for e in found if e.of(metric)), None)


def _best(found: Sequence[Effect]) -> str:
    """Where CHAIR_i falls, and at what cost."""
    falls = [e for e in found if e.seen and e.better]
    beyond = [e for e in falls if e.own]
    kept = [e for e in beyond if e.of("recall")["difference"] >= -LOST]
    dear = [e for e in beyond if e not in kept]
    mean = [e for e in falls if not e.own and e.further]
    common = [e for e in falls if not e.own and not e.further]
    parts = [
        f"CHAIR_i falls beyond controls at a cost of at most {LOST:.2f} object recall under "
        + listed([f"`{e.condition}`" for e in kept], "no condition")
    ]
    if dear:
        parts.append(f"beyond controls at a higher cost under {_costs(dear)}")
    if mean:
        parts.append(f"beyond the mean of the controls only under {_costs(mean)}")
    if common:
        parts.append(f"no further than under the controls under {_costs(common)}")
    return "; ".join(parts) + "."


def _costs(found: Sequence[Effect]) -> str:
    return listed([f"`{e.condition}` (recall {e.of('recall')['difference']:+.3f})" for e in found])


def _unchanged(found: Sequence[Effect]) -> str:
    still = [e for e in found if e.row["status"] == "inert"]
    moved = [e for e in still if e.row["changed_share"]]
    if not still:
        return ""
    names = listed([f"`{e.condition}`" for e in still])
    if moved:
        return f"{names}: inert, and yet {len(moved)} of them changed an output."
    return f"{names}: inert, and every output is the unedited one."


def _gains(found: Sequence[Effect]) -> str:
    up = [f"`{e.condition}`" for e in found if e.seen and e.better and (e.own or e.further)]
    down = [f"`{e.condition}`" for e in found if e.seen and not e.better]
    also = [
        f"`{e.condition}`"
        for e in found
        if e.seen and not e.better and e.others and not e.own and not e.further
    ]
    word = WORDS[found[0].row["task"]]
    text = f"{word} rises beyond the mean of the controls under {listed(up, 'no condition')}"
    text += f" and falls under {listed(down, 'no condition')}"
    return text + (f"; the controls do as much as {listed(also)}." if also else ".")


# ------------------------------------------------------------------ redistribution


def _redistribution(table: Table) -> str:
    captions, answers = (effects(table, "redistribution", task) for task in ("chair", "pope"))
    return "\n".join(
        [
            f"## Redistributing attention over {table['image_tokens']} image tokens\n",
            _METHODS,
            _captions(captions),
            _answers(answers),
            _shows(table, captions, answers),
            "",
            losses([*captions, *answers]),
            "",
            "![changes with intervals](figures/effects-redistribution.svg)\n",
        ]
    )


_METHODS = """\
`pai`, `var` and `gift` move attention to or between image tokens; the others change what chosen
heads read or write. Where each head has values of its own, `scale_values` is `scale_heads` by
another way. `stream_heads` leaves the chosen heads the whole context and its controls leave it to
others. `there.safetensors` holds a direction from calibration questions: the mean over objects that
are there less the mean over objects that are not, at the last row of the prompt.
"""
LARGE = 0.1
"""A change of a control that is named next to an intervention that was not seen to do anything."""
MOVERS = ("pai", "var", "gift")
"""Methods that move attention over image tokens; the others of the section edit heads."""


def _shows(table: Table, captions: Sequence[Effect], answers: Sequence[Effect]) -> str:
    lines = []
    for task, found in (("pope", answers), ("chair", captions)):
        movers = [e for e in found if e.method in MOVERS]
        better = [
            f"`{e.condition}`" for e in movers if e.seen and (e.own or e.further) and e.better
        ]
        worse = [f"`{e.condition}`" for e in movers if e.seen and not e.better]
        inert = [f"`{e.condition}`" for e in movers if e.row["status"] == "inert"]
        quiet = [e for e in movers if e.main and not e.seen]
        limits = [e.main["detectable"] for e in quiet if e.main["detectable"] is not None]
        verb = "shows a gain" if better else "shows no gain"
        line = f"- On {WORDS[task]}, redistribution at {table['image_tokens']} image tokens {verb}"
        line += (
            f" (better, beyond the mean of the controls: {listed(better)}; worse: {listed(worse)};"
        )
        line += f" not seen: {len(quiet)} of {len(movers)} conditions; inert: {listed(inert)})."
        if limits:
            line += (
                f" In what was not seen, changes below {num(max(limits))} would often be missed."
            )
        lines.append(line)
    for task, found in (("pope", answers), ("chair", captions)):
        rest = [e for e in found if e.method not in MOVERS]
        said = _gains(rest) if task == "pope" else _best(rest)
        lines.append(f"- Among the methods of chosen heads: {said}")
        lines.append(_spared(rest, WORDS[task]))
    return "\n".join(line for line in lines if line)


def _spared(found: Sequence[Effect], word: str) -> str:
    """Interventions that do no harm where the same edit with other heads does."""
    told = [
        f"`{e.condition}` ({drawn(e.others)})"
        for e in found
        if e.main and not e.seen and any(abs(other) >= LARGE for other in e.others)
    ]
    if not told:
        return ""
    seen = f"does by {LARGE} or more under a control: {listed(told)}"
    return f"- {word} is not seen to move, but {seen}."
