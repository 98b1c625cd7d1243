"""What is known of a model before its weights are read, so that a run is refused before them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from headbench.jobs import Job
from headbench.nouns import Kind, ModelInfo, Site


@dataclass(frozen=True)
class ModelPreview:
    """What a model's configuration and arguments tell; the names are those of ``Model``.

    Attributes:
        identity: The display name alone.
        info: Shapes, as the configuration gives them.
        kinds: Request kinds that the model will answer.
        sites: Places that edits may reach.
        branches: Whether plans may compare branches.
        gradients: Whether probes may differentiate.
        images: Whether requests may hold images.
        check_jobs: ``(jobs, images)``, where ``images`` reads an image by content hash; raises
            where a job could not be answered. ``None``: nothing more is known.
    """

    identity: Mapping[str, str]
    info: ModelInfo
    kinds: frozenset[Kind]
    sites: frozenset[Site]
    branches: bool
    gradients: bool
    images: bool
    check_jobs: Callable[[Sequence[Job], Callable[[str], bytes]], None] | None = None
