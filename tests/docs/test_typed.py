"""Every fenced block of the README and the docs is typed, in a folder like a reader's.

``training.pages.typed`` says how. What a page shows of an output is compared with what is printed:
``python -m training.pages.command_output`` writes it anew. Pages are shared out over
``test_typed*.py`` so that two processes have about as much to do; this file holds the rules and the
light pages.
"""

from __future__ import annotations

import re
from collections import Counter
from pathlib import Path

import pytest

from helpers_typed import HEAVY, PAGES, light, type_all
from training.pages.command_output import is_marked
from training.pages.typed.blocks import ROOT, SHELL, Block, blocks_of, inline_commands, pages
from training.pages.typed.options import faults
from training.pages.typed.session import Session
from training.pages.typed.shown import check, same, with_checks
from training.pages.typed.typing import ELSEWHERE, PageError, commands, type_page

NOT_RUN = 6
"""Blocks that do not run here and say so on their page; a new one is a decision."""
IN_CI = 5
"""Blocks that ``.ci/run`` types: the first commands of the README, and what they print."""


def every_block() -> list[Block]:
    return [block for page in pages() for block in blocks_of(page)]


@pytest.mark.parametrize("page", light(), ids=str)
def test_a_page_does_what_it_shows(page: str, typed_session: Session, tmp_path: Path) -> None:
    type_all(page, typed_session, tmp_path)


def test_every_page_with_a_block_is_typed_by_one_file() -> None:
    assert set(PAGES) >= set(HEAVY)
    files = {path.name: path.read_text() for path in Path(__file__).parent.glob("test_typed_*.py")}
    for page in HEAVY:
        assert sum(f'"{page}"' in text for text in files.values()) == 1, page


def test_blocks_that_do_not_run_are_counted() -> None:
    marked = [block for block in every_block() if block.reason]
    assert len(marked) == NOT_RUN, [(block.where, block.reason) for block in marked]
    assert all(len(block.reason.split()) >= 3 for block in marked)


def test_what_ci_types_stands_in_its_script() -> None:
    script = (ROOT / ".ci" / "run").read_text()
    for page, known in ELSEWHERE.items():
        for command in known:
            assert re.search(rf"\b{command}\b", script), command
            assert command in (ROOT / page).read_text()
    marked = [block for block in every_block() if is_marked(block)]
    for block in marked:
        assert f"training.pages.command_output --check {block.page}" in script
    assert len(marked) + len(ELSEWHERE) == IN_CI


def test_no_command_stands_outside_a_block() -> None:
    """An indented line is a block that nobody types."""
    for page in pages():
        inside = {n for one in blocks_of(page) for n in range(one.line, one.end + 1)}
        for number, line in enumerate(page.read_text().splitlines(), start=1):
            if number not in inside:
                assert not re.match(r" {4,}(\$ )?(headbench|python -m) ", line), f"{page}:{number}"


@pytest.mark.parametrize("page", pages(), ids=lambda page: page.relative_to(ROOT).as_posix())
def test_commands_in_sentences_name_verbs_and_options_that_there_are(page: Path) -> None:
    if page.name in ("CHANGELOG.md", "decisions.md", "decisions-training.md"):
        pytest.skip("tells of commands that were")
    for line, command in inline_commands(page):
        assert not faults(command), f"{page.name}:{line}: {command}: {faults(command)}"


@pytest.mark.parametrize(
    ("command", "told"),
    [
        ("headbench rnu --tasks niah", "no verb 'rnu'"),
        ("headbench run --taks niah", "run has no option --taks"),
        ("headbench heads find x", "heads has no command 'find'"),
        ("headbench rescore --ground-thruth x", "no option --ground-thruth"),
        ("make nothing", "no target 'nothing'"),
        ("python benchmarks/nothing.py", "no file benchmarks/nothing.py"),
        ("python -m training.nothing", "no module training.nothing"),
    ],
)
def test_a_command_that_names_nothing_is_found(command: str, told: str) -> None:
    assert told in faults(command)


def test_commands_are_of_a_known_shape() -> None:
    languages = Counter(block.language for block in every_block())
    known = {*SHELL, "python", "yaml", "json", "csv", "toml", "text"}
    assert set(languages) <= known
    for block in every_block():
        if block.language == "console":
            assert list(commands(block)), block.where


# ------------------------------------------------------------------ the mechanism can fail


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("```bash\nheadbench ls models\nheadbench nothing\n```\n", "exit status 2"),
        ("```bash\nfalse | cat\n```\n", "exit status 1"),
        ("```console\n$ headbench --version\n99.0.0\n```\n", "prints"),
        ("```python\n1 / 0\n```\n", "ZeroDivisionError"),
        ("```python\nx = 2\nx + 1  # 4\n```\n", "the page says 4, and it is 3"),
        ("```python\nprint(1)\n```\n\n```text\n3\n```\n", "and it prints"),
        ("`t.yaml`:\n\n```yaml\ntask: t\n```\n", "is missing"),
        ("```yaml\ntask: t\n```\n", "needs a name"),
        ("```yaml\nsome: t\n```\n", "nothing reads a block with the keys"),
        ("```ruby\n1\n```\n", "nothing reads a block of 'ruby'"),
        ('```toml\n[project.entry-points."headbench.nothings"]\n```\n', "nothing reads the group"),
        ("```console\nls\n```\n", "stands before any command"),
        ("```bash\nls\n", "is not closed"),
    ],
)
def test_what_does_not_hold_is_told(
    text: str, told: str, typed_session: Session, tmp_path: Path
) -> None:
    page = tmp_path / "page.md"
    page.write_text(text)
    (tmp_path / "typed").mkdir()
    with pytest.raises((PageError, AssertionError, ValueError), match=told):
        type_page(page, tmp_path / "typed", typed_session)


def test_a_marked_block_is_not_typed_and_a_later_one_is(
    typed_session: Session, tmp_path: Path
) -> None:
    page = tmp_path / "page.md"
    page.write_text(
        "*Not run here: needs a GPU.*\n\n```bash\nfalse\n```\n\n```python\nX = 1\n```\n\n"
        "```bash\ntouch made\n```\n\n```python\nprint(X + 1)\n```\n\n```text\n2\n```\n"
    )
    found = type_page(page, tmp_path, typed_session)
    assert [block.reason for block in found.marked] == ["needs a GPU."]
    assert len(found.ran) == 4 and (tmp_path / "made").exists()


def test_what_is_shown_is_compared_word_by_word_and_number_by_number() -> None:
    assert same("a  .720 [x]\n", "a .721 [x]")
    assert not same("a .720", "a .750") and not same("a .720", "b .720")
    assert same("first\n...\nlast", "first\nx\ny\nlast") and same("first\n...", "first\nx")
    assert not same("first\n...\nlast", "first\nlast\nmore")
    assert not same("...\nmiddle\n...", "a\nb")
    assert same("x-0123abcd.json", "x-9876fedc.json")


def test_values_in_comments_are_checked() -> None:
    script = with_checks("a = 1\na  # 1\na + 1  # 2: two\na  # a sentence\nf(a,\n  b)  # 3\n")
    assert script.splitlines()[1:4] == [
        "__check(a, '1')",
        "__check(a + 1, '2: two')",
        "a  # a sentence",
    ]
    check("a long text", '"a ... text"')
    check((1, "x"), '(1, "x")')
    with pytest.raises(AssertionError, match="the page says 3, and it is 4"):
        check(4, "3")
