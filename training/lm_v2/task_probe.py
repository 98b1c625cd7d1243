"""Figures of ``ref-lm-v2`` on walls and labels without the tasks, for calibration probes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from headbench.families.walls.walls_parse import read_robust
from headbench.families.walls.walls_scorer import grouping_parts
from headbench.worlds.labels import DEFINITIONS, QUESTION, LabelWorld, Message, prompt
from headbench.worlds.walls import WallWorld, naming_prompt
from headbench.worlds.walls import prompt as wall_prompt
from training.lm_v2.label_rows import RECONSIDER
from training.lm_v2.needle_probe import documents, greedy, recall
from training.lm_v2.wall_rows import Split

if TYPE_CHECKING:
    from transformers import PreTrainedModel, PreTrainedTokenizerFast

GROUPING_TOKENS = 32
"""Sixteen clues, fifteen marks between them and the full stop."""
TURN_CONDITIONS = ("turn_1", "turn_2", "turn_3")
CONDITIONS = (
    "zero_shot",
    "aligned",
    "misaligned",
    "few_shot",
    "few_shot_definition",
    *TURN_CONDITIONS,
)


def said(
    model: PreTrainedModel, tokenizer: PreTrainedTokenizerFast, prompts: Sequence[str], steps: int
) -> list[str]:
    """Greedy answers, up to their first full stop."""
    tokens = greedy(model, tokenizer, prompts, steps).tokens
    return [str(tokenizer.decode(row)).partition(".")[0] for row in tokens]


def wall_figures(
    model: PreTrainedModel, tokenizer: PreTrainedTokenizerFast, split: Split, count: int
) -> dict[str, float]:
    """Shares of groups and walls solved, and of connections named, without and with herrings."""
    found: dict[str, float] = {}
    for herrings in (0, 2):
        asked = [WallWorld(split, herrings).wall(seed) for seed in range(count)]
        answers = said(model, tokenizer, [wall_prompt(w.clues) for w in asked], GROUPING_TOKENS)
        parts = [
            grouping_parts(read_robust(answer), wall.groups)
            for answer, wall in zip(answers, asked, strict=True)
        ]
        found[f"groups_{herrings}"] = sum(int(str(p["correct_groups"])) for p in parts) / (
            4 * count
        )
        found[f"solved_{herrings}"] = sum(int(str(p["solved"])) for p in parts) / count
    pairs = [pair for wall in asked for pair in zip(wall.groups, wall.connections, strict=True)]
    names = said(model, tokenizer, [naming_prompt(group) for group, _ in pairs], 2)
    right = [name.strip() == wanted for name, (_, wanted) in zip(names, pairs, strict=True)]
    return found | {"named": sum(right) / len(right)}


def label_answers(
    model: PreTrainedModel,
    tokenizer: PreTrainedTokenizerFast,
    asked: Sequence[Message],
    examples: Sequence[tuple[Message, bool]],
) -> dict[str, list[str]]:
    """Answers by condition; ``animal`` is the definition, ``food`` the misaligned one."""
    own, other = DEFINITIONS["animal"], DEFINITIONS["food"]

    def ask(prompts: Sequence[str]) -> list[str]:
        return [answer.strip() for answer in said(model, tokenizer, prompts, 1)]

    answers = {
        "zero_shot": ask([prompt(one) for one in asked]),
        "aligned": ask([prompt(one, own) for one in asked]),
        "misaligned": ask([prompt(one, other) for one in asked]),
        "few_shot": ask([prompt(one, None, examples) for one in asked]),
        "few_shot_definition": ask([prompt(one, own, examples) for one in asked]),
    }
    talk = [
        f"{prompt(one)} {first}" for one, first in zip(asked, answers["zero_shot"], strict=True)
    ]
    turns = (
        [prompt(one, None, examples) for one in asked],
        [f"{own.text} {one.text} {QUESTION}" for one in asked],
        [RECONSIDER for _ in asked],
    )
    for name, turn in zip(TURN_CONDITIONS, turns, strict=True):
        talk = [f"{before} {after}" for before, after in zip(talk, turn, strict=True)]
        answers[name] = ask(talk)
        talk = [f"{before} {one}" for before, one in zip(talk, answers[name], strict=True)]
    return answers


def label_figures(
    model: PreTrainedModel, tokenizer: PreTrainedTokenizerFast, split: Split, count: int
) -> dict[str, float]:
    """Zero-shot agreement with the prior, and rescue and damage by condition."""
    own, prior = DEFINITIONS["animal"], DEFINITIONS["prior"]
    world = LabelWorld(split)
    asked = [world.message(seed) for seed in range(count)]
    pool = [world.message(100_000 + number) for number in range(40)]
    solved = [(one, own.holds(one)) for one in pool]
    examples = [
        next_one
        for pair in zip(
            [s for s in solved if s[1]][:2], [s for s in solved if not s[1]][:2], strict=True
        )
        for next_one in pair
    ]
    answers = label_answers(model, tokenizer, asked, examples)
    gold = ["yes" if own.holds(one) else "no" for one in asked]
    first = answers["zero_shot"]
    wrong = [at for at, want in enumerate(gold) if first[at] != want]
    right = [at for at, want in enumerate(gold) if first[at] == want]
    found = {
        "prior": sum(
            a == ("yes" if prior.holds(m) else "no") for a, m in zip(first, asked, strict=True)
        )
        / count
    }
    for name in CONDITIONS[1:]:
        found[f"rescue_{name}"] = sum(answers[name][at] == gold[at] for at in wrong) / max(
            1, len(wrong)
        )
        found[f"damage_{name}"] = sum(answers[name][at] != gold[at] for at in right) / max(
            1, len(right)
        )
    return found


def calibration_figures(
    model: PreTrainedModel, tokenizer: PreTrainedTokenizerFast, walls: int = 24, messages: int = 60
) -> dict[str, float]:
    """Everything that the mixture was tuned on."""
    asked = documents("calibration", 256, (0.1, 0.5, 0.9), 12)
    return {
        **wall_figures(model, tokenizer, "calibration", walls),
        **label_figures(model, tokenizer, "calibration", messages),
        "recall_256": recall(model, tokenizer, asked),
    }
