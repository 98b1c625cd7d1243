"""Controls, adjustment and pairs in whole runs of a model of hashes."""

from __future__ import annotations

import io
from collections.abc import Iterator
from pathlib import Path

import pytest
from rich.console import Console

import headbench
from headbench.cli.compare import document
from headbench.errors import ConfigError, RefusedError
from headbench.models import adapter_catalogue
from headbench.results.comparison import compare_files
from headbench.results.files import read_result
from headbench.running.execute import RunOutcome
from headbench.running.outcome_table import print_outcome
from headbench.running.run_plan import make_plan
from headbench.running.spec import make_spec
from headbench.statistics import holm
from helpers_fake_task import write_tasks

SWEEP = "scale_heads(heads=[[0,1]],alpha=[0.5,2,3])"


@pytest.fixture(autouse=True, scope="module")
def _fake_model() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(adapter_catalogue.SHIPPED, "fake", ("helpers_fake_model:create", ""))  # type: ignore[misc]
        yield


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> str:
    return str(write_tasks(tmp_path_factory.mktemp("tasks")))


@pytest.fixture(scope="module")
def swept(folder: str, tmp_path_factory: pytest.TempPathFactory) -> RunOutcome:
    """Two tasks under three strengths, with every control there is."""
    return headbench.run(
        ["colours", "twice"],
        SWEEP,
        model="fake",
        include=(folder,),
        controls="all",
        draws=200,
        out=tmp_path_factory.mktemp("swept"),
    )


def printed(outcome: RunOutcome, *, full: bool = False) -> str:
    text = io.StringIO()
    print_outcome(outcome, Console(file=text, width=300), full=full)
    return text.getvalue()


# ------------------------------------------------------------------ one family


def test_all_conditions_and_tasks_of_a_run_are_one_family(swept: RunOutcome) -> None:
    mains = [comparison.main for comparison in swept.comparisons]
    raw = [main.paired.p for main in mains if main.paired is not None]
    assert len(raw) == 6 and {c.family for c in swept.comparisons} == {6}
    assert tuple(main.holm for main in mains) == holm(raw)
    assert "p adj: Holm over 6 tests" in printed(swept)
    assert "before adjustment" not in printed(swept)
    assert f"p {raw[0]:.4f} before adjustment" in printed(swept, full=True)


def test_two_conditions_of_a_sweep_are_adjusted_together(folder: str, tmp_path: Path) -> None:
    """Adjusted condition by condition, each kept its raw p."""
    outcome = headbench.run(
        "colours", "scale_heads(heads=[[0,1]],alpha=[0.5,2])", model="fake", include=(folder,),
        controls=0, draws=50, out=tmp_path,
    )  # fmt: skip
    one, two = (c.main for c in outcome.comparisons)
    assert one.paired is not None and two.paired is not None
    assert one.paired.p is not None and two.paired.p is not None
    assert max(one.holm or 0, two.holm or 0) >= min(1.0, 2 * min(one.paired.p, two.paired.p))
    assert min(one.holm or 0, two.holm or 0) == min(1.0, 2 * min(one.paired.p, two.paired.p))


def test_an_adjusted_rank_p_is_given_only_where_the_draws_reach_it(
    swept: RunOutcome, folder: str, tmp_path: Path
) -> None:
    # Three controls exist for one head of four: the smallest p is .5, and six tests make it 1.
    assert all(c.main.rank is not None and c.main.rank_holm is None for c in swept.comparisons)
    assert all(c.main.rank.least == 0.5 for c in swept.comparisons if c.main.rank)
    heads = "heads=[[0,0],[0,1],[1,0],[1,1]]"  # 35 other sets
    outcome = headbench.run(
        "colours", f"scale_heads({heads},alpha=2)", model="fake", include=(folder,),
        controls="all", draws=50, level=0.9, out=tmp_path,
    )  # fmt: skip
    (comparison,) = outcome.comparisons
    assert comparison.main.rank is not None and comparison.main.rank.of == 36
    assert comparison.main.rank_holm == comparison.main.rank.p  # one test, 2 / 36 <= .1
    facts = comparison.other.arm.controls
    assert facts is not None and (facts.drawn, facts.possible) == (35, 35)
    assert facts.smallest_p == pytest.approx(2 / 36)
    assert "smallest attainable p 0.056" in printed(outcome, full=True)


# ------------------------------------------------------------------ controls


def test_all_strengths_of_a_sweep_run_on_the_same_control_sets(swept: RunOutcome) -> None:
    sets: dict[str, set[str]] = {}
    for result in swept.results:
        if result.arm.role == "control":
            heads = result.arm.canonical[0].partition("heads=")[2]
            sets.setdefault(str(result.arm.of), set()).add(heads)
    assert len(sets) == 3 and all(len(found) == 3 for found in sets.values())
    assert len({frozenset(found) for found in sets.values()}) == 1


def test_controls_are_compared_by_their_mean_and_measured_on_few_passages(
    swept: RunOutcome,
) -> None:
    comparison = swept.comparisons[0]
    controls = [
        r for r in swept.results
        if r.arm.of == comparison.other.arm.name and r.task.name == comparison.other.task.name
    ]  # fmt: skip
    values = [float(r.metrics["recall"].value or 0) for r in controls]
    found = comparison.main.against
    assert found is not None and found.mean == pytest.approx(sum(values) / 3)
    told = comparison.other.diagnostics
    assert told is not None and [len(loss.losses) for loss in told.neutral] == [60]
    assert told.neutral[0].change is not None and told.neutral_loss == told.neutral[0].loss
    for control in controls:
        beside = control.diagnostics
        assert beside is not None and beside.neutral_loss is None
        assert [len(loss.losses) for loss in beside.neutral] == [8]
    assert [moved.passages for moved in comparison.neutral[0].controls] == [8, 8, 8]


