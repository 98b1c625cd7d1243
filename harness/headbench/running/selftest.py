"""``headbench doctor``: what is installed, and whether the shipped model can be run and edited."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path

from headbench._paths import checkpoints_root, tasks_root
from headbench.errors import HeadbenchError
from headbench.results.provenance import commit, versions
from headbench.running.spec import RunSpec

EXTRAS: Mapping[str, tuple[str, ...]] = {
    "test": ("pytest", "hypothesis"),
    "docs": ("matplotlib", "mkdocs"),
}
"""Optional extras and a package or two that each installs."""


@dataclass(frozen=True)
class Check:
    """One outcome of the self test."""

    what: str
    passed: bool
    found: str


def facts() -> dict[str, str]:
    """Versions, devices, extras and places; imports torch."""
    import torch

    devices = ["cpu"]
    devices += [torch.cuda.get_device_name(index) for index in range(torch.cuda.device_count())]
    devices += ["mps"] if torch.backends.mps.is_available() else []
    models = sorted(path.parent.name for path in checkpoints_root().glob("*/config.json"))
    return {
        **versions(),
        "commit": commit() or "none (not a checkout)",
        "devices": ", ".join(devices),
        "threads": str(torch.get_num_threads()),
        "extras": ", ".join(name for name, needed in EXTRAS.items() if _have(needed)) or "none",
        "tasks": str(tasks_root()),
        "models": ", ".join(models) or "none",
    }


def self_test() -> Iterator[Check]:
    """Run a few documents of ``niah`` on the shipped language model, into a temporary folder.

    Yields:
        That it answers; that an edit of strength zero is inert; that zeroing a layer is not; that
        the same run gives the same bytes.
    """
    from headbench.running.execute import execute

    with tempfile.TemporaryDirectory(prefix="headbench-doctor-") as folder:
        spec = RunSpec(
            tasks=("niah",),
            interventions=("scale_heads(heads=[[0,0]],alpha=1)", "mask_heads(heads=[[0,0]])"),
            controls=0,
            limit=6,
        )
        try:
            once = execute(spec, Path(folder) / "a", progress=False)
            again = execute(spec, Path(folder) / "b", progress=False)
        except HeadbenchError as error:
            yield Check("the shipped model answers", False, str(error))
            return
        base, idle, edited = once.results
        figure = base.metrics[base.task.main_metric]
        told = f"{base.model.name} on {figure.n} documents, {base.task.main_metric} {figure.value}"
        yield Check("the shipped model answers", figure.n == spec.limit, told)
        yield Check("strength zero changes nothing", idle.status == "inert", idle.status)
        yield Check("an edit reaches its head", edited.status == "ok", edited.status)
        same = [a.read_bytes() for a in once.files] == [b.read_bytes() for b in again.files]
        yield Check("the same run gives the same bytes", same, "equal" if same else "different")


def _have(packages: tuple[str, ...]) -> bool:
    try:
        for package in packages:
            metadata.version(package)
    except metadata.PackageNotFoundError:
        return False
    return True
