"""Seeded generators of data: needle text, drawn scenes, walls and labels."""

from __future__ import annotations
