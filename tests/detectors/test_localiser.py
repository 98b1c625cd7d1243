"""The detector `localiser`: a planted contrast is found, with its sign, and files are read."""

from __future__ import annotations

from pathlib import Path
from typing import Any, cast

import numpy as np
import pytest

from headbench.detectors.head_detection import detect
from headbench.detectors.localiser import WORDS, LocaliserParams, _kept, _welch, load
from headbench.errors import DataError
from headbench.models.adapter_catalogue import create
from helpers_known_head import KNOWN
from helpers_planted import STIMULI, planted

HALF = len(STIMULI) // 2


@pytest.fixture
def lists(tmp_path: Path) -> dict[str, str]:
    """The words whose planted pattern is positive, and those whose is negative."""
    files = {"one": STIMULI[:HALF], "other": STIMULI[HALF:]}
    for name, words in files.items():
        (tmp_path / f"{name}.txt").write_text("\n".join(words) + "\n", encoding="utf-8")
    return {name: str(tmp_path / f"{name}.txt") for name in files}


def test_a_planted_contrast_is_found_in_its_head_with_its_sign(lists: dict[str, str]) -> None:
    noise = np.random.default_rng(0).standard_normal((len(STIMULI), 12))
    sign = np.repeat([1.0, -1.0], HALF)[:, None]
    model = planted(2 * sign + noise)
    found = detect("localiser", model, parameters={**lists, "share": 0.05})
    assert found.top(1) == (KNOWN,)
    units = cast("dict[str, list[int]]", found.data["units"])
    assert len(units[f"{KNOWN[0]}-{KNOWN[1]}"]) > 0.8 * cast("int", found.data["units_kept"])
    assert found.data["units_kept"] == sum(map(len, units.values()))
    turned = {"one": lists["other"], "other": lists["one"]}
    other = detect("localiser", model, parameters={**turned, "share": 0.05})
    assert other.score(*KNOWN) == 0  # signed: what answers less is not selected


def test_welch_is_scipys_and_units_that_never_vary_come_last() -> None:
    from scipy.stats import ttest_ind

    features = np.random.default_rng(1).standard_normal((1, 2, 30, 4)).astype(np.float32)
    features[0, 0, :, 0] = 3.0
    one, other = np.arange(10), np.arange(10, 30)
    t = _welch(features, one, other)
    wanted = ttest_ind(features[:, :, one], features[:, :, other], axis=2, equal_var=False)
    np.testing.assert_allclose(t.ravel()[1:], wanted.statistic.ravel()[1:], rtol=1e-5)
    assert t[0, 0, 0] == -np.inf and not _kept(t, 0.8)[0, 0, 0]
    assert _kept(t, 0.25).sum() == 2


def test_the_packaged_lists_are_the_same_words_in_another_order() -> None:
    trials = load(LocaliserParams(), 40, 0).trials
    texts = [trial.request.messages[0]["content"].split() for trial in trials]
    assert len(texts) == 40 and {len(text) for text in texts} == {WORDS}
    for one, other in zip(texts[:20], texts[20:], strict=True):
        assert sorted(one) == sorted(other) and one != other


def test_the_shipped_model_tells_order_and_random_weights_do_so_less() -> None:
    found = {
        name: cast(
            "dict[str, Any]",
            detect("localiser", create("ref-lm-v2", args), limit=80).data,
        )
        for name, args in (("trained", {}), ("untrained", {"untrained": "true"}))
    }
    assert found["trained"]["least_t"] > found["untrained"]["least_t"]
    assert found["trained"]["halves_jaccard"] > found["untrained"]["halves_jaccard"]


def test_lists_that_cannot_be_used_are_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="cannot read the list of stimuli: No such file"):
        load(LocaliserParams(one=str(tmp_path / "no.txt")), None, 0)
    (tmp_path / "few.txt").write_text("a\nb\n\n", encoding="utf-8")
    with pytest.raises(DataError, match="2 stimuli in the list 'other'"):
        load(LocaliserParams(other=str(tmp_path / "few.txt")), None, 0)
