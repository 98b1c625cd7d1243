"""The detectors `rsa` and `mknn`: a planted geometry is found, and none where there is none."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, cast

import numpy as np
import pytest
import torch
from typer.testing import CliRunner

from headbench.cli import app
from headbench.cli.heads import heads
from headbench.detectors.alignment import LEAST, head_features, load, target_of
from headbench.detectors.detector import Trial, Trials
from headbench.detectors.head_detection import detect
from headbench.detectors.mknn import MknnParams
from headbench.detectors.rsa import RsaParams
from headbench.errors import ConfigError, DataError, HeadbenchError, RefusedError
from headbench.families.brain.vendored_data import things_concepts
from headbench.heads.headmap import HeadMap
from headbench.models.adapter_catalogue import create
from helpers_known_head import KNOWN
from helpers_models import request
from helpers_planted import STIMULI, planted


@pytest.fixture(scope="module")
def patterns() -> np.ndarray:
    return np.random.default_rng(0).standard_normal((len(STIMULI), 12))


@pytest.fixture(scope="module")
def table(tmp_path_factory: pytest.TempPathFactory, patterns: np.ndarray) -> Path:
    """Two people, each with the planted geometry and noise."""
    path = tmp_path_factory.mktemp("table") / "people.npz"
    noise = np.random.default_rng(1).standard_normal((2, *patterns.shape))
    np.savez(
        path,
        subject=np.repeat(["p1", "p2"], len(STIMULI)),
        stimulus=[*STIMULI, *STIMULI],
        vector=np.concatenate(patterns + 0.3 * noise),
    )
    return path


def stability(found: HeadMap) -> dict[str, Any]:
    return cast("dict[str, Any]", found.data["split_half"])


@pytest.mark.parametrize(
    ("detector", "more", "least", "most"),
    [
        ("rsa", {}, 0.7, 0.3),
        ("rsa", {"method": "rho_a"}, 0.7, 0.3),
        ("mknn", {"k": 5}, 0.5, 0.35),
    ],
)
def test_a_planted_geometry_is_found_in_its_head(
    detector: str, more: dict, least: float, most: float, patterns: np.ndarray, table: Path
) -> None:
    found = detect(detector, planted(patterns), parameters={"target": str(table), **more})
    assert found.top(1) == (KNOWN,)
    first, second = (found.score(*head) for head in found.top(2))
    assert first > least and second < most, found.scores
    assert found.trials == len(STIMULI) and found.data["subjects"] == 2
    assert stability(found)["best_head"] == f"{KNOWN[0]}-{KNOWN[1]}"
    assert stability(found)["chosen_share"] == 1
    assert stability(found)["held_out_score"] > least


def test_of_unrelated_geometries_the_best_head_is_too_good_and_the_held_out_score_is_not(
    patterns: np.ndarray, tmp_path: Path
) -> None:
    model, best, held_out = planted(patterns), [], []
    for seed in range(1, 13):
        path = tmp_path / f"{seed}.npz"
        other = np.random.default_rng(seed).standard_normal(patterns.shape)
        np.savez(path, subject=["p"] * len(STIMULI), stimulus=STIMULI, vector=other)
        found = detect("rsa", model, parameters={"target": str(path), "repeats": 2})
        best.append(stability(found)["best_score"])
        held_out.append(stability(found)["held_out_score"])
    assert abs(np.mean(held_out)) < 0.06  # three standard errors
    assert np.mean(best) > np.mean(held_out) + 0.03


def test_chance_of_shared_neighbours_is_the_same_in_halves(
    patterns: np.ndarray, tmp_path: Path
) -> None:
    path, k = tmp_path / "other.npz", len(STIMULI) // 2 - 2
    other = np.random.default_rng(1).standard_normal(patterns.shape)
    np.savez(path, subject=["p"] * len(STIMULI), stimulus=STIMULI, vector=other)
    found = detect("mknn", planted(patterns), parameters={"target": str(path), "k": k})
    # With k neighbours in a half, nearly all would be shared there.
    assert abs(stability(found)["held_out_score"] - found.data["chance"]) < 0.1


def test_a_head_that_sees_no_stimulus_scores_nothing_and_is_named(
    patterns: np.ndarray, table: Path
) -> None:
    model = planted(patterns)
    with torch.no_grad():
        values = model.model.model.layers[2].self_attn.v_proj
        values.weight[:12] = 0.0  # of head 0: its output is its bias whatever it sees
    for detector, more in (("rsa", {}), ("mknn", {"k": 5})):
        found = detect(detector, model, parameters={"target": str(table), **more})
        assert found.data["undefined_heads"] == ["2-0"]
        scores = [score for layer in found.scores for score in layer or ()]
        assert found.score(2, 0) == min(scores) <= 0  # no head with a geometry stands below it


def test_order_of_stimuli_and_batches_change_nothing(patterns: np.ndarray, table: Path) -> None:
    params = RsaParams(target=str(table))
    trials = load(params, None, 0)
    model = planted(patterns)
    given = detect("rsa", model, trials, parameters=params.model_dump())
    turned = Trials(trials.trials[::-1], trials.facts)
    other = detect("rsa", model, turned, parameters=params.model_dump())
    np.testing.assert_allclose(given.scores, other.scores, atol=2e-5)


def peak_bytes(stimuli: int, model: Any) -> int:
    """Most bytes of tensors that were alive at once while the outputs of heads were taken."""
    texts = [f"{STIMULI[n % 24]} {STIMULI[n // 24 % 24]}" for n in range(stimuli)]
    asked = [request(text, "represent", document=f"s{n}") for n, text in enumerate(texts)]
    trials = Trials(tuple(Trial(one, "") for one in asked), {})
    with torch.profiler.profile(profile_memory=True) as profile:
        features = head_features(model, trials, "mean")
    assert features.shape[2] == stimuli
    now = most = 0
    for event in profile.profiler.kineto_results.events():
        if event.name() == "[memory]":
            now += event.nbytes()
            most = max(most, now)
    return most


def test_memory_grows_neither_with_stimuli_nor_with_stimuli_times_layers(
    patterns: np.ndarray, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("headbench.detectors.detector.BATCH_TOKENS", 64)
    model = planted(patterns)
    peak_bytes(32, model)  # what the first pass leaves in memory
    few, many = peak_bytes(64, model), peak_bytes(512, model)
    # Kept states of 448 more stimuli would be 4 layers x 3 heads x 12 numbers each, and more.
    assert 0 < many < 1.2 * few


def test_the_shipped_model_knows_the_packaged_concepts_in_one_head() -> None:
    found = detect("rsa", create("ref-lm-v2", {}))
    assert found.trials == 193 and found.top(1) == ((1, 0),)
    assert found.score(1, 0) == pytest.approx(0.360, abs=0.01)
    assert stability(found)["held_out_score"] == pytest.approx(0.357, abs=0.01)
    assert stability(found)["chosen_share"] == 1
    assert stability(found)["rank_correlation"] > 0.7
    near = detect("mknn", create("ref-lm-v2", {}))
    assert near.top(1) == ((1, 0),)
    assert near.score(1, 0) > 5 * cast("float", near.data["chance"])


def test_concepts_of_things_are_compared_with_their_rated_properties() -> None:
    params = RsaParams(target="things", pool="mean")
    trials = load(params, 40, 3)
    ids = things_concepts().ids
    assert len({trial.request.document for trial in trials.trials} & set(ids)) == 40
    assert trials.facts["prompt"] == "{}"
    assert load(params, None, 0).facts["documents"] == 1854
    assert target_of("things").patterns.shape == (1, 1854, 11)
    model = create("ref-lm-v2", {})
    with pytest.raises(RefusedError, match=r"reads \d+ of 40 stimuli as if"):
        detect("rsa", model, trials, parameters=params.model_dump())
    every = load(params, None, 0)
    known = tuple(one for one in every.trials if model.unknown_share(one.request) == 0)
    assert len(known) > LEAST
    found = detect("rsa", model, Trials(known, every.facts), parameters=params.model_dump())
    assert found.trials == len(known) and found.data["target"] == "things"
    assert found.score(*found.top(1)[0]) > 0.05


def test_what_cannot_be_compared_is_refused(patterns: np.ndarray, table: Path) -> None:
    with pytest.raises(ConfigError, match="no target 'concept'"):
        target_of("concept")
    with pytest.raises(DataError, match="table is missing"):
        target_of("nowhere.npz")
    with pytest.raises(ConfigError, match="needs one place for the stimulus"):
        load(RsaParams(prompt="what is it?"), None, 0)
    with pytest.raises(DataError, match=f"at least {LEAST} make a geometry"):
        load(RsaParams(), LEAST - 1, 0)
    model = planted(patterns)
    with pytest.raises(RefusedError, match="cosine"):
        detect("rsa", model, parameters={"target": str(table), "method": "cosine"})
    with pytest.raises(ConfigError, match="k=16 of 32 stimuli"):
        detect("mknn", model, parameters={"target": str(table), "k": 16})
    strange = Trials((Trial(request("who is it", "represent"), ""),) * 20, {})
    with pytest.raises(DataError, match="is no stimulus of the target"):
        detect("rsa", model, strange, parameters={"target": str(table)})
    asked = {"target": str(table), "prompt": "{} is that?", "pool": "last"}
    with torch.no_grad():
        for layer in model.model.model.layers:
            layer.self_attn.v_proj.weight.zero_()
    with pytest.raises(DataError, match="no head tells the stimuli apart"):
        detect("rsa", model, parameters=asked)
    assert load(MknnParams(target=str(table)), None, 0).facts["documents"] == len(STIMULI)


@pytest.mark.parametrize(
    ("detector", "wrong", "told"),
    [
        ("mknn", "k=97", "k=97 of 193 stimuli"),
        ("rsa", "method=cosine", "the cosine of uncentred RDMs"),
    ],
)
def test_what_the_target_shows_to_be_impossible_is_refused_before_weights_are_read(
    tmp_path: Path, detector: str, wrong: str, told: str
) -> None:
    asked = ["detect", "--detector", detector, "--model", "hf", "--set", wrong]
    asked += ["--model-args", f"pretrained={tmp_path}", "--out", str(tmp_path / "heads.json")]
    with pytest.raises(HeadbenchError, match=told):
        CliRunner().invoke(heads, asked, catch_exceptions=False)


def test_from_the_command_line_to_an_intervention(tmp_path: Path) -> None:
    out, results = tmp_path / "heads.json", tmp_path / "results"
    asked = ["detect", "--detector", "rsa", "--model", "ref-lm-v2", "--set", "repeats=1"]
    done = CliRunner().invoke(heads, [*asked, "--out", str(out)], catch_exceptions=False)
    assert done.exit_code == 0 and "4 layers x 8 query heads, rsa" in done.output
    assert json.loads(out.read_text(encoding="utf-8"))["data"]["target"] == "concepts"
    mask = f"mask_heads(map='{out}',top=2)"
    words = ["run", "--tasks", "niah", "--limit", "2", "--model", "ref-lm-v2", "--controls", "1"]
    ran = CliRunner().invoke(app, [*words, "--intervention", mask, "--out", str(results)])
    assert ran.exit_code == 0, ran.output
    texts = [path.read_text(encoding="utf-8") for path in results.rglob("*.json")]
    assert any(HeadMap.load(out).sha256[:16] in text for text in texts)
