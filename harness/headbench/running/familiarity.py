"""The old place of familiarity; see :mod:`headbench._moved`."""

from headbench._moved import moved

_NEW = "headbench.families.stickiness.familiarity"
__getattr__ = moved(__name__, dict.fromkeys(("SENTENCE", "familiarity", "vectors"), _NEW))
