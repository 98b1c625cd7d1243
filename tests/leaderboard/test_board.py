"""The board of result files: what a cell says, and what broken or hostile files change."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from headbench.leaderboard import about
from headbench.leaderboard.build import board_faults, build
from headbench.leaderboard.site import write
from headbench.leaderboard.site_links import link_faults
from headbench.leaderboard.submission import submit
from headbench.results.canonical import digest
from helpers_board import (
    ARMS,
    HOSTILE,
    SPEC,
    VHR,
    Arm,
    cells_of,
    edited,
    rows,
    text,
    write_cells,
)


@pytest.fixture(scope="module")
def results(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("results")
    write_cells(out, ARMS)
    return out


@pytest.fixture(scope="module")
def files(results: Path) -> dict[str, bytes]:
    return build([results])


def test_a_cell_says_difference_interval_group_and_rank(files: dict[str, bytes]) -> None:
    page = text(files)
    cell = re.search(r"<td[^>]*data-d=\"-0\.4[^>]*>.*?</td>", page, re.DOTALL)
    assert cell is not None
    assert "−0.450" in cell[0]
    assert "down-text" in cell[0]  # lower where higher is better
    assert "<b>B</b>" in cell[0]
    assert "rank 1 of 5" in cell[0]
    assert 'class="whisker down"' in cell[0]
    assert "inert" in page
    assert "it acts on images, and the task shows none" in page
    assert "#control-" not in page  # controls have no column
    by_name = {row["condition"]: row for row in rows(files, "data/board-measured.js")}
    assert by_name[VHR]["difference"] == pytest.approx(-18 / 40)
    assert (by_name[VHR]["tie"], by_name["baseline"]["tie"]) == ("B", "A")
    assert (by_name[VHR]["control_rank"], by_name[VHR]["control_of"]) == (1, 5)
    assert by_name["pai"]["status"] == "inert"
    assert by_name["pai"]["difference"] is None


def test_every_link_leads_somewhere(files: dict[str, bytes]) -> None:
    assert list(link_faults(files)) == []


def test_what_is_wrong_with_links_is_found() -> None:
    page = (
        b'<p id=a><p id=a><a href="gone.html">x</a><a href="https://a.b">x</a>'
        b'<a href="#no">x</a><a href="#v=1&q=x">x</a><button popovertarget=p>x</button>'
    )
    assert list(link_faults({"a.html": page})) == [
        "a.html: an id is there twice: a",
        "a.html: nothing has the id 'p'",
        "a.html: '#no' names an id that is not there",
        "a.html: 'gone.html' is no file of the board",
        "a.html: 'https://a.b' leaves the board",
    ]


BUILD = """
import sys
from headbench.cli import main
sys.argv = "headbench leaderboard build --results results --out board".split()
main()
"""


def test_the_same_bytes_elsewhere(results: Path, files: dict[str, bytes], tmp_path: Path) -> None:
    copy = tmp_path / "elsewhere" / "results"
    shutil.copytree(results, copy)
    subprocess.run(
        [sys.executable, "-c", BUILD],
        cwd=copy.parent,
        env={**os.environ, "LC_ALL": "tr_TR.UTF-8", "TZ": "Pacific/Kiritimati"}
        | {"PYTHONHASHSEED": "7"},
        check=True,
        capture_output=True,
    )
    board = copy.parent / "board"
    assert {path: (board / path).read_bytes() for path in files} == files


def test_check_names_what_is_stale_and_broken(results: Path, tmp_path: Path) -> None:
    copy, board = tmp_path / "results", tmp_path / "board"
    shutil.copytree(results, copy)
    write(build([copy]), board)
    assert list(board_faults([copy], board)) == []
    path = next(copy.rglob("vhr-alpha-2-[0-9a-f]*.json"))
    edited = json.loads(path.read_text(encoding="utf-8"))
    edited["metrics"]["recall"]["value"] = 0.99
    path.write_text(json.dumps(edited), encoding="utf-8")
    found = list(board_faults([copy], board))
    assert "recall is stored as 0.99, its records give 0.3" in found[0]
    assert "index.html is not what the results give" in found


BROKEN = {
    "not JSON": "{",
    "NaN": '{"schema_version": 2, "id": NaN}',
    "of a newer version": '{"schema_version": 99}',
    "a page": "<script>alert(1)</script>",
    "deep": "[" * 5000 + "]" * 5000,
    "a megabyte": json.dumps({"schema_version": 2, "id": "x" * 1_000_000}),
    "prototype": '{"__proto__": {"value": 0.99}, "__proto__": {"value": 0.5}}',
    "nothing": "",
}


def test_broken_files_are_listed_and_change_nothing_else(
    results: Path, files: dict[str, bytes], tmp_path: Path
) -> None:
    copy = tmp_path / "results"
    shutil.copytree(results, copy)
    folder = copy / "measured" / "m" / "niah"
    for number, content in enumerate(BROKEN.values()):
        (folder / f"broken-{number}.json").write_text(content, encoding="utf-8")
    (folder / "twin.json").write_bytes(next(folder.glob("pai-*.json")).read_bytes())
    found = build([copy])
    page = text(found, "not-shown.html")
    for number in range(len(BROKEN)):
        assert f"broken-{number}.json" in page
    assert "twin.json" in page
    assert "<script>alert" not in page
    assert len(page) < 40_000
    assert found["data/board-measured.csv"] == files["data/board-measured.csv"]
    table = re.compile(r"<table.*</table>", re.DOTALL)
    assert table.findall(text(found)) == table.findall(text(files))


def test_a_page_of_what_is_not_shown_has_an_end(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(about, "MOST_LISTED", 2)
    for number in range(5):
        (tmp_path / f"broken-{number}.json").write_text("{", encoding="utf-8")
    page = text(build([tmp_path]), "not-shown.html")
    assert page.count("broken-") == 2
    assert "3 more are not listed" in page


def test_foreign_names_are_text(tmp_path: Path) -> None:
    write_cells(tmp_path, ARMS[:2], model="__proto__")
    write_cells(tmp_path, ARMS[:2], model="constructor")
    write_cells(tmp_path, ARMS[:2], task="=1+1", model="m" * 10_000)
    write_cells(tmp_path, ARMS[:2], model="a < b & 'c' \"d\"")
    edited(tmp_path, "baseline", lambda said: said.update(source={"origin": HOSTILE}))
    found = build([tmp_path])
    for path, content in found.items():
        if path.endswith((".html", ".js")) and not path.startswith("static/"):
            assert b"<img" not in content, path
            assert "\u202e".encode() not in content, path
    assert len(found["index.html"]) < 120_000
    assert list(link_faults(found)) == []
    kept = {row["model"] for row in rows(found, "data/board-measured.js")}
    assert kept == {"__proto__", "constructor", "m" * 10_000, "a < b & 'c' \"d\""}
    csv = text(found, "data/board-measured.csv")
    assert "'=1+1" in csv
    assert not re.search(r"(?:^|,)\"?[=@]", csv, re.MULTILINE)


# ------------------------------------------------------------------ results that share names or ids


def test_letters_are_of_all_folders_that_share_a_baseline(tmp_path: Path) -> None:
    write_cells(tmp_path / "one", ARMS[:2])
    write_cells(tmp_path / "two", (ARMS[0], Arm("pai", "1" * 40)))
    found = build([tmp_path / "one", tmp_path / "two"])
    ties = {str(row["condition"]): row["tie"] for row in rows(found, "data/board-measured.js")}
    assert ties == {"pai": "A", "baseline": "B", VHR: "C"}


def test_a_condition_over_other_documents_takes_no_letters_away(tmp_path: Path) -> None:
    paths = write_cells(tmp_path / "results", ARMS[:2])
    (_, other) = write_cells(tmp_path / "other", (ARMS[0], Arm("pai", "1" * 20)))
    for path in other.parent.glob("pai-*"):
        shutil.copy(path, paths[0].parent)
    found = build([tmp_path / "results"])
    ties = {str(row["condition"]): row["tie"] for row in rows(found, "data/board-measured.js")}
    assert ties == {"baseline": "A", VHR: "B", "pai": ""}


def test_a_condition_that_is_refused_takes_no_letters_away(tmp_path: Path) -> None:
    """It answered best, but with other weights than its baseline."""
    write_cells(tmp_path, (*ARMS[:2], Arm("pai", "1" * 40)))
    edited(tmp_path, "pai", lambda said: said["model"]["identity"].update(weights="00" * 32))
    found = build([tmp_path])
    ties = {str(row["condition"]): row["tie"] for row in rows(found, "data/board-measured.js")}
    assert ties == {"baseline": "A", VHR: "B", "pai": ""}


def test_a_second_result_of_a_condition_takes_no_letters_away(tmp_path: Path) -> None:
    write_cells(tmp_path / "one", ARMS)  # its vhr is ranked among controls, so it is shown
    write_cells(tmp_path / "two", (ARMS[0], Arm(VHR, "1" * 40)))
    edited(tmp_path / "two", "vhr", lambda said: said.update(id=digest("another")))
    found = build([tmp_path / "one", tmp_path / "two"])
    ties = {str(row["condition"]): row["tie"] for row in rows(found, "data/board-measured.js")}
    assert ties == {"baseline": "A", VHR: "B", "pai": ""}
    assert "another result of vhr(alpha=2) is shown" in text(found, "not-shown.html")


def test_what_was_compared_with_another_file_of_its_baseline_s_id_is_refused(
    tmp_path: Path,
) -> None:
    write_cells(tmp_path / "one", ARMS[:2])
    write_cells(tmp_path / "two", (Arm("baseline", "0" * 40), Arm("pai", "1" * 40)))
    found = build([tmp_path / "one", tmp_path / "two"])
    ties = {str(row["condition"]): row["tie"] for row in rows(found, "data/board-measured.js")}
    assert ties == {"baseline": "A", VHR: "B", "pai": ""}
    (row,) = cells_of(found, "pai")
    assert (row["status"], row["difference"]) == ("refused", None)
    assert row["reason"] == "it was compared with another file of its baseline's id"


def test_an_id_that_two_files_state_mixes_nothing(tmp_path: Path) -> None:
    """Letters, documents and figures come from a cell's own file, whatever id another states."""
    write_cells(tmp_path, ARMS[:2])
    honest = build([tmp_path])
    ids = {
        said["arm"]["name"]: said["id"]
        for path in tmp_path.rglob("*.json")
        if (said := json.loads(path.read_text(encoding="utf-8")))
    }
    forged = tmp_path / "other"  # read after the honest ones
    write_cells(forged, (Arm("baseline", "0" * 40), Arm(VHR, "1" * 40)), model="n")

    def steal(said: dict[str, Any]) -> None:
        said["id"] = ids[said["arm"]["name"]]
        said["arm"]["baseline"] = ids["baseline"] if said["arm"]["baseline"] else None

    for stem in ("baseline", "vhr"):
        edited(forged, stem, steal)
    found = build([tmp_path])
    for name in ("baseline", VHR):
        one, two = (cells_of(files, name) for files in (honest, found))
        assert one[0] == next(row for row in two if row["model"] == "m")
    shards = [path for path in honest if path.startswith("data/i-")]
    assert shards
    assert all(found[path] == honest[path] for path in shards)


