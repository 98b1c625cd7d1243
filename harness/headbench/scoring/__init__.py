"""Parsers, scorers, metrics and statistics: pure, knowing no model and no file.

Names are looked up in :mod:`headbench.scoring.registry`.
"""

from headbench.scoring.metric import Metric, ratio
from headbench.scoring.parser import Parser
from headbench.scoring.scorer import Scorer

__all__ = ["Metric", "Parser", "Scorer", "ratio"]
