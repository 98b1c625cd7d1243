"""Annotation stickiness: whether a label survives a better definition."""
