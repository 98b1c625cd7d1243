"""The old place of names that the docs taught; see :mod:`headbench._moved`."""

from headbench._moved import moved

__getattr__ = moved(
    __name__,
    {
        "HeadChoice": "headbench.interventions.head_choice",
        "AnyHeads": "headbench.interventions.head_choice",
    },
)
