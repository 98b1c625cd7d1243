from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest

from headbench.errors import DataError, HeadbenchError
from headbench.families.needles.haystack import Haystack, place
from headbench.tasks.loader import load, load_file
from headbench.worlds.needles import NeedleWorld

WORDS = ["One ", "two. ", "Three ", "four ", "five. ", "Six ", "seven."]


@pytest.mark.parametrize(
    ("depth", "before", "after"),
    [
        (0.0, "", "\nOne two. Three four five. Six seven."),
        (0.2, "", "\nOne two. Three four five. Six seven."),
        (0.5, "One two.\n", "\nThree four five. Six seven."),
        (0.8, "One two. Three four five.\n", "\nSix seven."),
        (1.0, "One two. Three four five. Six seven.\n", ""),
    ],
)
def test_a_cut_moves_back_to_the_last_full_stop(depth: float, before: str, after: str) -> None:
    assert place(list(WORDS), "N.", depth) == (before, "N.", after)


def test_depth_one_appends_even_without_a_full_stop() -> None:
    assert place(["a ", "b"], "N.", 1.0) == ("a b\n", "N.", "")
    assert place(["a ", "b"], "N.", 0.9)[0] == ""


def test_files_are_read_in_the_order_of_their_names_and_repeated(tmp_path: Path) -> None:
    (tmp_path / "b.txt").write_text("second file.")
    (tmp_path / "a.txt").write_text("first file.")
    (tmp_path / "c.bin").write_bytes(b"\xff\xfe")
    haystack = Haystack(tmp_path)
    assert " ".join("".join(haystack.cut(6)).split()) == "first file. second file. first file."


def test_folders_without_text_and_in_another_encoding(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="holds no text"):
        Haystack(tmp_path)
    (tmp_path / "a.txt").write_bytes("café".encode("latin-1"))
    with pytest.raises(DataError, match="not utf-8") as caught:
        Haystack(tmp_path)
    assert "a.txt" in caught.value.where


def test_the_packaged_prompt_is_the_worlds_own() -> None:
    task = load("niah")
    document = task.documents()[0]
    (request,) = task.requests(document, "answer", {}, 0)
    text = request.messages[0]["content"]
    world = NeedleWorld("test").document(0, 128, 0.0, 1, 1)
    assert text == world.prompt()
    ((_, start, end),) = request.spans["needle"]
    assert text[start:end] == text[slice(*world.needles[0].span)]
    ((_, start, end),) = request.spans["question"]
    assert text[start:end] == world.questions[0].text


def test_the_grid_is_complete_and_a_limited_run_spreads_over_it() -> None:
    documents = load("niah").documents()
    cells = Counter((d.fields["length"], d.fields["depth"], d.fields["needles"]) for d in documents)
    assert len(cells) == 3 * 5 * 2
    assert set(cells.values()) == {3}
    first = load("niah").documents(limit=6)
    assert {document.fields["length"] for document in first} == {128, 256, 512}


def test_questions_about_one_haystack_are_one_cluster() -> None:
    documents = load("niah_multiquery").documents(limit=4)
    assert len({document.cluster for document in documents}) == 1
    assert len({document.target for document in documents}) == 4
    for document in documents:
        assert str(document.target) in str(document.fields["needle"])


def test_the_runs_seed_leaves_the_data_alone_unless_asked(tmp_path: Path) -> None:
    task = load("niah_single")
    assert task.documents(seed=1, limit=3) == task.documents(seed=0, limit=3)
    path = tmp_path / "mine.yaml"
    source = task.merged.path
    path.write_text(f"include: {source}\ntask: mine\ndataset_kwargs: {{seed: run}}\n")
    mine = load_file(path)
    assert mine.documents(seed=1, limit=3) != mine.documents(seed=0, limit=3)


def test_a_haystack_of_the_user(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "essay.txt").write_text("A sentence of five words. " * 400)
    monkeypatch.setenv("HEADBENCH_HAYSTACK", str(tmp_path))
    task = load("niah_kamradt")
    documents = task.documents(limit=10)
    assert {document.fields["length"] for document in documents} >= {750, 12000}
    for document in documents[:5]:
        (request,) = task.requests(document, "answer", {}, 0)
        context = request.messages[1]["content"]
        assert context.count("Dolores Park") == 1
        words = len(context.split("\n\n")[0].split())
        assert abs(words - int(str(document.fields["length"]))) <= 1


@pytest.mark.parametrize(
    "name",
    [
        "ruler_niah_single_1",
        "ruler_niah_single_3",
        "ruler_niah_multikey_1",
        "ruler_niah_multikey_3",
        "ruler_niah_multivalue",
        "ruler_niah_multiquery",
    ],
)
def test_ruler_documents_hold_what_they_ask_for(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "essay.txt").write_text("A sentence of five words. " * 400)
    monkeypatch.setenv("HEADBENCH_HAYSTACK", str(tmp_path))
    documents = load(name).documents(limit=6)
    wanted = {"ruler_niah_multivalue": 4, "ruler_niah_multiquery": 4}.get(name, 1)
    for document in documents:
        context, target = str(document.fields["context"]), document.target
        assert isinstance(target, list)
        assert len(set(target)) == wanted
        assert all(context.count(f"is: {value}.") == 1 for value in target)
        length = int(str(document.fields["length"]))
        assert 0.9 * length <= len(context.split()) <= length
    record = load(name).record(documents[0], (" ".join(documents[0].target or ()),))  # type: ignore[arg-type]
    assert record.parts["correct"] == 1


def test_options_out_of_range(tmp_path: Path) -> None:
    source = load("niah_single").merged.path
    for bad, said in (
        ("lengths: [20]", "length 20 leaves no room"),
        ("depths: [1.5]", "depth must lie in 0..1"),
        ("needles: [9]", "needles must be 1 to 8"),
        ("family: wrods", "did you mean 'words'"),
        ("lenghts: [1]", "did you mean 'lengths'"),
    ):
        path = tmp_path / "mine.yaml"
        path.write_text(f"include: {source}\ntask: mine\ndataset_kwargs: {{{bad}}}\n")
        with pytest.raises(HeadbenchError, match=said):
            load_file(path).documents()
