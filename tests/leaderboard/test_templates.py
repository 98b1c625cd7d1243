"""What no template or script of the board may hold, read off the source text."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from headbench.leaderboard.environment import TEMPLATES
from headbench.leaderboard.site import STATIC

FORBIDDEN = {
    "inline style": re.compile(r"<style|\sstyle\s*="),
    "inline script": re.compile(r"<script(?![^>]*\bsrc=)|javascript:"),
    "event attribute": re.compile(r"<[^>]*\son[a-z]+\s*="),
    "another host": re.compile(r"(?:src|href|action)\s*=\s*[\"']?(?:https?:)?//"),
    "escaping switched off": re.compile(r"\|\s*safe\b|autoescape"),
    "integrity, which blocks scripts of a file": re.compile(r"\bintegrity\s*="),
}
IN_SCRIPTS = {
    "text as HTML": re.compile(r"\b(?:innerHTML|outerHTML|insertAdjacentHTML|document\.write)\b"),
    "fetching": re.compile(r"\b(?:fetch|XMLHttpRequest|importScripts|Worker)\s*\("),
    "text as code": re.compile(r"\beval\s*\(|new Function|import\s*\("),
}


def offences(text: str, rules: dict[str, re.Pattern[str]]) -> list[str]:
    return [name for name, pattern in rules.items() if pattern.search(text)]


@pytest.mark.parametrize("path", sorted(TEMPLATES.glob("*.html")), ids=lambda path: path.name)
def test_template(path: Path) -> None:
    assert offences(path.read_text(encoding="utf-8"), FORBIDDEN) == []


@pytest.mark.parametrize("path", sorted(STATIC.glob("*.js")), ids=lambda path: path.name)
def test_script(path: Path) -> None:
    assert offences(path.read_text(encoding="utf-8"), IN_SCRIPTS) == []


def test_every_rule_catches_its_offender() -> None:
    wrong = {
        "inline style": '<p style="color:red">',
        "inline script": "<script>x</script>",
        "event attribute": '<img onerror="x">',
        "another host": '<a href="https://a.b">',
        "escaping switched off": "{{ a | safe }}",
        "integrity, which blocks scripts of a file": '<script src="a" integrity="b">',
    }
    assert [offences(text, FORBIDDEN) for text in wrong.values()] == [[name] for name in wrong]
    lines = ["a.innerHTML = b", "fetch(a)", "eval(a)"]
    assert [offences(text, IN_SCRIPTS) for text in lines] == [[name] for name in IN_SCRIPTS]
