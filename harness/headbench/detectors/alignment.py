"""Heads against a target geometry: what the detectors ``rsa`` and ``mknn`` share.

Both show the model one stimulus per prompt, take ``z`` of every head (its output before the output
projection) at the last prompt token or averaged over all prompt tokens, and compare how a head
arranges the stimuli with how the target does. The best of many heads, scored where it was chosen,
is too good: the map says beside its scores whether halves of the stimuli agree on them, and what
the head that one half chooses scores on the other.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import numpy as np
from pydantic import Field, JsonValue

from headbench.detectors.detector import (
    DetectorParams,
    Measurement,
    Trial,
    Trials,
    attending_layers,
    chunks,
)
from headbench.detectors.prompt_captures import represent
from headbench.errors import ConfigError, DataError, RefusedError
from headbench.families.brain.concept_world import concept_world
from headbench.families.brain.held_out_selection import Split, halves, select
from headbench.families.brain.rdm import Floats, Integers
from headbench.families.brain.vector_table import read_vector_table
from headbench.families.brain.vendored_data import things_concepts
from headbench.families.brain.weighted_correlation import spearman
from headbench.models.base_model import digest_of
from headbench.nouns import Capture, CaptureSite, Request

if TYPE_CHECKING:
    from torch import Tensor

    from headbench.detectors.detector import HeadModel

DIGITS = 6
"""Decimals that are kept of a figure."""
ALIKE = 0.01
"""Greatest share of stimuli whose prompts may reach the model as those of others do."""
LEAST = 20
"""Fewer stimuli say nothing about a geometry, and their halves less."""
PROMPTS = {"concepts": "Question: {} are what? Answer:"}
"""Default prompt of a target; ``{}``, the word alone, for the others."""
Pool = Literal["last", "mean", "content", "stimulus"]
"""How the states of a prompt's tokens become one vector."""
BLOCK = 4
"""Heads that are scored together: an RDM of 1,854 stimuli has 1.7 million pairs."""


@dataclass(frozen=True)
class HeadScores:
    """Scores of some heads.

    Attributes:
        values: ``[head, set]``, on each set of stimuli; NaN where a head does not vary.
        null: ``[head]``: standard deviation of the score on all stimuli when they are relabelled at
            random, NaN where it is not known.
        relabelled: ``[head, draw]``: scores on all stimuli, relabelled.
    """

    values: Floats
    null: Floats
    relabelled: Floats


Scoring = Callable[[Floats, Sequence[Integers]], HeadScores]
"""Features of some heads ``[head, stimulus, dim]`` and sets of stimuli -> their scores."""


def one_by_one(score: Callable[[Floats, Sequence[Integers]], Floats]) -> Scoring:
    """A comparison of one head at a time, without a null."""

    def scores(features: Floats, sets: Sequence[Integers]) -> HeadScores:
        values = np.array([score(head, sets) for head in features])
        return HeadScores(values, np.full(len(values), np.nan), np.empty((len(values), 0)))

    return scores


class AlignmentParams(DetectorParams):
    """The target, and how the model is shown its stimuli."""

    target: str = "concepts"
    """``concepts``: 193 packaged words and their categories. ``things``: 1,854 concepts of THINGS
    and their eleven rated properties. Or a file of your own, npz or CSV, with one vector per
    subject and stimulus (docs/brain.md): its stimuli are the texts that the model reads."""
    prompt: str = ""
    """What the model reads, with ``{}`` for the stimulus; default: a question for ``concepts``, the
    stimulus alone for the others."""
    pool: Pool = "last"
    """The last prompt token, or a mean: over all prompt tokens, special and template's ones
    included (``mean``); over those of the prompt's text (``content``); over the stimulus's own
    (``stimulus``)."""
    repeats: int = Field(5, ge=1)
    """How often the stimuli are halved; each half chooses once and scores once."""


