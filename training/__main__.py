"""Train a reference model: ``python -m training lm-v1|lm-v2|vlm-v2 --seed N``.

Writes a run folder with a log, resume states and, at the end, an exported model with its evidence.
Checkpoints that ship are never overwritten: a change is a new version.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

app = typer.Typer(add_completion=False, no_args_is_help=True, help=__doc__)

Seed = Annotated[int, typer.Option(help="Draws weights and data.")]
Out = Annotated[
    Path | None,
    typer.Option(help="Run folder; continued if it exists. Default runs/RECIPE-seedN."),
]
Smoke = Annotated[bool, typer.Option(help="About a minute, to see that the training works.")]


@app.command()
def lm_v1(seed: Seed = 0, out: Out = None, smoke: Smoke = False) -> None:
    """Train ref-lm-v1: needles (about a quarter of an hour on one core)."""
    from training.lm_v1 import release, train

    folder = out or _run_folder("lm-v1", seed, smoke)
    if smoke:
        typer.echo(train.smoke(seed, folder))
        return
    model = train.train(train.LmConfig(seed, folder))
    typer.echo(release.release(model, seed, folder))


@app.command()
def lm_v2(seed: Seed = 0, out: Out = None, smoke: Smoke = False) -> None:
    """Train ref-lm-v2: needles, walls and labels (about half an hour on one core)."""
    from functools import partial

    from training.lm_v2 import model as model_v2
    from training.lm_v2 import release, task_probe, train

    folder = out or _run_folder("lm-v2", seed, smoke)
    if smoke:
        typer.echo(train.smoke(seed, folder))
        return
    probe = partial(task_probe.calibration_figures, tokenizer=model_v2.tokenizer_v2())
    model = train.train(train.Lm2Config(seed, folder), probe)
    typer.echo(release.release(model, seed, folder))


@app.command()
def vlm_v2(
    seed: Seed = 0,
    out: Out = None,
    smoke: Smoke = False,
    start: Annotated[
        Path | None,
        typer.Option(help="Run folder of the lm-v1 to start from. Default runs/lm-v1-seedN."),
    ] = None,
    patch: Annotated[
        int, typer.Option(help="Side of a patch in pixels: 16 (16 image tokens) or 8 (64).")
    ] = 16,
) -> None:
    """Train ref-vlm-v2 from the ref-lm-v1 of the same seed (about half an hour on one core)."""
    from training.vlm_v2 import release, train

    if patch not in (8, 16):
        raise typer.BadParameter("8 or 16 (64 or 16 image tokens)", param_hint="--patch")

    recipe = "vlm-v2-patch8" if patch == 8 else "vlm-v2"
    folder = out or _run_folder(recipe, seed, smoke)
    begin = start or _run_folder("lm-v1", seed, smoke=False)
    model = train.train(train.VlmConfig(seed, folder, begin, smoke=smoke, patch=patch))
    if not smoke:
        typer.echo(release.release(model, seed, folder))


def _run_folder(recipe: str, seed: int, smoke: bool) -> Path:
    return Path("runs") / f"{recipe}-seed{seed}{'-smoke' if smoke else ''}"


if __name__ == "__main__":
    app()
