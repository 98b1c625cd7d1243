"""What headbench itself costs a document, around a model that answers at once: 0.3 ms.

    python benchmarks/framework.py [--rounds 15]

The packaged POPE task (1,080 documents) runs at baseline: prompts, keys, store, parsing, records,
intervals and files.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path

from measuring import ROUNDS, alternate, median

from headbench.jobs import Job
from headbench.models import adapter_catalogue
from headbench.models.base_model import BaseModel
from headbench.nouns import Answer
from headbench.running.execute import run_plan
from headbench.running.planned_cells import plan_task
from headbench.running.run_plan import RunPlan, make_plan
from headbench.running.spec import make_spec

LIMIT = 0.3
FIRST = {token: -0.1 * token for token in range(1, 21)}
ANSWER = Answer(text="yes", tokens=(7,), logprobs=(-0.25,), first=FIRST)


class Instant(BaseModel):
    """Answers before it is asked."""

    kinds = frozenset({"generate"})
    images = True
    batch_size = 16

    def answer(self, jobs: Sequence[Job]) -> Iterator[tuple[int, Answer]]:
        """The same answer to everything."""
        return ((index, ANSWER) for index in range(len(jobs)))


def create(args: Mapping[str, str]) -> Instant:
    """The registry's factory."""
    return Instant("instant")


def cost(plan: RunPlan) -> float:
    """CPU milliseconds a document of one run into a fresh folder."""
    documents = sum(len(planned.documents) for planned in plan.tasks)
    with tempfile.TemporaryDirectory() as folder:
        start = time.process_time()
        # Rendering the first step is part of what a document costs.
        tasks = (plan_task(one.task, one.documents, plan.spec.seed) for one in plan.tasks)
        run_plan(replace(plan, tasks=tuple(tasks)), Path(folder), progress=False)
        return 1000 * (time.process_time() - start) / documents


def main() -> None:
    """Time the run."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--rounds", type=int, default=ROUNDS)
    rounds = options.parse_args().rounds
    adapter_catalogue.SHIPPED = {
        **adapter_catalogue.SHIPPED,
        "instant": (f"{__name__}:create", "for benchmarks"),
    }
    plan = make_plan(make_spec(tasks=("pope",), model="instant"))
    cost(plan)
    found = median(alternate({"run": partial(cost, plan)}, rounds)["run"])
    told = "ok" if found.value <= LIMIT else "OVER"
    print(f"{found} CPU-ms per document  limit {LIMIT}  {told}")


if __name__ == "__main__":
    main()
