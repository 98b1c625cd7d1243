from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest
import torch

from headbench.edits import Bias, Columns, Edit, Offset, Plan, Scale, View, Visible
from headbench.errors import RefusedError
from headbench.interventions.edits import SequenceEdits, path_choice
from headbench.models.hf.engine import Engine
from helpers_formula import Formula, logits
from helpers_tiny import tiny_llama

if TYPE_CHECKING:
    from transformers import PreTrainedModel

LENGTH, HEADS, PROMPT = 40, 4, 32
COLUMNS = (0, 5, 6, 7, 20)
SPANS = {"image": (4, 5, 6, 7, 8), "question": (10, 11, 12)}
TABLE = {0: (1, 3), 1: (0, 1, 2, 3), 2: (2,)}


@pytest.fixture(scope="module")
def model() -> PreTrainedModel:
    return tiny_llama()


@pytest.fixture
def engine(model: PreTrainedModel) -> Iterator[Engine]:
    with Engine(model.eval()) as engine:
        yield engine


def prompt(seed: int = 0, length: int = LENGTH) -> torch.Tensor:
    ids = torch.randint(10, 60, (1, length), generator=torch.Generator().manual_seed(seed))
    ids[0, 0] = 1
    return ids


def halve(view: View, columns: torch.Tensor) -> torch.Tensor:
    """A data-dependent change: large entries shrink, small ones grow."""
    return torch.where(columns > 0.05, 0.3 * columns, 1.5 * columns + 0.01)


def boost(view: View, columns: torch.Tensor) -> torch.Tensor:
    return columns + 0.5 * columns.abs()


OPS = {
    "bias": ("scores", Bias(COLUMNS, -1.5)),
    "span": ("scores", Bias("question", 2.0)),
    "lse": ("pattern", Columns(COLUMNS, halve, renormalise=False)),
    "merge": ("pattern", Columns(COLUMNS, halve, renormalise=True)),
    "scores": ("scores", Columns(COLUMNS, boost, renormalise=True)),
    "asked": ("pattern", Columns(lambda view: torch.tensor([1, 3]), halve, renormalise=False)),
    "window": ("scores", Visible(2, 6)),
    "mutual": ("scores", Visible(0, None, ("image", "question"))),
}


def by_hand(op: object, site: str, rows: torch.Tensor) -> Formula:
    """The edit on whole matrices; ``rows`` are the query rows it touches, bool ``[query]``."""
    columns = {"question": SPANS["question"]}.get(getattr(op, "keys", None), COLUMNS)  # type: ignore[arg-type]
    if callable(getattr(op, "keys", None)):
        columns = (1, 3)
    view = View(0, 0, PROMPT, SPANS, None, {}, {})

    def scores(layer: int, s: torch.Tensor) -> torch.Tensor:
        heads = torch.zeros(HEADS, dtype=torch.bool)
        heads[list(TABLE[layer])] = True
        where = heads.view(1, -1, 1, 1) & rows.view(1, 1, -1, 1)
        if isinstance(op, Bias):
            new = s.clone()
            new[..., list(columns)] += op.value
        elif isinstance(op, Visible):
            t, j = torch.arange(s.shape[2])[:, None], torch.arange(s.shape[3])[None]
            hide = torch.zeros(s.shape[2:], dtype=torch.bool)
            if op.recent is not None:
                hide |= (j >= op.first) & (j <= t - op.recent)
            if op.mutual is not None:
                a, b = (torch.tensor(SPANS[name]) for name in op.mutual)
                hide |= torch.isin(t, a) & torch.isin(j, b) | torch.isin(t, b) & torch.isin(j, a)
            new = s.masked_fill(hide, float("-inf"))
        elif isinstance(op, Columns) and site == "scores":
            new = s.clone()
            new[..., list(columns)] = op.new(view, s[..., list(columns)])
            new = new.masked_fill(s == float("-inf"), float("-inf"))
        else:
            return s
        return torch.where(where, new, s)

    def pattern(layer: int, p: torch.Tensor) -> torch.Tensor:
        if not isinstance(op, Columns) or site != "pattern":
            return p
        heads = torch.zeros(HEADS, dtype=torch.bool)
        heads[list(TABLE[layer])] = True
        where = heads.view(1, -1, 1, 1) & rows.view(1, 1, -1, 1)
        new = p.clone()
        new[..., list(columns)] = op.new(view, p[..., list(columns)])
        # A column that a row cannot see holds nothing to change.
        new = new.masked_fill(torch.ones(p.shape[-2:]).triu(1).bool(), 0.0)
        if op.renormalise:
            new = new / new.sum(-1, keepdim=True)
        return torch.where(where, new, p)

    return Formula(scores=scores, pattern=pattern)