def test_a_second_result_of_a_condition_is_listed(tmp_path: Path) -> None:
    """A file that an intervention read was changed: neither its name nor its baseline says so."""
    paths = write_cells(tmp_path / "results", ARMS[:2])
    write_cells(tmp_path / "later", (ARMS[0], Arm(VHR, "1" * 38 + "00")))
    edited(tmp_path / "later", "vhr", lambda said: said.update(id=digest("later")))
    found = build([tmp_path / "results", tmp_path / "later"])
    assert len(cells_of(found, VHR)) == 1
    page = text(found, "not-shown.html")
    assert "another result of vhr(alpha=2) is shown" in page
    assert "another result of" not in text(build([paths[0].parents[3]]), "not-shown.html")


@pytest.mark.parametrize(
    ("part", "fact"),
    [("task", "prompt_hash"), ("task", "data_hash"), ("model", "weights")],
)
def test_what_another_model_or_task_answered_is_no_difference(
    tmp_path: Path, part: str, fact: str
) -> None:
    write_cells(tmp_path, ARMS[:2])

    def change(said: dict[str, Any]) -> None:
        (said["model"]["identity"] if part == "model" else said["task"])[fact] = "00" * 32

    edited(tmp_path, "vhr", change)
    (row,) = cells_of(build([tmp_path]), VHR)
    assert (row["status"], row["difference"], row["tie"]) == ("refused", None, "")
    assert str(row["reason"]).startswith("its baseline is of another")
    assert fact in str(row["reason"])


