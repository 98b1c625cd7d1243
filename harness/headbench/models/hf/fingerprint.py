"""Fingerprints of weights, so that two models never share an answer."""

from __future__ import annotations

import hashlib
from functools import lru_cache
from pathlib import Path
from typing import Any

import torch

from headbench._reading import is_folder


def weights_of(pretrained: str, revision: str, model: Any) -> str:
    """Fingerprint of the weight files; of the tensors where no file is found."""
    folder = Path(pretrained)
    if not is_folder(folder):
        from huggingface_hub import snapshot_download

        folder = Path(
            snapshot_download(
                pretrained,
                revision=revision or None,
                allow_patterns=["*.safetensors", "*.json"],
                local_files_only=True,
            )
        )
    files = sorted(folder.glob("*.safetensors"))
    return fingerprint_files(files) if files else fingerprint_tensors(model)


def fingerprint_files(files: list[Path]) -> str:
    """SHA-256 over name and content digest of each file, in order of names."""
    whole = hashlib.sha256()
    for path in files:
        status = path.stat()
        whole.update(path.name.encode())
        whole.update(_file_digest(str(path), status.st_mtime_ns, status.st_size).encode())
    return whole.hexdigest()


def fingerprint_tensors(model: Any) -> str:
    """SHA-256 over the state dict's names, types and bytes, in order of names."""
    whole = hashlib.sha256()
    for name, tensor in sorted(model.state_dict().items()):
        whole.update(f"{name}:{tensor.dtype}:{tuple(tensor.shape)}".encode())
        flat = tensor.detach().cpu().contiguous().reshape(-1)
        whole.update(flat.view(torch.uint8).numpy().tobytes())
    return whole.hexdigest()


@lru_cache(maxsize=256)
def _file_digest(path: str, changed: int, size: int) -> str:
    """Digest of one file; time and size are there to make a changed file a new question."""
    with Path(path).open("rb") as handle:
        return hashlib.file_digest(handle, "sha256").hexdigest()
