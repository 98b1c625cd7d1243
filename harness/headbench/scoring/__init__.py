"""Parsers, scorers, metrics and statistics: pure, knowing no model and no file.

Names are looked up in :mod:`headbench.scoring.lookup`.
"""

from headbench.scoring.parser import Parser
from headbench.scoring.scorer import Scorer
from headbench.statistics.metric import Metric, ratio

__all__ = ["Metric", "Parser", "Scorer", "ratio"]
