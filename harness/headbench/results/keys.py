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
    from headbench.types import Arm, Job


def arm_key(arm: Arm) -> list[dict[str, object]]:
    """What an arm does, as JSON: the canonical form and the file digests of each intervention.

    The arm's name, role and number are left out on purpose: they do not change an answer.
    Head maps and tensors are named by path in the canonical form, so their digests are needed too.
    """
    return [
        {"canonical": part.canonical, "artefacts": dict(artefacts_of(part))}
        for part in arm.interventions
    ]


def artefacts_of(intervention: object) -> Mapping[str, str]:
    """Digests of the files an intervention read, by parameter; empty where it read none."""
    found = getattr(intervention, "artefacts", None)
    return found if isinstance(found, Mapping) else {}


class ResponseKeys:
    """Identities of one model's answers.

    The adapter's ``identity`` (weights, dtype, device kind, attention path, versions) and ``key``
    (prompt token ids) are joined with what every adapter shares. The arm is added HERE, so that
    an adapter that forgets it cannot serve the plain model's answer for an edited one. Named spans
    are part of the key of an edited row, because an edit may aim at them.

    Args:
        identity: ``Model.identity``.
    """

    def __init__(self, identity: Mapping[str, str]) -> None:
        self._identity = digest(identity)
        self._arms: dict[int, tuple[Arm, str]] = {}

    def key(self, prompt: Mapping[str, object], job: Job) -> str:
        """Identity of one answer, 64 hexadecimal digits.

        Args:
            prompt: ``Model.key(job)``.
            job: The request and its arm.
        """
        request = job.request
        return digest(
            {
                "model": self._identity,
                "prompt": prompt,
                "kind": request.kind,
                "ask": request.ask,
                "images": request.images,
                "seed": request.seed,
                "arm": self._arm(job.arm),
                "spans": request.spans if job.arm.interventions else {},
            }
        )

    def _arm(self, arm: Arm) -> str:
        """Digest of an arm, kept while the arm lives: printing its heads for each row is slow."""
        kept = self._arms.get(id(arm))
        if kept is None:
            kept = self._arms[id(arm)] = (arm, digest(arm_key(arm)))
        return kept[1]


def response_key(identity: Mapping[str, str], prompt: Mapping[str, object], job: Job) -> str:
    """Identity of one answer; :class:`ResponseKeys` is faster for many of one model."""
    return ResponseKeys(identity).key(prompt, job)


def result_id(responses: Iterable[str], versions: Mapping[str, object]) -> str:
    """Identity of one cell: its response keys and all that turned answers into figures.

    Args:
        responses: Response keys of the cell, any order.
        versions: Task, prompt, parser, profile, metric and data versions, and the arm.
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
