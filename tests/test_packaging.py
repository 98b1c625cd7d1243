"""What a user installs: sdist and wheel hold everything the package reads, and nothing else."""

from __future__ import annotations

import ast
import importlib.util
import os
import subprocess
import sys
import tarfile
import zipfile
from dataclasses import dataclass
from email.parser import Parser
from pathlib import Path, PurePosixPath

import pytest

import headbench

ROOT = Path(__file__).resolve().parents[1]
SOURCE = ROOT / "harness" / "headbench"
LARGEST_WHEEL = 8_000_000
"""Bytes; three reference models are most of it."""

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(
        any(importlib.util.find_spec(name) is None for name in ("build", "hatchling")),
        reason="building needs the packages build and hatchling (the dev extra)",
    ),
    pytest.mark.skipif(
        not (ROOT / "pyproject.toml").is_file(), reason="the tests do not lie in a checkout"
    ),
]


def files_of(folder: Path) -> set[str]:
    """Every file below a folder, relative to it, without the caches that tools leave behind."""
    names = {path.relative_to(folder) for path in folder.rglob("*") if path.is_file()}
    return {
        name.as_posix()
        for name in names
        if not any(part == "__pycache__" or part.startswith(".") for part in name.parts)
    }


@dataclass(frozen=True)
class Dist:
    """An sdist, the wheel that was built from it, and what the checkout held before."""

    folder: Path
    package: set[str]
    tasks: set[str]
    training: set[str]
    tests: set[str]


@pytest.fixture(scope="module")
def dist(tmp_path_factory: pytest.TempPathFactory) -> Dist:
    """Build both; the tree is read first, because somebody may be working in it."""
    out = tmp_path_factory.mktemp("dist")
    folders = (SOURCE, ROOT / "tasks", ROOT / "training", ROOT / "tests")
    held = [files_of(folder) for folder in folders]
    command = [sys.executable, "-m", "build", "--no-isolation", "--outdir", str(out), str(ROOT)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-2000:]
    return Dist(out, *held)


@pytest.fixture(scope="module")
def wheel(dist: Dist) -> zipfile.ZipFile:
    """The only wheel."""
    (path,) = dist.folder.glob("*.whl")
    return zipfile.ZipFile(path)


@pytest.fixture(scope="module")
def inside(wheel: zipfile.ZipFile) -> set[str]:
    """Names of the files in the wheel."""
    return {name for name in wheel.namelist() if not name.endswith("/")}


def test_the_wheel_holds_every_file_of_the_package(dist: Dist, inside: set[str]) -> None:
    assert {f"headbench/{name}" for name in dist.package} - inside == set()
    assert "headbench/py.typed" in inside


def test_the_wheel_holds_every_task_file(dist: Dist, inside: set[str]) -> None:
    assert {f"headbench/_tasks/{name}" for name in dist.tasks} - inside == set()
    assert "headbench/_tasks/niah/niah.yaml" in inside


def test_the_wheel_holds_the_weights_of_the_reference_models(
    inside: set[str], wheel: zipfile.ZipFile
) -> None:
    folder = SOURCE / "reference" / "checkpoints"
    weights = sorted(folder.glob("*/*.safetensors"))
    if not weights:
        pytest.skip("this checkout holds no reference checkpoints yet")
    for path in weights:
        name = f"headbench/{path.relative_to(SOURCE).as_posix()}"
        assert name in inside
        assert wheel.getinfo(name).file_size == path.stat().st_size
    assert "headbench/reference/checkpoints/pins.json" in inside


def test_the_wheel_holds_nothing_but_the_package(inside: set[str]) -> None:
    tops = {PurePosixPath(name).parts[0] for name in inside}
    assert tops == {"headbench", f"headbench-{headbench.__version__}.dist-info"}
    assert not [name for name in inside if name.endswith((".pyc", ".pkl", ".pt", ".bin"))]


def test_the_wheel_holds_nothing_of_the_training(inside: set[str], wheel: zipfile.ZipFile) -> None:
    """Neither its code nor its tables, and no line that would import it."""
    own = {name: ast.parse(wheel.read(name)) for name in inside if name.endswith(".py")}
    imported = {
        (name, module)
        for name, tree in own.items()
        for node in ast.walk(tree)
        for module in modules_named(node)
        if module.partition(".")[0] == "training"
    }
    assert imported == set()
    reference = {
        name.removeprefix("headbench/reference/")
        for name in inside
        if name.startswith("headbench/reference/") and "/checkpoints/" not in name
    }
    assert reference == {
        "__init__.py",
        "loader.py",
        "shipped.py",
        # Old commands that name the new ones, for one release.
        "_old_commands.py",
        "evidence.py",
        "lm2_evidence.py",
        "train.py",
    }
    kept = {"heads-retrieval.json", "heads-vhd.json", "README.md", "model.safetensors"}
    kept |= {"config.json", "generation_config.json", "chat_template.jinja", "tokenizer.json"}
    kept |= {"tokenizer_config.json", "processor_config.json", "pins.json"}
    assert {PurePosixPath(name).name for name in inside if "/checkpoints/" in name} == kept


