from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headbench.errors import ConfigError, DataError
from headbench.tasks.templates import compile_template, refuse_markers

PLAIN = st.text(st.characters(exclude_characters="\ue000\ue001\ue002", exclude_categories=["Cs"]))


def test_a_span_is_where_it_was_marked_not_where_the_words_stand_first() -> None:
    made = compile_template('{{ a }} {{ a | span("question") }}!', "x").render({"a": "cat"})
    assert made.text == "cat cat!"
    assert made.spans == {"question": ((4, 7),)}


def test_nested_and_repeated_spans() -> None:
    source = '{% for w in words %}{{ w | span("word") }} {% endfor %}'
    made = compile_template(source, "x").render({"words": ["ab", "c"]})
    assert made.spans == {"word": ((0, 2), (3, 4))}
    inner = compile_template('{{ ("a" + (x | span("inner")) + "b") | span("outer") }}', "x")
    assert inner.render({"x": "--"}).spans == {"inner": ((1, 3),), "outer": ((0, 4),)}


@given(PLAIN, PLAIN, PLAIN)
def test_spans_cut_out_exactly_what_went_in(before: str, inside: str, after: str) -> None:
    made = compile_template('{{ a }}{{ b | span("s") }}{{ c }}', "x").render(
        {"a": before, "b": inside, "c": after}
    )
    ((start, end),) = made.spans["s"]
    assert made.text == before + inside + after
    assert made.text[start:end] == inside


def test_a_bare_field_name_is_the_field() -> None:
    assert compile_template("question", "x").text({"question": "why?"}) == "why?"
    assert compile_template("Answer", "x", bare=False).text({}) == "Answer"


def test_an_unknown_name_is_an_error_with_the_nearest_field() -> None:
    with pytest.raises(ConfigError, match="'questoin' is undefined") as caught:
        compile_template("{{ questoin }}", "f.yaml:3").render({"question": "x"})
    assert caught.value.where == "f.yaml:3"
    assert "'question'" in caught.value.hint


@pytest.mark.parametrize(
    ("source", "said"),
    [
        ("{{ ''.__class__.__mro__ }}", "'__class__' of 'str' object is unsafe"),
        ("{{ x.append(1) }}", "'append' of 'list' object is unsafe"),
        ("{{ 1 / 0 }}", "the template fails: division by zero"),
        ('{{ "a" | span("Not a name") }}', "a span's name is"),
    ],
)
def test_the_sandbox_and_failing_expressions(source: str, said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        compile_template(source, "x").render({"x": [1]})


def test_syntax_errors_and_unknown_filters() -> None:
    with pytest.raises(ConfigError, match="does not compile"):
        compile_template("{{ a ", "x")
    with pytest.raises(ConfigError, match="does not compile") as caught:
        compile_template("{{ a | spam('x') }}", "x")
    assert "'span'" in caught.value.hint


def test_the_article_filter() -> None:
    template = compile_template("{{ w | article }}", "x")
    assert template.text({"w": "apple"}) == "an apple"
    assert template.text({"w": "dog"}) == "a dog"


def test_text_with_marker_characters_is_refused() -> None:
    with pytest.raises(DataError, match="private-use") as caught:
        refuse_markers({"ok": "fine", "bad": "a\ue002b"}, "rows.json, row 3")
    assert "'bad'" in caught.value.where
