"""What families of tasks are made of: parsers, scorers, metrics, and the lookup of their names.

Nothing here knows a model or a particular family. Names are looked up in
:mod:`headbench.scoring.lookup`, families in :mod:`headbench.scoring.family`.
"""

from headbench.scoring.family import Family
from headbench.scoring.parser import Parser
from headbench.scoring.scorer import Scorer
from headbench.statistics.metric import Metric, SampleStatistic, SumMetric, ratio

__all__ = ["Family", "Metric", "Parser", "SampleStatistic", "Scorer", "SumMetric", "ratio"]
