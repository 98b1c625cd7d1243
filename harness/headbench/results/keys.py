"""The two identities: of a response, and of a result; and the seeds derived from a run's.

A *response* is known by all that changes an answer, and by nothing else: a new parser must not
cost a new run. A *result* adds what turns answers into figures.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING

from headbench.results.canonical import digest, dumps

if TYPE_CHECKING:
    from headbench.jobs import Condition, Job
    from headbench.nouns import Request


def condition_key(condition: Condition) -> dict[str, object]:
    """What a condition does, as JSON: canonical form, file digests and code of interventions.

    The condition's name, role and number are left out on purpose: they do not change an answer.
    Head maps and tensors are named by path in the canonical form, so their digests are needed too.
    headbench's own methods count by headbench's version, in the model's identity.
    """
    parts = [
        {"canonical": part.canonical, "artefacts": dict(artefacts_of(part))}
        for part in condition.interventions
    ]
    return {"parts": parts, "code": dict(condition.code)}


def samples(request: Request) -> bool:
    """Whether an answer is drawn at random, so that it depends on the request's seed."""
    ask = request.ask
    if request.kind != "generate":
        return False
    if "do_sample" in ask:
        return bool(ask["do_sample"])
    return ask.get("temperature", 0) not in (0, None) or bool({"top_p", "top_k"} & ask.keys())


def artefacts_of(intervention: object) -> Mapping[str, str]:
    """Digests of the files an intervention read, by parameter; empty where it read none."""
    found = getattr(intervention, "artefacts", None)
    return found if isinstance(found, Mapping) else {}


class ResponseKeys:
    """Identities of one model's answers.

    The adapter's ``identity`` (weights, dtype, device kind, attention path, versions) and ``key``
    (prompt token ids) are joined with what every adapter shares. The condition is added HERE, so
    that an adapter that forgets it cannot serve the plain model's answer for an edited one. Named
    spans are part of the key of an edited row, because an edit may aim at them. The seed is part
    of it only where the request samples, and the document only where an intervention needs to know
    it: otherwise equal prompts of two documents are one question. An adapter that draws at random
    without being asked to adds ``request.seed`` in its own ``key``.

    Args:
        identity: ``Model.identity``.
    """

    def __init__(self, identity: Mapping[str, str]) -> None:
        self._identity = digest(identity)
        self._conditions: dict[int, tuple[Condition, str]] = {}

    def key(self, prompt: Mapping[str, object], job: Job) -> str:
        """Identity of one answer, 64 hexadecimal digits.

        Args:
            prompt: ``Model.key(job)``.
            job: The request and its condition.
        """
        request = job.request
        return digest(
            {
                "model": self._identity,
                "prompt": prompt,
                "kind": request.kind,
                "ask": request.ask,
                "images": request.images,
                "seed": request.seed if samples(request) else None,
                "document": _document(job),
                "arm": self._condition(job.condition),
                "spans": request.spans if job.condition.interventions else {},
            }
        )

    def _condition(self, condition: Condition) -> str:
        """Digest of a condition, kept while it lives: printing its heads for each row is slow."""
        kept = self._conditions.get(id(condition))
        if kept is None:
            kept = self._conditions[id(condition)] = (condition, digest(condition_key(condition)))
        return kept[1]


def _document(job: Job) -> list[object]:
    """Which request it is, for edits that depend on that and not on the prompt alone."""
    if not any("document" in getattr(part, "needs", ()) for part in job.condition.interventions):
        return []
    request = job.request
    return [request.document, request.step, request.index, request.seed]


def response_key(identity: Mapping[str, str], prompt: Mapping[str, object], job: Job) -> str:
    """Identity of one answer; :class:`ResponseKeys` is faster for many of one model."""
    return ResponseKeys(identity).key(prompt, job)


def result_id(responses: Iterable[str], versions: Mapping[str, object]) -> str:
    """Identity of one cell: its response keys and all that turned answers into figures.

    Args:
        responses: Response keys of the cell, any order.
        versions: Task, prompt, parser, profile, metric and data versions, and the condition.
    """
    return digest({"responses": sorted(responses), "versions": versions})


def seed_for(run_seed: int, *purpose: str | int) -> int:
    """A seed of its own for one purpose: the first 63 bits of a hash, never shared.

    Args:
        run_seed: Seed of the run.
        purpose: Document id, step, index, or any words that name the use.
    """
    text = dumps([run_seed, *purpose])
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "big") >> 1
