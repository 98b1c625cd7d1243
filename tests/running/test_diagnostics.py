"""Every field of a result's diagnostics, against values worked out by hand."""

from __future__ import annotations

import math
import re
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

import headbench
import helpers_fake_model as fake
from headbench.jobs import Job
from headbench.models import adapter_catalogue
from headbench.nouns import Answer, Request
from headbench.results.files import read_entries
from headbench.results.schema import Diagnostics, Result
from headbench.running.neutral import CONTROL_PASSAGES, PASSAGES
from helpers_fake_task import write_tasks

MASK = "mask_heads(heads=[[0,1]])"
EVEN = {1: math.log(0.5), 2: math.log(0.5)}
SKEWED = {1: math.log(0.25), 2: math.log(0.75)}
KL = 0.5 * math.log(0.5 / 0.25) + 0.5 * math.log(0.5 / 0.75)
"""Of EVEN from SKEWED: 0.1438 nats."""


LOGPROBS: dict[str, list[float]] = {}
"""Condition -> what its neutral rows were given."""


def passage_length(document: str) -> int:
    """Tokens of a neutral passage but its last; unequal, so a mean over passages is another."""
    return 1 + zlib.crc32(document.encode()) % 5


class Scripted(fake.FakeModel):
    """Four documents whose answers are written down here.

    Under the edit: d1 and d3 answer otherwise, d0 to d2 have a skewed first token, d3 reports no
    distribution; d0 is truncated in both conditions, d2 under the edit alone.
    """

    def answer(self, jobs: Sequence[Job]) -> Iterator[tuple[int, Answer]]:
        for index, job in enumerate(jobs):
            edited = bool(job.condition.interventions)
            if job.request.kind == "score":
                yield index, self._neutral(job, edited)
            else:
                yield index, self._document(int(job.request.document[1:]), edited)

    def _neutral(self, job: Job, edited: bool) -> Answer:
        length = passage_length(job.request.document)
        logprobs = (-2.0 if edited else -1.0,) * length + (-9.0,)
        LOGPROBS.setdefault(job.condition.name, []).extend(logprobs)
        return Answer(text=None, logprobs=logprobs, scores=(sum(logprobs),), visited=1, changed=1)

    def _document(self, number: int, edited: bool) -> Answer:
        plain = Answer(
            text="red", tokens=(1,), logprobs=(-1.0,), first=EVEN, passes=3,
            truncated=number == 0,
        )  # fmt: skip
        if not edited:
            return plain
        return replace(
            plain,
            text="blue" if number in (1, 3) else "red",
            first={} if number == 3 else SKEWED,
            visited=2 + number,
            changed=10 * number,
            passes=5 + number,
            truncated=number in (0, 2),
        )

    def overrun(self, request: Request) -> bool:
        """d1 is too long, and so is a question that no document asks."""
        return request.document == "d1"


@pytest.fixture(scope="module")
def cells(tmp_path_factory: pytest.TempPathFactory) -> list[Result]:
    folder = tmp_path_factory.mktemp("diagnostics")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(fake, "create", Scripted)
        patch.setitem(adapter_catalogue.SHIPPED, "fake", ("helpers_fake_model:create", ""))  # type: ignore[misc]
        outcome = headbench.run(
            "colours", MASK, model="fake", include=(str(write_tasks(folder / "mine", 4)),),
            controls=1, draws=50, out=folder / "out",
        )  # fmt: skip
    return list(outcome.results)


def facts(cells: list[Result], role: str) -> Diagnostics:
    (found,) = [cell.diagnostics for cell in cells if cell.arm.role == role]
    assert found is not None
    return found


def test_the_edit_is_counted_over_documents_and_not_over_neutral_rows(cells: Any) -> None:
    edited, base = facts(cells, "toggle"), facts(cells, "baseline")
    assert (edited.visited, edited.changed) == (2 + 3 + 4 + 5, 0 + 10 + 20 + 30)
    assert (base.visited, base.changed) == (0, 0)


def test_the_share_of_changed_documents(cells: Any) -> None:
    assert facts(cells, "toggle").changed_share == 2 / 4
    assert facts(cells, "control").changed_share == 2 / 4
    assert facts(cells, "baseline").changed_share is None


def test_the_first_tokens_divergence_is_a_mean_over_those_that_report_one(cells: Any) -> None:
    assert facts(cells, "toggle").first_token_kl == pytest.approx(KL, abs=1e-12)
    assert facts(cells, "control").first_token_kl == pytest.approx(KL, abs=1e-12)
    # The other way round it is another number.
    assert pytest.approx(0.25 * math.log(0.5) + 0.75 * math.log(1.5), abs=1e-3) != KL
    assert facts(cells, "baseline").first_token_kl is None


def test_the_loss_on_neutral_text_is_a_mean_over_its_tokens(cells: Any) -> None:
    for role in ("baseline", "toggle"):
        (cell,) = [cell for cell in cells if cell.arm.role == role]
        given = LOGPROBS[cell.arm.name]
        assert -9.0 in given and len(set(given)) == 2
        assert facts(cells, role).neutral_loss == pytest.approx(-sum(given) / len(given))
        assert facts(cells, role).neutral_text == "prose"
    control = facts(cells, "control")
    assert (control.neutral_loss, control.neutral_text) == (None, None)


