"""What a checkpoint's configuration shows to be impossible is refused before its weights are read.

The weights of the checkpoint here cannot be read at all: whatever refused after them would say so.
"""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest
import transformers as t

from headbench.errors import ConfigError, HeadbenchError, RefusedError
from headbench.models.hf import adapter
from headbench.models.preview import ModelPreview
from headbench.running import respondents
from headbench.running.run_plan import make_plan
from headbench.running.spec import make_spec
from headbench.scoring import family as families
from headbench.scoring import lookup
from headbench.tasks.check import check_file
from helpers_families import BASE
from helpers_tiny import tiny_tokenizer

TASKS = Path(__file__).parents[2] / "tasks"
OWN = """
from headbench.extend import BoundMethod, Method, MethodParams


class OwnParams(MethodParams):
    pass


class Own(BoundMethod):
    needs = frozenset({"NEED"})

    def edits(self, case, seen):
        return ()


METHOD = Method(
    "own_NEED", OwnParams, lambda params, info: Own("own_NEED", params, info), "own", "own"
)
"""


PLANS = """
from headbench.extend import (
    BoundMethod, Branch, Edit, Method, MethodParams, Offset, Plan, Rewrite, RewritingMethod, Scale,
)


class PlansParams(MethodParams):
    kind: str


def first(logits, forced):
    return logits["main"]


PLANS = {
    "layer": Plan((Edit("z", Scale(0.0), {9: (0,)}),)),
    "branch_layer": Plan(
        branches={"other": Branch(edits=(Edit("z", Scale(0.0), {9: (0,)}),))}, combine=first
    ),
    "branch_site": Plan(
        branches={"other": Branch(edits=(Edit("v", Offset(None), {0: (0,)}),))}, combine=first
    ),
    "branch_main": Plan(branches={"main": Branch()}, combine=first),
    "not_combined": Plan(branches={"other": Branch()}),
    "fine": Plan(branches={"other": Branch()}, combine=first),
    "also_fine": Plan(branches={"another": Branch()}, combine=first),
    "undeclared": Plan(branches={"other": Branch()}, combine=first),
}


class Plans(BoundMethod):
    @property
    def needs(self):
        return frozenset() if self.params.kind == "undeclared" else frozenset({"branches"})

    def edits(self, case, seen):
        return ()

    def plan(self, case, seen):
        return PLANS[self.params.kind]


class Reworded(RewritingMethod):
    needs = frozenset()

    def rewrite(self, case, seen):
        return Rewrite(case.request)


METHODS = (
    Method("plans", PlansParams, lambda params, info: Plans("plans", params, info), "own", ""),
    Method(
        "reworded", MethodParams, lambda params, info: Reworded("reworded", params, info), "own", ""
    ),
)
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A checkpoint with a configuration, a tokenizer, and weights that are none."""
    root = tmp_path_factory.mktemp("broken")
    t.LlamaConfig(**BASE).save_pretrained(root)
    tiny_tokenizer().save_pretrained(root)
    (root / "model.safetensors").write_bytes(b"no weights")
    return root


def plan(folder: Path, task: str = "niah", method: str = "", **more: object) -> None:
    args = {"pretrained": str(folder), **more.pop("args", {})}  # type: ignore[dict-item]
    make_plan(
        make_spec(
            tasks=(task,), model="hf", model_args=args, limit=1, controls=0,
            interventions=(method,) if method else (), **more,
        )
    )  # fmt: skip


def test_the_weights_themselves_are_what_stops_an_honest_run(folder: Path) -> None:
    with pytest.raises(ConfigError, match="the checkpoint cannot be loaded"):
        plan(folder, method="mask_heads(heads=[[0,1]])")


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"task": "pope"}, "shows images, and this model takes none"),
        ({"method": "vhr"}, "acts on images, and none of the tasks shows any"),
        ({"method": "mask_heads(heads=[[7,0]])"}, "has no head 0 in layer 7"),
        ({"method": "mask_heads(heads=[[0,9]])"}, "has no head 9 in layer 0"),
        ({"method": "mask_head(heads=[[0,1]])"}, "mask_head"),
        (
            {"method": "mask_heads(heads=[[0,1]])", "args": {"attn": "sdpa"}},
            "takes no interventions",
        ),
    ],
)
def test_what_the_configuration_shows_comes_first(
    folder: Path, changes: dict[str, object], message: str
) -> None:
    with pytest.raises(HeadbenchError, match=message) as caught:
        plan(folder, **changes)  # type: ignore[arg-type]
    assert "cannot be loaded" not in str(caught.value)


