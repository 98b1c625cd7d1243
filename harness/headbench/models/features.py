"""Features that were computed elsewhere as a model: one vector per document and layer, from a file.

For vision networks, embeddings of a service, models of another library, or a theory's own RDM:
``represent`` requests are answered by document id, and everything else (human side, ceilings,
intervals, comparisons) is as for a model that runs here. There is nothing to intervene on.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, cast

import numpy as np

from headbench._npz import open_npz
from headbench._reading import read_file, user_path
from headbench.errors import ConfigError, DataError, RefusedError
from headbench.jobs import Job
from headbench.models.adapter_catalogue import check_args
from headbench.models.base_model import BaseModel
from headbench.nouns import Capture, Request

if TYPE_CHECKING:
    from torch import Tensor

ARGS = ("path", "name")
COLUMNS = ("document", "features")


class FeaturesModel(BaseModel):
    """Answers ``represent`` requests for ``residual`` from an npz file.

    Whatever rows and pooling a task asks for, a document has one vector per layer.

    Args:
        path: npz with ``document`` ``[n]`` and ``features`` ``[n, unit]`` or ``[n, layer, unit]``.
        name: Display name; empty: that of the file.

    Raises:
        DataError: No such file, missing arrays, lengths that differ, a document twice, or a value
            that is not finite.
    """

    def __init__(self, path: Path, name: str = "") -> None:
        documents, features, digest = _read(path)
        super().__init__(name or path.stem, file=digest)
        self._place = {document: at for at, document in enumerate(documents)}
        self._features = features  # [document, layer, unit]

    images = True  # whatever a task shows: vectors are found by the document's id

    def key(self, job: Job) -> Mapping[str, object]:
        """The document, by which its vector is found."""
        return {"document": job.request.document}

    def refuse(self, job: Job) -> None:
        """Also: documents and layers that the file does not have."""
        super().refuse(job)
        request = job.request
        if request.document not in self._place:
            raise DataError(
                f"the file has no features of document {request.document!r}",
                where=f"{self.name}: {len(self._place)} documents, first {next(iter(self._place))}",
                hint="headbench show task NAME shows a document's id; --limit takes the first ones",
            )
        layers = self._features.shape[1]
        for capture in _captures(request):
            if capture.site != "residual" or capture.tower != "text":
                raise RefusedError(
                    f"a file of features has no {capture.site!r}",
                    where=f"document {request.document!r}: {capture}",
                    hint="ask for site residual, or load the model with --model hf",
                )
            wrong = [layer for layer in capture.layers if not -layers <= layer < layers]
            if wrong:
                raise RefusedError(
                    f"the file has no layer {wrong[0]}",
                    where=f"document {request.document!r}",
                    hint=f"layers run from 0 to {layers - 1}; -1 is the last",
                )

    def represent(self, request: Request) -> Mapping[Capture, Tensor]:
        """The document's vectors: ``[layer, 1, unit]`` for each capture."""
        import torch  # only here: listing adapters must not pay for it

        vectors = torch.from_numpy(self._features[self._place[request.document]])
        return {
            capture: vectors[[layer % len(vectors) for layer in capture.layers], None]
            for capture in _captures(request)
        }


def _captures(request: Request) -> tuple[Capture, ...]:
    return cast("tuple[Capture, ...]", request.ask["captures"])


def create(args: Mapping[str, str]) -> FeaturesModel:
    """Build the adapter from its ``--model-args``: ``path=FILE`` and, where wanted, ``name=``."""
    check_args("features", args, ARGS)
    if not args.get("path"):
        raise ConfigError(
            "the 'features' adapter needs a file",
            where="--model-args",
            hint="add path=FILE: an npz with `document` and `features`",
        )
    return FeaturesModel(user_path(args["path"]), args.get("name", ""))


def _read(path: Path) -> tuple[list[str], np.ndarray, str]:
    """Documents, features ``[document, layer, unit]`` in single precision, and the file's hash."""
    digest = hashlib.sha256(read_file(path, "the file of features", hint="check path=")).hexdigest()
    with open_npz(path, "the file of features") as file:
        missing = [name for name in COLUMNS if name not in file]
        if missing:
            raise DataError(
                f"the file of features lacks {', '.join(missing)}",
                where=str(path),
                hint="numpy.savez(path, document=ids, features=vectors)",
            )
        documents = [str(one) for one in np.atleast_1d(file["document"]).tolist()]
        if np.iscomplexobj(file["features"]):
            raise DataError("the features are complex numbers", where=str(path))
        features = np.asarray(file["features"], dtype=np.float32)
    if features.ndim == 2:
        features = features[:, None]
    if features.ndim != 3 or len(features) != len(documents) or not features.size:
        raise DataError(
            "documents and features do not fit",
            where=f"{path}: {len(documents)} documents, features {list(features.shape)}",
            hint="give [document, unit] or [document, layer, unit]",
        )
    if len(set(documents)) < len(documents):
        twice = next(one for one in documents if documents.count(one) > 1)
        raise DataError(f"document {twice!r} is there twice", where=str(path))
    if not np.isfinite(features).all():
        raise DataError("a feature is not finite", where=str(path), hint="drop the unit")
    return documents, features, digest
