"""Adapters: models that answer requests. See :mod:`headbench.models.base` to write one."""
