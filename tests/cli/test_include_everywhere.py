"""``--include`` takes a file or a folder in every verb that can use what it adds.

Each command runs in a process of its own: what one has included, the next must not find.
"""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from training.pages.typed.blocks import ROOT, blocks_of
from training.pages.typed.session import Session

PAGES = ("adapter", "detector", "intervention", "metric", "task")


@pytest.fixture(scope="module")
def mine(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with one extension of every kind: the files of the pages on extending."""
    folder = tmp_path_factory.mktemp("include") / "mine"
    folder.mkdir()
    for page in PAGES:
        for block in blocks_of(ROOT / "docs" / "extending" / f"{page}.md"):
            if block.name and not block.reason:
                (folder / block.name).write_text(block.text)
    return folder


@pytest.mark.parametrize("whole", [False, True], ids=["file", "folder"])
@pytest.mark.parametrize(
    ("file", "words", "told"),
    [
        ("colors.yaml", "ls tasks colors", "Colors of things"),
        ("colors.yaml", "show task colors", "colors.yaml:1"),
        ("colors.yaml", "validate colors", "2 documents"),
        ("colors.yaml", "run --tasks colors --dry-run", "colors"),
        ("halve.py", "ls interventions halve", "halve the output of chosen heads"),
        ("halve.py", "show intervention halve", "source: this page"),
        ("halve.py", "run --tasks niah --intervention 'halve(heads=[[1,2]])' --dry-run", "halve("),
        ("shout.py", "ls models shout", "answers with the question"),
        ("shout.py", "run --tasks niah --model shout --dry-run", "shout"),
        ("evidence_share.py", "ls detectors evidence_share", "looks at the evidence"),
        ("evidence_share.py", "heads detectors", "evidence_share"),
        ("strict.py", "ls metrics strict", "strict.short"),
        ("strict.py", "ls families strict", "recall in short prompts"),
        ("strict.py", "rescore --help", "--predictions"),
    ],
)
def test_a_file_and_a_folder_will_do(
    mine: Path,
    typed_session: Session,
    tmp_path: Path,
    file: str,
    words: str,
    told: str,
    whole: bool,
) -> None:
    place = mine if whole else mine / file
    ran = typed_session.bash(f"headbench {words} --include {place}", tmp_path, width=200)
    assert ran.status == 0 and told in ran.out, ran
    if "rescore" not in words:
        without = typed_session.bash(f"headbench {words}", tmp_path, width=200)
        assert told not in without.out, without


def test_figures_of_a_metric_of_ones_own_are_recomputed_where_it_is_included(
    mine: Path, typed_session: Session, tmp_path: Path
) -> None:
    def said(words: str, included: str = f"--include {mine}") -> str:
        ran = typed_session.bash(f"headbench {words} {included}", tmp_path)
        assert ran.status == 0, ran
        return ran.out

    said("run --tasks short --limit 4 --controls 0 --intervention 'mask_heads(heads=[[0,1]])'")
    folder = tmp_path / "results/measured/ref-lm-v1/short"
    one, two = sorted(str(path) for path in folder.glob("*.json") if "run-" not in path.name)
    table = json.loads(said(f"compare {one} {two} --json"))
    assert table["metrics"]["short"]["difference"] == -0.5 and table["unchecked"] == []
    assert "figures were recomputed" in said(f"show result {one}")
    said("leaderboard build")
    assert "is what its results give" in said("leaderboard check")
    for words in (f"compare {one} {two}", f"show result {one}"):
        without = typed_session.bash(f"headbench {words}", tmp_path)
        assert "strict.short" in without.out + without.err, without


def test_what_cannot_be_included_is_refused_alike(typed_session: Session, tmp_path: Path) -> None:
    for words in ("ls tasks", "validate niah", "compare a b", "leaderboard build", "guard"):
        ran = typed_session.bash(f"headbench {words} --include none.py", tmp_path)
        assert ran.status == 2 and "none.py" in ran.err, words
    fold = "fold --intervention 'halve(heads=[[1,2]])' --pretrained x --out y"
    ran = typed_session.bash(f"headbench {fold} --include none.py", tmp_path)
    assert ran.status == 2 and "none.py" in ran.err
