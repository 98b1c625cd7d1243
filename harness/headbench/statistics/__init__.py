"""Statistics of records: intervals, paired tests, resampling, permutation, adjustment.

Metrics come in two kinds (:mod:`headbench.statistics.metric`); all functions here take both.
What this module offers is loaded on first use: numpy alone would double the time of a list.
"""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from headbench.statistics.adjustment import holm
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
    from headbench.statistics.limits import (
        Changes,
        Limits,
        difference_limits,
        value_limits,
    )
    from headbench.statistics.paired import PairedResult, compare_paired
    from headbench.statistics.permutation import (
        Null,
        label_null,
        max_statistic_p,
        permutation_p,
        permuted_values,
        swap_test,
    )
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
    "Null",
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
    "label_null",
    "loss_change",
    "max_statistic_p",
    "mcnemar_clustered",
    "mcnemar_exact",
    "mean_first_token_kl",
    "pair",
    "permutation_p",
    "permuted_values",
    "resamplable",
    "resamplable_pair",
    "smallest_p",
    "spread",
    "swap_test",
    "tango",
    "value_limits",
    "wilson",
]

_HOMES: dict[str, tuple[str, ...]] = {
    "binary": (
        "mcnemar_clustered",
        "mcnemar_exact",
        "wilson",
    ),
    "bootstrap": (
        "Spread",
        "dual_variance",
        "spread",
    ),
    "change": (
        "LossChange",
        "changed_share",
        "first_token_kl",
        "loss_change",
        "mean_first_token_kl",
    ),
    "checks": (
        "check_all",
        "check_counts",
        "check_f1",
        "check_value",
    ),
    "clusters": (
        "cluster_sums",
        "pair",
    ),
    "controls": (
        "AgainstControls",
        "ControlRank",
        "against_controls",
        "control_rank",
        "smallest_p",
    ),
    "adjustment": ("holm",),
    "limits": (
        "Changes",
        "Limits",
        "difference_limits",
        "value_limits",
    ),
    "paired": (
        "PairedResult",
        "compare_paired",
    ),
    "permutation": (
        "Null",
        "label_null",
        "max_statistic_p",
        "permutation_p",
        "permuted_values",
        "swap_test",
    ),
    "power": (
        "detectable",
        "detectable_binary",
    ),
    "resamplable": (
        "Resamplable",
        "resamplable",
        "resamplable_pair",
    ),
    "score": (
        "Interval",
        "agree",
        "tango",
    ),
}
"""Module of this package -> the names that it offers here."""


def __getattr__(name: str) -> object:
    """Load a public name on first use."""
    for module, names in _HOMES.items():
        if name in names:
            return getattr(import_module(f"{__name__}.{module}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted([*globals(), *__all__])
