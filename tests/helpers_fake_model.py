"""A model without weights: its answers are hashes of question, condition and batch.

Log-probabilities depend on the whole batch, as the last bits of a real model's do: only a run that
executes its planned batches whole can give the same bytes twice.
"""

from __future__ import annotations

import hashlib
import os
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace

from headbench.jobs import Job
from headbench.models import adapter_catalogue
from headbench.models.base_model import BaseModel
from headbench.nouns import Answer, Capture, ModelInfo, Request

INFO = ModelInfo("fake-1", "fake", layers=2, heads=4, kv_heads=4, head_dim=8, images=True)
WORDS = ("yes", "no", "red", "blue", "green", "amber", "seven")


def draw(*what: object) -> float:
    """A number in [0, 1) from the hash of anything printable."""
    return int(hashlib.sha256(repr(what).encode()).hexdigest()[:12], 16) / 16**12


class FakeModel(BaseModel):
    """Answers by hash; edits change a quarter of the answers."""

    sites = frozenset({"z"})
    images = True
    info = INFO
    asked: list[tuple[str, str]]

    def __init__(self, args: Mapping[str, str]) -> None:
        super().__init__("fake-1", weights=args.get("weights", "w1"))
        self.batch_size = int(args.get("batch_size", "4"))  # type: ignore[misc]
        self.pause = float(args.get("pause", "0"))
        self.broken_at = args.get("broken_at")
        self.asked = []

    def generate(self, request: Request) -> Answer:
        raise AssertionError("answered by batch")

    def score(self, request: Request) -> Answer:
        raise AssertionError("answered by batch")

    def represent(self, request: Request) -> Answer:
        raise AssertionError("answered by batch")

    def answer(self, jobs: Sequence[Job]) -> Iterator[tuple[int, Answer]]:
        together = [(job.request.document, job.request.step, job.condition.name) for job in jobs]
        for index, job in enumerate(jobs):
            self.asked.append((job.request.document, job.condition.name))
            if self.broken_at == job.request.document:
                yield index, Answer(text="x", logprobs=(float("nan"),))
                continue
            if self.pause:
                time.sleep(self.pause)
            yield index, self._one_of(job, draw(together))

    def _one_of(self, job: Job, noise: float) -> Answer:
        prompt = repr([dict(turn) for turn in job.request.messages])
        condition = [part.canonical for part in job.condition.interventions]
        inert = (
            any("image" in p.needs for p in job.condition.interventions) and not job.request.images
        )
        moved = bool(condition) and not inert and draw(prompt, condition) < 0.25
        seed = draw(prompt, condition if moved else "")
        logprob = -1 - noise / 1e6
        edited = bool(condition) and not inert
        answer = Answer(
            text=WORDS[int(seed * len(WORDS))],
            tokens=(int(seed * len(WORDS)),),
            logprobs=(logprob,),
            first={1: logprob, 2: -2.0 + (0.5 if moved else 0.0)},
            visited=2 if edited else 0,
            changed=4 if edited else 0,
        )
        if job.request.kind == "score":
            count = len(job.request.ask["continuations"])  # type: ignore[arg-type]
            return replace(answer, text=None, scores=tuple(draw(prompt, i) for i in range(count)))
        if job.request.kind == "represent":
            import torch

            wanted: Sequence[Capture] = job.request.ask["captures"]  # type: ignore[assignment]
            arrays = {
                one: torch.tensor([[[draw(seed, repr(one), i) for i in range(8)]]])
                for one in wanted
            }
            return replace(answer, text=None, tokens=(), logprobs=(), first={}, arrays=arrays)
        return answer


def create(args: Mapping[str, str]) -> FakeModel:
    """The registry's factory."""
    return FakeModel(args)


def install() -> None:
    """Make ``--model fake`` known to this process."""
    adapter_catalogue.SHIPPED["fake"] = ("helpers_fake_model:create", "for tests")  # type: ignore[index]


if os.environ.get("HEADBENCH_FAKE_MODEL"):
    install()
