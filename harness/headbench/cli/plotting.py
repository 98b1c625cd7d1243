"""Drawings of results as PNG or SVG, by matplotlib."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from headbench.errors import ConfigError, RefusedError

if TYPE_CHECKING:
    from headbench.nouns import Record
    from headbench.results.schema import Result
    from headbench.scoring.pictures import Matrices

SUFFIXES = (".png", ".svg")
INCHES = 4.0
"""Width of a panel."""


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
    """Draw what the result's scorer shows of its records.

    Raises:
        RefusedError: The scorer shows nothing, or these records hold nothing to show.
    """
    from headbench.scoring import lookup

    name = result.task.scorer.partition("@")[0]
    picture = lookup.scorer(name).picture
    found = None if picture is None else picture(records)
    if found is None:
        raise RefusedError(
            f"the scorer {name!r} has no drawing of these records",
            where=f"result {result.id[:12]}, task {result.task.name}",
            hint="tasks of the scorer rsa draw their dissimilarities; head maps are drawn by "
            "`headbench heads show --png`",
        )
    _draw(found, f"{result.task.name}, {result.model.name}, {result.arm.name}", path)


def _draw(picture: Matrices, where: str, path: Path) -> None:
    import matplotlib as mpl
    from matplotlib.figure import Figure

    # The same bytes for the same result: no date, and ids of SVG elements from a fixed salt.
    with mpl.rc_context({"svg.hashsalt": "headbench", "svg.fonttype": "none", "font.size": 9}):
        count = len(picture.panels)
        figure = Figure(figsize=(INCHES * count + 0.8, INCHES + 1.0), layout="constrained")
        axes = figure.subplots(1, count, squeeze=False)[0]
        for axis, (title, values) in zip(axes, picture.panels, strict=True):
            image = axis.imshow(values, vmin=0, vmax=1, cmap="viridis", interpolation="nearest")
            axis.set_title(title)
            axis.set_xticks([])
            axis.set_yticks([])
        figure.colorbar(image, ax=list(axes), label=picture.scale, shrink=0.8)
        figure.suptitle(f"{picture.title}: {where}")
        figure.supxlabel(picture.note, fontsize=8)
        metadata = {"Date": None} if path.suffix.lower() == ".svg" else None
        figure.savefig(path, dpi=150, metadata=metadata)