def modules_named(node: ast.AST) -> list[str]:
    """Modules that an import statement names."""
    match node:
        case ast.Import(names=names):
            return [alias.name for alias in names]
        case ast.ImportFrom(module=str(module), level=0):
            return [module]
    return []


def test_the_wheel_is_small(dist: Dist) -> None:
    (path,) = dist.folder.glob("*.whl")
    assert path.stat().st_size < LARGEST_WHEEL


def test_the_wheel_says_its_licence_and_its_command(wheel: zipfile.ZipFile) -> None:
    info = f"headbench-{headbench.__version__}.dist-info"
    facts = Parser().parsestr(wheel.read(f"{info}/METADATA").decode())
    assert facts["Version"] == headbench.__version__
    assert facts["License-Expression"] == "Apache-2.0"
    assert facts["License-File"] == "LICENSE"
    assert wheel.read(f"{info}/licenses/LICENSE") == (ROOT / "LICENSE").read_bytes()
    assert "headbench = headbench.cli:main" in wheel.read(f"{info}/entry_points.txt").decode()


def test_the_sdist_holds_what_the_wheel_and_the_tests_need(dist: Dist) -> None:
    (path,) = dist.folder.glob("*.tar.gz")
    with tarfile.open(path) as archive:
        members = {PurePosixPath(m.name).parts[1:] for m in archive.getmembers() if m.isfile()}
    names = {"/".join(parts) for parts in members}
    wanted = {f"harness/headbench/{name}" for name in dist.package}
    wanted |= {f"tasks/{name}" for name in dist.tasks}
    wanted |= {f"training/{name}" for name in dist.training}
    wanted |= {f"tests/{name}" for name in dist.tests}
    wanted |= {"pyproject.toml", "README.md", "LICENSE", "CHANGELOG.md"}
    assert wanted - names == set()


VENDORED = (
    *("rsa", "rsa_scenes", "rsa_things", "rsa_things_last", "rsa_rdm92", "rsa_rdm92_given"),
    *("ooo_things", "ooo_things_options", "aut_originality", "norms", "norms_things"),
    *("concept_ib", "concept_ib_things", "geometry", "geometry_things"),
    *("mknn_heads", "mknn_heads_things"),
)


def test_tasks_with_human_data_run_from_the_wheel_without_any_variable(
    wheel: zipfile.ZipFile, tmp_path: Path
) -> None:
    wheel.extractall(tmp_path / "site")  # noqa: S202  a wheel of our own
    variables = {
        name: value for name, value in os.environ.items() if not name.startswith("HEADBENCH")
    }
    variables["PYTHONPATH"] = str(tmp_path / "site")

    def ran(*command: str) -> str:
        done = subprocess.run(
            [sys.executable, "-c", "from headbench.cli import app; app()", *command],
            cwd=tmp_path, env=variables, capture_output=True, text=True, timeout=300, check=False,
        )  # fmt: skip
        assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-2000:]
        return done.stdout

    told = ran("validate", *VENDORED).splitlines()
    assert sum(line.startswith("ok") for line in told) == len(VENDORED), told
    code = (
        "import headbench, numpy as np\n"
        "from headbench.families.brain.rdm import square\n"
        "from headbench.families.brain.vendored_data import IMAGE_IDS, rdm92\n"
        f"assert headbench.__file__.startswith({str(tmp_path / 'site')!r})\n"
        "data = rdm92()\n"
        "animacy = square(data.models[data.model_names.index('animacy')])\n"
        "np.savez('animacy.npz', document=IMAGE_IDS, features=animacy)\n"
    )
    subprocess.run([sys.executable, "-c", code], cwd=tmp_path, env=variables, check=True)
    args = ("--model", "features", "--model-args", "path=animacy.npz", "--draws", "20")
    table = ran("run", "--tasks", "rsa_rdm92_given", *args, "--out", "out")
    figure = next(line for line in table.splitlines() if line.startswith("rsa "))
    assert figure.split()[1] == ".334"
