"""Paired statistics: differences over the same documents, their intervals, tests and limits."""

from headbench.scoring.statistics.binary import (
    Interval,
    detectable_binary,
    mcnemar_clustered,
    mcnemar_exact,
    wilson,
)
from headbench.scoring.statistics.bootstrap import Bootstrap, cluster_bootstrap
from headbench.scoring.statistics.change import (
    LossChange,
    changed_share,
    first_token_kl,
    loss_change,
    mean_first_token_kl,
)
from headbench.scoring.statistics.checks import check_all, check_counts, check_f1, check_value
from headbench.scoring.statistics.clusters import cluster_sums, pair
from headbench.scoring.statistics.controls import (
    AgainstControls,
    ControlRank,
    against_controls,
    control_rank,
    smallest_p,
)
from headbench.scoring.statistics.families import holm
from headbench.scoring.statistics.paired import (
    PairedResult,
    compare_paired,
    smallest_detectable,
)
from headbench.scoring.statistics.permutation import permutation_p, swap_test

__all__ = [
    "AgainstControls",
    "Bootstrap",
    "ControlRank",
    "Interval",
    "LossChange",
    "PairedResult",
    "against_controls",
    "changed_share",
    "check_all",
    "check_counts",
    "check_f1",
    "check_value",
    "cluster_bootstrap",
    "cluster_sums",
    "compare_paired",
    "control_rank",
    "detectable_binary",
    "first_token_kl",
    "holm",
    "loss_change",
    "mcnemar_clustered",
    "mcnemar_exact",
    "mean_first_token_kl",
    "pair",
    "permutation_p",
    "smallest_detectable",
    "smallest_p",
    "swap_test",
    "wilson",
]