def test_more_controls_than_exist_are_all_of_them_and_too_many_are_refused(folder: str) -> None:
    values = {"tasks": ("colours",), "model": "fake", "include": (folder,)}
    plan = make_plan(make_spec(interventions=(SWEEP,), controls=39, **values))
    assert [len(one.controls) for one in plan.interventions] == [3, 3, 3]
    assert "all 3 possible controls" in plan.notes[0] and "p is 0.500" in plan.notes[0]
    seen = {**values, "tasks": ("pope",), "limit": 2}
    with pytest.raises(RefusedError, match="too many"):
        make_plan(make_spec(interventions=("gift",), controls="all", **seen))


def test_kinds_of_controls_are_part_of_the_run(folder: str) -> None:
    values = {"tasks": ("colours",), "model": "fake", "include": (folder,)}
    apart = make_spec(interventions=(SWEEP,), control_heads="apart", **values)
    assert "--control-heads apart" in apart.command()
    assert apart.digest != make_spec(interventions=(SWEEP,), **values).digest
    toggle = make_plan(apart).interventions[0]
    assert toggle.facts is not None and toggle.facts.excluded and not toggle.facts.test
    low = make_spec(interventions=("x",), control_heads="low", control_below=0.25, **values)
    assert "--control-heads low --control-below 0.25" in low.command()
    norm = make_spec(interventions=(SWEEP,), control_match="norm", **values)
    assert "--control-match norm" in norm.command()
    with pytest.raises(ConfigError, match="belong together"):
        make_spec(control_heads="low", **values)
    with pytest.raises(ConfigError, match="belong together"):
        make_spec(control_below=0.5, **values)
    with pytest.raises(ConfigError, match="control_heads"):
        make_spec(control_heads="other", **values)
    with pytest.raises(RefusedError, match="none of the interventions has controls of the kind"):
        make_plan(make_spec(interventions=(SWEEP,), control_heads="document", **values))
    with pytest.raises(RefusedError, match="does not expose its output projection"):
        make_plan(norm)


def test_a_contrast_is_said_to_be_one_and_has_no_p(folder: str, tmp_path: Path) -> None:
    outcome = headbench.run(
        "colours", "scale_heads(heads=[[0,1]],alpha=2)", model="fake", include=(folder,),
        control_heads="apart", draws=50, out=tmp_path,
    )  # fmt: skip
    (comparison,) = outcome.comparisons
    assert comparison.main.rank is not None and comparison.main.rank.p is None
    assert comparison.main.rank_holm is None and comparison.main.against is not None
    facts = comparison.other.arm.controls
    assert facts is not None and (facts.heads, facts.test, facts.smallest_p) == (
        "apart", False, None,
    )  # fmt: skip
    assert "a contrast (other heads of the same layers, its own kept out)" in printed(
        outcome, full=True
    )


def test_borrowed_heads_come_from_another_document(folder: str, tmp_path: Path) -> None:
    outcome = headbench.run(
        "pope", "vhr", model="fake", controls=2, control_heads="document", limit=40, draws=50,
        out=tmp_path,
    )  # fmt: skip
    facts = outcome.comparisons[0].other.arm.controls
    assert facts is not None and facts.unit == "the heads of another document"
    again = headbench.run(
        "pope", "vhr", model="fake", controls=2, control_heads="document", limit=40, draws=50,
        out=tmp_path,
    )  # fmt: skip
    assert [r.id for r in again.results] == [r.id for r in outcome.results]
    with pytest.raises(RefusedError, match="no other document"):
        headbench.run(
            "pope", "vhr", model="fake", controls=1, control_heads="document", limit=1,
            out=tmp_path / "one",
        )  # fmt: skip


# ------------------------------------------------------------------ any two results


def test_compare_shows_only_what_follows_from_its_two_results(swept: RunOutcome) -> None:
    paths = {
        (r.arm.name): path
        for path, r in zip(swept.files, swept.results, strict=True)
        if r.task.name == "colours" and r.arm.role != "control"
    }
    base, one, two, _ = paths.values()
    told = [read_result(path).diagnostics for path in (base, one, two)]
    stored = [d.first_token_kl for d in told if d is not None]
    assert stored[1] and stored[2]
    against_base = compare_files(base, two)
    assert against_base.first_token_kl == stored[2]
    pair, back = compare_files(one, two), compare_files(two, base)
    assert pair.first_token_kl is None and back.first_token_kl is None
    losses = [d.neutral[0].losses for d in told if d is not None]
    tokens = sum(told[0].neutral[0].tokens) if told[0] else 0
    for found, (first, second) in ((pair, (1, 2)), (back, (2, 0)), (against_base, (0, 2))):
        (change,) = found.neutral
        expected = (sum(losses[second]) - sum(losses[first])) / tokens
        assert change.change.change == pytest.approx(expected, abs=1e-12)
        assert found.family == 1 and found.main.holm == found.main.paired.p  # type: ignore[union-attr]
    assert document(pair)["first_token_kl"] is None
    assert document(against_base)["first_token_kl"] == stored[2]


def test_another_baseline_is_not_taken_for_its_own(
    swept: RunOutcome, folder: str, tmp_path: Path
) -> None:
    other = headbench.run(
        "colours", model="fake", model_args={"weights": "w2"}, include=(folder,), draws=50,
        out=tmp_path,
    )  # fmt: skip
    toggle = next(
        path for path, r in zip(swept.files, swept.results, strict=True)
        if (r.task.name, r.arm.role) == ("colours", "toggle")
    )  # fmt: skip
    assert compare_files(other.files[0], toggle).first_token_kl is None
