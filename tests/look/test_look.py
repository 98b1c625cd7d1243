"""Pictures of attention: the recorded rows against whole patterns, the page, and refusals."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest
import torch
from typer.testing import CliRunner

from headbench.cli import app
from headbench.interventions.resolve import BASELINE, resolve
from headbench.look.attention_rows import AttentionRows, attention_rows, most_attentive
from headbench.look.page import html
from headbench.look.shown_picture import overlay, picture_seen
from headbench.look.view import View
from headbench.models.hf.adapter import HFModel
from headbench.nouns import Request
from helpers_models import images, llama, llava, qwen, request

TEXT = "one two three four five six seven"
STEPS = 3


def rows_of(model: HFModel, asked: Request, edit: str = "") -> AttentionRows:
    info = model.preparation.info
    (condition,) = resolve(edit, info) if edit else (BASELINE,)
    return attention_rows(model, asked, condition, tuple(range(info.layers)), STEPS)


def whole_patterns(model: HFModel, asked: Request, produced: list[int]) -> np.ndarray:
    """The library's own eager attention over prompt and answer: ``[head of all, query, key]``."""
    prompt = model.prompter.resolve(asked)
    pixels = model.preparation.pixels(prompt.images[0]) if prompt.images else {}
    tokens = torch.tensor([[*prompt.tokens, *produced]])
    net = model.model
    before = net.config._attn_implementation
    net.set_attn_implementation("eager")
    try:
        with torch.no_grad():
            given = {"mm_token_type_ids": marks(net, tokens)} if "image_grid_thw" in pixels else {}
            found = net(input_ids=tokens, **pixels, **given, output_attentions=True).attentions
    finally:
        net.set_attn_implementation(before)
    return torch.cat([layer[0] for layer in found]).numpy()


def marks(net: torch.nn.Module, tokens: torch.Tensor) -> torch.Tensor:
    return (tokens == net.config.image_token_id).int()


def asked_about(picture: str | None) -> Request:
    if picture is None:
        return request(TEXT, ask={"max_new_tokens": STEPS})
    content = f"<image> {TEXT}"
    return request(content, images=(picture,), ask={"max_new_tokens": STEPS})


@pytest.mark.parametrize("family", ["llama", "llava", "qwen"])
def test_each_row_is_the_one_of_the_whole_pattern(family: str) -> None:
    store = images(1)
    build = {"llama": llama, "llava": llava, "qwen": qwen}[family]
    model = build(attn="headbench") if family == "llama" else build(store, attn="headbench")
    asked = asked_about(None if family == "llama" else next(iter(store)))
    found = rows_of(model, asked)
    (answer,) = (one for _, one in model.answer([_job(asked)]))
    assert found.answer == answer.text
    produced = list(answer.tokens)
    whole = whole_patterns(model, asked, produced)
    for row in range(len(found.produced)):
        seen = found.prompt + row
        np.testing.assert_allclose(
            found.weights[row, :, :seen], whole[:, seen - 1, :seen], atol=2e-5
        )
        assert not found.weights[row, :, seen:].any()
    if found.image:
        assert found.grid is not None
        assert found.grid[0] * found.grid[1] == len(found.image)


def _job(asked: Request):
    from headbench.jobs import Job

    return Job(asked, BASELINE)


def test_a_row_under_an_edit_is_what_the_edit_makes_of_it() -> None:
    model = llama(attn="headbench")
    found = rows_of(model, asked_about(None), "mask_heads(heads=[[1,0]], mode=uniform)")
    at = found.heads.index((1, 0))
    np.testing.assert_allclose(found.weights[0, at, : found.prompt], 1 / found.prompt, atol=1e-6)
    plain = rows_of(model, asked_about(None))
    first = [at for at, (layer, _) in enumerate(plain.heads) if layer == 0]
    np.testing.assert_allclose(found.weights[0, first], plain.weights[0, first], atol=1e-6)
    assert not np.allclose(found.weights[0, at], plain.weights[0, at], atol=1e-3)


def test_heads_are_chosen_by_what_they_attend_to() -> None:
    store = images(1)
    model = llava(store, attn="headbench")
    found = rows_of(model, asked_about(next(iter(store))))
    chosen, how = most_attentive(found, 2)
    mass = {pair: found.on_image(0, at) for at, pair in enumerate(found.heads)}
    assert mass[chosen[0]] == max(mass.values()) and "attend most to the image" in how
    assert found.of(chosen).heads == chosen
    np.testing.assert_array_equal(
        found.of(chosen).weights[:, 0], found.weights[:, found.heads.index(chosen[0])]
    )


