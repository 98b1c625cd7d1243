"""The static board: pages made from results, task metadata and descriptions of interventions.

No model runs here. ``README.md`` in this folder says how a page is added.
"""

from __future__ import annotations
