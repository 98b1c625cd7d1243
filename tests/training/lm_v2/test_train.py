"""The training: its loss, its schedule, and a run that is killed and continued."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch

from training.lm_v2 import train, wall_rows

CONFIG = train.Lm2Config(0, Path("unused"))


def test_any_right_token_lowers_the_loss():
    class Even(torch.nn.Module):
        """Gives token 5 half of the probability and shares the rest."""

        def __init__(self) -> None:
            super().__init__()
            self.model = self
            logits = torch.zeros(10)
            logits[5] = torch.log(torch.tensor(9.0))
            self.lm_head = lambda hidden: logits.expand(hidden.size(0), -1)

        def forward(self, input_ids, use_cache):
            return type("Out", (), {"last_hidden_state": input_ids.unsqueeze(-1).float()})()

    def loss(*among: int) -> float:
        (value,) = train.answer_losses(Even(), [wall_rows.Row([0, among[0]], {1: among})])
        return float(value)

    assert loss(5) == pytest.approx(0.6931, abs=1e-3)
    assert loss(5, 6) < loss(5) < loss(6, 7)


def test_rows_of_a_step_are_a_function_of_seed_and_step():
    mixture = train.Mixture()
    first, again = (train.rows_of(CONFIG, mixture, 4) for _ in range(2))
    assert first == again != train.rows_of(CONFIG, mixture, 5)
    assert [len(first[kind]) for kind in ("names", "short", "long")] == [
        mixture.names,
        mixture.short,
        mixture.long,
    ]


def test_walls_grow_from_two_groups_of_two():
    def clues(step: int, small: float) -> list[int]:
        rows = train.rows_of(CONFIG, train.Mixture(small=small), step)["walls"]
        return [sum(len(one) > 0 for one in list(row.wanted.values())[::2]) for row in rows]

    assert set(clues(0, 0.5)) == {4}
    assert set(clues(400, 0.0)) == {16}
    assert {4, 16} < set(clues(400, 0.5))


def test_needle_documents_grow():
    assert [CONFIG.length(step) for step in (0, 300, 600)] == [64, 128, 256]
    assert {CONFIG.length(step) for step in range(1000, 1010)} == set(CONFIG.longest)


def test_rates_fall_within_a_leg_and_warm_up_at_its_start():
    for leg in train.LEGS:
        assert leg.rate(0) < leg.rate(19)
        assert leg.rate(leg.steps - 1) == pytest.approx(leg.last, rel=0.1, abs=0.01)


def test_a_killed_training_continues_where_it_stood(tmp_path):
    """Three steps, killed after two: the same weights as three at once."""
    mixture = train.Mixture(1, 1.0, 1, 1, 0, 0.0, 64, 1.0)

    def run(folder: Path, *steps: int) -> dict[str, torch.Tensor]:
        for count in steps:
            leg = train.Leg("all", 3, 1.0, 1.0, mixture)
            config = train.Lm2Config(0, folder, legs=(leg,))
            if count < 3:
                with pytest.raises(KeyboardInterrupt, match="stopped"):
                    train.train(config, _stop_at(count), every=1)
            else:
                model = train.train(config, every=1)
        return model.state_dict()

    def _stop_at(count: int):
        calls = iter(range(1, 4))

        def probe(model) -> dict[str, float]:
            if next(calls) == count:
                raise KeyboardInterrupt("stopped")
            return {}

        return probe

    whole, continued = run(tmp_path / "whole", 3), run(tmp_path / "killed", 2, 3)
    for name, weight in whole.items():
        torch.testing.assert_close(continued[name], weight)


def test_some_steps_of_training_teach_which_words_belong_together(tmp_path):
    mixture = train.Mixture(2, 1.0, 8, 0, 0, 0.0, 64, 1.0)
    leg = train.Leg("smoke", 20, 1.0, 0.5, mixture)
    train.train(train.Lm2Config(0, tmp_path, legs=(leg,)))
    log = [json.loads(line) for line in (tmp_path / "log.jsonl").read_text().splitlines()]
    assert [line["step"] for line in log] == [10, 20]
    assert log[1]["names"] < 0.8 * log[0]["names"]
