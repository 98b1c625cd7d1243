"""What the page of effects measures: the interventions of each part, and how they are run.

Every part is one or more calls of ``headbench.run`` as a user would write them. No model is named:
the tasks take the shipped one that fits them.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

DRAWS = 2_000
"""Random swaps; enough for a p that is read to three digits."""
SCENES = 540
"""Questions of ``pope``: its first 30 images, 18 each."""


@dataclass(frozen=True)
class Part:
    """One call of ``headbench.run``.

    Attributes:
        section: The section of the page that it belongs to.
        tasks: What is run.
        interventions: Interventions; ``VECTORS`` stands for the file of :func:`directions`.
        controls: Control draws per intervention, where the method declares a control.
        limit: Documents of each task; ``None`` takes all.
    """

    section: str
    tasks: tuple[str, ...]
    interventions: tuple[str, ...]
    controls: int = 0
    limit: int | None = None


MASK = "mask_heads(map=retrieval,top=[1,2,3]"
ROPE = "rope_zero(map=retrieval,top=2,dose=[4,6,8,12,16]"
HALF = "map=vhd,fraction=0.5"
CAPTIONS = (
    f"scale_heads({HALF},alpha=[1.25,1.5,1.75,2])",
    "vhr(alpha=[1.5,2])",
)
REDISTRIBUTION = (
    "pai(alpha=[0.1,0.2,0.5])",
    "var(tau=[20,2,1])",
    "gift(alpha=[2,5])",
    f"zerotuning({HALF},gamma=[0.25,4])",
    f"stream_heads({HALF},first=1,recent=[4,8])",
    f"softpag({HALF},u=[0.1,0.3])",
    f"scale_values({HALF},alpha=[1.25,1.5])",
    "offset_heads(file=VECTORS,strength=[-0.5,-1])",
    "steer(file=VECTORS,layer=1,normalise=false,strength=[-0.5,-1])",
)
PARTS = (
    Part("masking", ("niah",), (f"{MASK},mode=zero)",), controls=39),
    Part("masking", ("niah",), (f"{MASK},mode=[uniform,identity,sink])",), controls=2),
    Part("rotary", ("niah",), (f"{ROPE},dims=lowest)",), controls=1),
    Part("rotary", ("niah",), (f"{ROPE},dims=highest)", f"{ROPE},dims=random)")),
    Part("vision", ("chair",), CAPTIONS[:1], controls=39),
    Part("vision", ("chair",), CAPTIONS[1:], controls=3),
    Part("vision", ("pope",), CAPTIONS, controls=3, limit=SCENES),
    Part("vision", ("chair",), (f"scale_heads({HALF},alpha=1)",)),
    Part("redistribution", ("chair",), REDISTRIBUTION, controls=1),
    Part("redistribution", ("pope",), REDISTRIBUTION, controls=1, limit=SCENES),
)  # fmt: skip


def run(part: Part, out: Path, vectors: Path) -> Any:
    """Run a part; answers that already lie in ``out`` are not asked again."""
    import headbench

    interventions = [text.replace("VECTORS", f"'{vectors}'") for text in part.interventions]
    return headbench.run(
        part.tasks, interventions, out=out, controls=part.controls, limit=part.limit, draws=DRAWS
    )


# ------------------------------------------------------------------ given vectors

CALIBRATION = """\
task: pope_calibration
include: {pope}
test_split: calibration
dataset_kwargs:
  n: 20
"""
HEADS_A_LAYER = 2
"""Heads of each layer that receive a vector: those where the two kinds of question differ most."""


def directions(folder: Path) -> Path:
    """Write a file of vectors for ``offset_heads`` and ``steer``: what "it is there" looks like.

    On questions about calibration images, which no figure of the page uses: the mean over objects
    that are there less the mean over objects that are not, at the last row of the prompt.
    ``direction`` is that of the stream after each layer ``[layer, width]``, ``offset`` that of the
    head outputs ``[layer, head, dim]``, all but the largest of each layer zeroed.
    """
    from safetensors.torch import save_file

    folder.mkdir(parents=True, exist_ok=True)
    save_file(_vectors(folder), folder / "there.safetensors")
    return folder / "there.safetensors"


def _vectors(folder: Path) -> dict[str, Any]:
    import torch

    from headbench._paths import tasks_root
    from headbench.jobs import Condition, Job
    from headbench.nouns import Capture
    from headbench.reference.reference_adapter import create_vlm
    from headbench.tasks.loader import load

    path = folder / "pope_calibration.yaml"
    path.write_text(CALIBRATION.format(pope=tasks_root() / "pope" / "pope.yaml"))
    task = load(path)
    model = create_vlm({})
    model.bind(task.image)
    assert model.info is not None  # noqa: S101 - narrows the type; a loaded model has one
    layers = tuple(range(model.info.layers))
    captures = tuple(Capture(site, layers) for site in ("z", "residual"))
    documents = task.documents(0, None)
    jobs = []
    for document in documents:
        (request,) = task.requests(document, task.steps[0].name, {}, 0)
        jobs.append(Job(represented(request, captures), Condition("baseline")))
    arrays: dict[int, Any] = {}
    for batch in model.plan(jobs):
        members = [jobs[index] for index in batch]
        arrays |= {batch[index]: answer.arrays for index, answer in model.answer(members)}
    there = torch.tensor([document.target == "yes" for document in documents])
    found = {}
    for capture, name in zip(captures, ("offset", "direction"), strict=True):
        rows = torch.stack([arrays[index][capture][:, -1] for index in range(len(documents))])
        found[name] = (rows[there].mean(0) - rows[~there].mean(0)).contiguous()
    size = found["offset"].norm(dim=-1)
    kept = size >= size.topk(HEADS_A_LAYER, dim=-1).values[:, -1:]
    found["offset"] = found["offset"] * kept[..., None]
    return found


def represented(request: Any, captures: tuple[Any, ...]) -> Any:
    """The same prompt, asked for its activations."""
    from dataclasses import replace

    return replace(request, kind="represent", ask={"captures": captures})
