"""One batch of prepared jobs, answered kind by kind through the runtime."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from headbench.models.hf.captures import captures_of, recorded
from headbench.models.hf.continuations import answer_ids, asked_ids
from headbench.models.hf.fold import written
from headbench.models.hf.preparation import PreparedJob, RequestPreparation, check_visited, note
from headbench.models.hf.prompts import Prompter
from headbench.models.runtime.decoding import Decoder, DecodingSettings, Generation
from headbench.models.runtime.forcing import Forced, force
from headbench.nouns import Answer, Capture, Kind

if TYPE_CHECKING:
    from torch import Tensor


class BatchAnswering:
    """Answers prepared jobs.

    Args:
        preparation: Makes their groups of sequences.
        decoder: Generates.
        prompter: Knows the tokenizer.
    """

    def __init__(
        self, preparation: RequestPreparation, decoder: Decoder, prompter: Prompter
    ) -> None:
        self.preparation = preparation
        self.decoder = decoder
        self.prompter = prompter

    def answers(self, works: Sequence[PreparedJob]) -> list[Answer]:
        """One answer per job, in order; jobs of one kind share passes."""
        ways: Mapping[Kind, Callable[[Sequence[PreparedJob]], list[Answer]]] = {
            "generate": self._generate,
            "score": self._score,
            "nexttoken": self._score,
            "represent": self._represent,
        }
        answers: dict[int, Answer] = {}
        for kind in dict.fromkeys(work.job.request.kind for work in works):
            places = [place for place, work in enumerate(works) if work.job.request.kind == kind]
            found = ways[kind]([works[place] for place in places])
            answers |= dict(zip(places, found, strict=True))
        return [answers[place] for place in range(len(works))]

    def _generate(self, works: Sequence[PreparedJob]) -> list[Answer]:
        found = [
            Generation(
                DecodingSettings.read(work.job.request.ask, work.where),
                work.where,
                work.job.request.seed,
            )
            for work in works
        ]
        groups = [self.preparation.group(work) for work in works]
        self.decoder.run(groups, found)
        answers = []
        for work, group, one in zip(works, groups, found, strict=True):
            note(work, group)
            answer = Answer(
                text=one.text,
                tokens=tuple(one.tokens),
                logprobs=tuple(one.logprobs),
                first=one.first,
                truncated=one.truncated,
            )
            answers.append(_finish(work, answer))
        return answers

    def _score(self, works: Sequence[PreparedJob]) -> list[Answer]:
        asked = [asked_ids(work.job.request, work.prompt, self.prompter) for work in works]
        rows, owners = self.forced_rows(works, asked)
        force(self.preparation.runtime, rows, self.prompter.image_ids)
        found: list[dict[tuple[int, ...], tuple[float, ...]]] = [{} for _ in works]
        firsts: list[dict[int, float]] = [{} for _ in works]
        for row, owner in zip(rows, owners, strict=True):
            for ending, logprobs in zip(row.endings, row.logprobs, strict=True):
                found[owner][(*row.fed, ending)] = logprobs
            firsts[owner] = row.first
            note(works[owner], row.group)
        answers = []
        for work, ids, known, first in zip(works, asked, found, firsts, strict=True):
            joined = tuple(value for tokens in ids for value in known[tokens])
            scored = work.job.request.kind == "score"
            answers.append(
                _finish(
                    work,
                    Answer(
                        text=None,
                        tokens=tuple(token for tokens in ids for token in tokens),
                        logprobs=joined if scored else (),
                        scores=tuple(sum(known[tokens]) for tokens in ids),
                        first=first,
                    ),
                )
            )
        return answers

    def _represent(self, works: Sequence[PreparedJob]) -> list[Answer]:
        answers: dict[int, Answer] = {}
        wanted = [captures_of(work.job.request) for work in works]
        for captures in dict.fromkeys(wanted):
            places = [place for place, found in enumerate(wanted) if found == captures]
            counted = {one: recorded(one, self.preparation.info.layers) for one in captures}
            # An answer without tokens has no row; the last prompt token tells its shape.
            shapes = {
                at: replace(at, rows="last") for at in counted.values() if at.rows == "answer"
            }
            distinct = tuple(dict.fromkeys((*counted.values(), *shapes.values())))
            mine = [works[place] for place in places]
            tails = [
                answer_ids(work.job.request, work.prompt, self.prompter) or () for work in mine
            ]
            arrays = self.preparation.capture(mine, distinct, tails)
            for place, found in zip(places, arrays, strict=True):
                named: dict[Capture, Tensor] = {}
                for one, at in counted.items():
                    if at in found:
                        value = found[at]
                    elif at in shapes:
                        value = found[shapes[at]][:, :0]
                    else:
                        continue
                    # off the device at once: a run may ask for thousands
                    if one.site == "z_out":
                        value = written(self.preparation.runtime.check_engine(), at.layers, value)
                    named[one] = value.cpu()
                answers[place] = _finish(works[place], Answer(text=None, arrays=named))
        return [answers[place] for place in range(len(works))]

    def forced_rows(
        self, works: Sequence[PreparedJob], asked: Sequence[Sequence[tuple[int, ...]]]
    ) -> tuple[list[Forced], list[int]]:
        """Rows to run, and which work each belongs to; equal fed ids of one work share a row."""
        rows: list[Forced] = []
        owners: list[int] = []
        for owner, (work, continuations) in enumerate(zip(works, asked, strict=True)):
            endings: dict[tuple[int, ...], dict[int, None]] = {}
            for tokens in continuations:
                endings.setdefault(tokens[:-1], {})[tokens[-1]] = None
            for fed, last in endings.items():
                group = self.preparation.group(work)
                rows.append(Forced(group, fed, tuple(last), work.where))
                owners.append(owner)
        return rows, owners


def _finish(work: PreparedJob, answer: Answer) -> Answer:
    """Add what the edits did.

    Raises:
        HeadbenchError: the row has edits that reached nothing.
    """
    check_visited(work)
    return dataclasses.replace(
        answer,
        visited=work.visited,
        changed=work.changed,
        chosen=dict(work.chosen),
        passes=work.passes,
    )