def test_one_board_has_one_confidence_level_and_names_it(tmp_path: Path) -> None:
    write_cells(tmp_path / "own", ARMS[:2], level=0.9)
    found = build([tmp_path / "own"])
    cells = next(path for path in found if path.startswith("cells-"))
    for path in ("index.html", "by-intervention.html", "intervention-vhr.html", cells):
        assert "90 % interval" in text(found, path), path
        assert "95 %" not in text(found, path), path
    write_cells(tmp_path / "usual", ARMS[:2], model="n")
    both = build([tmp_path / "own", tmp_path / "usual"])
    assert {row["model"] for row in rows(both, "data/board-measured.js")} == {"n"}
    told = "its intervals have the level 0.9, those of this board 0.95: build a board of its own"
    assert text(both, "not-shown.html").count(told) == 2
    assert "95 % interval" in text(both)


def test_ids_that_begin_alike_are_two_results(tmp_path: Path) -> None:
    write_cells(tmp_path, (*ARMS[:2], Arm("pai", "1" * 40)))
    for stem, end in (("vhr", "0"), ("pai", "1")):
        edited(tmp_path, stem, lambda said, end=end: said.update(id="ab" * 31 + "0" + end))
    found = build([tmp_path])
    assert list(link_faults(found)) == []
    for end in "01":
        assert f'#r-{"ab" * 31}0{end}"' in text(found)
        assert f"id={'ab' * 31}0{end}&amp;only=differs" in "".join(
            text(found, path) for path in found if path.startswith("cells-")
        )
    shards = [path for path in found if path.startswith("data/i-")]
    assert len(shards) == 2