@pytest.mark.parametrize(
    ("role", "passages", "each"),
    [("baseline", PASSAGES, 1), ("toggle", PASSAGES, 2), ("control", CONTROL_PASSAGES, 2)],
)
def test_the_change_on_neutral_text_is_taken_on_the_same_passages(
    cells: Any, role: str, passages: int, each: int
) -> None:
    """A passage of n + 1 tokens costs n + 9 nats at baseline and 2 n + 9 under the edit."""
    (found,) = facts(cells, role).neutral
    lengths = [passage_length(f"neutral-prose-{number}") for number in range(passages)]
    assert found.text == "prose"
    assert found.tokens == tuple(length + 1 for length in lengths)
    assert found.losses == tuple(float(each * length + 9) for length in lengths)
    assert found.loss == pytest.approx(sum(found.losses) / sum(found.tokens))
    if role == "baseline":
        assert (found.change, found.low, found.high) == (None, None, None)
        return
    assert found.change == pytest.approx(sum(lengths) / (sum(lengths) + passages))
    assert found.low is not None and found.high is not None
    assert found.low < found.change < found.high
    assert found.level == 0.95


def test_the_share_of_truncated_generations(cells: Any) -> None:
    assert facts(cells, "baseline").truncated_share == 1 / 4
    assert facts(cells, "toggle").truncated_share == 2 / 4


def test_passes_are_summed_over_documents(cells: Any) -> None:
    assert facts(cells, "baseline").passes == 4 * 3
    assert facts(cells, "toggle").passes == 5 + 6 + 7 + 8


def test_requests_beyond_the_length_are_counted(cells: Any) -> None:
    assert [cell.diagnostics.overrun for cell in cells] == [1, 1, 1]


def test_nothing_rewrites_these_requests(cells: Any) -> None:
    """``tests/running/test_derived_images.py`` counts where a method does."""
    assert [cell.diagnostics.rewritten for cell in cells] == [None] * 3


def test_every_field_has_a_value_test_here() -> None:
    """A new field of the diagnostics needs its value written down in this file."""
    told = Path(__file__).read_text(encoding="utf-8")
    missing = [n for n in Diagnostics.model_fields if not re.search(rf"\.{n}\b", told)]
    assert not missing


def test_a_documents_divergence_is_the_mean_over_its_requests(tmp_path: Path) -> None:
    """Two steps a document: the first is skewed under the edit, the second is not."""

    class Steps(Scripted):
        def answer(self, jobs: Sequence[Job]) -> Iterator[tuple[int, Answer]]:
            for index, answer in super().answer(jobs):
                first = answer.first if jobs[index].request.step == "guess" else EVEN
                yield index, replace(answer, first=first)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(fake, "create", Steps)
        patch.setitem(adapter_catalogue.SHIPPED, "fake", ("helpers_fake_model:create", ""))  # type: ignore[misc]
        outcome = headbench.run(
            "twice", MASK, model="fake", include=(str(write_tasks(tmp_path / "mine", 4)),),
            controls=0, draws=50, out=tmp_path / "out",
        )  # fmt: skip
    edited = outcome.results[1]
    entries = {
        entry.record.document: entry.facts for entry in read_entries(outcome.files[1], edited)
    }
    assert entries["d0"]["kl"] == pytest.approx(KL / 2)
    assert entries["d3"]["kl"] == 0  # its first step reports nothing, its second is even
    assert entries["d0"]["truncated"] == 2 and "truncated" not in entries["d1"]
    assert (entries["d2"]["visited"], entries["d2"]["changed"]) == (2 * 4, 2 * 20)


@pytest.mark.parametrize(
    ("visited", "changed", "status", "reason"),
    [
        (2, 3, "ok", ""),
        (2, 0, "inert", "the edits reached 8 attention calls and altered no head"),
        (0, 0, "inert", f"{MASK} asked for no edit: its strength is zero"),
    ],
)
def test_a_cell_is_inert_by_what_was_altered_and_not_by_what_was_reached(
    tmp_path: Path, visited: int, changed: int, status: str, reason: str
) -> None:
    class Reaching(Scripted):
        def answer(self, jobs: Sequence[Job]) -> Iterator[tuple[int, Answer]]:
            for index, answer in super().answer(jobs):
                edited = bool(jobs[index].condition.interventions)
                counts = (visited, changed) if edited else (0, 0)
                yield index, replace(answer, visited=counts[0], changed=counts[1])

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(fake, "create", Reaching)
        patch.setitem(adapter_catalogue.SHIPPED, "fake", ("helpers_fake_model:create", ""))  # type: ignore[misc]
        outcome = headbench.run(
            "colours", MASK, model="fake", include=(str(write_tasks(tmp_path / "mine", 4)),),
            controls=0, draws=50, out=tmp_path / "out",
        )  # fmt: skip
    base, edited = outcome.results
    assert (base.status, base.reason) == ("ok", "")
    assert (edited.status, edited.reason) == (status, reason)
    assert (outcome.comparisons[0].main.paired is None) == (status == "inert")
