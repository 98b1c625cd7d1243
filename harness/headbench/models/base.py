"""The old place of names that the docs taught; see :mod:`headbench._moved`."""

from headbench._moved import moved

__getattr__ = moved(
    __name__, {name: "headbench.models.base_model" for name in ("BaseModel", "digest_of")}
)
