"""The old place of names that the docs taught; see :mod:`headbench._moved`."""

from headbench._moved import moved

__getattr__ = moved(
    __name__,
    {
        "Method": "headbench.interventions.method_catalogue",
        "Params": "headbench.interventions.method_catalogue:MethodParams",
    },
)