def test_the_page_is_whole_and_runs_nothing() -> None:
    store = images(1)
    (sha256,) = store
    model = llava(store, attn="headbench")
    asked = asked_about(sha256)
    sides = tuple(rows_of(model, asked, edit) for edit in ("", "mask_heads(heads=[[0,1]])"))
    chosen, how = most_attentive(sides[0], 2)
    picture = picture_seen(model, sha256, lambda: store[sha256])
    hostile = "<script>alert(1)</script> \u202e {{ 7 * 7 }}"
    view = View("tiny", hostile, how, tuple(side.of(chosen) for side in sides), picture)
    page = html(view)
    assert "<script" not in page and "&lt;script&gt;" in page and "\u202e" not in page
    assert not re.search(r'(?:src|href)="(?!data:)', page)
    assert page.count("<figure>") == view.rows * 2 * 2
    assert "mask_heads(heads=[[0,1]])" in page


def test_long_stretches_without_attention_are_left_out() -> None:
    count = 60
    weights = np.zeros((1, 1, count), dtype=np.float32)
    weights[0, 0, 30] = 0.9
    tokens = tuple(f"t{at}" for at in range(count))
    side = AttentionRows("baseline", tokens, count, (), None, ("x",), "x", ((0, 0),), weights)
    shades = list(View("m", "p", "all", (side,)).text(side, 0, 0))
    assert sum(shade.left_out for shade in shades) + sum(not s.left_out for s in shades) == count
    assert len(shades) < 30
    (strong,) = (shade for shade in shades if shade.share == 1.0)
    assert strong.text == "t30" and strong.weight == pytest.approx(0.9)


def test_an_overlay_is_as_opaque_as_the_attention_is_strong() -> None:
    import io

    from PIL import Image

    cells = np.array([[0.0, 0.2], [0.4, 0.1]], dtype=np.float32)
    image = np.asarray(Image.open(io.BytesIO(overlay(cells, 0.4))))
    assert image.shape == (2, 2, 4)
    assert list(image[..., 3].ravel()) == [0, 108, 216, 54]
    assert not np.asarray(Image.open(io.BytesIO(overlay(cells * 0, 0.0))))[..., 3].any()


def typed(*words: str) -> tuple[int, str]:
    done = CliRunner().invoke(app, ["look", *words], env={"COLUMNS": "200"})
    return done.exit_code, done.output + str(done.exception or "")


def test_the_command_on_the_shipped_models(tmp_path: Path) -> None:
    picture = tmp_path / "cat.png"
    picture.write_bytes(next(iter(images(1, (64, 64)).values())))
    page, drawing = tmp_path / "look.html", tmp_path / "look.png"
    asked = ("--image", str(picture), "--prompt", "is there a cat in the image?")
    edit = ("--intervention", "vhr")
    status, said = typed(*asked, *edit, "--tokens", "2", "--out", str(page))
    assert status == 0, said
    assert "attend most to the image" in said and page.read_text().count("<h3>") >= 8
    pytest.importorskip("matplotlib")
    chosen = ("--heads", "map=vhd, top=3")
    assert typed(*asked, *edit, *chosen, "--out", str(drawing))[0] == 0
    assert drawing.read_bytes().startswith(b"\x89PNG")


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--prompt", "x", "--out", "a.gif"), "is not written as .gif"),
        (("--prompt", "x", "--heads", "top=2", "--layers", "1"), "not both"),
        (("--prompt", "x <image>"), "marks 1 images, and 0 is given"),
        (("--prompt", "x", "--image", "/nowhere.png"), "cannot read the image"),
        (("--prompt", "x", "--heads", "top=2"), "these are no heads"),
        (("--prompt", "x", "--heads", "heads=[[0,1]])+vhr(alpha=2"), "not joined with '+'"),
        (("--prompt", "x", "--image", __file__), f"not an image\n  at: {__file__}"),
        (("--prompt", "x", "--out", "/nowhere/x.html"), "cannot write: No such file"),
        (("--prompt", "x", "--heads", "[[0,1]]"), "key=value\n  at: --heads '[[0,1]]'"),
        (("--prompt", "x", "--tokens", "257"), "--tokens"),
        (("--prompt", "x", "--layers", "a"), "is no list of layers"),
        (("--prompt", "x", "--layers", "99"), "has no head 0 in layer 99"),
        (("--prompt", "x", "--intervention", "mask_heads(heads=[[0,0]],alpha=2)"), "alpha"),
        (("--prompt", "x", "--intervention", "scale_heads(heads=[[0,0]],alpha=[1,2])"), "sweeps"),
        (("--prompt", "x", "--model", "recorded", "--model-args", "path=x"), "x"),
    ],
)
def test_refusals(words: tuple[str, ...], said: str) -> None:
    status, text = typed(*words)
    assert status != 0 and said in text


def test_a_layer_that_is_named_twice_is_shown_once(tmp_path: Path) -> None:
    status, said = typed("--prompt", "x", "--layers", "1,1,0", "--out", str(tmp_path / "x.html"))
    assert status == 0 and "all heads of layer 1, 0" in said
