"""Figures of the evidence, as SVG. Needs matplotlib (the ``docs`` extra)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from headbench.errors import RefusedError
from training.pages.stored import LM, VLM

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

# Blue, orange, green, grey of a palette that the colour-blind can tell apart.
TOP, RANDOM, OTHER, BASE = "#0072b2", "#999999", "#d55e00", "#222222"


def write(folder: Path, tables: Mapping[str, Mapping[str, Any]]) -> list[Path]:
    """Draw every figure.

    Args:
        folder: Created if absent.
        tables: Model name -> table of evidence.

    Returns:
        The files written.

    Raises:
        RefusedError: Matplotlib is not installed.
    """
    try:
        import matplotlib as mpl
    except ImportError as error:
        raise RefusedError("figures need matplotlib", hint="pip install headbench[docs]") from error
    mpl.use("svg")
    # Ids by content and no date: the same figures give the same files.
    mpl.rcParams.update({"svg.hashsalt": "headbench", "font.size": 10, "axes.grid": True})
    mpl.rcParams.update({"grid.alpha": 0.3, "axes.spines.top": False, "axes.spines.right": False})
    folder.mkdir(parents=True, exist_ok=True)
    drawn = {
        "recall-by-depth": (_recall_by_depth, tables[LM]),
        "masked-heads": (_masked_heads, tables[LM]),
        "rotary-dose": (_rotary_dose, tables[LM]),
        "pope": (_pope, tables[VLM]),
        "chair-recall": (_chair_recall, tables[VLM]),
    }
    written = []
    for name, (draw, table) in drawn.items():
        figure = draw(table)
        path = folder / f"{name}.svg"
        figure.savefig(path, metadata={"Date": None}, bbox_inches="tight")
        written.append(path)
    return written


def _axes(title: str, across: str, up: str) -> tuple[Any, Any]:
    from matplotlib.figure import Figure

    figure = Figure(figsize=(6.4, 3.8))
    axes = figure.add_subplot()
    axes.set(title=title, xlabel=across, ylabel=up)
    return figure, axes


def _recall_by_depth(table: Mapping[str, Any]) -> Any:
    lengths = list(table["recall"])
    depths = list(table["recall"][lengths[0]]["by_depth"])
    grid = [
        [table["recall"][length]["by_depth"].get(depth, float("nan")) for length in lengths]
        for depth in depths
    ]
    figure, axes = _axes("Recall of one needle", "prompt length (tokens)", "depth of the needle")
    axes.grid(visible=False)
    axes.imshow(grid, cmap="Blues", vmin=0, vmax=1.3, aspect="auto")
    axes.set_xticks(range(len(lengths)), lengths)
    axes.set_yticks(range(len(depths)), depths)
    for row, values in enumerate(grid):
        for column, value in enumerate(values):
            axes.text(column, row, f"{value:.2f}", ha="center", va="center")
    return figure


def _masked_heads(table: Mapping[str, Any]) -> Any:
    masking = table["masking"]
    figure, axes = _axes(
        f"Recall at {masking['length']} with heads masked", "heads masked", "recall"
    )
    axes.axhline(masking["baseline"], color=BASE, linewidth=1, linestyle=":", label="none")
    top = {int(count): value for count, value in masking["top"].items()}
    axes.plot(list(top), list(top.values()), "o-", color=TOP, label="top retrieval heads")
    for number, (count, values) in enumerate(masking["random"].items()):
        label = "random heads of the same layers" if number == 0 else None
        axes.plot([int(count)] * len(values), values, "x", color=OTHER, label=label)
    axes.set_ylim(-0.05, 1.05)
    axes.legend()
    return figure


def _rotary_dose(table: Mapping[str, Any]) -> Any:
    rotary = table["rotary"]
    figure, axes = _axes(
        "Recall with rotary dimensions of retrieval heads zeroed",
        "query dimensions zeroed, of 32",
        "recall",
    )
    for name, colour, mark in (("lowest", TOP, "o"), ("highest", OTHER, "s")):
        doses = {int(dose): value for dose, value in rotary[name].items()}
        axes.plot(
            list(doses), list(doses.values()), f"{mark}-", color=colour, label=f"{name} frequencies"
        )
    for number, (dose, values) in enumerate(rotary["random"].items()):
        label = "random pairs" if number == 0 else None
        axes.plot([int(dose)] * len(values), values, "x", color=RANDOM, label=label)
    axes.set_ylim(-0.05, 1.05)
    axes.legend()
    return figure


def _pope(table: Mapping[str, Any]) -> Any:
    settings = ("random", "popular", "adversarial")
    conditions = {
        "base": BASE,
        "fixed": TOP,
        "vhr-2": OTHER,
        "fixed-random-0": RANDOM,
        "vhr-2-random-0": "#cccccc",
    }
    figure, axes = _axes("POPE accuracy", "", "accuracy")
    width = 0.8 / len(conditions)
    for number, (condition, colour) in enumerate(conditions.items()):
        values = [table["pope"][condition][setting]["accuracy"] for setting in settings]
        places = [
            place + (number - len(conditions) / 2 + 0.5) * width for place in range(len(settings))
        ]
        axes.bar(places, values, width, color=colour, label=condition)
    axes.set_xticks(range(len(settings)), settings)
    axes.set_ylim(0.5, 1.0)
    axes.legend(ncols=3, fontsize=8, loc="upper right")
    return figure


def _chair_recall(table: Mapping[str, Any]) -> Any:
    figure, axes = _axes("Captions: invention against recall", "object recall", "CHAIR_i")
    by_strength = table["chair_by_strength"]
    axes.plot(
        [score["recall"] for score in by_strength.values()],
        [score["chair_i"] for score in by_strength.values()],
        "o-",
        color=TOP,
        label="fixed heads, strength as marked",
    )
    for strength, score in by_strength.items():
        axes.annotate(strength, (score["recall"], score["chair_i"]), fontsize=8, xytext=(4, 4),
                      textcoords="offset points")  # fmt: skip
    conditions = table["chair"].items()
    low, per_sample = (
        [score for condition, score in conditions if condition.startswith(prefix)]
        for prefix in ("fixed-low", "vhr-2-random")
    )
    for found, colour, mark, label in (
        (table["chair_random_halves"].values(), RANDOM, "x", "random halves, reference strength"),
        (low, OTHER, "v", "low half, reference strength"),
        (per_sample, "#bbbbbb", "+", "vhr(2), random halves"),
    ):
        axes.plot(
            [score["recall"] for score in found],
            [score["chair_i"] for score in found],
            mark,
            color=colour,
            label=label,
        )
    for condition, mark in (("vhr-1.5", "s"), ("vhr-2", "D")):
        score = table["chair"][condition]
        axes.plot(score["recall"], score["chair_i"], mark, color="#009e73", label=condition)
    axes.legend(fontsize=8)
    return figure
