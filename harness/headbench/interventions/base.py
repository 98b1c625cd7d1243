"""The old place of names that the docs taught; see :mod:`headbench._moved`."""

from headbench._moved import moved

__getattr__ = moved(
    __name__,
    {
        "HeadMethod": "headbench.interventions.method",
        "Method": "headbench.interventions.method:BoundMethod",
        "Seen": "headbench.interventions.method:ProbeResults",
    },
)
