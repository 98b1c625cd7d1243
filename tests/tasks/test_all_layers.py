"""`layers: all`: the model's own layers, each once; and layers that stand twice are refused."""

from __future__ import annotations

from pathlib import Path

import pytest

import headbench
from headbench.errors import ConfigError, HeadbenchError
from headbench.nouns import ModelInfo
from headbench.tasks.all_layers import checkable, with_layers
from headbench.tasks.check import check
from headbench.tasks.loader import load
from helpers_tables import simulated, write

HYBRID = ModelInfo("mixed", "mixed", layers=4, heads=2, kv_heads=2, head_dim=4, attention=(1, 3))


def test_all_names_every_layer_and_of_heads_every_layer_that_has_some() -> None:
    task = load("rsa_table", args={"layers": "all"})
    assert task.steps[0].captures[0].layers == ()
    counted = with_layers(task, {"subject": HYBRID})
    assert counted.steps[0].captures[0].layers == (0, 1, 2, 3)
    assert counted.config.scorer_options["layers"] == [0, 1, 2, 3]
    assert counted.prompt_hash == load("rsa_table", args={"layers": "0,1,2,3"}).prompt_hash
    heads = with_layers(load("rsa_table", args={"layers": "all", "site": "z"}), {"subject": HYBRID})
    assert heads.steps[0].captures[0].layers == (1, 3)
    assert heads.config.scorer_options["layers"] == [1, 3]


def test_a_site_by_transformer_lens_name_has_the_layers_of_ours(tmp_path: Path) -> None:
    path = tmp_path / "mine.yaml"
    path.write_text(
        "include: rsa\ntask: mine\ncaptures: [{site: hook_resid_post, layers: all, rows: last}]\n"
    )
    counted = with_layers(load(path), {"subject": HYBRID})
    assert counted.steps[0].captures[0].layers == (0, 1, 2, 3)


def test_a_step_of_several_gets_its_own_roles_layers() -> None:
    late = load("aut_brain_late_dmn", args={"layers": "all"})
    counted = with_layers(late, {"subject": HYBRID})
    assert counted.steps[1].captures[0].layers == (0, 1, 2, 3)
    checkable(late).check_scorer()


def test_what_cannot_be_counted_is_refused_and_a_task_without_the_word_is_itself() -> None:
    task = load("rsa_table", args={"layers": "all"})
    assert with_layers(task, {"subject": None}) is task
    with pytest.raises(ConfigError, match="does not say how many layers it has"):
        with_layers(task, {"subject": None}, final=True)
    plain = load("rsa_table")
    assert with_layers(plain, {"subject": HYBRID}) is plain
    with pytest.raises(ConfigError, match="layer 1 stands twice"):
        load("rsa_table", args={"layers": "1,1"})
    with pytest.raises(ConfigError, match="'all' is no whole number"):
        load("rsa_table", args={"layers": "all,1"})


def test_a_file_may_say_all(tmp_path: Path) -> None:
    path = tmp_path / "mine.yaml"
    root = Path(__file__).parents[2] / "tasks/brain/mknn_heads.yaml"
    path.write_text(
        f"include: {root}\ntask: mine\nmetadata: {{version: 1}}\n"
        "captures: [{site: z, layers: all, rows: all, pool: mean}]\n"
        "scorer_options: {people: concept_memberships, k: 3, layers: all}\n"
    )
    (report,) = check([str(path)])
    assert not report.problems and not report.absent, report
    assert load(path).steps[0].captures[0].layers == ()
    path.write_text(path.read_text().replace("k: 3, layers: all", "k: 3, layers: [0]"))
    assert "are not the layers that are captured" in str(check([str(path)])[0].problems[0])


def test_a_run_over_all_layers_is_the_run_that_names_them(tmp_path: Path) -> None:
    table = write(tmp_path / "betas.npz", simulated(count=22, subjects=3))
    done = [
        headbench.run(
            "rsa_table",
            model="ref-lm-v2",
            task_args={"table": str(table), "layers": layers},
            out=tmp_path / "out",
            controls=0,
            draws=20,
        )
        for layers in ("all", "0,1,2,3")
    ]
    assert done[0].results[0].id == done[1].results[0].id
    assert done[0].results[0].profiles[0].layers == (0, 1, 2, 3)
    with pytest.raises(HeadbenchError, match="layer 3 is captured twice"):
        headbench.run(
            "rsa_table",
            model="ref-lm-v2",
            task_args={"table": str(table), "layers": "3,-1"},
            out=tmp_path / "out",
            controls=0,
            draws=20,
        )
