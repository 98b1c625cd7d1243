"""An intervention file that shows the model images of its own making, through the command line."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
import weakref
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

import headbench
from headbench.edits import Case, Rewrite
from headbench.errors import RefusedError, StoreError
from headbench.interventions.rewriting import with_images
from headbench.jobs import Condition, Job
from headbench.models.base_model import BaseModel
from headbench.nouns import ModelInfo, Request
from headbench.results.derived import DerivedImages
from headbench.results.files import read_entries, read_result
from headbench.running.rewrites import rewrite_jobs
from headbench.worlds.png import png

CROP = '''
from dataclasses import dataclass, replace

import numpy as np
from headbench.extend import (
    Capture, Method, MethodParams, Probe, RewritingMethod, with_images
)
from PIL import Image


class CropParams(MethodParams):
    side: float = 0.5
    """Side of the box over the side of the image."""


@dataclass(frozen=True)
class Crop(RewritingMethod):
    """Show the part of the image that the last prompt token looks at, enlarged."""

    def rewrite_probes(self, case):
        looks = Capture("pattern", (0,), rows="last", keys="image")
        return (Probe("looks", case.request, (looks,)),)

    def rewrite(self, case, seen):
        (pattern,) = seen["looks"].values()  # [layer, head, row, patch]
        weights = pattern[0, :, 0].mean(0)
        side = round(len(weights) ** 0.5)
        best = int(weights.argmax())
        if self.draw is not None:
            best = int(np.random.default_rng([self.draw, case.request.seed]).integers(side**2))
        image = case.image()
        width, height = image.size
        x, y = (best % side + 0.5) / side * width, (best // side + 0.5) / side * height
        half = self.params.side * width / 2
        left = min(max(x - half, 0), width - 2 * half)
        top = min(max(y - half, 0), height - 2 * half)
        box = tuple(round(at) for at in (left, top, left + 2 * half, top + 2 * half))
        return with_images(case, [image.crop(box).resize(image.size)])

    @property
    def needs(self):
        return frozenset({"image", "document"})  # a control's box follows the request's seed

    def controls(self, count, seed):
        return self.redrawn("boxes of the same size at a random place", count, seed)


class NoiseParams(MethodParams):
    weight: float = 1.0


@dataclass(frozen=True)
class Noise(RewritingMethod):
    """Lay seeded noise over the image."""

    def rewrite(self, case, seen):
        pixels = np.asarray(case.image(), dtype=np.float64)
        drawn = np.random.default_rng(pixels.astype(np.uint8).sum()).uniform(0, 255, pixels.shape)
        mixed = (1 - self.params.weight) * pixels + self.params.weight * drawn
        return with_images(case, [Image.fromarray(mixed.astype(np.uint8))])


METHODS = (
    Method("crop", CropParams, lambda p, info: Crop("crop", p, info), "crop", "own"),
    Method("noise", NoiseParams, lambda p, info: Noise("noise", p, info), "noise", "own"),
)
'''
TESTS = Path(__file__).parents[1]
RUN = ("run", "--tasks", "pope", "--limit", "6", "--draws", "200", "--batch-size", "4")


@pytest.fixture
def method(tmp_path: Path) -> Path:
    path = tmp_path / "crop.py"
    path.write_text(CROP)
    return path


KILLED = """
import os, signal, sys, time
from pathlib import Path

import helpers_kills
from headbench.cli import main

helpers_kills.load()  # once: it takes longer than a run


def start(out):
    pid = os.fork()
    if pid:
        return pid
    sys.argv = ["headbench", *sys.argv[3:], "--out", str(out)]
    try:
        main()
    except SystemExit as end:
        os._exit(end.code or 0)
    os._exit(0)


whole, killed = map(Path, sys.argv[1:3])
assert os.waitpid(start(whole), 0)[1] == 0, "the whole run failed"
store = killed / ".store/responses.jsonl"
for lines in (4, 12):  # within the rewrites, and within the answers
    run = start(killed)
    while not store.is_file() or store.read_bytes().count(b"\\n") < lines:
        assert os.waitpid(run, os.WNOHANG)[0] == 0, "the run was too fast to be killed"
        time.sleep(0.002)
    os.kill(run, signal.SIGKILL)
    status = os.waitpid(run, 0)[1]
    assert os.WIFSIGNALED(status), "the run was too fast to be killed"
