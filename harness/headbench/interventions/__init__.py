"""Interventions: named methods that turn attention heads, and the engine that carries them out.

``grammar``, ``registry``, ``params`` and ``resolve`` are light; only ``engine`` and the inside of
the methods' functions load torch.
"""
