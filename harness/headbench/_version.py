"""The version, in a leaf of its own: lower rooms record it without loading the public names."""

__version__ = "0.1.0"
