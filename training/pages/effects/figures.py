"""Figures of the page of effects, as SVG. Needs matplotlib (the ``docs`` extra)."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from training.pages.effects.sentences import MAIN, WORDS, Effect, effects

# Hues of a palette that the colour-blind can tell apart; controls are grey throughout.
COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7")
GREY, BLACK = "#999999", "#222222"
MARKS = ("o", "s", "^", "D")
LONGEST = 46
"""Characters of a condition's name beside a bar."""


def write(folder: Path, table: Mapping[str, Any]) -> list[Path]:
    """Draw every figure into ``folder``; the same table gives the same files."""
    import matplotlib as mpl

    mpl.use("svg")
    mpl.rcParams.update({"svg.hashsalt": "headbench", "font.size": 9, "axes.grid": True})
    mpl.rcParams.update({"grid.alpha": 0.3, "axes.spines.top": False, "axes.spines.right": False})
    folder.mkdir(parents=True, exist_ok=True)
    drawn = {
        "effects-masking": _masking(table),
        "effects-rotary": _rotary(table),
        "effects-captions": _captions(table),
        "effects-redistribution": _redistribution(table),
    }
    paths = [folder / f"{name}.svg" for name in drawn]
    for path, figure in zip(paths, drawn.values(), strict=True):
        figure.savefig(path, metadata={"Date": None}, bbox_inches="tight")
    return paths


def _figure(columns: int = 1, height: float = 3.6, width: float = 6.4) -> tuple[Any, Any]:
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width, height), layout="constrained")
    return figure, figure.subplots(1, columns, squeeze=False)[0]


def _errors(found: list[Effect]) -> list[list[float]]:
    """Distance from each value to the ends of its change's interval."""
    mains = [e.main for e in found]
    below = [m["difference"] - m["low"] if m["low"] is not None else 0.0 for m in mains]
    above = [m["high"] - m["difference"] if m["high"] is not None else 0.0 for m in mains]
    return [below, above]


def _lines(axes: Any, groups: Mapping[str, list[Effect]], param: str, spread: float) -> None:
    """Recall against a parameter, one line a group, with its controls in grey behind."""
    for number, (name, found) in enumerate(groups.items()):
        shift = (number - (len(groups) - 1) / 2) * spread
        across = [e.params[param] + shift for e in found]
        axes.errorbar(
            across, [e.main["value"] for e in found], yerr=_errors(found), capsize=2,
            marker=MARKS[number], color=COLOURS[number], label=name, linewidth=1.2, zorder=3,
        )  # fmt: skip
        points = [(at, e.main["base"] + d) for at, e in zip(across, found, strict=True)
                  for d in e.others]  # fmt: skip
        if points:
            label = "controls" if "controls" not in _labels(axes) else None
            axes.plot(*zip(*points, strict=True), "x", color=GREY, label=label, zorder=5)
    base = next(iter(groups.values()))[0].main["base"]
    axes.axhline(base, color=BLACK, linewidth=0.8, linestyle=":", label="unedited")
    axes.set(ylabel="recall", ylim=(-0.05, 1.08))


def _labels(axes: Any) -> list[str]:
    return list(axes.get_legend_handles_labels()[1])


def _masking(table: Mapping[str, Any]) -> Any:
    found = effects(table, "masking", "niah")
    modes = dict.fromkeys(str(e.params["mode"]) for e in found)
    groups = {
        mode: sorted((e for e in found if e.params["mode"] == mode), key=lambda e: e.params["top"])
        for mode in modes
    }
    figure, (axes,) = _figure()
    _lines(axes, groups, "top", 0.06)
    axes.set(title="Needle recall with retrieval heads masked", xlabel="masked heads")
    axes.set_xticks(sorted({e.params["top"] for e in found}))
    axes.legend(loc="center left", bbox_to_anchor=(1.0, 0.5), frameon=False)
    return figure


def _rotary(table: Mapping[str, Any]) -> Any:
    found = effects(table, "rotary", "niah")
    groups = {
        kind: sorted((e for e in found if e.params["dims"] == kind), key=lambda e: e.params["dose"])
        for kind in dict.fromkeys(str(e.params["dims"]) for e in found)
    }
    figure, (axes,) = _figure()
    _lines(axes, groups, "dose", 0.15)
    width = table["head_dim"]
    axes.set(title="Needle recall with rotary dimensions of the top two heads zeroed")
    axes.set(xlabel=f"query dimensions zeroed, of {width}")
    axes.set_xticks(sorted({e.params["dose"] for e in found}))
    axes.legend(loc="center left", bbox_to_anchor=(1.0, 0.5), frameon=False)
    return figure


