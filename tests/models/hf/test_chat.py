"""Arguments of chat templates: typed, recorded, in the key, refused where nothing reads them."""

from __future__ import annotations

import json
from typing import Any

import pytest

from headbench.errors import ConfigError, RefusedError
from headbench.jobs import Condition, Job
from headbench.models.hf.adapter import HFModel, wrap
from headbench.models.hf.chat import given_to, read_arguments, read_today, variables
from headbench.results.keys import response_key
from headbench.running.model_roles import parse_model_args
from headbench.running.spec import make_spec, template_args
from helpers_models import request
from helpers_tiny import tiny_llama, tiny_llava, tiny_llava_processor, tiny_tokenizer

THINKING = (
    "{% if enable_thinking is defined and enable_thinking is false %}no {% endif %}"
    "{% if not level is defined %}{% set level = 'one' %}{% endif %}"
    "{% for message in messages %}{% generation %}{{ message['content'] }}{% endgeneration %} "
    "{% endfor %}{{ level }}{% if add_generation_prompt %} ASSISTANT :{% endif %}"
)
DATED = (
    "{% if not date_string is defined %}{% set date_string = strftime_now('%d %b %Y') %}{% endif %}"
)
ONLY_CLOCK = "{% for m in messages %}{{ m['content'] }}{% endfor %} {{ strftime_now('%Y') }}"


def model(template: str = THINKING, **args: str) -> HFModel:
    """The tiny Llama with a chat template of ours."""
    tokenizer = tiny_tokenizer(chat_template=True)
    tokenizer.chat_template = template
    return wrap(tiny_llama(), tokenizer, **{"attn": "sdpa"} | args)


def text(one: HFModel) -> str:
    return one.prompter.resolve(request("who")).text


def key(one: HFModel) -> str:
    job = Job(request("who"), Condition("baseline"))
    return response_key(one.identity, one.key(job), job)


def test_arguments_reach_the_template_with_their_types() -> None:
    assert text(model()) == "who one ASSISTANT :"
    for args in (
        {"enable_thinking": "false"},
        {"enable_thinking": "False"},
        {"chat_template_args": '{"enable_thinking": false}'},
        {"chat_template_args": template_args(["enable_thinking=false"])},
    ):
        assert text(model(**args)) == "no who one ASSISTANT :"
    assert text(model(enable_thinking="true")) == "who one ASSISTANT :"
    # The word false is a text, which is not false.
    quoted = {"chat_template_args": template_args(['enable_thinking="false"'])}
    assert text(model(**quoted)) == "who one ASSISTANT :"
    both = {"enable_thinking": "false", "chat_template_args": '{"level": 2}'}
    assert text(model(**both)) == "no who 2 ASSISTANT :"


def test_they_are_recorded_and_part_of_the_key() -> None:
    plain, off, on = model(), model(enable_thinking="false"), model(enable_thinking="true")
    assert "chat_template_args" not in plain.identity
    assert off.identity["chat_template_args"] == '{"enable_thinking": false}'
    # True is what this template does anyway: the prompt is the same, the request is not.
    assert text(on) == text(plain)
    assert len({key(plain), key(off), key(on)}) == 3
    long = model(chat_template_args='{"enable_thinking": false}')
    assert key(long) == key(off)


@pytest.mark.parametrize(
    ("args", "told", "hint"),
    [
        ({"chat_template_args": '{"enable_thinkin": false}'}, "does not use", "enable_thinking"),
        ({"chat_template_args": '{"messages": 1}'}, "headbench itself decides", ""),
        ({"chat_template_args": '{"add_generation_prompt": false}'}, "itself decides", ""),
        ({"chat_template_args": '{"tokenize": true}'}, "itself decides", ""),
        ({"chat_template_args": '{"strftime_now": "x"}'}, "itself decides", ""),
        ({"chat_template_args": "enable_thinking=false"}, "is not JSON", "--template-arg"),
        ({"chat_template_args": "[1]"}, "no JSON object", "--template-arg"),
        ({"chat_template_args": '{"level": [1]}'}, "is not true, false, a number or a text", ""),
        ({"chat_template_args": '{"level": NaN}'}, "NaN is no finite number", ""),
        ({"chat_template_args": '{"level": 1e999}'}, "1e999 is no finite number", ""),
        ({"enable_thinking": "no"}, "cannot be 'no'", "true or false"),
        (
            {"enable_thinking": "true", "chat_template_args": '{"enable_thinking": false}'},
            "given twice",
            "",
        ),
        ({"today": "2024-07-26"}, "writes no date", ""),
        ({"today": "26 July"}, "cannot be '26 July'", "YYYY-MM-DD"),
        ({"enable_thinking": "false", "chat_template": "off"}, "no chat template is applied", ""),
        ({"today": "2024-07-26", "chat_template": "off"}, "no chat template is applied", ""),
    ],
)
def test_what_would_change_nothing_is_refused(args: dict[str, str], told: str, hint: str) -> None:
    with pytest.raises(ConfigError, match=told) as caught:
        model(**args)
    assert hint in caught.value.hint


