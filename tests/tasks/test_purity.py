"""Templates whose text is no function of the document are refused; all others stay."""

from __future__ import annotations

import datetime
import os
import subprocess
import sys
from pathlib import Path

import pytest

from headbench.errors import ConfigError
from headbench.tasks.check import check_file
from headbench.tasks.templates import compile_template
from helpers_fake_task import write_tasks

FIELDS = {
    "words": ["b", "a", "c"],
    "text": "plain",
    "kinds": {"one": 1, "two": 2},
    "day": datetime.date(2024, 7, 26),
    "moment": datetime.datetime(2024, 7, 26, 12, tzinfo=datetime.UTC),
    "clock": datetime.time(12),
}


@pytest.mark.parametrize(
    "source",
    [
        "{{ words | random }}",
        "{{ [1, 2, 3] | random }}",
        "{% if (words | random) == 'a' %}x{% endif %}",
        "{% for w in [words | random] %}{{ w }}{% endfor %}",
        "{% set w = words | random %}{{ text }}",
        "{% filter random %}abc{% endfilter %}",
        "{{ [words] | map('random') | join }}",
        "{% macro f() %}{{ words | random }}{% endmacro %}{{ text }}",
        "{{ lipsum() }}",
        "{{ lipsum(n=1, html=false) }}",
    ],
)
def test_what_draws_at_random_is_refused_when_it_is_compiled(source: str) -> None:
    with pytest.raises(ConfigError, match="another prompt each time") as caught:
        compile_template(source, "f.yaml:3")
    assert "function of its document" in caught.value.hint
    assert "f.yaml:3, line 1" in caught.value.where


@pytest.mark.parametrize(
    ("source", "told"),
    [
        ("{{ now() }}", "'now' is undefined"),
        ("{{ today }}", "'today' is undefined"),
        ("{% set f = lipsum %}{{ f() }}", "'lipsum' is undefined"),
        ("{% set f = 'random' %}{{ [words] | map(f) | join }}", "No filter named 'random'"),
        ("{{ day.today() }}", "not safely callable"),
        ("{{ moment.now() }}", "not safely callable"),
        ("{{ moment.timestamp() }}", "not safely callable"),
        ("{{ moment.astimezone() }}", "not safely callable"),
        ("{{ day.fromtimestamp(0) }}", "not safely callable"),
        ("{{ words is sameas words }}", "compare with =="),
    ],
)
def test_what_varies_otherwise_is_refused_when_it_is_rendered(source: str, told: str) -> None:
    with pytest.raises(ConfigError, match=told):
        compile_template(source, "f.yaml:3").render(FIELDS)


@pytest.mark.parametrize(
    "source",
    [
        "{{ words | map('upper') }}",
        "{{ words | select('string') }}",
        "{{ words | batch(2) }}",
        "{{ text.upper }}",
        "{{ [text.upper] }}",
        "{{ [text.upper] | join(', ') }}",
        "{{ 'see ' ~ text.upper }}",
        "{{ '%s' % text.upper }}",
        "{{ '{}'.format(text.upper) }}",
        "{{ text.upper | string }}",
        "{{ cycler('a', 'b') }}",
        "{{ joiner }}{{ joiner(', ').__class__ is defined }}{{ cycler('a').next }}",
    ],
)
def test_an_object_is_not_printed_with_its_address(source: str) -> None:
    with pytest.raises(ConfigError, match="prints an object and not a text: <"):
        compile_template(source, "f.yaml:3").render(FIELDS)


@pytest.mark.parametrize(
    ("source", "text"),
    [
        ("{{ words | map('upper') | join(',') }}", "B,A,C"),
        ("{{ words | sort | join }}", "abc"),
        ("{% for w in words %}{{ loop.index }}{{ w }}{% endfor %}", "1b2a3c"),
        ("{% set c = cycler('x', 'y') %}{{ c.next() }}{{ c.next() }}{{ c.next() }}", "xyx"),
        ("{% set j = joiner('; ') %}{% for w in words %}{{ j() }}{{ w }}{% endfor %}", "b; a; c"),
        ("{% set n = namespace(i=0) %}{% set n.i = n.i + 2 %}{{ n.i }}", "2"),
        ("{{ kinds }}", "{'one': 1, 'two': 2}"),
        ("{{ range(3) | list }}{{ dict(a=1) }}", "[0, 1, 2]{'a': 1}"),
        ("{{ day.isoformat() }} {{ moment.time() }} {{ clock }}", "2024-07-26 12:00:00 12:00:00"),
        ("{{ text is sameas none }}", "False"),
        ("{{ random }}{{ now }}", "rn"),
        ("{{ code }}", "<function f at 0x7f00aa>"),
    ],
)
def test_functions_of_the_document_stay(source: str, text: str) -> None:
    fields = {**FIELDS, "random": "r", "now": "n", "code": "<function f at 0x7f00aa>"}
    template = compile_template(source, "x")
    assert [template.text(fields) for _ in range(3)] == [text] * 3


def test_sets_come_in_one_order_in_every_process() -> None:
    code = (
        "from headbench.tasks.templates import compile_template as c\n"
        "f = {'s': {'pear', 'fig', 'plum', 'lime'}, 'd': {'in': [frozenset({'b', 'a', 'c'})]}}\n"
        "print(c('{{ s | join }}{% for x in d.in[0] %}{{ x }}{% endfor %}{{ s }}', 'x').text(f))"
    )
    said = {
        subprocess.run(
            [sys.executable, "-c", code],
            env={**os.environ, "PYTHONHASHSEED": seed},
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for seed in ("1", "2", "3")
    }
    assert said == {"figlimepearplumabc['fig', 'lime', 'pear', 'plum']\n"}


@pytest.mark.parametrize("key", ["doc_to_text", "description", "system", "doc_to_target"])
def test_validate_refuses_it_in_every_template(tmp_path: Path, key: str) -> None:
    path = write_tasks(tmp_path) / "colours.yaml"
    lines = [line for line in path.read_text().splitlines() if not line.startswith(f"{key}:")]
    path.write_text("\n".join([*lines, f'{key}: "{{{{ [1, 2] | random }}}}"']))
    (problem,) = check_file(path).problems
    assert "'random' gives another prompt each time" in str(problem)
    assert "colours.yaml" in str(problem)


@pytest.mark.parametrize(
    "source",
    [
        "{{ '{0}'.format() }}",
        "{{ '{a}'.format() }}",
        "{{ '%(a)s' % {} }}",
        "{{ text.encode('x') }}",
        "{{ text | truncate(1) }}",
        "{{ 10**5000 }}",
        "{% macro f() %}{{ f() }}{% endmacro %}{{ f() }}",
    ],
)
def test_a_failing_expression_is_an_error_a_user_can_correct(source: str) -> None:
    with pytest.raises(ConfigError, match=r"the template (fails|does not compile): .+"):
        compile_template(source, "x").render(FIELDS)
