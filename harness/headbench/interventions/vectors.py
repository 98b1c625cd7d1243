"""The old place of names that the docs taught; see :mod:`headbench._moved`."""

from headbench._moved import moved

__getattr__ = moved(
    __name__,
    {
        "GivenVectors": "headbench.interventions.vector_files",
        "VectorMethod": "headbench.interventions.vector_files",
        "locate": "headbench.interventions.vector_files",
    },
)
