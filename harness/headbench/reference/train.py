"""The training command: ``python -m headbench.reference.train lm|lm2|vlm --seed N``.

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
    Path | None, typer.Option(help="Run folder; continued if it exists. Default runs/KIND-seedN.")
]
Smoke = Annotated[bool, typer.Option(help="One minute, to see that the machinery learns.")]


@app.command()
def lm(seed: Seed = 0, out: Out = None, smoke: Smoke = False) -> None:
    """Train ref-lm (about a quarter of an hour on one core)."""
    from headbench.reference import lm_release, lm_train

    folder = out or Path("runs") / f"lm-seed{seed}{'-smoke' if smoke else ''}"
    if smoke:
        typer.echo(lm_train.smoke(seed, folder))
        return
    model = lm_train.train(lm_train.LmConfig(seed, folder))
    typer.echo(lm_release.release(model, seed, folder))


@app.command()
def lm2(seed: Seed = 0, out: Out = None, smoke: Smoke = False) -> None:
    """Train ref-lm-v2, which knows walls and labels too (some half an hour on one core)."""
    from functools import partial

    from headbench.reference import lm2_model, lm2_probe, lm2_release, lm2_train

    folder = out or Path("runs") / f"lm2-seed{seed}{'-smoke' if smoke else ''}"
    if smoke:
        typer.echo(lm2_train.smoke(seed, folder))
        return
    probe = partial(lm2_probe.calibration_figures, tokenizer=lm2_model.tokenizer_v2())
    model = lm2_train.train(lm2_train.Lm2Config(seed, folder), probe)
    typer.echo(lm2_release.release(model, seed, folder))


@app.command()
def vlm(
    seed: Seed = 0,
    out: Out = None,
    smoke: Smoke = False,
    start: Annotated[
        Path | None, typer.Option(help="Run folder of the lm to start from. Default runs/lm-seedN.")
    ] = None,
    patch: Annotated[
        int, typer.Option(help="Side of a patch in pixels: 16 (16 image tokens) or 8 (64).")
    ] = 16,
) -> None:
    """Train ref-vlm from the ref-lm of the same seed (some half an hour on one core)."""
    from headbench.reference import vlm_release, vlm_train

    if patch not in (8, 16):
        raise typer.BadParameter("8 or 16 (64 or 16 image tokens)", param_hint="--patch")

    name = f"vlm-seed{seed}{'-patch8' if patch == 8 else ''}{'-smoke' if smoke else ''}"
    folder = out or Path("runs") / name
    begin = start or Path("runs") / f"lm-seed{seed}"
    config = vlm_train.VlmConfig(seed, folder, begin, smoke=smoke, patch=patch)
    model = vlm_train.train(config)
    if not smoke:
        typer.echo(vlm_release.release(model, seed, folder))


if __name__ == "__main__":
    app()