def test_the_protocol_names_the_arguments_of_tasks(tmp_path: Path) -> None:
    """Two results that differ in an argument alone look alike otherwise."""
    write_cells(tmp_path, ARMS[:1])
    spec = {**SPEC, "task_args": {"people": "rdm92_judges", "layer": "2"}}
    edited(tmp_path, "baseline", lambda said: said["run"].update(spec=spec, digest=digest(spec)))
    found = build([tmp_path])
    (page,) = (path for path in found if path.startswith("cells-"))
    for path in (page, "index.html"):
        assert "task arguments" in text(found, path)
        assert "layer=2, people=rdm92_judges" in text(found, path)


def test_a_baseline_of_another_task_is_none(tmp_path: Path) -> None:
    write_cells(tmp_path, ARMS[:2])
    paths = write_cells(tmp_path, (ARMS[0], Arm("pai", "1" * 40)), model="n")
    paths[0].unlink()
    theirs = json.loads(next(tmp_path.rglob("m/niah/baseline-*.json")).read_text())["id"]
    edited(tmp_path, "pai", lambda said: said["arm"].update(baseline=theirs))
    found = build([tmp_path])
    assert cells_of(found, "pai") == []
    assert "niah / pai: its baseline is not here" in text(found, "not-shown.html")


# ------------------------------------------------------------------ submit


def faults_of(paths: Sequence[Path], stem: str) -> str:
    return " / ".join(
        fault for one in submit(paths) if one.path.name.startswith(stem) for fault in one.faults
    )


def test_submit_says_what_to_correct(tmp_path: Path) -> None:
    paths = write_cells(tmp_path, ARMS)
    found = faults_of(paths, "vhr-alpha-2-")
    assert "it was not asked what niah asks" in found
    assert "records hold outputs" in found  # of a prompt that no task here has
    moved = tmp_path / "alone" / paths[1].name
    moved.parent.mkdir()
    for path in paths[1].parent.glob(f"{paths[1].stem}*"):
        shutil.copy(path, moved.parent)
    found = faults_of([moved], "vhr")
    assert "it lies in another place than a run writes it to: measured/m/niah/" in found
    assert "does not lie beside it: submit it, too" in found
    assert "4 controls were drawn, and 0 of them lie beside it" in found
    said = json.loads(moved.read_text(encoding="utf-8"))
    said["metrics"]["recall"]["value"] = 0.5
    moved.write_text(json.dumps(said), encoding="utf-8")
    assert "not what its records say" in faults_of([moved], "vhr")


def test_submit_reports_what_a_result_does_not_say(tmp_path: Path) -> None:
    (path, *_) = write_cells(tmp_path, ARMS[:1])
    said = json.loads(path.read_text(encoding="utf-8"))
    said["run"] |= {"spec": {}, "digest": "", "versions": {}, "commit": "abc-dirty"}
    said["model"]["identity"] = {}
    said["task"]["version"] = "0"
    path.write_text(json.dumps(said), encoding="utf-8")
    found = faults_of([path], "baseline")
    for told in (
        "there is no spec to run again",
        "which version of headbench",
        "changed files of headbench",
        "which weights answered",
        "it is of version 0 of niah, which is at",
    ):
        assert told in found
