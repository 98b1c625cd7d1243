"""Statistics of records: intervals, paired tests, resampling, permutation, adjustment.

Metrics come in two kinds (:mod:`headbench.statistics.metric`); all functions here take both.
"""

from headbench.statistics.binary import (
    mcnemar_clustered,
    mcnemar_exact,
    wilson,
)
from headbench.statistics.bootstrap import Spread, dual_variance, spread
from headbench.statistics.change import (
    LossChange,
    changed_share,
    first_token_kl,
    loss_change,
    mean_first_token_kl,
)
from headbench.statistics.checks import check_all, check_counts, check_f1, check_value
from headbench.statistics.clusters import cluster_sums, pair
from headbench.statistics.controls import (
    AgainstControls,
    ControlRank,
    against_controls,
    control_rank,
    smallest_p,
)
from headbench.statistics.families import holm
from headbench.statistics.limits import (
    Changes,
    Limits,
    difference_limits,
    value_limits,
)
from headbench.statistics.paired import PairedResult, compare_paired
from headbench.statistics.permutation import permutation_p, swap_test
from headbench.statistics.power import detectable, detectable_binary
from headbench.statistics.resamplable import Resamplable, resamplable, resamplable_pair
from headbench.statistics.score import Interval, agree, tango

__all__ = [
    "AgainstControls",
    "Changes",
    "ControlRank",
    "Interval",
    "Limits",
    "LossChange",
    "PairedResult",
    "Resamplable",
    "Spread",
    "against_controls",
    "agree",
    "changed_share",
    "check_all",
    "check_counts",
    "check_f1",
    "check_value",
    "cluster_sums",
    "compare_paired",
    "control_rank",
    "detectable",
    "detectable_binary",
    "difference_limits",
    "dual_variance",
    "first_token_kl",
    "holm",
    "loss_change",
    "mcnemar_clustered",
    "mcnemar_exact",
    "mean_first_token_kl",
    "pair",
    "permutation_p",
    "resamplable",
    "resamplable_pair",
    "smallest_p",
    "spread",
    "swap_test",
    "tango",
    "value_limits",
    "wilson",
]
