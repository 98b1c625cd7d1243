"""From pages to files: escaping, data as scripts, and the same bytes every time."""

from __future__ import annotations

from pathlib import Path

import pytest

from headbench.errors import StoreError
from headbench.leaderboard.environment import bdi, environment, lines
from headbench.leaderboard.page import Asset, Page, Shard, page_name
from headbench.leaderboard.shards import shard_script
from headbench.leaderboard.site import render, write
from headbench.leaderboard.stale import stale

HOSTILE = "</script><img src=x onerror=alert(1)>\u202e\x00&\"'"
FACTS = {"summary": "0 results.", "not_shown": 0}
EMPTY: dict[str, object] = {"groups": []}
PAGE = Page("about", HOSTILE, "not_shown.html", EMPTY, nav=HOSTILE)


def text_of(source: str, **context: object) -> str:
    return environment().from_string(source).render(context)


def test_foreign_text_is_text() -> None:
    shown = text_of('{{ a }}<i title="{{ a }}">{{ a|bdi }}</i>', a=HOSTILE)
    assert "<img" not in shown
    assert "</script>" not in shown
    assert "\u202e" not in shown
    assert "\x00" not in shown
    assert shown.count("\\u202e") == 3
    assert '&#34;&#39;">' in shown  # the attribute ends where the template ends it


def test_safe_is_not_there() -> None:
    with pytest.raises(Exception, match="No filter named 'safe'"):
        text_of("{{ a|safe }}", a="<b>")


def test_a_cell_is_cut_and_a_text_keeps_its_lines() -> None:
    assert len(bdi("x" * 1_000_000)) < 200
    assert lines("a\r\nb\x1b<") == "<bdi>a\nb\\x1b&lt;</bdi>"


def test_shards_are_rows_of_data() -> None:
    script = shard_script(
        Shard("items-1", ("name", "value"), [["__proto__", 0.5], ["</script>\u2028\u202e", None]])
    )
    assert script == (
        'hb.put("items-1",["name","value"],[\n["__proto__",0.5],\n'
        '["\\u003c/script>\\u2028\\u202e",null]\n]);\n'
    )
    with pytest.raises(ValueError, match="not JSON compliant"):
        shard_script(Shard("a", ("x",), [[float("nan")]]))
    with pytest.raises(ValueError, match="2 values for 1 columns"):
        Shard("a", ("x",), [[1, 2]])


def test_page_names_never_meet() -> None:
    names = ["pope", "Pope", "po/pe", "../pope", "", "\u202e", "pope-", "x" * 100, "x" * 101]
    made = [page_name("task", name) for name in names]
    assert made[0] == "task-pope"
    assert len(set(made)) == len(names)
    for name in made:
        Page(name, "t", "not_shown.html", EMPTY)  # each is a file name
    with pytest.raises(ValueError, match="not a file name"):
        Page("../x", "t", "not_shown.html", EMPTY)


def test_a_page_names_only_what_is_there() -> None:
    with pytest.raises(ValueError, match=r"loads data/gone\.js"):
        render([Page("about", "t", "not_shown.html", EMPTY, shards=("gone",))], FACTS)
    with pytest.raises(ValueError, match=r"loads static/gone\.js"):
        render([Page("about", "t", "not_shown.html", EMPTY, scripts=("gone",))], FACTS)
    with pytest.raises(ValueError, match=r"two parts of the board are called a\.json"):
        render([Asset("a.json", b"1"), Asset("a.json", b"2")], FACTS)


def test_order_of_parts_changes_nothing() -> None:
    parts = [
        PAGE,
        Page("b", "B", "not_shown.html", EMPTY, nav="B", nav_order=1),
        Asset("x.json", b"{}"),
    ]
    assert render(parts, FACTS) == render(parts[::-1], FACTS)


def test_writing_keeps_what_is_not_ours(tmp_path: Path) -> None:
    files = render([PAGE, Asset("data/old.json", b"{}")], FACTS)
    out = tmp_path / "board"
    assert write(files, out) == len(files)
    assert write(files, out) == 0
    assert list(stale(files, out)) == []
    fewer = render([PAGE], FACTS)
    assert list(stale(fewer, out)) == [
        "data/old.json is no part of the board",
        "files.txt is not what the results give",
    ]
    write(fewer, out)
    assert list(stale(fewer, out)) == []
    (out / "about.html").write_text("edited")
    (out / "static/headbench.css").unlink()
    assert list(stale(fewer, out)) == [
        "about.html is not what the results give",
        "static/headbench.css is missing",
    ]
    foreign = tmp_path / "mine"
    foreign.mkdir()
    (foreign / "thesis.txt").write_text("x")
    with pytest.raises(StoreError, match="none of them says that it is a board"):
        write(files, foreign)
    (out / "files.txt").write_text("../mine/thesis.txt\n/etc/passwd\nabout.html\n")
    write(fewer, out)
    assert (foreign / "thesis.txt").exists()