@dataclass(frozen=True)
class Target:
    """What heads are compared with.

    Attributes:
        stimuli: ``[stimulus]``, unique names.
        texts: ``[stimulus]``, what the model reads.
        patterns: ``[subject, stimulus, unit]``; one subject where there is one truth.
        facts: What a head map records of it.
    """

    stimuli: tuple[str, ...]
    texts: tuple[str, ...]
    patterns: Floats
    facts: dict[str, JsonValue]


def target_of(name: str) -> Target:
    """A target by name or file.

    Raises:
        ConfigError: Neither a known name nor a file of this form.
        DataError: The file is missing or broken, or its subjects share too few stimuli.
    """
    if name == "concepts":
        world = concept_world()
        return Target(world.words, world.words, world.features[None], {"target": name})
    if name == "things":
        concepts = things_concepts()
        scores = (concepts.means - concepts.means.mean(axis=0)) / concepts.means.std(axis=0)
        return Target(concepts.ids, concepts.words, scores[None], {"target": name})
    if not name.endswith((".npz", ".csv")):
        raise ConfigError(
            f"there is no target {name!r}",
            where=f"--set target={name}",
            hint="concepts, things, or a file of your own that ends in .npz or .csv",
        )
    table = read_vector_table(Path(name))
    stimuli = table.shared()
    patterns = [table.repeats(subject, stimuli).mean(axis=0) for subject in table.names]
    facts: dict[str, JsonValue] = {"target": Path(name).name, "target_sha256": table.sha256}
    return Target(stimuli, stimuli, np.array(patterns), facts)


def load(params: AlignmentParams, limit: int | None, seed: int) -> Trials:
    """The target's stimuli, or a random sample of them.

    Raises:
        ConfigError: The prompt has no place for the stimulus, or there is no such target.
        DataError: Fewer than :data:`LEAST` stimuli.
    """
    target = target_of(params.target)
    prompt = params.prompt or PROMPTS.get(params.target, "{}")
    if prompt.count("{}") != 1:
        raise ConfigError(
            "the prompt needs one place for the stimulus",
            where=f"--set prompt={prompt}",
            hint='write {} where it goes, e.g. "A {} is"',
        )
    order = np.arange(len(target.stimuli))
    if limit is not None and limit < len(order):
        order = np.sort(np.random.default_rng(seed).permutation(len(order))[:limit])
    check_count(len(order), f"target {params.target}")
    texts = [prompt.replace("{}", target.texts[at]) for at in order.tolist()]
    trials = tuple(
        Trial(
            Request(
                document=target.stimuli[at],
                step="detect",
                index=0,
                kind="represent",
                messages=({"role": "user", "content": text},),
                spans=spans_of(params.pool, prompt, target.texts[at]),
            ),
            "",
        )
        for at, text in zip(order.tolist(), texts, strict=True)
    )
    facts: dict[str, JsonValue] = {
        **target.facts,
        "documents": len(trials),
        "subjects": len(target.patterns),
        "prompt": prompt,
        "sha256": digest_of(texts),
    }
    return Trials(trials, facts)


def check_count(stimuli: int, where: str) -> None:
    """Refuse fewer than :data:`LEAST` stimuli.

    Raises:
        DataError: They are fewer.
    """
    if stimuli < LEAST:
        raise DataError(
            f"{stimuli} stimuli, at least {LEAST} make a geometry",
            where=where,
            hint="raise --limit, or take a target with more stimuli",
        )


def spans_of(pool: str, prompt: str, stimulus: str) -> dict[str, tuple[tuple[int, int, int], ...]]:
    """The span that is averaged over; spans that nobody reads are not marked."""
    start = prompt.index("{}")
    ranges = {
        "content": (0, len(prompt) - 2 + len(stimulus)),
        "stimulus": (start, start + len(stimulus)),
    }
    return {pool: ((0, *ranges[pool]),)} if pool in ranges else {}


