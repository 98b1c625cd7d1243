"""What a template may cost: each hostile one is refused, quickly, and honest ones are not."""

from __future__ import annotations

import time

import pytest

from headbench.errors import ConfigError
from headbench.tasks.templates import compile_template

HOSTILE = (
    "{% for i in range(99999) %}{% for j in range(99999) %}{% endfor %}{% endfor %}",
    "{% macro f(n) %}{{ f(n - 1) }}{{ f(n - 1) }}{% endmacro %}{{ f(90) }}",
    "{% macro f() %}{{ f() }}{% endmacro %}{{ f() }}",
    "{{ 'a' * 10**10 }}",
    "{{ 10**5000 }}",
    "{% set a = 10**6 %}{{ a ** a ** 2 }}",
    "{{ '%1000000000d' % 1 }}",
    "{{ '%*d' % (1000000000, 1) }}",
    "{{ '%1000000000d' | format(1) }}",
    "{{ '{:1000000000}'.format(1) }}",
    "{{ '{0:{1}}'.format(1, 1000000000) }}",
    "{{ 'a'.ljust(10**9) }}",
    "{{ 'a' | center(10**9) }}",
    "{{ 'a' | indent(10**9, true) }}",
    "{{ range(9) | batch(10**9, 'x') | list }}",
    "{% set s = 'a' * 10**6 %}{{ s.replace('a', s) }}",
    "{% set s = 'a' * 10**6 %}{{ s | replace('a', s) }}",
    "{% set s = 'a' * 10**6 %}{{ s.join(range(9999) | map('string')) }}",
    "{% set n = namespace(s='aaaa') %}{% for i in range(60) %}{% set n.s = n.s ~ n.s %}"
    "{% endfor %}{{ n.s }}",
    "{% set n = namespace(l=['a']) %}{% for i in range(60) %}{% set n.l = [n.l, n.l] %}"
    "{% endfor %}{{ n.l }}",
    "{{ '{a}'.format() }}",
    "{{ '{0}'.format() }}",
    "{{ '%(a)s' % {} }}",
    "{{ 'a'.encode('x') }}",
    "{{ 'a' | truncate(1) }}",
    "{% for a in [1] %}" * 25 + "{% endfor %}" * 25,
)


@pytest.mark.parametrize("source", HOSTILE)
def test_a_hostile_template_is_refused_within_seconds(source: str) -> None:
    start = time.process_time()
    with pytest.raises(ConfigError, match=r"the template (fails|does not compile)"):
        compile_template(source, "here").render({"thing": "apple"})
    assert time.process_time() - start < 10


def test_honest_templates_are_rendered() -> None:
    source = (
        "{% for row in rows recursive %}{{ loop.index }}/{{ loop.length }} {{ row.name }}"
        "{% if row.rows is defined %} ({{ loop(row.rows) }}){% endif %}"
        "{% if not loop.last %}, {% endif %}"
        "{% endfor %}: {{ '%.2f' | format(x) }} {{ n | default(1000000) }} {{ x * 2 }}"
    )
    rows = [{"name": "a", "rows": [{"name": "b"}]}, {"name": "c"}]
    text = compile_template(source, "here").text({"rows": rows, "x": 0.5})
    assert text == "1/2 a (1/1 b), 2/2 c: 0.50 1000000 1.0"
