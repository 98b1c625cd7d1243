"""What a terminal of 80, 120 and 200 columns shows of the same comparisons."""

from __future__ import annotations

import io
import re
import shlex
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from rich.console import Console

import headbench
from headbench.models import adapter_catalogue
from headbench.results.block_text import drawn, lines, wrapped, wrapped_command
from headbench.results.comparison import NeutralChange
from headbench.results.comparison_table import damage_lines, default_lines, print_conditions
from headbench.results.condition_blocks import Block, Row, blocks, figure_text
from headbench.running.execute import RunOutcome
from headbench.running.outcome_table import footer, print_outcome
from headbench.statistics import LossChange
from helpers_fake_task import write_tasks

SWEEP = "scale_heads(heads=[[0,1]],alpha=[3,0.5,2])"
LONG = "scale_heads(heads=[[0,0],[0,1],[0,2],[0,3],[1,0],[1,1],[1,2]],alpha=2.5,phase=prefill)"


@pytest.fixture(autouse=True, scope="module")
def _fake_model() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(adapter_catalogue.SHIPPED, "fake", ("helpers_fake_model:create", ""))  # type: ignore[misc]
        yield


@pytest.fixture(scope="module")
def outcome(tmp_path_factory: pytest.TempPathFactory) -> RunOutcome:
    folder = write_tasks(tmp_path_factory.mktemp("tasks"))
    return headbench.run(
        ["colours", "twice"], [SWEEP, LONG], model="fake", include=(str(folder),),
        controls=2, draws=200, out=tmp_path_factory.mktemp("out"),
    )  # fmt: skip


def shown(outcome: RunOutcome, width: int, *, full: bool = False) -> list[str]:
    return [
        line.text
        for block in blocks(outcome.comparisons)
        for line in lines(block, width, full=full)
    ]


@pytest.mark.parametrize("width", [80, 120, 200])
@pytest.mark.parametrize("full", [False, True])
def test_no_line_is_wider_than_the_terminal_and_nothing_is_elided(
    outcome: RunOutcome, width: int, full: bool
) -> None:
    printed = shown(outcome, width, full=full)
    assert max(map(len, printed)) <= width
    assert not any("..." in line or "\u2026" in line for line in printed)
    for comparison in outcome.comparisons:
        name = re.sub(r"\s", "", comparison.other.arm.name)
        assert name in re.sub(r"\s", "", "".join(printed))


@pytest.mark.parametrize("width", [80, 120])
def test_each_condition_shows_its_figures(outcome: RunOutcome, width: int) -> None:
    text = "\n".join(shown(outcome, width))
    for comparison in outcome.comparisons:
        paired, unit = comparison.main.paired, comparison.base.metrics[comparison.main.name].unit
        assert paired is not None
        for figure in (paired.difference, paired.low, paired.high):
            assert figure_text(figure, unit, signed=True) in text
        against = comparison.main.against
        assert against is not None
        assert figure_text(against.difference, unit, signed=True) in text


def test_there_is_one_block_per_task_and_its_sweep_is_sorted(outcome: RunOutcome) -> None:
    found = blocks(outcome.comparisons)
    assert [block.task for block in found] == ["colours", "twice"]
    for block in found:
        assert block.rows[0].name == "baseline" and block.p == "p adj"
        strengths = [
            match[1]
            for row in block.rows
            if (match := re.search(r"alpha=([\d.]+),heads=\[\[0,1\]\]\)", row.name))
        ]
        assert strengths == ["0.5", "2", "3"]
        (sweep,) = block.sweeps
        assert [strength for _, strength in sweep] == ["0.5", "2", "3"]


def swept() -> Block:
    """A sweep of two strengths with intervals and a further metric."""
    rows = tuple(
        Row(
            f"vhr(alpha={strength})", value=".700", difference="-.200", low="-.300", high="-.100",
            p=".010", control="-.100, 1 of 5", changed="12.0 %", loss="+.010",
            span=(-0.3, -0.2, -0.1), facts=("p .005 before adjustment",),
            metrics=(Row("yes_ratio", value=".500", difference="+.010"),),
            controls=Row("against 4 controls", value=".800", difference="-.100"),
        )
        for strength in ("1.5", "2")
    )  # fmt: skip
    sweep = tuple((row.name, row.name[10:-1]) for row in rows)
    return Block(
        "pope", "accuracy (higher is better)", "m", "n 90", "95 %", "p adj", "fraction",
        (Row("baseline", value=".900"), *rows), (sweep,),
    )  # fmt: skip


