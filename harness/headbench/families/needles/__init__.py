"""Needles in a haystack: packaged, generated and published ones."""
