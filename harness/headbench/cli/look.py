"""``headbench look``: what chosen heads attend to while a model answers one prompt."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from headbench.cli.printing import say
from headbench.errors import ConfigError, RefusedError

if TYPE_CHECKING:
    from headbench.look.attention_rows import Pair
    from headbench.models.hf.adapter import HFModel
    from headbench.nouns import ModelInfo, Request

SUFFIXES = (".html", ".png")
SHOWN = 8
"""Heads that are shown where none are named."""
MARKER = "<image>"
MOST_TOKENS = 256
"""Tokens of an answer that one page shows."""


def look(
    prompt: Annotated[
        str,
        typer.Option(help="What to ask; the image comes first, unless the prompt marks its place."),
    ],
    image: Annotated[Path | None, typer.Option(help="A picture to ask about.")] = None,
    model: Annotated[
        str, typer.Option(help="An adapter of 'headbench ls models'; default: shipped.")
    ] = "",
    model_args: Annotated[
        str, typer.Option(help="The adapter's arguments, e.g. pretrained=PATH,dtype=bfloat16.")
    ] = "",
    intervention: Annotated[
        str, typer.Option(help="Also look under it, side by side with the unedited model.")
    ] = "",
    heads: Annotated[
        str, typer.Option(help="Heads to show: 'map=NAME, top=8' or 'heads=[[2,5],[3,1]]'.")
    ] = "",
    layers: Annotated[str, typer.Option(help="All heads of these layers, e.g. 4,5.")] = "",
    tokens: Annotated[
        int, typer.Option(min=1, help="Tokens of the answer whose rows are shown.")
    ] = 1,
    include: Annotated[
        list[Path] | None, typer.Option(help="File or folder of your own extensions; repeat it.")
    ] = None,
    out: Annotated[Path, typer.Option(help="File to write: .html, or .png (first token).")] = Path(
        "look.html"
    ),
) -> None:
    """Draw the attention of chosen heads, over the image and the text, before and after an edit."""
    if out.suffix.lower() not in SUFFIXES:
        raise ConfigError(
            f"a page is not written as {out.suffix or 'a file without an ending'}",
            where=f"--out {out}",
            hint=f"end the name in {' or '.join(SUFFIXES)}",
        )
    if tokens > MOST_TOKENS:
        raise ConfigError(
            f"{tokens} tokens are more than one page shows",
            where=f"--tokens {tokens}",
            hint=f"at most {MOST_TOKENS}",
        )
    if heads and layers:
        raise ConfigError("give --heads or --layers, not both", where=f"--layers {layers}")
    from headbench import _extensions
    from headbench.interventions.resolve import check_text
    from headbench.look.drawing import check_matplotlib, draw

    _extensions.include(include or [])
    if out.suffix.lower() == ".png":
        check_matplotlib(out)
    if intervention:
        check_text(intervention)
    asked, encoded = _request(prompt, image, tokens)

    from headbench.look import attention_rows as rows
    from headbench.look.page import html
    from headbench.look.shown_picture import picture_seen
    from headbench.look.view import View
    from headbench.results.disk import told

    adapter = _model(model or ("ref-vlm" if image else "ref-lm"), model_args, encoded)
    info = adapter.preparation.info
    wanted, how = _heads(heads, layers, info)
    from headbench.interventions.resolve import BASELINE, resolve

    conditions = [BASELINE, *(resolve(intervention, info) if intervention else ())]
    if len(conditions) > 2:
        raise ConfigError(
            f"{intervention!r} sweeps over {len(conditions) - 1} conditions",
            hint="look at one value at a time",
        )
    if wanted:
        rows.check_count(wanted)
    recorded = sorted({layer for layer, _ in wanted}) or list(info.attending)
    sides = [rows.attention_rows(adapter, asked, one, recorded, tokens) for one in conditions]
    if not wanted:
        wanted, how = rows.most_attentive(sides[0], SHOWN)
    picture = b""
    if asked.images:
        (sha256,) = asked.images
        picture = picture_seen(adapter, sha256, lambda: encoded[sha256])
    view = View(adapter.name, prompt, how, tuple(side.of(wanted) for side in sides), picture)
    with told("cannot write", out):
        if out.suffix.lower() == ".png":
            draw(view, out)
        else:
            out.write_text(html(view), encoding="utf-8")
    say(f"{adapter.name}: {how}")
    for side in view.sides:
        ended = "" if side.answer else " (the answer ends at once)"
        say(f"{side.condition}: {side.answer!r}{ended}")
    say(f"wrote {out}")


def _request(prompt: str, image: Path | None, tokens: int) -> tuple[Request, dict[str, bytes]]:
    """The request, and the picture by its content hash.

    Raises:
        ConfigError: A marker without an image, or several.
        DataError: The image cannot be read.
    """
    from hashlib import sha256

    from headbench._images import open_image
    from headbench._reading import read_file
    from headbench.nouns import Request

    marked = prompt.count(MARKER)
    if marked > 1 or (marked and image is None):
        raise ConfigError(
            f"the prompt marks {marked} images, and {int(image is not None)} is given",
            where=f"--prompt {prompt[:60]!r}",
            hint="give one with --image FILE, and mark its place once",
        )
    encoded: dict[str, bytes] = {}
    if image is not None:
        content = read_file(image, "the image")
        with open_image(content, str(image)):
            pass  # an error that names the file, which a content hash does not
        encoded = {sha256(content).hexdigest(): content}
        prompt = prompt if marked else f"{MARKER}\n{prompt}"
    return (
        Request(
            document="look",
            step="answer",
            index=0,
            kind="generate",
            messages=({"role": "user", "content": prompt},),
            images=tuple(encoded),
            ask={"max_new_tokens": tokens},
        ),
        encoded,
    )


def _model(name: str, arguments: str, images: dict[str, bytes]) -> HFModel:
    """The adapter, whose heads can be recorded.

    Raises:
        RefusedError: It has none that can be, or takes no images where one is given.
    """
    from headbench.models.adapter_catalogue import create
    from headbench.models.hf.adapter import HFModel
    from headbench.running.model_roles import parse_model_args

    adapter = create(name, parse_model_args(arguments))
    if not isinstance(adapter, HFModel) or adapter.runtime.engine is None:
        raise RefusedError(
            "only decoders of transformers with headbench's own attention can be looked into",
            where=f"model {name}",
            hint="take --model hf, without attn=sdpa",
        )
    if images and not adapter.images:
        raise RefusedError(
            f"{adapter.name} takes no images",
            where="--image",
            hint="use a vision-language model, or leave the image out",
        )
    adapter.bind(images.__getitem__)
    return adapter


def _heads(heads: str, layers: str, info: ModelInfo) -> tuple[tuple[Pair, ...], str]:
    """The heads that were asked for, and in which words; none where neither was given.

    Raises:
        ConfigError: They cannot be read, or no such map.
        RefusedError: The model does not have them.
    """
    from pydantic import ValidationError

    from headbench.interventions.grammar import parse
    from headbench.interventions.head_choice import HeadChoice, choose, table_of

    if layers:
        if not all(part.strip().isdecimal() for part in layers.split(",")):
            raise ConfigError(
                f"{layers!r} is no list of layers", where="--layers", hint="for example 4,5"
            )
        numbers = list(dict.fromkeys(int(part) for part in layers.split(",")))
        pairs = [(layer, head) for layer in numbers for head in range(info.heads)]
        chosen = table_of(pairs, info)
        said = f"all heads of layer {', '.join(map(str, numbers))}"
        return tuple((layer, head) for layer in chosen for head in chosen[layer]), said
    if not heads:
        return (), ""
    try:
        parts = parse(f"heads({heads})").parts
    except ConfigError as error:  # its column would be that of a text which nobody wrote
        raise _no_heads(error.what, heads) from None
    if len(parts) > 1:
        raise _no_heads("they are chosen once, not joined with '+'", heads)
    try:
        choice = HeadChoice.model_validate(dict(parts[0].params))
    except ValidationError as error:
        fault = error.errors()[0]
        raise _no_heads(fault["msg"].removeprefix("Value error, "), heads) from None
    found = choose(choice, info)
    return found.pairs, f"heads of {found.source}" if found.source else "the heads that were named"


def _no_heads(what: str, heads: str) -> ConfigError:
    return ConfigError(
        f"these are no heads: {what}",
        where=f"--heads {heads!r}",
        hint="for example 'map=retrieval, top=8' or 'heads=[[2,5],[3,1]]'",
    )
