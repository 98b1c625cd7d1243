"""Seeded worlds that the project draws its own data from: needle text and scenes."""

from __future__ import annotations
