"""Recompute what the shipped checkpoints show: ``python -m training.pages.reference_models``.

Prints every criterion with the shipped model's figure, recomputed now, beside the stored figures
of the other training seeds. Exits with 1 when a criterion fails. With ``--write`` it also writes
``docs/reference-models.md`` and its figures.
"""

from __future__ import annotations

import time
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from typing import Annotated, Any

import typer

from headbench._paths import checkpoints_root
from training.pages.stored import DOCS, LM, SHIPPED_SEED, VLM, Table, stored_map, stored_tables


def recompute_lm() -> Table:
    """The table of the shipped language model, measured now with its shipped head map."""
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer

    from training.lm_v1.evidence import evidence

    folder = checkpoints_root() / LM
    model = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32).eval()
    tokenizer = AutoTokenizer.from_pretrained(folder)
    return evidence(model, tokenizer, scores=stored_map(LM, "retrieval"))


def recompute_vlm() -> Table:
    """The table of the shipped vision-language model, measured now with its shipped head map."""
    import torch
    from transformers import AutoModelForImageTextToText, AutoTokenizer

    from training.vlm_v2.criteria import criteria
    from training.vlm_v2.evidence import evidence

    folder = checkpoints_root() / VLM
    model = AutoModelForImageTextToText.from_pretrained(folder, dtype=torch.float32).eval()
    tokenizer = AutoTokenizer.from_pretrained(folder)
    table = evidence(model, tokenizer, SHIPPED_SEED, stored_map(VLM, "vhd"))
    table["gates"] = criteria(table)
    return table


def _one_thread() -> None:
    import torch

    torch.set_num_threads(1)


def lines(name: str, now: Table, stored: dict[int, Table]) -> list[str]:
    """One line a criterion: verdict, name, bound, figure now, stored figures of other seeds."""
    others = {seed: table for seed, table in sorted(stored.items()) if seed != SHIPPED_SEED}
    heading = f"{name}: shipped seed {SHIPPED_SEED} measured now"
    out = [heading + "".join(f" | seed {seed} stored" for seed in others)]
    for row, criterion in enumerate(now["gates"]):
        verdict = "PASS" if criterion["holds"] else "FAIL"
        figures = [criterion["value"], *(table["gates"][row]["value"] for table in others.values())]
        what = f"{criterion['name']} ({criterion['bound']})"
        out.append(f"  {verdict}  {what}: {' | '.join(map(shown, figures))}")
    return out


def shown(value: Any) -> str:
    """A figure, or several, as short text."""
    if isinstance(value, list):
        return ", ".join(shown(item) for item in value)
    return f"{value:.3f}" if isinstance(value, float) else str(value)


def main(
    write: Annotated[
        bool, typer.Option("--write", help="Write docs/reference-models.md and its figures.")
    ] = False,
    docs: Annotated[Path | None, typer.Option(help="Where to; the checkout's docs folder.")] = None,
) -> None:
    """Recompute the evidence of the shipped checkpoints and judge it."""
    began = time.monotonic()
    # A process each, with one thread: threads gain nothing on models this small.
    with ProcessPoolExecutor(2, get_context("spawn"), initializer=_one_thread) as pool:
        running = {LM: pool.submit(recompute_lm), VLM: pool.submit(recompute_vlm)}
        now = {name: table.result() for name, table in running.items()}
    stored = {name: stored_tables(name) for name in now}
    for name, table in now.items():
        typer.echo("\n".join(lines(name, table, stored[name])))
    typer.echo(f"{time.monotonic() - began:.0f} s")
    if write:
        from training.pages.reference_models import figures, page

        folder = docs or DOCS
        figures.write(folder / "figures", now)
        (folder / "reference-models.md").write_text(page.page(now, stored))
    if not all(criterion["holds"] for table in now.values() for criterion in table["gates"]):
        raise typer.Exit(1)


if __name__ == "__main__":
    typer.run(main)
