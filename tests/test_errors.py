"""What an error offers when a name or a path is wrong."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from headbench.errors import MOST, ConfigError, nearest
from headbench.interventions.grammar import parse
from headbench.interventions.method_catalogue import get
from headbench.tasks.loader import resolve_names


def test_a_close_word_is_offered_and_else_a_few_of_the_known_ones() -> None:
    many = [f"name{at:03}" for at in range(MOST + 38)]
    assert nearest("name0001", many) == "did you mean 'name001'?"
    listed = nearest("zzz", many)
    assert listed.endswith(f"name{MOST - 1:03} and 38 more") and listed.count(",") == MOST - 1
    assert nearest("zzz", many[:MOST]).endswith(f"name{MOST - 1:03}")
    assert nearest("zzz", []) == ""


@pytest.mark.parametrize("path", ["/nonexistent", "mine/colours"])
def test_a_path_that_leads_nowhere_is_called_a_path(path: str) -> None:
    with pytest.raises(ConfigError, match="no such task file") as caught:
        resolve_names([path])
    assert path in str(caught.value)


@pytest.mark.parametrize(
    ("intervention", "said", "where"),
    [
        ("mask_heads(top=2)", "mask_heads: top=, threshold= and fraction= choose from a map=", ""),
        ("mask_heads(heads=0)", "mask_heads: heads wants a list", "heads = 0"),
        ("mask_heads(heads=[0, 1])", "mask_heads: heads wants a list", "heads.0 = 0"),
        ("mask_heads(heads=[[0, x]])", "mask_heads: heads wants a whole number", "= 'x'"),
        ("scale_heads(heads=[[0, 0]], alpha=x)", "alpha wants a number", "alpha = 'x'"),
        ("scale_heads(map=retrieval, fraction=2, alpha=1)", "less than or equal to 1", "= 2"),
    ],
)
def test_a_wrong_parameter_is_told_in_words_of_the_intervention(
    intervention: str, said: str, where: str
) -> None:
    (spec,) = parse(intervention).parts
    with pytest.raises(ConfigError, match=re.escape(said)) as caught:
        get(spec.name).params(spec)
    assert said in caught.value.what and where in caught.value.where
    assert "Value error" not in str(caught.value)
    assert f"headbench show intervention {spec.name}" in caught.value.hint
    assert ("heads=[[2, 5], [3, 1]]" in caught.value.hint) == ("heads wants" in said)


@pytest.mark.parametrize("pretrained", ["/nonexistent", "./none/x", "../x", "~/x", "a/b/c"])
def test_a_folder_that_is_missing_is_no_hub_id(
    pretrained: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from headbench.models.adapter_catalogue import create

    # Whatever stands beside the checkout, or at home, is none of this test's business.
    (tmp_path / "inside").mkdir()
    monkeypatch.chdir(tmp_path / "inside")
    monkeypatch.setenv("HOME", str(tmp_path))
    with pytest.raises(ConfigError, match="no such folder") as caught:
        create("hf", {"pretrained": pretrained})
    assert pretrained in caught.value.where
