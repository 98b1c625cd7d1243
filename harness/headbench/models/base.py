"""The old place of :mod:`headbench.models.base_model`; it goes with the next release."""

from __future__ import annotations

import warnings

from headbench.models.base_model import BaseModel, digest_of

warnings.warn(
    "headbench.models.base is now headbench.models.base_model",
    DeprecationWarning,
    stacklevel=2,
)

__all__ = ["BaseModel", "digest_of"]