def patterns_of(target: Target, trials: Trials) -> Floats:
    """The target's patterns of the stimuli that are shown: ``[subject, stimulus, unit]``.

    Raises:
        DataError: A trial is about no stimulus of the target.
    """
    place = {name: at for at, name in enumerate(target.stimuli)}
    names = [trial.request.document for trial in trials.trials]
    strange = [name for name in names if name not in place]
    if strange:
        raise DataError(
            f"{strange[0]!r} is no stimulus of the target",
            where=f"{len(strange)} of {len(names)} trials",
            hint="name each trial's document after the stimulus",
        )
    return target.patterns[:, [place[name] for name in names]]


def head_features(
    model: HeadModel, trials: Trials, pool: str, like: Capture | None = None
) -> np.ndarray:
    """Output of every head for every stimulus: ``[layer with attention, head, stimulus, dim]``.

    Prompts run in batches and are pooled inside the pass; what is kept is float32 and one vector
    per head and stimulus, never a state per token.

    Args:
        model: The adapter.
        trials: One per stimulus.
        pool: Name of a pooling.
        like: A capture whose rows and pooling are taken instead.

    Raises:
        DataError: There is no trial.
        RefusedError: The tokenizer does not know the stimuli.
    """
    _refuse_alike(model, trials)
    layers = attending_layers(model)
    capture = pooled("z", layers, pool)
    if like is not None:
        capture = replace(capture, rows=like.rows, pool=like.pool)
    found: np.ndarray | None = None
    at = 0
    for batch in chunks(model, trials.trials):
        for arrays in represent(model, [trial.request for trial in batch], (capture,)):
            z = arrays[capture][:, 0].float().cpu().numpy()  # [layer, head, dim] of the one row
            if found is None:
                heads, dim = z.shape[1:]
                found = np.empty((len(layers), heads, len(trials.trials), dim), dtype=np.float32)
            found[:, :, at] = z
            at += 1
    if found is None:
        raise DataError("there is no stimulus", hint="take more trials")
    return found


def pooled(site: CaptureSite, layers: tuple[int, ...], pool: str) -> Capture:
    """The capture of one vector per stimulus that a pooling names."""
    if pool == "last":
        return Capture(site, layers, rows="last")
    return Capture(site, layers, rows="all" if pool == "mean" else pool, pool="mean")


def _refuse_alike(model: HeadModel, trials: Trials) -> None:
    """Refuse stimuli of different texts that are the same tokens to the model: unknown words."""
    texts: dict[tuple[int, ...], dict[str, str]] = {}  # tokens -> text -> stimulus
    for trial in trials.trials:
        tokens = tuple(model.prompter.resolve(trial.request).tokens)
        text = trial.request.messages[-1]["content"]
        texts.setdefault(tokens, {})[text] = trial.request.document
    alike = [name for same in texts.values() if len(same) > 1 for name in same.values()]
    if len(alike) > ALIKE * len(trials.trials):
        raise RefusedError(
            f"{model.name} reads {len(alike)} of {len(trials.trials)} stimuli as if they were "
            f"others: {', '.join(alike[:3])}",
            where="different texts, the same tokens",
            hint="use a model whose vocabulary covers the stimuli, or another target",
        )


