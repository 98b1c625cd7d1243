"""``headbench fold``: write a static intervention into a checkpoint's weights."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from headbench._reading import exists, is_folder
from headbench.cli.printing import say


def fold(
    intervention: Annotated[
        str, typer.Option(help="A static intervention, e.g. 'mask_heads(heads=[[2,5]])'.")
    ],
    pretrained: Annotated[str, typer.Option(help="Checkpoint: a folder or a hub id.")],
    out: Annotated[Path, typer.Option(help="Folder to write; must be empty or absent.")],
    dtype: Annotated[str, typer.Option(help="Weights' type: auto, float32, bfloat16.")] = "auto",
    include: Annotated[
        list[Path] | None, typer.Option(help="File or folder of your own extensions; repeat it.")
    ] = None,
) -> None:
    """Write an intervention into a checkpoint's weights.

    The result is a standard checkpoint: any engine runs it, at no extra cost.
    """
    from headbench import _extensions
    from headbench.errors import ConfigError
    from headbench.interventions.resolve import resolve
    from headbench.models.hf.fold import fold as write
    from headbench.models.hf.fold import foldable
    from headbench.models.hf.load import load
    from headbench.models.hf.settings import Settings

    _extensions.include(include or [])
    if exists(out) and (not is_folder(out) or any(out.iterdir())):
        raise ConfigError("this is no empty folder", where=str(out), hint="give a new --out")
    settings = Settings.read({"pretrained": pretrained, "dtype": dtype, "device": "cpu"})
    loaded = load(settings)
    conditions = resolve(intervention, loaded.info)
    if len(conditions) != 1:
        raise ConfigError(
            f"{intervention!r} sweeps over {len(conditions)} conditions", hint="fold one condition"
        )
    edits = foldable(conditions[0].interventions)
    folded = write(loaded.model, edits)
    loaded.model.save_pretrained(out)
    (loaded.processor or loaded.tokenizer).save_pretrained(out)
    say(f"{conditions[0].name}: {folded.edits} edits in layers {list(folded.layers)}")
    say(f"wrote {out}")
