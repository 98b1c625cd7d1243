"""Paired statistics: differences over the same documents, their intervals, tests and limits."""

from headbench.statistics.binary import (
    mcnemar_clustered,
    mcnemar_exact,
    wilson,
)
from headbench.statistics.bootstrap import Bootstrap, cluster_bootstrap
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
from headbench.statistics.score import Interval, agree, tango

__all__ = [
    "AgainstControls",
    "Bootstrap",
    "Changes",
    "ControlRank",
    "Interval",
    "Limits",
    "LossChange",
    "PairedResult",
    "against_controls",
    "agree",
    "changed_share",
    "check_all",
    "check_counts",
    "check_f1",
    "check_value",
    "cluster_bootstrap",
    "cluster_sums",
    "compare_paired",
    "control_rank",
    "detectable",
    "detectable_binary",
    "difference_limits",
    "first_token_kl",
    "holm",
    "loss_change",
    "mcnemar_clustered",
    "mcnemar_exact",
    "mean_first_token_kl",
    "pair",
    "permutation_p",
    "smallest_p",
    "swap_test",
    "tango",
    "value_limits",
    "wilson",
]