def test_a_dose_curve_shows_each_value_and_where_the_model_is_damaged() -> None:
    block = swept()
    first, *others = block.rows[1:]
    block = replace(block, rows=(block.rows[0], first, *(replace(r, damage=True) for r in others)))
    printed = [line.text for line in lines(block, 80)]
    at = next(i for i, line in enumerate(printed) if line.startswith("dose curve"))
    one, two = printed[at + 1 :]
    assert one.split()[:2] == ["1.5", ".700"] and two.split()[:2] == ["2", ".700"]
    assert two.endswith("  damage") and "damage" not in one
    assert printed[at].index("0  ") > 0 and max(map(len, printed)) <= 80


def loss(change: float, low: float) -> NeutralChange:
    return NeutralChange("prose", 1.0, LossChange(change, low, 2 * change - low, 9))


def test_damage_is_one_line_however_many_conditions_it_hits(outcome: RunOutcome) -> None:
    harmless = [replace(one, neutral=(loss(0.05, 0.01),)) for one in outcome.comparisons]
    assert damage_lines(harmless) == []
    assert damage_lines([replace(one, neutral=(loss(0.3, -0.1),)) for one in harmless]) == []
    (line,) = damage_lines([replace(harmless[0], neutral=(loss(0.14, 0.1),)), *harmless[1:]])
    name = harmless[0].other.arm.name
    assert line == (
        f"{name} damages the model: its loss on prose rises by 0.14 nats per token (threshold: 0.1)"
    )
    (line,) = damage_lines([replace(one, neutral=(loss(0.14, 0.1),)) for one in harmless])
    conditions = {one.other.arm.name for one in harmless}
    assert line.startswith(f"{len(conditions)} conditions damage the model")
    assert all(f"{name} +0.14" in line for name in conditions)


def test_a_default_strength_is_said_below_the_blocks(outcome: RunOutcome) -> None:
    one = outcome.comparisons[0]
    assert default_lines([one]) == [], "its strength was written"
    arm = one.other.arm.model_copy(update={"defaults": {"vhr": "alpha=1.5, the default, why"}})
    assumed = replace(one, other=one.other.model_copy(update={"arm": arm}))
    assert default_lines([assumed, assumed]) == ["vhr: alpha=1.5, the default, why"]
    out = io.StringIO()
    print_conditions([assumed], Console(file=out, width=80))
    assert "vhr: alpha=1.5, the default, why" in out.getvalue()


def test_a_long_command_breaks_where_a_shell_reads_on() -> None:
    command = (
        "headbench run --tasks pope --intervention 'vhr(alpha=[1.25, 1.5])' --out 'my results'"
    )
    told = wrapped_command("again", command, 60)
    assert len(told) > 1 and max(map(len, told)) <= 60
    assert all(line.endswith(" \\") for line in told[:-1])
    typed = "\n".join(told).removeprefix("again: ").replace("\\\n", "")
    assert shlex.split(typed) == shlex.split(command)
    assert wrapped_command("again", "a b", 80) == ["again: a b"]


def test_a_narrow_terminal_draws_a_sweep_below_and_a_wide_one_beside() -> None:
    narrow, wide = ([line.text for line in lines(swept(), width)] for width in (80, 120))
    at = next(i for i, line in enumerate(narrow) if line.startswith("dose curve"))
    assert [line.split()[0] for line in narrow[at + 1 :]] == ["1.5", "2"]
    assert all("|---*---|" in line or "*" in line for line in narrow[at + 1 :])
    assert not any(line.startswith("dose curve") for line in wide)
    assert sum("*" in line for line in wide) == 2 and "changed" in wide[1]
    assert "changed" not in narrow[1]
    assert sum("against 4 controls" in line for line in narrow) == 2
    assert not any("against" in line for line in wide)  # the column says it


