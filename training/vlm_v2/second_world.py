"""Does VHR help yes/no answers? It depends on where the misleading prior lives.

In the world of ``ref-vlm`` the prior arrives through the image: a seen knife suggests a fork, and
visual heads carry the knife as well as the missing fork. Amplifying them amplifies both. In the
second world the prior arrives through words: "This is a kitchen." suggests a fork, whatever the
image shows. Amplifying the visual heads then weighs the image against the words.

The same short training from an untrained language model, the same heads and the same controls in
both worlds::

    python -m training.vlm_v2.second_world --out runs/second-world
"""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import numpy as np
import typer

if TYPE_CHECKING:
    from collections.abc import Sequence

    from transformers import LlavaForConditionalGeneration

    from headbench.worlds.scenes import Prior
    from training.vlm_v2.scene_probe import Asked, Gallery, Setting
    from training.vlm_v2.visual_heads import Reinforcement

FORMAT = "headbench-second-world@1"
SCENES = 300
SETTINGS: tuple[Setting, ...] = ("random", "popular", "adversarial", "hinted")
DRAWS = 2000
PRIORS: tuple[Prior, ...] = ("picture", "text")

app = typer.Typer(add_completion=False)


def interval(
    asked: Sequence[Asked], before: Sequence[bool | None], after: Sequence[bool | None]
) -> list[float]:
    """95 % interval of the change of accuracy: paired bootstrap that draws whole scenes."""
    scenes = sorted({one.scene for one in asked})
    index = {scene: row for row, scene in enumerate(scenes)}
    change, size = np.zeros(len(scenes)), np.zeros(len(scenes))
    for one, first, second in zip(asked, before, after, strict=True):
        change[index[one.scene]] += (second is one.truth) - (first is one.truth)
        size[index[one.scene]] += 1
    drawn = np.random.default_rng(0).integers(0, len(scenes), (DRAWS, len(scenes)))
    changes = change[drawn].sum(1) / size[drawn].sum(1)
    return [round(float(value), 4) for value in np.quantile(changes, (0.025, 0.975))]


def pull(
    model: LlavaForConditionalGeneration, prior: Prior, how: Reinforcement | None
) -> dict[str, float]:
    """How far the prior alone moves the answer, in logits of yes over no.

    Asked about an absent object that is suggested, with the suggestion and without it: in the
    ``picture`` world its partner is painted over, in the ``text`` world another place is named.
    """
    from training.vlm_v2.scene_probe import margins

    with_it, without, asked = _counterfactual(prior)
    first, second = margins(model, with_it, asked, how), margins(model, without, asked, how)
    return {
        "suggested": round(float(first.mean()), 3),
        "not_suggested": round(float(second.mean()), 3),
        "pull": round(float((first - second).mean()), 3),
        "questions": len(asked),
    }


def _counterfactual(prior: Prior) -> tuple[Gallery, Gallery, list[Asked]]:
    """The same scenes with and without the suggestion, and one question about each."""
    import torch

    from headbench.worlds.scene_text import context
    from headbench.worlds.scene_words import HOME, OBJECTS, PLACES, partner
    from headbench.worlds.scenes import SceneWorld
    from training.vlm_v2.scene_probe import Asked, Gallery, gallery
    from training.vlm_v2.scene_rows import shrink

    world = SceneWorld("test", prior)
    shown = gallery(world, SCENES, least=3)
    pairs, asked = [], []
    for scene in shown.scenes:
        if prior == "picture":
            lonely = [name for name in scene.objects if partner(name) not in (None, *scene.objects)]
            if not lonely:
                continue
            target = partner(lonely[0]) or ""
            items = tuple(item for item in scene.items if item.name != lonely[0])
            pairs.append((scene, replace(scene, items=items)))
        else:
            absent = [n for n in OBJECTS if HOME.get(n) == scene.place and n not in scene.objects]
            if not absent:
                continue
            target = absent[0]
            other = PLACES[(PLACES.index(scene.place) + 1) % len(PLACES)]
            pairs.append((scene, replace(scene, place=other)))
        asked.append(Asked(len(pairs) - 1, target, truth=False))

    def made(side: int) -> Gallery:
        scenes = tuple(pair[side] for pair in pairs)
        images = np.stack([shrink(world.pixels(scene)) for scene in scenes])
        leads = tuple(context(scene.place) if prior == "text" else "" for scene in scenes)
        return Gallery(scenes, torch.from_numpy(images), leads)

    return made(0), made(1), asked


def measure(model: LlavaForConditionalGeneration, prior: Prior) -> dict[str, Any]:
    """POPE under both methods and their controls, and the pull of the prior, in one world.

    Args:
        model: Trained in that world; fp32, eval mode.
        prior: Which world.
    """
    from headbench.worlds.scenes import SceneWorld
    from training.vlm_v2 import evidence, scene_probe

    scores = evidence.head_map(model, prior)
    shown = scene_probe.gallery(SceneWorld("test", prior), SCENES, least=3)
    lists = {setting: scene_probe.pope_questions(shown.scenes, setting) for setting in SETTINGS}
    unique = list(dict.fromkeys(one for asked in lists.values() for one in asked))
    table: dict[str, Any] = {}
    base: dict[Any, bool | None] = {}
    for name, how in evidence.conditions(scores).items():
        said = dict(zip(unique, scene_probe.answer(model, shown, unique, how), strict=True))
        base = base or said
        table[name] = {
            setting: {
                "accuracy": round(
                    scene_probe.score_pope(asked, [said[q] for q in asked]).accuracy, 4
                ),
                "yes_ratio": round(
                    scene_probe.score_pope(asked, [said[q] for q in asked]).yes_ratio, 4
                ),
                "change_95": interval(asked, [base[q] for q in asked], [said[q] for q in asked]),
            }
            for setting, asked in lists.items()
        }
    pulled = {"base", "fixed", "fixed-random-0", "fixed-low", "vhr-1.5", "vhr-2"}
    return {
        "prior": prior,
        "scenes": SCENES,
        "vhd": [[round(float(v), 4) for v in row] for row in scores],
        "pope": table,
        "pull": {
            name: pull(model, prior, how)
            for name, how in evidence.conditions(scores).items()
            if name in pulled
        },
    }


@app.command()
def main(
    out: Annotated[Path, typer.Option(help="Folder of both runs; continued if it exists.")],
    image_steps: Annotated[int, typer.Option(help="Steps with images.")] = 600,
    seed: Annotated[int, typer.Option(help="Draws weights and data.")] = 0,
) -> None:
    """Train one model a world and measure each in its own."""
    from training.vlm_v2.train import VlmConfig, VlmSchedule, train

    # Needles are left out: recall has no part in this question.
    schedule = VlmSchedule(image_steps=image_steps, language_share=0.25, needles=())
    worlds = {}
    for prior in PRIORS:
        config = VlmConfig(seed, out / prior, None, prior=prior, schedule=schedule)
        worlds[prior] = measure(train(config), prior)
    table = {"format": FORMAT, "seed": seed, "look_steps": image_steps, "worlds": worlds}
    text = json.dumps(table, indent=1) + "\n"
    (out / "second-world.json").write_text(text)
    typer.echo(text)


if __name__ == "__main__":
    app()