@pytest.mark.parametrize("phase", ["both", "prefill", "decode"])
@pytest.mark.parametrize("rows", ["all", "last", "after_image"])
@pytest.mark.parametrize("name", OPS)
@pytest.mark.parametrize("few", [0, 1000])
def test_each_path_equals_the_plain_formula(
    engine: Engine, monkeypatch: pytest.MonkeyPatch, name: str, rows: str, phase: str, few: int
) -> None:
    monkeypatch.setattr(path_choice, "FEW", few)
    site, op = OPS[name]
    low = {"all": 0, "last": PROMPT - 1, "after_image": 9}[rows]
    low, high = (PROMPT, LENGTH) if phase == "decode" else (low, LENGTH)
    high = PROMPT if phase == "prefill" else high
    touched = (torch.arange(LENGTH) >= low) & (torch.arange(LENGTH) < high)
    expected = logits(engine.model, by_hand(op, site, touched), input_ids=prompt())
    edit = Edit(site, op, TABLE, phase, rows)  # type: ignore[arg-type]
    with (
        torch.no_grad(),
        engine.attach([SequenceEdits(Plan(edits=(edit,)), PROMPT, spans=SPANS)]) as report,
    ):
        found = engine.model(prompt()).logits
    plain = engine.model(prompt()).logits
    assert (found - expected).abs().max() < 5e-4
    untouched = name == "mutual" and (rows == "last" or phase == "decode")
    assert ((found - plain).abs().max() > 1e-2) is not untouched
    assert report.visited(0) == 3
    assert (report.changed(0) > 0) is not untouched


ARMS = {
    "none": (),
    "bias": (Edit("scores", Bias("question", 1.5), TABLE),),
    "lse": (
        Edit("pattern", Columns("image", halve, renormalise=False), TABLE, "both", "after_image"),
    ),
    "merge": (Edit("pattern", Columns("image", halve, renormalise=True), {1: (0, 1)}, "prefill"),),
    "scores": (Edit("scores", Columns("image", boost, renormalise=True), TABLE),),
    "last": (Edit("scores", Columns("image", boost, renormalise=True), TABLE, "both", "last"),),
    "window": (Edit("scores", Visible(1, 5), {0: (0, 1, 3), 2: (2,)}),),
    "bias then lse": (
        Edit("scores", Bias("image", 1.0), TABLE),
        Edit("pattern", Columns("question", halve, renormalise=False), TABLE),
    ),
    "overlap": (
        Edit("pattern", Columns("question", halve, renormalise=True), TABLE),
        Edit("pattern", Columns((11, 12, 13), halve, renormalise=False), TABLE),
        Edit("scores", Visible(2, 9), {0: (3,), 1: (1,)}),
    ),
    "everything": (
        Edit("q", Scale(0.5), {0: (1,)}),
        Edit("scores", Bias("first", -2.0), {0: (1, 2)}),
        Edit("pattern", Columns("image", halve, renormalise=False), {0: (1,)}),
        Edit("z", Scale(2.0), {0: (1,), 1: (3,)}),
        Edit("residual", Offset(torch.full((3, 48), 0.05)), {1: ()}),
    ),
}


def single(engine: Engine, name: str, ids: torch.Tensor, length: int) -> torch.Tensor:
    row = SequenceEdits(Plan(edits=ARMS[name]), length, spans=SPANS | {"first": (0,)})
    with torch.no_grad(), engine.attach([row]):
        return engine.model(ids).logits[0]


@pytest.mark.parametrize("few", [0, 16])
def test_mixed_left_padded_rows_equal_their_single_runs(
    engine: Engine, monkeypatch: pytest.MonkeyPatch, few: int
) -> None:
    monkeypatch.setattr(path_choice, "FEW", few)
    names, width = list(ARMS), 36
    lengths = [width - 2 * (i % 7) for i in range(len(names))]
    ids, mask, rows = torch.zeros(len(names), width, dtype=torch.long), [], []
    for i, (name, length) in enumerate(zip(names, lengths, strict=True)):
        ids[i, width - length :] = prompt(i, length)[0]
        mask.append([0] * (width - length) + [1] * length)
        plan = Plan(edits=ARMS[name])
        rows.append(SequenceEdits(plan, length - 4, width - length, spans=SPANS | {"first": (0,)}))
    with torch.no_grad(), engine.attach(rows):
        together = engine.model(ids, attention_mask=torch.tensor(mask)).logits
    for i, (name, length) in enumerate(zip(names, lengths, strict=True)):
        alone = single(engine, name, prompt(i, length), length - 4)
        assert (together[i, width - length :] - alone).abs().max() < 5e-4, name