def measure(
    model: HeadModel,
    trials: Trials,
    params: AlignmentParams,
    scores: Scoring,
    like: Capture | None = None,
) -> Measurement:
    """Score every head on all stimuli and on their halves.

    Args:
        model: The adapter.
        trials: One per stimulus.
        params: Pooling and halves.
        scores: The comparison, some heads at a time.
        like: A capture whose rows and pooling are taken instead of the pooling's.

    Returns:
        A head that gives every stimulus the same output has no geometry: it gets the least score
        of all heads, at most 0, and is named under ``undefined_heads``.

    Raises:
        DataError: No head has a score.
    """
    import torch

    features = head_features(model, trials, params.pool, like)
    layers, heads, stimuli, _ = features.shape
    splits = halves(stimuli, seed=0, repeats=params.repeats)
    everything = np.arange(stimuli)
    sets = [everything, *(split.score for split in splits)]
    every = features.reshape(layers * heads, stimuli, -1)  # [head of any layer, stimulus, dim]
    parts = [scores(every[at : at + BLOCK], sets) for at in range(0, len(every), BLOCK)]
    table = np.concatenate([part.values for part in parts])  # [head of any layer, set]
    whole = table[:, 0]
    if not np.isfinite(whole).any():
        raise DataError(
            "no head tells the stimuli apart",
            where=f"--set pool={params.pool}",
            hint="end the prompt with the stimulus, take pool=mean, or texts that the model reads",
        )
    numbers = attending_layers(model)
    names: list[JsonValue] = [
        f"{numbers[at // heads]}-{at % heads}"
        for at in np.flatnonzero(~np.isfinite(whole)).tolist()
    ]
    facts: dict[str, JsonValue] = {
        "split_half": _stability(table, sets, splits, numbers, heads),
        "undefined_heads": names,
        **_null(whole, parts, heads),
    }
    # Never above a head that has a geometry, however bad: "top" then takes it last.
    least = min(0.0, float(np.nanmin(whole)))
    found: Tensor = torch.from_numpy(np.nan_to_num(whole, nan=least)).reshape(layers, heads)
    return Measurement(found, stimuli, facts)


def _null(whole: Floats, parts: Sequence[HeadScores], heads: int) -> dict[str, JsonValue]:
    """What scores are when stimuli are relabelled at random.

    Args:
        whole: ``[head]``, scores on all stimuli.
        parts: As they were scored.
        heads: Per layer.

    Returns:
        ``null_z``: score over its standard deviation, by layer; ``null_max``: share of draws whose
        best head is at least as good as the best here, that is p of the best of all heads.
    """
    spread = np.concatenate([part.null for part in parts])
    facts: dict[str, JsonValue] = {}
    if np.isfinite(spread).any():
        with np.errstate(invalid="ignore", divide="ignore"):
            z = (whole / spread).reshape(-1, heads).tolist()
        facts["null_z"] = [
            [round(one, 2) if np.isfinite(one) else None for one in row] for row in z
        ]
    relabelled = np.concatenate([part.relabelled for part in parts])  # [head, draw]
    draws = relabelled.shape[1]
    if draws:
        best = np.nanmax(relabelled, axis=0)
        p = (1 + int((best >= np.nanmax(whole)).sum())) / (draws + 1)
        facts["null_max"] = {
            "draws": draws,
            "p": round(p, DIGITS),
            "median": round(float(np.median(best)), DIGITS),
        }
    return facts


def _stability(
    table: Floats,
    sets: Sequence[Integers],
    splits: Sequence[Split],
    layers: tuple[int, ...],
    heads: int,
) -> dict[str, JsonValue]:
    """Whether halves agree on the map, and what the best head of a half scores on the other.

    Args:
        table: ``[head, set]``.
        sets: All stimuli, then the scoring half of each split.
        splits: Of the stimuli; two neighbours are one halving, each half once in either part.
        layers: Numbers of the layers with attention.
        heads: Per layer.
    """
    column = {chosen.tobytes(): at for at, chosen in enumerate(sets)}
    held = select(lambda chosen: table[:, column[chosen.tobytes()]], splits, len(sets[0]))
    agreements = []
    for at in range(1, len(sets), 2):
        both = table[:, at : at + 2]
        known = np.isfinite(both).all(axis=1)
        agreements.append(spearman(both[known, 0], both[known, 1]) if known.sum() > 1 else np.nan)
    agreement = float(np.mean(agreements))
    return {
        "halves": len(splits),
        "rank_correlation": round(agreement, DIGITS) if np.isfinite(agreement) else None,
        "best_head": f"{layers[held.best // heads]}-{held.best % heads}",
        "best_score": round(held.naive, DIGITS),
        "chosen_share": round(held.agreement, DIGITS),
        "held_out_score": round(held.score, DIGITS),
        "optimism_gap": round(held.optimism_gap, DIGITS),
    }