assert os.waitpid(start(killed), 0)[1] == 0, "the last run failed"
"""


def files(out: Path) -> dict[str, bytes]:
    """Every file of the results and every derived image."""
    found = [*(out / "measured").rglob("*"), *(out / ".store/images").rglob("*")]
    return {
        str(path.relative_to(out)): path.read_bytes()
        for path in sorted(found)
        if path.is_file() and path.name != "timing.json"
    }


def cells(out: Path) -> dict[str, Any]:
    """Condition -> its result and entries."""
    found = {}
    for path in (out / "measured").glob("*/pope/*.json"):
        result = read_result(path)
        found[result.arm.name] = (result, read_entries(path, result))
    return found


def test_a_run_that_is_killed_and_resumed_ends_in_the_same_bytes(
    tmp_path: Path, method: Path
) -> None:
    options = ["--intervention", "crop", "--intervention", "noise", "--controls", "1"]
    whole, killed = tmp_path / "whole", tmp_path / "killed"
    inner = [*RUN, "--include", str(method), *options]
    environment = os.environ | {"PYTHONPATH": str(TESTS), "OMP_NUM_THREADS": "1"}
    command = [sys.executable, "-c", KILLED, str(whole), str(killed), *inner]
    subprocess.run(command, env=environment, check=True, timeout=300)
    assert files(killed) == files(whole)

    found = cells(whole)
    assert set(found) == {"baseline", "crop", "crop#control-0", "noise"}
    for name, (result, entries) in found.items():
        rewritten = 0 if name == "baseline" else 6
        assert (result.diagnostics.rewritten or 0) == rewritten, name
        assert sum(entry.facts.get("rewritten", 0) for entry in entries) == rewritten
        for entry in entries:
            for sha256 in entry.facts.get("images", ()):
                data = (whole / f".store/images/{sha256[:2]}/{sha256}.png").read_bytes()
                assert hashlib.sha256(data).hexdigest() == sha256
    assert found["noise"][0].status == "ok"
    crop = found["crop"][0]
    assert crop.arm.controls.unit == "boxes of the same size at a random place"
    shown = [
        [image for entry in found[name][1] for image in entry.facts["images"]]
        for name in ("crop", "crop#control-0")
    ]
    assert shown[0] != shown[1]


def run(method: Path, out: Path, *toggles: str, **options: object) -> Any:
    return headbench.run(
        "pope", toggles, include=(str(method),), out=out, limit=3, draws=100, controls=0, **options
    )


def test_a_repeated_run_asks_nobody_and_a_damaged_image_is_made_again(
    tmp_path: Path, method: Path
) -> None:
    out = tmp_path / "out"
    first = run(method, out, "noise")
    before = files(out)
    store = (out / ".store/responses.jsonl").read_bytes()
    assert [one.id for one in run(method, out, "noise").results] == [
        one.id for one in first.results
    ]
    assert (out / ".store/responses.jsonl").read_bytes() == store, "nothing was asked"
    image = next((out / ".store/images").rglob("*.png"))
    image.write_bytes(image.read_bytes()[:-1])
    run(method, out, "noise")
    assert files(out) == before


def test_a_rewrite_whose_image_is_gone_is_made_once_more_and_then_served(
    tmp_path: Path, method: Path
) -> None:
    """The new image may be another one, where a method or a library does not repeat its bits."""
    method.write_text(CROP.replace("default_rng(pixels.astype(np.uint8).sum())", "default_rng()"))
    out = tmp_path / "out"
    run(method, out, "noise")
    for image in (out / ".store/images").rglob("*.png"):
        image.unlink()
    run(method, out, "noise")
    store = (out / ".store/responses.jsonl").read_bytes()
    run(method, out, "noise")
    assert (out / ".store/responses.jsonl").read_bytes() == store, "nothing was asked"


def test_the_images_content_is_part_of_the_key(tmp_path: Path, method: Path) -> None:
    """Another code that makes the same images has other keys for its rewrites, by its digest."""
    ids = [one.id for one in run(method, tmp_path / "one", "noise").results]
    method.write_text(CROP.replace("uniform(0, 255", "uniform(0, 254"))
    other = [one.id for one in run(method, tmp_path / "two", "noise").results]
    assert ids[0] == other[0] and ids[1] != other[1]


def test_an_image_that_is_left_as_it_is_makes_a_no_op(tmp_path: Path, method: Path) -> None:
    """The world's images are named by their pixels, and so is an equal image of a method."""
    _, noise = run(method, tmp_path, "noise(weight=0)").results
    assert noise.status == "inert"
    assert noise.reason == "noise(weight=0) left every request as it was"
    assert noise.diagnostics.rewritten == 0