@pytest.mark.parametrize("name", ["bias then lse", "overlap", "everything"])
def test_compositions_agree_between_fused_and_dense_paths(
    engine: Engine, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.setattr(path_choice, "FEW", 0)
    fused = single(engine, name, prompt(), LENGTH)
    monkeypatch.setattr(path_choice, "FEW", 1000)
    assert (fused - single(engine, name, prompt(), LENGTH)).abs().max() < 5e-4


@pytest.mark.parametrize("name", ARMS)
@pytest.mark.parametrize("cache", ["dynamic", "static"])
def test_scoring_generated_tokens_equals_the_steps_that_made_them(
    engine: Engine, name: str, cache: str
) -> None:
    ids, spans = prompt(3), SPANS | {"first": (0,)}
    row = SequenceEdits(Plan(edits=ARMS[name]), LENGTH, spans=spans)
    settings = {"cache_implementation": "static"} if cache == "static" else {}
    with torch.no_grad():
        with engine.attach([row]):
            made = engine.model.generate(
                ids, attention_mask=torch.ones_like(ids), max_new_tokens=6, do_sample=False,
                output_logits=True, return_dict_in_generate=True, eos_token_id=None, **settings,
            )  # fmt: skip
        with engine.attach([SequenceEdits(Plan(edits=ARMS[name]), LENGTH, spans=spans)]):
            forced = engine.model(made.sequences).logits[0, LENGTH - 1 : -1]
    assert (torch.cat(made.logits) - forced).abs().max() < 5e-4


def unchanged(view: View, columns: torch.Tensor) -> torch.Tensor:
    return columns.clone()


@pytest.mark.parametrize("few", [0, 1000])
@pytest.mark.parametrize(
    "edit",
    [
        Edit("scores", Bias(COLUMNS, 0.0), TABLE),
        Edit("pattern", Columns(COLUMNS, unchanged, renormalise=False), TABLE),
        Edit("pattern", Columns(COLUMNS, unchanged, renormalise=True), TABLE),
        Edit("scores", Columns(COLUMNS, unchanged, renormalise=True), TABLE),
        Edit("scores", Visible(0, None), TABLE),
        Edit("scores", Visible(2, 1000), TABLE),
        Edit("residual", Offset(torch.zeros(3, 48)), {1: ()}),
    ],
    ids=lambda edit: edit.site + type(edit.op).__name__,
)
def test_strength_zero_forced_through_a_path_moves_only_rounding(
    engine: Engine, monkeypatch: pytest.MonkeyPatch, edit: Edit, few: int
) -> None:
    monkeypatch.setattr(path_choice, "FEW", few)
    plain = engine.model(prompt()).logits
    with torch.no_grad(), engine.attach([SequenceEdits(Plan(edits=(edit,)), PROMPT)]):
        assert (engine.model(prompt()).logits - plain).abs().max() < 2e-4


def test_a_forgotten_span_is_named(engine: Engine) -> None:
    edit = Edit("scores", Bias("needle", 1.0), TABLE)
    missing = pytest.raises(RefusedError, match="no span 'needle'")
    with (
        engine.attach([SequenceEdits(Plan(edits=(edit,)), LENGTH, spans=SPANS)]),
        missing as caught,
    ):
        engine.model(prompt())
    assert "image, question" in caught.value.hint


def test_layer_inputs_reach_an_edit_at_prefill_only(engine: Engine) -> None:
    seen: list[torch.Size | None] = []

    def keys(view: View) -> torch.Tensor:
        seen.append(None if view.layer_input is None else view.layer_input.shape)
        return torch.tensor([0])

    op = Columns(keys, unchanged, renormalise=False, reads=("layer_input",))
    ids = torch.cat([torch.zeros(1, 3, dtype=torch.long), prompt(0, 20)], 1)
    row = SequenceEdits(Plan(edits=(Edit("pattern", op, {1: (0,)}),)), 20, 3)
    with torch.no_grad(), engine.attach([row]):
        engine.model.generate(
            ids, attention_mask=(ids != 0).long(), max_new_tokens=3, do_sample=False,
            eos_token_id=None, pad_token_id=0,
        )  # fmt: skip
    assert seen == [torch.Size([20, 48]), None, None]


def test_no_prefill_path_holds_a_pattern(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every float tensor that an edit of few columns makes stays far below ``[query, key]``."""
    from torch.utils._python_dispatch import TorchDispatchMode

    class Largest(TorchDispatchMode):
        most = 0

        def __torch_dispatch__(self, func, types, args=(), kwargs=None):  # type: ignore[no-untyped-def]
            out = func(*args, **(kwargs or {}))
            if isinstance(out, torch.Tensor) and out.is_floating_point():
                self.most = max(self.most, out.numel())
            return out

    length = 512
    for name in ("bias", "lse", "merge", "scores", "last", "window", "bias then lse"):
        spans = SPANS | {"first": (0,)}
        row = SequenceEdits(Plan(edits=ARMS[name]), length, spans=spans)
        with Largest() as largest, torch.no_grad(), engine.attach([row]):
            engine.model(prompt(0, length), use_cache=False, logits_to_keep=1)
        assert largest.most < length * length / 2, name
