"""The old place of figures of familiarity; see :mod:`headbench._moved`."""

from headbench._moved import moved

_NEW = "headbench.families.stickiness.concept_familiarity"
_SAME = ("Consensus", "Correlation", "consensus", "partial_correlation")
__getattr__ = moved(
    __name__, {**dict.fromkeys(_SAME, _NEW), "familiarity": f"{_NEW}:clipped_cosine"}
)
