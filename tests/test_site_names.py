"""Sites by TransformerLens's names, wherever a site is asked for."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import get_args

import pytest

import headbench
from headbench._paths import tasks_root
from headbench.edits import Edit, Scale
from headbench.errors import ConfigError
from headbench.nouns import Capture, CaptureSite
from headbench.site_names import OTHER, PATTERN, SITES, THEIRS, site_of
from headbench.tasks.loader import load
from headbench.tasks.problems import TaskFileError
from helpers_tables import simulated, write

CAPTURES = """include: rsa
task: mine
captures:
  - {{site: {site}, rows: last, pool: none{layers}}}
  - {{site: z, layers: [1], rows: last, pool: none}}
"""


def test_every_site_of_ours_is_known() -> None:
    assert set(SITES) == {
        one for part in get_args(CaptureSite) for one in get_args(part) or (part,)
    }
    assert set(THEIRS.values()) == set(SITES) - {"router"}


def test_the_page_on_interventions_names_the_same() -> None:
    page = Path(__file__).parents[1] / "docs" / "interventions.md"
    rows = re.findall(r"^\| `(\w+)` \|[^|]*\| `blocks\.i\.([\w.]+)`", page.read_text(), re.M)
    assert len(rows) >= 7
    assert {theirs: ours for ours, theirs in rows}.items() <= THEIRS.items()


@pytest.mark.parametrize(("theirs", "ours"), THEIRS.items())
def test_their_names_are_read_with_and_without_a_layer(theirs: str, ours: str) -> None:
    assert site_of(f"blocks.5.{theirs}") == (ours, 5)
    assert site_of(theirs) == (ours, None)
    assert site_of(theirs.removeprefix("attn.")) == (ours, None)
    assert Capture(f"blocks.5.{theirs}", (5,)) == Capture(ours, (5,))  # type: ignore[arg-type]
    assert re.fullmatch(PATTERN, f"blocks.5.{theirs}")


@pytest.mark.parametrize(
    ("name", "told", "hint"),
    [
        ("blocks.5.attn.hook_q", "is no site of headbench", "before the rotation"),
        ("blocks.5.hook_mlp_out", "is no site of headbench", "feed-forward"),
        ("blocks.5.hook_zz", "knows no place 'hook_zz' of TransformerLens", "attn.hook_z"),
        ("block.5.attn.hook_z", "there is no site", "known|did you mean"),
        ("zz", "there is no site 'zz'", ""),
    ],
)
def test_other_places_are_refused_with_the_reason(name: str, told: str, hint: str) -> None:
    with pytest.raises(ConfigError, match=re.escape(told)) as caught:
        site_of(name, "here")
    assert caught.value.where == "here" and re.search(hint, caught.value.hint)


def test_every_refused_name_says_why() -> None:
    for name, reason in OTHER.items():
        with pytest.raises(ConfigError, match="is no site of headbench") as caught:
            site_of(f"blocks.0.{name}")
        assert caught.value.hint == reason


def test_a_layer_in_the_name_and_another_one_beside_it_are_refused() -> None:
    with pytest.raises(ConfigError, match=r"names layer 5, and layers are \[4\]"):
        Capture("blocks.5.attn.hook_z", (4,))  # type: ignore[arg-type]
    table = {5: frozenset({1})}
    assert Edit("blocks.5.attn.hook_z", Scale(0.5), table) == Edit("z", Scale(0.5), table)  # type: ignore[arg-type]
    with pytest.raises(ConfigError, match="names one layer, and the edit's heads say which"):
        Edit("blocks.4.attn.hook_z", Scale(0.5), table)  # type: ignore[arg-type]


def task(folder: Path, site: str, layers: str = "") -> Path:
    path = folder / "mine.yaml"
    path.write_text(CAPTURES.format(site=site, layers=layers))
    return path


def test_a_task_file_may_name_them(tmp_path: Path) -> None:
    ours = load(task(tmp_path, "residual", ", layers: [1]"))
    theirs = load(task(tmp_path, "blocks.1.hook_resid_post"))
    assert theirs.config.captures == ours.config.captures
    assert theirs.prompt_hash == ours.prompt_hash
    assert load(task(tmp_path, "hook_resid_post", ", layers: [1]")).prompt_hash == ours.prompt_hash
    for site, layers, told in (
        ("blocks.1.hook_resid_post", ", layers: [0]", "names layer 1, and layers are"),
        ("blocks.1.hook_mlp_out", "", "no site in the feed-forward part"),
    ):
        with pytest.raises(TaskFileError, match=told):
            load(task(tmp_path, site, layers))


def test_the_schema_for_editors_takes_them() -> None:
    whole = json.loads((tasks_root() / "schema.json").read_text())
    ours, theirs = whole["$defs"]["CaptureConfig"]["properties"]["site"]["anyOf"]
    assert set(ours["enum"]) == set(SITES)
    for name in ("blocks.5.attn.hook_z", "hook_resid_pre"):
        assert re.search(theirs["pattern"], name)
    assert not re.search(theirs["pattern"], "zz")


def test_a_run_takes_them_as_an_argument(tmp_path: Path) -> None:
    table = write(tmp_path / "betas.npz", simulated(count=20, subjects=3))
    ran = [
        headbench.run(
            "rsa_table",
            task_args={"table": table, "layers": 1, "site": site},
            draws=20,
            out=tmp_path / site,
        ).results[0]
        for site in ("z", "blocks.1.attn.hook_z")
    ]
    assert ran[0].id == ran[1].id