def test_further_metrics_stand_in_the_full_view_alone() -> None:
    for width in (80, 120):
        brief = "\n".join(line.text for line in lines(swept(), width))
        full = "\n".join(line.text for line in lines(swept(), width, full=True))
        for words in ("yes_ratio", "before adjustment"):
            assert words not in brief and words in full
        assert "against 4 controls" in full


@pytest.mark.parametrize(
    ("span", "bar"),
    [
        ((-1.0, -0.5, 0.0), "|--*-|     "),
        ((0.2, 0.6, 1.0), "     :|-*-|"),
        ((0.0, 0.0, 0.0), "     *     "),
        ((-1.0, 0.0, 1.0), "|----*----|"),
        ((-9.0, 0.0, 9.0), "|----*----|"),
    ],
)
def test_a_bar_is_drawn_around_zero(span: tuple[float, float, float], bar: str) -> None:
    assert drawn(span, 1.0, 11) == bar


def test_a_bar_without_a_reach_is_a_point_at_zero() -> None:
    assert drawn((0.0, 0.0, 0.0), 0.0, 5) == "  *  "


@pytest.mark.parametrize(
    ("value", "unit", "signed", "text"),
    [
        (0.9241, "fraction", False, ".924"),
        (-0.2065, "fraction", True, "-.206"),
        (1.0, "fraction", False, "1.000"),
        (-0.0001, "fraction", True, "+.000"),
        (1234, "count", False, "1,234"),
        (3.14159, "words", True, "+3.14"),
        (None, "fraction", False, "-"),
        (float("nan"), "fraction", True, "-"),
    ],
)
def test_figures_have_the_digits_of_their_unit(
    value: float | None, unit: str, signed: bool, text: str
) -> None:
    assert figure_text(value, unit, signed=signed) == text


def test_words_stand_instead_of_figures() -> None:
    block = Block(
        "niah", "recall (higher is better)", "m", "n 90", "95 %", "p", "fraction",
        (Row("baseline", value=".989"), Row("vhr", words="inert: there is no image")),
    )  # fmt: skip
    printed = [line.text for line in lines(block, 80)]
    assert "vhr  inert: there is no image" in printed
    assert not any("diff" in line and "p adj" in line for line in printed)


def test_names_from_files_cannot_drive_the_terminal() -> None:
    block = Block(
        "t\x1b[31m", "m", "model\u202e", "n 1", "95 %", "p", "fraction",
        (Row("base\x07line", value="1"),),
    )  # fmt: skip
    text = "".join(line.text for line in lines(block, 80))
    assert not any(char in text for char in "\x1b\x07\u202e")


def test_a_terminal_gets_bold_and_a_pipe_gets_none(outcome: RunOutcome) -> None:
    texts = []
    for terminal in (True, False):
        out = io.StringIO()
        console = Console(file=out, force_terminal=terminal, width=80, color_system="standard")
        print_conditions(outcome.comparisons, console)
        texts.append(out.getvalue())
    assert "\x1b" not in texts[1]
    assert re.sub(r"\x1b\[[\d;]*m", "", texts[0]).count("baseline") == texts[1].count("baseline")


def test_the_last_lines_say_where_files_are_and_how_to_run_again(
    outcome: RunOutcome, tmp_path: Path
) -> None:
    told = footer(outcome)
    assert told[-1].startswith("again: headbench run --tasks colours,twice ")
    assert f"--out {outcome.out}" in told[-1]
    assert any(line.startswith("files: ") and str(outcome.folder) in line for line in told)
    assert not any("possible controls" in line for line in told)
    assert any("possible controls" in line for line in footer(outcome, full=True))
    out = io.StringIO()
    print_outcome(outcome, Console(file=out))
    assert "diff: to the baseline" in out.getvalue()


def test_notes_are_wrapped_at_words() -> None:
    assert wrapped("one two three " * 8, 40)[1].startswith("  ")
    assert wrapped("x" * 90, 40) == ["x" * 90]
