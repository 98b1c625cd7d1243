"""Detectors: what each attention head of a model does, as one score per head.

Nothing heavy is imported here: ``detector_catalogue`` imports a detector when it is used, and
``head_detection`` runs it.
"""
