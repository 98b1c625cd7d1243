"""Interventions: named methods that edit attention heads, and the arithmetic of their edits.

Reading, listing and checking interventions is light; only ``edits`` and the inside of the methods'
functions load torch. What attaches edits to a loaded model is in :mod:`headbench.models.hf`.
"""
