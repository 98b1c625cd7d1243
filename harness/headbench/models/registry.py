"""The old place of names that the docs taught; see :mod:`headbench._moved`."""

from headbench._moved import moved

__getattr__ = moved(
    __name__, {name: "headbench.models.adapter_catalogue" for name in ("create", "model_names")}
)
