"""RDMs made ready for a comparator: ranked or scaled once, whatever is resampled later.

==============  =================================================================================
``pearson``     Pearson r of the dissimilarities
``spearman``    Pearson r of their average ranks
``rho_a``       Spearman without credit for ties: the expected value under random breaking of ties
                (Schuett et al. 2023); the choice where a model RDM has few distinct values
``tau_a``       Kendall's tau-a: ties count as neither concordant nor discordant (Nili et al. 2014)
``cosine``      Uncentred; only for RDMs with negative entries (crossnobis), see
                :func:`refuse_headline`
``cosine_cov``  Cosine after whitening by the covariance that pairs with a common stimulus share
                (Diedrichsen et al. 2021): the cosine of the doubly centred second moments
``corr_cov``    The same after subtracting the mean dissimilarity
==============  =================================================================================
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Literal, get_args

import numpy as np

from headbench.errors import ConfigError, DataError, RefusedError, nearest
from headbench.families.brain.ranks import average_ranks, ranks_and_tie_variance
from headbench.families.brain.rdm import (
    Floats,
    Integers,
    check_rdms,
    condense,
    square,
    stimulus_count,
)

if TYPE_CHECKING:
    from numpy.typing import ArrayLike

Method = Literal["spearman", "rho_a", "tau_a", "pearson", "cosine", "corr_cov", "cosine_cov"]
Constant = Literal["refuse", "nan"]
METHODS: tuple[str, ...] = get_args(Method)
RANKED = ("spearman", "rho_a")
WHITENED = ("corr_cov", "cosine_cov")


@dataclass(frozen=True)
class PreparedRdms:
    """RDMs made ready for one comparator: ranked or centred once, whatever is resampled later.

    Attributes:
        method: The comparator.
        stimuli: How many.
        values: ``[rdm, pair]``: ranks or dissimilarities, scaled so that the plain variance (the
            plain mean square for ``cosine`` and the whitened ones) is 1; for ``tau_a`` as given.
        ties: ``[rdm, pair]``: for ``rho_a``, the variance that breaking ties at random would add
            to each value; ``None`` where there is none.
    """

    method: Method
    stimuli: int
    values: Floats
    ties: Floats | None = None

    def __len__(self) -> int:
        """How many RDMs."""
        return len(self.values)

    def pick(self, rdms: slice | Integers) -> PreparedRdms:
        """Some of the RDMs."""
        ties = None if self.ties is None else self.ties[rdms]
        return PreparedRdms(self.method, self.stimuli, self.values[rdms], ties)

    @cached_property
    def unit(self) -> tuple[Floats, Floats]:
        """Full matrices whose elementwise product sums to the similarity, unweighted.

        Returns:
            Off-diagonal part ``[rdm, pair]``, to be summed over i < j, and diagonal ``[rdm,
            stimulus]``.
        """
        if self.method in WHITENED:
            values = self.values
            if self.method == "corr_cov":
                values = values - values.mean(axis=1, keepdims=True)
            table = square(values)
            rows = table.mean(axis=1)  # [rdm, stimulus]
            centred = table - rows[:, :, None] - rows[:, None, :] + rows.mean(axis=1)[:, None, None]
            norm = np.sqrt(np.einsum("rij,rij->r", centred, centred))[:, None]
            diagonal = np.einsum("rii->ri", centred)
            return np.sqrt(2.0) * condense(centred) / norm, diagonal / norm
        # Centred and of mean square 1 already.
        return self.values / np.sqrt(self.values.shape[1]), np.zeros((len(self), self.stimuli))


def prepare(
    rdms: ArrayLike, method: Method = "rho_a", what: str = "RDM", *, constant: Constant = "refuse"
) -> PreparedRdms:
    """Rank or scale RDMs once.

    Args:
        rdms: ``[rdm, pair]`` or one ``[pair]``.
        method: The comparator.
        what: Names the RDMs in errors.
        constant: What to do with an RDM that does not vary, for which no comparator is defined:
            ``refuse`` it, or make all its similarities ``nan``, as a map over heads wants for a
            head that an intervention has silenced.

    Raises:
        ConfigError: No such comparator.
        DataError: RDMs that cannot be compared; a constant one, unless ``nan`` is asked for.
    """
    if method not in METHODS:
        raise ConfigError(
            f"no comparator {method!r}", where="method", hint=nearest(str(method), METHODS)
        )
    table = check_rdms(rdms, what).copy()
    flat = np.flatnonzero(np.ptp(table, axis=1) == 0)
    if len(flat) and constant == "refuse":
        raise DataError(
            f"{what} {flat[0]} is constant: its similarity to any other is undefined",
            where=f"{len(flat)} of {len(table)}",
            hint="leave it out: it holds no geometry; constant='nan' marks it instead",
        )
    stimuli = stimulus_count(table.shape[1])
    if method == "tau_a":
        table[flat] = np.nan
        return PreparedRdms(method, stimuli, table)
    ties: Floats | None = None
    if method == "rho_a":
        for at, row in enumerate(table):
            table[at], found = ranks_and_tie_variance(row)
            if found is not None:
                ties = np.zeros_like(table) if ties is None else ties
                ties[at] = found
    elif method in RANKED:
        for at, row in enumerate(table):
            table[at] = average_ranks(row)
    if method not in ("cosine", *WHITENED):
        table -= table.mean(axis=1, keepdims=True)
    table[flat] = np.nan  # only now: ranks would number them
    sizes = np.einsum("rp,rp->r", table, table)
    if ties is not None:
        sizes += ties.sum(axis=1)
    sizes = (sizes / table.shape[1])[:, None]
    table /= np.sqrt(sizes)
    if ties is not None:
        ties /= sizes
    return PreparedRdms(method, stimuli, table, ties)


def refuse_headline(method: Method, *rdms: ArrayLike) -> None:
    """Refuse the cosine as a headline where no RDM has a meaningful zero.

    Dissimilarities that are never negative share their mean, and unrelated ones score .99.

    Args:
        method: The comparator.
        rdms: The RDMs, ``[..., pair]``.

    Raises:
        RefusedError: ``cosine`` of RDMs without a negative entry.
    """
    if method == "cosine" and all(np.min(np.asarray(one)) >= 0 for one in rdms):
        raise RefusedError(
            "the cosine of uncentred RDMs says nothing: unrelated ones score about .99",
            where="method=cosine, no dissimilarity below 0",
            hint="use rho_a, spearman, pearson or corr_cov; cosine suits crossnobis RDMs",
        )


def check_pair(models: PreparedRdms, targets: PreparedRdms) -> None:
    """Refuse RDMs of different comparators or stimuli.

    Raises:
        DataError: They are.
    """
    if models.method != targets.method:
        raise DataError(
            "two RDMs were prepared for different comparators",
            where=f"{models.method} and {targets.method}",
            hint="prepare both with the same method",
        )
    if models.stimuli != targets.stimuli:
        raise DataError(
            "two RDMs are of different stimuli",
            where=f"{models.stimuli} and {targets.stimuli} stimuli",
            hint="keep the stimuli that both sides share, in one order",
        )
