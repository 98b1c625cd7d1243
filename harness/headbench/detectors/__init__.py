"""Detectors: what each attention head of a model does, as one score a head.

Nothing heavy is imported here; :func:`headbench.detectors.registry.get` imports a detector when it
is asked for, and :func:`headbench.detectors.api.detect` runs it.
"""
