"""Choose default strengths on calibration scenes: ``python -m training.strengths``.

Writes ``harness/headbench/interventions/calibrated_strengths.json``; ``--check`` writes nothing and
fails where a new measurement chooses another strength. Only scenes of the calibration split are
shown. No benefit enters the choice, only damage: the default is the largest candidate that is not
above the strength of the method's source, and up to which no candidate

* raises the loss on true captions by :data:`LOSS_BOUND` nats per token or more (upper end of a 95 %
  interval), half of what a run calls damage;
* leaves :data:`UNREADABLE_BOUND` or more of the yes/no questions without an answer that the parser
  reads, beyond the baseline.

Both bounds were written down before the first measurement; the limit at the source's strength after
it, because every candidate of ``gift`` was harmless, the largest one too.
"""

from __future__ import annotations

import argparse
import json
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import headbench
from headbench.interventions import method_catalogue
from headbench.interventions.resolve import BASELINE, resolve
from headbench.interventions.strengths import CALIBRATED, default_strength
from headbench.jobs import Job
from headbench.models.adapter_catalogue import create
from headbench.nouns import ModelInfo
from headbench.results.schema import NeutralLoss
from headbench.results.store import ResponseStore
from headbench.running import neutral
from headbench.running.ask import Asker

LOSS_BOUND = 0.05
"""Nats per token."""
UNREADABLE_BOUND = 0.01
"""Share of questions."""
CANDIDATES: Mapping[str, tuple[str, tuple[float, ...]]] = {
    "vhr": ("alpha", (1.1, 1.25, 1.5, 1.75, 2.0, 2.5, 3.0)),
    "pai": ("alpha", (0.1, 0.2, 0.3, 0.5, 1.0, 2.0)),
    "gift": ("alpha", (1.0, 2.0, 3.0, 4.0, 5.0, 7.0)),
}
"""Method -> its strength, and what is tried."""
MODEL = "ref-vlm"
QUESTION_SCENES = 30
QUESTIONS = Path(__file__).parent / "calibration_questions.yaml"
DIGITS = 4


def main() -> int:
    """Measure every candidate and write the file, or compare it; 1 where a check fails."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--check", action="store_true", help="write nothing; fail on a difference")
    check = parser.parse_args().check
    found = measure()
    if check:
        before = chosen_strengths(json.loads(CALIBRATED.read_text(encoding="utf-8")))
        now = chosen_strengths(found)
        print(f"committed {before}, now {now}")
        return int(before != now)
    CALIBRATED.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")
    print(chosen_strengths(found))
    return 0


def measure() -> dict[str, Any]:
    """The file's content: the model, the scenes, the bounds, and every candidate."""
    texts = [
        f"{method}({name}={value:g})"
        for method, (name, values) in CANDIDATES.items()
        for value in values
    ]
    info, losses = caption_losses(texts)
    answers = answer_figures(texts)
    base = answers["baseline"]
    methods = {}
    for method, (name, values) in CANDIDATES.items():
        tried = []
        for value in values:
            text = f"{method}({name}={value:g})"
            loss, figures = losses[text], answers[text]
            tried.append(
                {
                    "strength": value,
                    "loss_change": _rounded(loss.change),
                    "low": _rounded(loss.low),
                    "high": _rounded(loss.high),
                    "unreadable": _rounded(figures["unparsed_rate"]),
                    "accuracy": _rounded(figures["accuracy"]),
                }
            )
        limit = source_strength(method, info)
        methods[method] = {
            "parameter": name,
            "of_the_source": limit,
            "chosen": choose(tried, base["unparsed_rate"], limit),
            "candidates": tried,
        }
    return {
        "models": [
            {
                "name": info.name,
                "family": info.family,
                "layers": info.layers,
                "heads": info.heads,
                "head_dim": info.head_dim,
                "scenes": {
                    "split": "calibration",
                    "captions": {"scenes": neutral.PASSAGES, "first_seed": neutral.FIRST_SCENE},
                    "questions": {"scenes": QUESTION_SCENES, "first_seed": 0},
                },
                "bounds": {"loss_high": LOSS_BOUND, "unreadable_more": UNREADABLE_BOUND},
                "baseline": {name: _rounded(value) for name, value in base.items()},
                "methods": methods,
            }
        ]
    }


def caption_losses(texts: list[str]) -> tuple[ModelInfo, dict[str, NeutralLoss]]:
    """The change of the loss on true captions of calibration scenes under each intervention."""
    model = create(MODEL, {})
    info = model.info
    if info is None:
        raise ValueError(f"{MODEL} takes no interventions")
    shown = neutral.captions("calibration")
    model.bind(lambda sha256: shown.pictures[sha256]())
    conditions = [BASELINE, *(resolve(text, info)[0] for text in texts)]
    jobs = [Job(request, condition) for condition in conditions for request in shown.requests]
    with tempfile.TemporaryDirectory() as folder:
        replies = Asker(model, ResponseStore(Path(folder))).ask(jobs, "captions")
    count = len(shown.requests)
    measured = [
        neutral.measured(shown.name, [reply.answer for reply in replies[at : at + count]])
        for at in range(0, len(replies), count)
    ]
    base, *others = [loss for loss in measured if loss is not None]
    changes = [neutral.against(base, loss, 0.95) for loss in others]
    return info, dict(zip(texts, changes, strict=True))


def answer_figures(texts: list[str]) -> dict[str, dict[str, float]]:
    """Share of unreadable answers and accuracy on questions about calibration scenes."""
    with tempfile.TemporaryDirectory() as folder:
        outcome = headbench.run(
            str(QUESTIONS), texts, model=MODEL, out=folder, controls=0, draws=100
        )
    found = {}
    for result in outcome.results:
        figures = result.metrics
        found[result.arm.name] = {
            name: float(figures[name].value or 0.0) for name in ("unparsed_rate", "accuracy")
        }
    return found


def source_strength(method: str, info: ModelInfo) -> float:
    """The strength of a method's source, for the family of a model."""
    paper = method_catalogue.get(method).strength
    if paper is None:
        raise ValueError(f"{method} has no default strength")
    return default_strength(method, paper, info, calibrated=False).value


def choose(tried: Sequence[Mapping[str, float]], unreadable: float, limit: float) -> float:
    """The largest strength up to which no candidate does damage.

    Args:
        tried: Candidates with ``strength``, ``high`` and ``unreadable``, the weakest first.
        unreadable: Share of unreadable answers at baseline.
        limit: The largest strength that may be chosen.

    Raises:
        ValueError: The weakest candidate does damage.
    """
    chosen = None
    for one in tried:
        if one["strength"] > limit:
            break
        if one["high"] >= LOSS_BOUND or one["unreadable"] - unreadable >= UNREADABLE_BOUND:
            break
        chosen = one["strength"]
    if chosen is None:
        raise ValueError("the weakest candidate does damage: try weaker ones")
    return chosen


def chosen_strengths(content: Mapping[str, Any]) -> dict[tuple[str, str], float]:
    """(model, method) -> strength."""
    return {
        (model["name"], method): told["chosen"]
        for model in content["models"]
        for method, told in model["methods"].items()
    }


def _rounded(value: float | None) -> float:
    return round(value or 0.0, DIGITS)


if __name__ == "__main__":
    raise SystemExit(main())
