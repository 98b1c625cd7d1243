"""Drawings of results as PNG or SVG, by matplotlib."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from headbench.errors import ConfigError, RefusedError

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from headbench.nouns import Record
    from headbench.results.schema import ProfileFacts, Result
    from headbench.scoring.pictures import Matrices

SUFFIXES = (".png", ".svg")
INCHES = 4.0
"""Width of a panel."""
TICKS = 16
"""Most labels of an axis."""


def check(path: Path) -> None:
    """Refuse a file of another form, and a drawing without what draws it.

    Raises:
        ConfigError: The name does not end in .png or .svg.
        RefusedError: matplotlib is not installed.
    """
    if path.suffix.lower() not in SUFFIXES:
        raise ConfigError(
            f"a drawing is not written as {path.suffix or 'a file without an ending'}",
            where=f"--plot {path}",
            hint=f"end the name in {' or '.join(SUFFIXES)}",
        )
    try:
        import matplotlib  # noqa: F401 - asked for before anything is computed
    except ImportError as error:
        raise RefusedError(
            "drawings need matplotlib, which is not installed",
            where=f"--plot {path}",
            hint="pip install 'headbench[plots]'",
        ) from error


def plot(result: Result, records: Sequence[Record], path: Path) -> None:
    """Draw what the result's scorer shows of its records: matrices, curves over layers, head maps.

    Raises:
        RefusedError: The scorer shows nothing, or these records hold nothing to show.
    """
    from headbench.results.profiles import profiles_of
    from headbench.scoring import lookup

    name = result.task.scorer.partition("@")[0]
    picture = lookup.scorer(name).picture
    matrices = None if picture is None else picture(records)
    profiles = result.profiles or profiles_of(name, records)  # control cells keep none
    if matrices is None and not profiles:
        raise RefusedError(
            f"the scorer {name!r} has no drawing of these records",
            where=f"result {result.id[:12]}, task {result.task.name}",
            hint="a task draws the dissimilarities of the scorer rsa, and several layers or heads "
            "where it compares them (--task-args layers=all); head maps are drawn by "
            "`headbench heads show --png`",
        )
    about = f"{result.task.name}, {result.model.name}, {result.arm.name}"
    _draw(matrices, profiles, about, path)


def _draw(
    matrices: Matrices | None, profiles: Sequence[ProfileFacts], about: str, path: Path
) -> None:
    import matplotlib as mpl
    from matplotlib.figure import Figure

    from headbench.results.disk import told

    # The same bytes for the same result: no date, and ids of SVG elements from a fixed salt.
    with mpl.rc_context({"svg.hashsalt": "headbench", "svg.fonttype": "none", "font.size": 9}):
        panels = () if matrices is None else matrices.panels
        count = len(panels) + len(profiles)
        figure = Figure(figsize=(INCHES * count + 0.8, INCHES + 1.0), layout="constrained")
        axes = list(figure.subplots(1, count, squeeze=False)[0])
        notes = []
        if matrices is not None:
            _draw_matrices(figure, axes[: len(panels)], matrices)
            notes.append(matrices.note)
        for axis, profile in zip(axes[len(panels) :], profiles, strict=True):
            (_draw_map if profile.heads else _draw_curve)(figure, axis, profile)
            notes.append(profile.note)
        title = "" if matrices is None else f"{matrices.title}: "
        figure.suptitle(f"{title}{about}")
        figure.supxlabel("\n".join(filter(None, dict.fromkeys(notes))), fontsize=8)
        metadata = {"Date": None} if path.suffix.lower() == ".svg" else None
        with told("cannot write", path):
            figure.savefig(path, dpi=150, metadata=metadata)


def _draw_matrices(figure: Figure, axes: Sequence[Axes], picture: Matrices) -> None:
    for axis, (title, values) in zip(axes, picture.panels, strict=True):
        image = axis.imshow(values, vmin=0, vmax=1, cmap="viridis", interpolation="nearest")
        axis.set_title(title)
        axis.set_xticks([])
        axis.set_yticks([])
    figure.colorbar(image, ax=list(axes), label=picture.scale, shrink=0.8)


def _draw_curve(figure: Figure, axis: Axes, profile: ProfileFacts) -> None:
    """A curve over layers, with the noise ceiling as a band."""
    values = [row[0] for row in profile.values]
    known = [(at, one) for at, one in zip(profile.layers, values, strict=True) if one is not None]
    if profile.floor is not None and profile.ceiling is not None:
        axis.axhspan(profile.floor, profile.ceiling, color="0.85", label="noise ceiling")
    chance = 0.0 if profile.chance is None else profile.chance
    axis.axhline(chance, color="0.4", linewidth=0.8, linestyle=":")
    axis.plot([at for at, _ in known], [one for _, one in known], marker="o", label="each layer")
    axis.set_xlabel("layer")
    axis.set_ylabel(profile.metric)
    axis.set_xticks(_ticks(profile.layers))
    axis.legend(frameon=False)
    axis.set_title("layers")


def _draw_map(figure: Figure, axis: Axes, profile: ProfileFacts) -> None:
    """A map of layers and heads; what is undefined stays blank, and the best head has a frame."""
    from matplotlib.patches import Rectangle

    table = [[float("nan") if one is None else one for one in row] for row in profile.values]
    image = axis.imshow(table, cmap="viridis", interpolation="nearest", aspect="auto")
    places = [
        (one, row, column)
        for row, cells in enumerate(profile.values)
        for column, one in enumerate(cells)
        if one is not None
    ]
    if places:
        _, row, column = max(places)
        axis.add_patch(Rectangle((column - 0.5, row - 0.5), 1, 1, fill=False, edgecolor="red"))
    for ticks, labels, numbers in (
        (axis.set_xticks, axis.set_xticklabels, profile.heads),
        (axis.set_yticks, axis.set_yticklabels, profile.layers),
    ):
        shown = _ticks(range(len(numbers)))
        ticks(shown)
        labels([str(numbers[at]) for at in shown])
    axis.set_xlabel("head")
    axis.set_ylabel("layer")
    axis.set_title("heads (red: greatest)")
    figure.colorbar(image, ax=axis, label=profile.metric, shrink=0.8)


def _ticks(numbers: Sequence[int]) -> list[int]:
    """At most :data:`TICKS` of them, evenly spaced from the first."""
    return list(numbers[:: max(1, -(-len(numbers) // TICKS))])