def test_a_checkpoint_without_a_template_refuses_its_arguments() -> None:
    with pytest.raises(ConfigError, match="no chat template is applied"):
        wrap(tiny_llama(), tiny_tokenizer(), attn="sdpa", enable_thinking="false")


def test_a_processors_template_gets_them_too(caplog: pytest.LogCaptureFixture) -> None:
    processor = tiny_llava_processor(chat_template=True)
    processor.chat_template = THINKING
    seeing = wrap(
        tiny_llava(), processor.tokenizer, processor, attn="sdpa", enable_thinking="false"
    )
    assert text(seeing) == "no who one ASSISTANT :"
    assert "processor_kwargs" not in caplog.text


# ------------------------------------------------------------------ the clock


def test_a_template_that_writes_todays_date_is_refused_until_a_date_is_given() -> None:
    with pytest.raises(RefusedError, match="writes today's date") as caught:
        text(model(ONLY_CLOCK))
    assert "today=" in caught.value.hint
    dated = model(ONLY_CLOCK, today="2024-07-26")
    assert text(dated) == "who 2024"
    assert dated.identity["today"] == "2024-07-26"
    assert key(dated) != key(model(ONLY_CLOCK, today="2025-07-26"))


def test_a_template_that_takes_the_date_as_an_argument_needs_no_other() -> None:
    template = DATED + "{{ date_string }} {{ messages[0]['content'] }}"
    with pytest.raises(RefusedError, match="writes today's date"):
        text(model(template))
    given = model(template, chat_template_args='{"date_string": "26 Jul 2024"}')
    assert text(given) == "26 Jul 2024 who"
    assert text(model(template, today="2024-07-26")) == "26 Jul 2024 who"


def test_a_date_in_a_computed_form_is_refused() -> None:
    with pytest.raises(RefusedError, match="a form that it computes"):
        model("{% set f = '%Y' %}{{ strftime_now(f) }}{{ messages[0]['content'] }}")


def test_a_clock_that_is_not_read_does_no_harm() -> None:
    template = "{% if false %}{{ strftime_now('%Y') }}{% endif %}{{ messages[0]['content'] }}"
    assert text(model(template)) == "who"


# ------------------------------------------------------------------ reading them


def test_variables_are_what_a_template_reads_and_does_not_set() -> None:
    assert variables(THINKING) == {"messages", "add_generation_prompt", "enable_thinking", "level"}
    assert variables("{% set a = 1 %}{{ a }}{% for b in c %}{{ b }}{% break %}{% endfor %}") == {
        "c"
    }
    assert given_to(None, {}, None) == {}
    assert read_today("") is None


@pytest.mark.parametrize(
    ("pair", "value"),
    [
        ("k=true", True),
        ("k=False", False),
        ("k=null", None),
        ("k=none", "none"),
        ("k=3", 3),
        ("k=-0.5", -0.5),
        ("k=low", "low"),
        ('k="3"', "3"),
        ("k=", ""),
        ("k=a=b, c=d", "a=b, c=d"),
    ],
)
def test_values_have_types(pair: str, value: object) -> None:
    written = template_args([pair])
    found = json.loads(written)["k"]
    assert found == value and type(found) is type(value)
    # It survives the command line that a spec prints.
    spec = make_spec(tasks=("niah",), model="hf", model_args={"chat_template_args": written})
    args = parse_model_args(f"dtype=float32,chat_template_args={written},pretrained=x")
    assert read_arguments(args) == {"k": value}
    assert written in spec.command()


@pytest.mark.parametrize(
    ("pairs", "told"),
    [
        (["k"], "is not name=value"),
        (["=1"], "is not name=value"),
        (["a-b=1"], "is not name=value"),
        (["k=1", "k=1"], "given twice"),
        (["k=[1]"], "is not true, false, a number or a text"),
        (["k=NaN"], "is not true, false, a number or a text"),
    ],
)
def test_pairs_that_say_nothing_clear_are_refused(pairs: list[str], told: str) -> None:
    with pytest.raises(ConfigError, match=told):
        template_args(pairs)


def test_from_python_they_may_be_a_mapping(monkeypatch: pytest.MonkeyPatch) -> None:
    from headbench.running import execute, from_python

    seen: list[Any] = []
    monkeypatch.setattr(execute, "execute", lambda spec, out: seen.append(spec))
    arguments = {"enable_thinking": False, "note": "a=b"}
    from_python.run(
        "niah", model="hf", model_args={"chat_template_args": arguments, "normalize": True}
    )
    assert read_arguments(seen[0].model_args) == arguments
    assert seen[0].model_args["normalize"] == "true"
