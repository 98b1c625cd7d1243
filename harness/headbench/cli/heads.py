"""``headbench heads``: head maps, one score per head."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from typer.core import TyperGroup

from headbench.cli.printing import say, show_table
from headbench.errors import ConfigError

if TYPE_CHECKING:
    from headbench.heads.headmap import HeadMap


class HeadsGroup(TyperGroup):
    """``headbench heads --detector NAME ...`` is ``headbench heads detect --detector NAME ...``."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Put the command in where only its options were given."""
        options = args[:1] and args[0].startswith("-") and args[0] not in ("-h", "--help")
        found: list[str] = super().parse_args(ctx, ["detect", *args] if options else args)
        return found


heads = typer.Typer(
    cls=HeadsGroup,
    add_completion=False,
    no_args_is_help=True,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"]},
    help="Find, import and show head maps.",
)


class Form(StrEnum):
    """Formats in which papers release head lists."""

    AUTO = "auto"
    RETRIEVAL_HEAD = "retrieval_head"
    SCORES = "scores"
    PROFILE = "profile"
    PROFILE_COPY = "profile_copy"
    DUO = "duo"
    ROWS = "rows"
    PER_LAYER = "per_layer"
    HEADBENCH = "headbench"


@heads.callback()
def _group() -> None:
    """Keep the verb a group, whatever the number of its commands."""