def test_a_text_only_task_is_not_rewritten(tmp_path: Path, method: Path) -> None:
    out = headbench.run(
        ("pope", "niah_single"),
        "noise",
        model="ref-vlm",
        include=(str(method),),
        out=tmp_path,
        limit=2,
        draws=100,
        controls=0,
    )
    status = {(one.task.name, one.arm.name): one.status for one in out.results}
    assert status["niah_single", "noise"] == "inert"
    assert status["pope", "noise"] == "ok"


def test_two_methods_that_rewrite_are_refused(tmp_path: Path, method: Path) -> None:
    with pytest.raises(RefusedError, match="two interventions rewrite the request"):
        run(method, tmp_path, "noise+crop")


# ------------------------------------------------------------------ the parts


INFO = ModelInfo("m", "llava", 1, 1, 1, 1)
RED = Image.new("RGB", (8, 8), "red")


def case(content: str = "<image>\nWho?") -> Case:
    request = Request("d", "s", 0, "generate", ({"role": "user", "content": content},), ("0" * 64,))
    request = replace(request, spans={"question": ((0, 8, 12),)})
    return Case(request, (1,), {}, INFO, lambda sha256: RED)


def test_with_images_names_each_by_its_bytes_and_keeps_spans() -> None:
    rewrite = with_images(case(), [RED])
    (name,) = rewrite.request.images
    assert rewrite.images == {name: png(RED)} and hashlib.sha256(png(RED)).hexdigest() == name
    assert rewrite.request.spans == {"question": ((0, 8, 12),)}
    turns = ({"role": "user", "content": "<image><image>\nWho?"},)
    two = with_images(case(), [RED, RED.rotate(90)], turns)
    assert two.request.spans == {} and len(set(two.request.images)) == 1
    with pytest.raises(RefusedError, match="1 <image> marks for 2 images"):
        with_images(case(), [RED, RED])


def test_a_case_gives_its_images_or_says_why_not() -> None:
    assert case().image() is RED
    with pytest.raises(RefusedError, match="has 1 images, and image 1"):
        case().image(1)
    with pytest.raises(RefusedError, match="under `headbench run` only"):
        replace(case(), read=None).image()


def test_one_image_is_in_memory_at_a_time(tmp_path: Path) -> None:
    """The adapter makes an image when it is taken, and nobody keeps it after it was written."""

    alive: list[weakref.ref[Rewrite]] = []
    most = 0

    class Maker(BaseModel):
        def rewrite(self, jobs: Sequence[Job]) -> Iterator[tuple[int, Rewrite]]:
            for index, job in enumerate(jobs):
                data = png(Image.new("RGB", (8, 8), (index, 0, 0)))
                name = hashlib.sha256(data).hexdigest()
                made = Rewrite(replace(job.request, images=(name,)), {name: data})
                alive.append(weakref.ref(made))
                yield index, made
                del made

    jobs = [Job(case().request, Condition("any"))] * 20
    for _, answer in rewrite_jobs(Maker("maker"), jobs, DerivedImages(tmp_path)):
        assert answer.text
        most = max(most, sum(one() is not None for one in alive))
    assert most == 1 and len(list(tmp_path.rglob("*.png"))) == 20


def test_a_rewrite_may_not_change_what_is_asked(tmp_path: Path) -> None:
    given = case().request

    class Maker(BaseModel):
        made = replace(given, kind="score")

        def rewrite(self, jobs: Sequence[Job]) -> Iterator[tuple[int, Rewrite]]:
            yield 0, Rewrite(self.made)

    job, kept = Job(given, Condition("any")), DerivedImages(tmp_path)
    with pytest.raises(RefusedError, match="changes what the task asks for"):
        list(rewrite_jobs(Maker("maker"), [job], kept))
    Maker.made = replace(given, images=("1" * 64,))
    with pytest.raises(RefusedError, match="neither the task nor the method provides"):
        list(rewrite_jobs(Maker("maker"), [job], kept))


def test_an_image_under_a_wrong_name_is_not_kept(tmp_path: Path) -> None:
    kept = DerivedImages(tmp_path)
    with pytest.raises(StoreError, match="does not have the content that its name says"):
        kept.put("0" * 64, png(RED))
    name = hashlib.sha256(png(RED)).hexdigest()
    kept.put(name, png(RED))
    assert name in kept and kept.read(name) == png(RED)
    path = tmp_path / f"images/{name[:2]}/{name}.png"
    path.write_bytes(b"")
    assert name not in kept
    with pytest.raises(StoreError, match="was changed after it was written"):
        kept.read(name)
