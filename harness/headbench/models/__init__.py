"""Adapters: models that answer requests. See :mod:`headbench.models.base_model` to write one."""
