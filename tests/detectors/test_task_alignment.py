"""A head map from a task: its prompts, pooling and people, on stimuli that it does not score."""

from __future__ import annotations

from pathlib import Path
from typing import Any, cast

import pytest
from typer.testing import CliRunner

from headbench.cli import app
from headbench.detectors import alignment
from headbench.detectors.head_detection import detect, trials_for
from headbench.detectors.rsa import DETECTOR, RsaParams
from headbench.errors import ConfigError, DataError, HeadbenchError, RefusedError
from headbench.heads.headmap import HeadMap
from headbench.models.adapter_catalogue import create
from headbench.tasks.loader import load


def run(*words: str) -> str:
    done = CliRunner().invoke(app, list(words), catch_exceptions=False)
    assert done.exit_code == 0, done.output
    return done.output


@pytest.fixture(scope="module")
def found() -> HeadMap:
    return detect("rsa", create("ref-lm-v2", {}), parameters={"task": "rsa"})


def test_the_map_holds_the_figures_that_the_task_file_states(found: HeadMap) -> None:
    # tasks/brain/rsa.yaml: head 0 of layer 1 has .177 on `train`, the next head .134.
    assert found.top(1) == ((1, 0),)
    assert [round(found.score(*head), 3) for head in found.top(2)] == [0.177, 0.134]
    data = cast("dict[str, Any]", found.data)
    assert (data["task"], data["split"], data["target"]) == ("rsa", "train", "simulated_subjects")
    assert (data["method"], data["rows"], data["subjects"]) == ("pearson", "last", 8)
    assert 0.4 < data["noise_ceiling"]["lower"] < data["noise_ceiling"]["upper"]


@pytest.mark.parametrize("name", ["rsa", "rsa_things", "rsa_scenes"])
def test_heads_are_chosen_on_stimuli_that_the_task_does_not_score(name: str) -> None:
    trials = trials_for(DETECTOR, RsaParams(task=name), limit=20)
    shown = {trial.request.document for trial in trials.trials}
    scored = {document.id for document in load(name).documents()}
    assert len(shown) == 20 and not shown & scored
    here = trials_for(DETECTOR, RsaParams(task=name, split="test"), limit=20)
    assert {trial.request.document for trial in here.trials} <= scored
    assert here.facts["split"] == "test"


def test_arguments_and_comparator_are_those_that_were_asked_for() -> None:
    model = create("ref-lm-v2", {})
    other = {"task": "rsa", "method": "spearman"}
    assert detect("rsa", model, limit=30, parameters=other).data["method"] == "spearman"
    params = RsaParams(task="rsa_things", task_args="rows=last,people=things_properties_euclidean")
    trials = trials_for(DETECTOR, params, limit=20)
    assert trials.facts["target"] == "things_properties_euclidean"


def test_pictures_are_shown_to_a_vision_language_model(monkeypatch: pytest.MonkeyPatch) -> None:
    asked, inner = [], alignment.represent
    monkeypatch.setattr(
        alignment, "represent", lambda *given: asked.extend(given[2]) or inner(*given)
    )
    found = detect("rsa", create("ref-vlm", {}), limit=24, parameters={"task": "rsa_scenes"})
    assert {(one.site, one.rows, one.pool) for one in asked} == {("z", "image", "mean")}
    assert found.data["rows"] == "image" and found.trials == 24
    assert len({score for layer in found.scores for score in layer or ()}) > 1
    with pytest.raises(RefusedError, match="takes no images"):
        detect("rsa", create("ref-lm-v2", {}), limit=24, parameters={"task": "rsa_scenes"})


@pytest.mark.parametrize(
    ("parameters", "limit", "error", "told"),
    [
        ({"task": "niah"}, None, RefusedError, "compares no states with people's geometry"),
        ({"task": "rsa_rdm92_given"}, None, RefusedError, "compares no states"),
        ({"task": "rsa_thing"}, None, ConfigError, "rsa_thing"),
        ({"task": "rsa", "split": "left"}, None, ConfigError, "has no split 'left'"),
        ({"task": "rsa_things", "method": "cosine"}, 30, RefusedError, "cosine of uncentred RDMs"),
        ({"task": "rsa", "pool": "mean"}, None, ConfigError, "brings its own pool"),
        ({"task": "rsa", "task_args": "layers"}, None, ConfigError, "is not name=value"),
        ({"split": "test"}, None, ConfigError, "split belongs to a task"),
        ({"task": "rsa"}, 10, DataError, "10 stimuli, at least 20"),
    ],
)
def test_what_no_map_can_be_made_of_is_refused(
    parameters: dict[str, str], limit: int | None, error: type[HeadbenchError], told: str
) -> None:
    with pytest.raises(error, match=told):
        trials_for(DETECTOR, RsaParams.model_validate(parameters), limit=limit)


def test_a_user_finds_shows_compares_imports_and_uses_a_map(
    found: HeadMap, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    detect_ = ["heads", "detect", "--detector", "rsa", "--task", "rsa", "--model", "ref-lm-v2"]
    assert "wrote heads.json" in run(*detect_, "--out", "heads.json")
    assert HeadMap.load(Path("heads.json")).scores == found.scores
    control = run(*detect_, "--model-args", "untrained=true", "--out", "control.json")
    assert "ref-lm-v2-untrained" in control
    random = HeadMap.load(Path("control.json"))
    assert max(abs(one) for layer in random.scores for one in layer or ()) < 0.1
    assert "0.177" in run("heads", "show", "heads.json", "--svg", "heads.svg")
    assert Path("heads.svg").read_text(encoding="utf-8").startswith("<svg")
    run("heads", "detect", "--detector", "mknn", "--model", "ref-lm-v2", "--out", "near.json")
    assert "Spearman rank correlation" in run("heads", "agree", "heads.json", "near.json")
    assert "rsa" in run("heads", "import", "heads.json", "--out", "again.json")
    assert HeadMap.load(Path("again.json")).scores == found.scores
    mask = "mask_heads(map='heads.json',top=1)"
    asked = ["run", "--tasks", "rsa", "--model", "ref-lm-v2", "--intervention", mask]
    run(*asked, "--controls", "3", "--draws", "200", "--out", "results")
    texts = [path.read_text(encoding="utf-8") for path in Path("results").rglob("*.json")]
    assert any(found.sha256[:16] in text for text in texts)