def _captions(table: Mapping[str, Any]) -> Any:
    found = [e for e in effects(table, "vision", "chair") if e.main]
    figure, (axes,) = _figure()
    for number, method in enumerate(dict.fromkeys(e.method for e in found)):
        conditions = sorted(
            (e for e in found if e.method == method), key=lambda e: e.params["alpha"]
        )
        start = (conditions[0].of("recall")["base"], conditions[0].main["base"])
        recall = [e.of("recall")["value"] for e in conditions]
        axes.plot(*zip(start, *zip(recall, (e.main["value"] for e in conditions), strict=True),
                       strict=True), f"{MARKS[number]}-", color=COLOURS[number], label=method,
                  zorder=3)  # fmt: skip
        for e, at in zip(conditions, recall, strict=True):
            axes.annotate(f"{e.params['alpha']:g}", (at, e.main["value"]), xytext=(-6, -12),
                          textcoords="offset points", fontsize=8, ha="center")  # fmt: skip
        points = [(c["recall"], c["chair_i"]) for e in conditions for c in e.row["controls"]]
        if points:
            axes.plot(*zip(*points, strict=True), "x+"[number % 2], color=GREY,
                      label=f"controls of {method}", zorder=2)  # fmt: skip
    base = found[0]
    axes.plot(base.of("recall")["base"], base.main["base"], "*", color=BLACK,
              markersize=11, label="unedited", zorder=4)  # fmt: skip
    axes.set(title="Captions: invented objects against object recall, by strength")
    axes.set(xlabel="object recall", ylabel="CHAIR_i (lower is better)")
    axes.legend(loc="center left", bbox_to_anchor=(1.0, 0.5), frameon=False)
    return figure


def _redistribution(table: Mapping[str, Any]) -> Any:
    sides = {task: effects(table, "redistribution", task) for task in ("pope", "chair")}
    names = [e.condition for e in sides["pope"]][::-1]
    figure, both = _figure(2, height=0.27 * len(names) + 1.0, width=9.6)
    for axes, (task, found) in zip(both, sides.items(), strict=True):
        at = {name: place for place, name in enumerate(names)}
        axes.axvline(0, color=BLACK, linewidth=0.8)
        live = [e for e in found if e.main]
        axes.errorbar(
            [e.main["difference"] for e in live], [at[e.condition] for e in live],
            xerr=_errors(live), fmt="o", color=COLOURS[0], capsize=2, label="intervention",
            zorder=3,
        )  # fmt: skip
        points = [(d, at[e.condition]) for e in live for d in e.others]
        if points:
            axes.plot(*zip(*points, strict=True), "x", color=GREY, label="control", zorder=2)
        dead = [e for e in found if not e.main]
        axes.plot([0] * len(dead), [at[e.condition] for e in dead], "|", color=COLOURS[1],
                  markersize=9, label="inert", zorder=4)  # fmt: skip
        better = "right" if MAIN[task] == "accuracy" else "left"
        axes.set(xlabel=f"change of {WORDS[task]} ({better} is better)")
        axes.set_xscale("symlog", linthresh=0.1)
        axes.set_xticks([-0.5, -0.1, -0.05, 0, 0.05, 0.1, 0.5],
                        ["-.5", "-.1", "-.05", "0", ".05", ".1", ".5"])  # fmt: skip
        axes.minorticks_off()
    both[0].set_yticks(range(len(names)), [_shortened(name) for name in names], fontsize=8)
    both[1].set_yticks(range(len(names)), [""] * len(names))
    both[1].legend(loc="lower left", bbox_to_anchor=(0, 1.0), ncols=3, frameon=False)
    return figure


def _shortened(name: str) -> str:
    """A condition's name without what all conditions share."""
    for part in (
        ",map=vhd",
        "map=vhd,",
        "fraction=0.5,",
        "file='there.safetensors',",
        "normalise=false,",
    ):
        name = name.replace(part, "")
    return name if len(name) <= LONGEST else f"{name[: LONGEST - 1]}…"
