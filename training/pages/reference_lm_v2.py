"""Recompute what ``ref-lm-v2`` shows: ``python -m training.pages.reference_lm_v2``.

Prints every criterion with its figure and exits with 1 when one fails. With ``--write`` it also
writes ``docs/reference-lm-v2.md``.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any

import typer

from headbench._paths import checkpoints_root
from training.lm_v2.evidence_tables import (
    criteria_table,
    interventions_table,
    rates_table,
    scores_table,
)
from training.pages.stored import DOCS, LM_V2, SHIPPED_SEED, stored_tables

_PAGE = """# The reference model for walls and labels

The packaged tasks `walls` and `stickiness` run on `ref-lm-v2` when no model is named; it recalls
needles too. This page shows its figures, with and without interventions. Its model card
(`headbench/reference/checkpoints/ref-lm-v2/README.md`) says how it was trained and what was built
into it; [the training notes](decisions-training.md) say what failed.

```console
$ headbench run --tasks walls,stickiness --intervention "mask_heads(map=retrieval, top=2)"
```

`python -m training.pages.reference_lm_v2 --write` writes this page: it runs the packaged tasks on
the shipped checkpoint, on their documents of the test split.

## Acceptance criteria

{criteria}
## Every rate

{rates}
A random grouping finds {chance} of groups. Groups whose four words no training row shows together
are found less often than others: part of the skill is memory. The prior and its stickiness are
built in (see the card), so the rescue rate is a property of the training data, not a finding.

## Under interventions

Main figure of each task over its first {limit} documents: share of groups, pooled rescue, recall of
`niah` (128 to 512 tokens, one needle or two). Random controls are draws of as many other heads of
the same layers.

{interventions}
Where an intervention lies within the range of its controls, its heads are not what matters.

Heads with a copy score of .1 or more on calibration documents, (layer, head): {scores}. They were
not made sparse, so recall survives where `ref-lm-v1` loses it; use `ref-lm-v1` to study retrieval
heads.

`vhr` chooses heads by their response to an image, so it has nothing to act on in these tasks:
`headbench run` refuses it and says why.
"""


def page(table: Mapping[str, Any], others: Sequence[Mapping[str, Any]] = ()) -> str:
    """The whole page.

    Args:
        table: :func:`training.lm_v2.evidence.evidence`, with ``copy_scores``.
        others: Tables of other training seeds, for the spread.
    """
    return _PAGE.format(
        criteria=criteria_table(table, others),
        rates=rates_table(table),
        interventions=interventions_table(table),
        limit=table["settings"]["limit"],
        chance=table["walls"]["chance"]["group_rate"],
        scores=scores_table(table) or "none",
    )


def main(
    write: Annotated[bool, typer.Option("--write", help="Write docs/reference-lm-v2.md.")] = False,
    docs: Annotated[Path | None, typer.Option(help="Where to; the checkout's docs folder.")] = None,
) -> None:
    """Recompute the evidence of the shipped checkpoint and judge it."""
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer

    from training.lm_v2.evidence import EvidenceSettings, evidence

    torch.set_num_threads(1)
    folder = checkpoints_root() / LM_V2
    model = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32).eval()
    tokenizer = AutoTokenizer.from_pretrained(folder)
    table = evidence(folder, model, tokenizer, EvidenceSettings())
    for criterion in table["gates"]:
        verdict = "PASS" if criterion["holds"] else "FAIL"
        typer.echo(f"  {verdict}  {criterion['name']} ({criterion['bound']}): {criterion['value']}")
    if write:
        heads = json.loads((folder / "heads-retrieval.json").read_text())
        table |= {"seed": SHIPPED_SEED, "copy_scores": heads["scores"]}
        stored = stored_tables(LM_V2)
        others = [stored[seed] for seed in sorted(stored) if seed != SHIPPED_SEED]
        ((docs or DOCS) / "reference-lm-v2.md").write_text(page(table, others))
    if not all(criterion["holds"] for criterion in table["gates"]):
        raise typer.Exit(1)


if __name__ == "__main__":
    typer.run(main)