@pytest.mark.parametrize("need", ["branches", "gradients"])
def test_needs_that_the_adapter_does_not_meet_come_first(
    folder: Path, need: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def poorer(args: dict[str, str]) -> ModelPreview:
        return dataclasses.replace(adapter.preview(args), branches=False, gradients=False)

    (tmp_path / "own.py").write_text(OWN.replace("NEED", need))
    own = {"method": f"own_{need}", "include": (str(tmp_path / "own.py"),)}
    with pytest.raises(ConfigError, match="the checkpoint cannot be loaded"):
        plan(folder, **own)  # type: ignore[arg-type]
    monkeypatch.setattr(respondents, "preview", lambda _name, args: poorer(args))
    word = {"branches": "compares branches", "gradients": "needs gradients"}[need]
    with pytest.raises(RefusedError, match=rf"own_{need} {word}"):
        plan(folder, **own)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("method", "message"),
    [
        ("plans(kind='layer')", "layer 9 does not exist"),
        ("plans(kind='branch_layer')", "layer 9 does not exist"),
        ("plans(kind='branch_site')", "Offset cannot be done at site 'v'"),
        ("plans(kind='branch_main')", "a branch cannot be called 'main'"),
        ("plans(kind='not_combined')", "branches that nothing combines"),
        ("plans(kind='fine')+plans(kind='also_fine')", "two interventions compare branches"),
        ("plans(kind='undeclared')", "does not declare 'branches'"),
        ("reworded+reworded", "two interventions rewrite the request"),
    ],
)
def test_plans_that_cannot_be_carried_out_come_first(
    folder: Path, tmp_path: Path, method: str, message: str
) -> None:
    (tmp_path / "own.py").write_text(PLANS)
    include = (str(tmp_path / "own.py"),)
    with pytest.raises(RefusedError, match=message):
        plan(folder, method=method, include=include)
    with pytest.raises(ConfigError, match="the checkpoint cannot be loaded"):
        plan(folder, method="plans(kind='fine')", include=include)


def test_a_layer_to_capture_that_is_not_there_comes_first(folder: Path, tmp_path: Path) -> None:
    own = tmp_path / "own.yaml"
    captures = "output_type: represent\ncaptures: [{layers: [7]}]"
    own.write_text(f"include: {TASKS}/niah/niah.yaml\ntask: own\n{captures}\n")
    with pytest.raises(RefusedError, match="layer 7 does not exist"):
        plan(folder, str(own))


def test_a_cache_of_an_unknown_kind_comes_first(tmp_path: Path) -> None:
    t.DeepseekV4Config().save_pretrained(tmp_path)
    (tmp_path / "model.safetensors").write_bytes(b"no weights")
    with pytest.raises(RefusedError, match="cache of deepseek_v4 is of a kind"):
        plan(tmp_path)


@pytest.mark.parametrize(
    ("task", "changes", "message"),
    [
        ("niah/niah", "scorer_options: {strict: true}", "niah scorer has no option 'strict'"),
        ("niah/niah", "scorer: keyphrase3\nscorer_options: {phrases: [...]}", "phrases must be"),
        ("niah/ruler_niah_single_1", "scorer_options: {n: 1}", "string_match_all scorer has"),
        ("niah/niah", "scorer: string_match_part\nscorer_options: {n: 1}", "string_match_part"),
        ("niah/niah_retrieval", "scorer_options: {stem: 1}", "stem must be true or false"),
        ("pope/pope", "scorer_options: {setting: random}", "pope scorer has no option 'setting'"),
        ("chair/chair", "scorer_options: {vocabulary: 3}", "a vocabulary is a mapping"),
        ("chair/chair_coco", "scorer_options: {profile: chair}", "no lexical profile 'chair'"),
        ("chair/chair", "scorer_options: {frequent: cat}", "frequent must be a list"),
        ("chair/chair", "scorer_options: {vocabulry: {}}", "chair scorer has no option"),
        ("walls/walls", "scorer_options: {whole: false}", "walls scorer has no option 'whole'"),
        ("stickiness/stickiness", "scorer_options: {label: null}", "is not named"),
        ("stickiness/stickiness", "scorer_options: {conditions: [a, b]}", "answers, but 2"),
        ("stickiness/stickiness", "scorer_options: {pooled: []}", "pooled must be a list"),
        ("stickiness/stickiness", "scorer_options: {labels: [a]}", "has no option 'labels'"),
        ("brain/rsa", "scorer_options: {people: nobody}", "no human side 'nobody'"),
        ("brain/rsa", "scorer_options: {head: true}", "takes a name of people"),
        ("brain/rsa", "scorer_options: {head: null}", "2 captures where the scorer reads 1"),
        ("brain/rsa_things", "scorer_options: {head: 0}", "1 captures where the scorer reads 2"),
        (
            "brain/rsa_things",
            "captures: [{layers: [0, 1]}]",
            "are not the layers that are captured",
        ),
        ("brain/rsa_things", "captures: [{pool: none}]", "is no layer's state"),
        ("brain/rsa", "captures: [{layers: [1]}, {layers: [1]}]", "does not hold heads"),
        ("brain/rsa", "scorer_options: {head: -1}", "head -1 does not exist"),
        ("brain/rsa", "scorer_options: {head: 99}", "head 99 does not exist"),
        ("brain/ooo_things", "scorer_options: {layer: 1}", "odd_one_out scorer has no option"),
        ("brain/aut_originality", "scorer_options: {layer: 1}", "originality scorer has no option"),
        ("brain/aut_originality", "captures: [{layers: [0, 1]}]", "is no layer's state"),
    ],
)
def test_what_cannot_be_scored_comes_first(
    folder: Path, tmp_path: Path, task: str, changes: str, message: str
) -> None:
    own = tmp_path / "own.yaml"
    own.write_text(f"include: {TASKS / task}.yaml\ntask: own\n{changes}\n", encoding="utf-8")
    with pytest.raises(ConfigError, match=message) as caught:
        plan(folder, str(own))
    assert "task own" in caught.value.where
    if "head 99" not in message:  # which needs the model's shapes
        assert [one.what for one in check_file(own).problems] == [caught.value.what]


def test_every_packaged_scorer_says_early_what_it_cannot_score() -> None:
    for name in families.names("scorers"):
        scorer = lookup.scorer(name)
        with pytest.raises(ConfigError, match=r"option|takes a name of people"):
            scorer.check_options({"no such option": 1}, ())