@heads.command("import")
def import_(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="A released head list.")],
    form: Annotated[Form, typer.Option("--format", help="The file's format.")] = Form.AUTO,
    threshold: Annotated[
        float | None,
        typer.Option(help="Lowest score at which a head counts; default: the format's own."),
    ] = None,
    shape: Annotated[
        str, typer.Option(help="LAYERSxHEADS of the model, where the file lists chosen heads only.")
    ] = "",
    top: Annotated[int, typer.Option(min=1, help="How many of the best heads to print.")] = 10,
    out: Annotated[
        Path | None, typer.Option(help="Also write the map in headbench's format.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Read a released head list; say how many heads it detects, and which are the best."""
    from headbench.heads.head_lists import import_heads

    found = import_heads(file, form.value, shape=_shape(shape), threshold=threshold)
    if out is not None:
        found.save(out)
    facts = summary(found, top)
    if as_json:
        import json

        say(json.dumps(facts, indent=2, allow_nan=False))
        return
    show(found, facts)


@heads.command("detect")
def detect_(
    detector: Annotated[
        str, typer.Option(help="Name of a detector; 'headbench ls detectors' lists them.")
    ],
    model: Annotated[
        str | None, typer.Option(help="An adapter of 'headbench ls models'; default: shipped.")
    ] = None,
    model_args: Annotated[
        str, typer.Option(help="The adapter's arguments, e.g. pretrained=PATH,dtype=bfloat16.")
    ] = "",
    out: Annotated[Path, typer.Option(help="File to write the head map to.")] = Path("heads.json"),
    data: Annotated[
        str, typer.Option(help="needles or scenes; default: the detector's own world.")
    ] = "",
    task: Annotated[
        str,
        typer.Option(help="For rsa: a task whose stimuli, pooling and people are taken."),
    ] = "",
    task_args: Annotated[str, typer.Option(help="Its arguments: name=value,name=value.")] = "",
    length: Annotated[int, typer.Option(min=48, help="Words of a needle prompt.")] = 384,
    limit: Annotated[int | None, typer.Option(min=1, help="Number of documents.")] = None,
    seed: Annotated[int, typer.Option(min=0, help="Seed of the documents.")] = 0,
    parameter: Annotated[
        list[str] | None, typer.Option("--set", help="A parameter of the detector: name=value.")
    ] = None,
    include: Annotated[
        list[Path] | None, typer.Option(help="File or folder of your own extensions; repeat it.")
    ] = None,
    top: Annotated[int, typer.Option(min=1, help="How many of the best heads to print.")] = 10,
) -> None:
    """Score every head of a model and write the head map."""
    from headbench import _extensions
    from headbench.detectors.detector_catalogue import get
    from headbench.detectors.head_detection import detect, read_params, trials_for
    from headbench.models.adapter_catalogue import create
    from headbench.running.model_roles import parse_model_args

    _extensions.include(include or [])
    chosen = get(detector)
    named = {"task": task, "task_args": task_args}
    given = _parameters(parameter or []) | {key: value for key, value in named.items() if value}
    trials = trials_for(chosen, read_params(chosen, given), limit, seed, world=data, length=length)
    shipped = "ref-vlm" if trials.images else "ref-lm"
    adapter = create(model or shipped, parse_model_args(model_args))
    found = detect(detector, adapter, trials, seed=seed, parameters=given)
    found.save(out)
    show(found, summary(found, top))
    say(f"wrote {out}")


@heads.command("detectors")
def detectors(
    include: Annotated[
        list[Path] | None, typer.Option(help="File or folder of your own extensions; repeat it.")
    ] = None,
) -> None:
    """List the detectors."""
    from headbench import _extensions
    from headbench.detectors.detector_catalogue import rows

    _extensions.include(include or [])
    heads = ("name", "a high score says of a head", "source")
    show_table([(one, "left") for one in heads], [[*row.values()] for row in rows()])


@heads.command("show")
def show_(
    file: Annotated[Path, typer.Argument(metavar="HEADS.json", help="A head map.")],
    svg: Annotated[Path | None, typer.Option(help="Also write an SVG.")] = None,
    png: Annotated[Path | None, typer.Option(help="Also write a PNG.")] = None,
    top: Annotated[int, typer.Option(min=1, help="How many of the best heads to print.")] = 10,
) -> None:
    """Draw a head map: layers down, heads across, darker for higher scores."""
    from headbench.heads import heatmap
    from headbench.heads.headmap import HeadMap
    from headbench.results.disk import told

    found = HeadMap.load(file)
    show(found, summary(found, top))
    say(heatmap.terminal(found))
    if svg is not None:
        with told("cannot write", svg):
            svg.write_text(heatmap.svg(found), encoding="utf-8")
    if png is not None:
        with told("cannot write", png):
            heatmap.save_png(found, png)


@heads.command("agree")
def agree_(
    one: Annotated[Path, typer.Argument(metavar="A.json", help="A head map.")],
    other: Annotated[Path, typer.Argument(metavar="B.json", help="Another, of the same model.")],
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Say how far two head maps agree."""
    from dataclasses import asdict

    from headbench.heads.agreement import agree
    from headbench.heads.headmap import HeadMap

    found = agree(HeadMap.load(one), HeadMap.load(other))
    if as_json:
        import json

        say(json.dumps(asdict(found), indent=2, allow_nan=False))
        return
    for k, share in found.top.items():
        say(f"top {k}: Jaccard {share:.3f} (two random lists: about {found.chance[k]:.3f})")
    if found.threshold is not None:
        first, second = found.counts
        say(f"at the thresholds ({first} and {second} heads): {found.threshold:.3f}")
    rank = "undefined: a map is flat" if found.rank is None else f"{found.rank:.3f}"
    say(f"Spearman rank correlation over all heads: {rank}")


def _parameters(given: list[str]) -> dict[str, object]:
    """Values of ``--set name=value``: JSON where it is JSON, else the text."""
    import json

    found: dict[str, object] = {}
    for text in given:
        name, sign, value = text.partition("=")
        if not sign:
            raise ConfigError(f"{text!r} is not name=value", where=f"--set {text}")
        try:
            found[name] = json.loads(value)
        except json.JSONDecodeError:
            found[name] = value
    return found


def summary(found: HeadMap, top: int) -> dict[str, object]:
    """The counts and the best heads of a map, as JSON values."""
    total = len(found.attending) * found.heads
    best = [
        {"layer": layer, "head": head, "score": found.score(layer, head)}
        for layer, head in found.top(min(top, total))
    ]
    return {
        "model": found.model,
        "detector": found.detector,
        "layers": found.layers,
        "heads": found.heads,
        "unit": found.unit,
        "n_heads": total,
        "layers_with_attention": list(found.attending),
        "threshold": found.threshold,
        "above": None if found.threshold is None else len(found.above()),
        "trials": found.trials,
        "window": found.window._asdict() if found.window else None,
        "top": best,
        "sha256": found.sha256,
    }


def show(found: HeadMap, facts: dict[str, object]) -> None:
    """Print a map's counts, and its best heads as a table."""
    say(
        f"{found.model}: {found.layers} layers x {found.heads} {found.unit} heads, {found.detector}"
    )
    if len(found.attending) < found.layers:
        say(f"layers with attention: {', '.join(map(str, found.attending))}")
    if facts["above"] is not None:
        above, total = len(found.above()), len(found.attending) * found.heads
        say(f"{above} of {total} heads ({above / total:.2%}) score {found.threshold} or more")
    if found.window:
        say(
            f"deployed: the other heads see the first {found.window.first} and the latest "
            f"{found.window.recent} keys while decoding; stream_heads(map=...) takes this window"
        )
    best = facts["top"]
    rows = best if isinstance(best, list) else []
    show_table(
        [("layer", "right"), ("head", "right"), ("score", "right")],
        [[str(row["layer"]), str(row["head"]), f"{row['score']:.4f}"] for row in rows],
    )


def _shape(text: str) -> tuple[int, int] | None:
    if not text:
        return None
    layers, _, width = text.lower().partition("x")
    if not (layers.isdecimal() and width.isdecimal() and int(layers) and int(width)):
        raise ConfigError(
            f"{text!r} is no shape", where="--shape", hint="write it as LAYERSxHEADS, e.g. 32x32"
        )
    return int(layers), int(width)
