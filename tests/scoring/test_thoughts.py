"""Thoughts are cut in one place before any scorer reads, and what has none stays as it is."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headbench.errors import ConfigError
from headbench.nouns import Document
from headbench.scoring import lookup
from headbench.scoring.thoughts import DEFAULT, FORMS, PLAIN_WORDS, UNFINISHED, cut, marks_of

MARKS = {
    "think": ("<think>", "</think>"),
    "thinking": ("<thinking>", "</thinking>"),
    "thought": ("<Thought>", "</Thought>"),
    "reasoning": ("<reasoning>", "</reasoning>"),
    "mistral": ("[THINK]", "[/THINK]"),
    "open_thoughts": ("<|begin_of_thought|>", "<|end_of_thought|>"),
    "seed": ("<seed:think>", "</seed:think>"),
    "kimi": ("◁think▷", "◁/think▷"),
    "cohere": ("<|START_THINKING|>", "<|END_THINKING|>"),
    "apertus": ("<|inner_prefix|>", "<|inner_suffix|>"),
    "gemma": ("<|channel>thought\n", "<channel|>"),
    "harmony": (
        "<|channel|>analysis<|message|>",
        "<|end|><|start|>assistant<|channel|>final<|message|>",
    ),
    "harmony_text": ("analysis", "assistantfinal"),
    "granite": ("Here is my thought process:", "Here is my response:"),
}
TAGGED = [name for name in MARKS if name not in PLAIN_WORDS]


def test_every_form_has_an_example() -> None:
    assert set(MARKS) == set(FORMS) == set(DEFAULT)


@pytest.mark.parametrize("name", MARKS)
def test_a_closed_thought_is_cut(name: str) -> None:
    opening, closing = MARKS[name]
    said = cut([f"{opening}There is no dog.\n{closing}\n\nYes."])
    assert (said.texts, said.closed, said.unclosed) == (("Yes.",), 1, 0)


@pytest.mark.parametrize("name", TAGGED)
def test_a_thought_whose_opening_stands_in_the_prompt_is_cut(name: str) -> None:
    said = cut([f"There is no dog.{MARKS[name][1]}Yes."])
    assert (said.texts, said.closed) == (("Yes.",), 1)


@pytest.mark.parametrize("name", TAGGED)
def test_an_unclosed_thought_leaves_no_answer(name: str) -> None:
    said = cut([f"Well. {MARKS[name][0]}There is no dog."])
    assert said.texts[0] is UNFINISHED
    assert (said.closed, said.unclosed) == (0, 1)


@pytest.mark.parametrize(
    ("output", "answer"),
    [
        ("<think>a<think>b</think>Yes", "Yes"),
        ("<think>a<think>b</think>c</think>Yes", "Yes"),
        ("<think>a</think>Yes <think>b</think>", "Yes"),
        ("<think>a</think>One.<think>b</think> Two.", "One. Two."),
        ("One.<think>a</think>Two.</think>Three.", "Three."),
        ("<think>\n\n</think>\n\nNo", "No"),
        ("<think>a [THINK] b</think>No", "No"),
        ("<THINK>a</THINK>No", "No"),
        ("<think>a</think>", ""),
        ("<think>a</think>\n<answer>\nYes\n</answer>", "Yes"),
        ("<|begin_of_thought|>a<|end_of_thought|><|begin_of_solution|>No<|end_of_solution|>", "No"),
        (
            "<|channel|>commentary to=user<|message|>x<|end|><|start|>assistant"
            "<|channel|>final<|message|>Yes<|return|>",
            "Yes",
        ),
    ],
)
def test_what_stands_behind_thoughts_is_the_answer(output: str, answer: str) -> None:
    said = cut([output])
    assert (said.texts, said.closed) == ((answer,), 1)


@pytest.mark.parametrize(
    "output",
    ["analysis of the picture", "Here is my response: yes", "I think> so", "<answer>a</answer> ",
     " [think] ", "a < think > b", "<b>no</b>", "  \n"],
)  # fmt: skip
def test_an_output_without_a_thought_stays_as_it_is(output: str) -> None:
    said = cut([output])
    assert said.texts[0] is output
    assert said.parts() == {}


@given(st.text(max_size=60))
def test_any_text_without_marks_stays_as_it_is(text: str) -> None:
    if not re.search(r"think|thought|reasoning|inner_|channel|analysis|Here", text, re.IGNORECASE):
        assert cut([text]).texts == (text,)


@given(st.lists(st.sampled_from(["<think>", "</think>", "a ", "<thought>", "</thought>"])))
def test_cutting_again_changes_nothing(pieces: list[str]) -> None:
    once = cut(["".join(pieces)]).texts
    assert cut(once).texts == once


def test_marks_are_chosen() -> None:
    output = "<think>no</think>Yes"
    assert cut([output], marks_of(["none"])).texts == (output,)
    assert cut([output], marks_of(["mistral"])).texts == (output,)
    assert cut([output], marks_of(["think"])).texts == ("Yes",)
    assert cut(["((a))Yes"], marks_of(["((...))"])).texts == ("Yes",)
    assert cut(["no thought ends"], marks_of(["closed", "prompt"])).unclosed == 1
    assert marks_of(["closed", "think"]) == DEFAULT
    for wrong, message in (
        (["thnk"], "no reasoning marks called 'thnk'"),
        (["none", "think"], "stands alone"),
        (["...x"], "lacks a mark"),
    ):
        with pytest.raises(ConfigError, match=message):
            marks_of(wrong)


# ------------------------------------------------------------------ every scorer

GROUPS = [[f"{letter}{at}" for at in range(4)] for letter in "abcd"]
WALL = "\n".join(", ".join(group) for group in GROUPS)
SCORED: dict[str, tuple[object, str, str, dict[str, object]]] = {
    "pope": ("yes", "Yes", "No", {}),
    "niah": ("red cup", "red cup", "blue", {}),
    "keyphrase3": (None, "red cup", "blue", {"phrases": ["red cup"]}),
    "needle_rouge": ("red cup", "red cup", "blue", {}),
    "string_match_all": ("red", "red", "blue", {}),
    "string_match_part": ("red", "red", "blue", {}),
    "chair": (["dog"], "A dog.", "A cat and a cow.", {}),
    "walls": ({"groups": GROUPS}, WALL, WALL.replace("a0", "zz"), {}),
    "stickiness": ("toxic", "toxic", "not toxic", {"conditions": ["zero_shot"], "label": "toxic"}),
}

STATES = {
    "categories",
    "cosine",
    "geometry",
    "mutual_neighbours",
    "norms",
    "odd_one_out",
    "odd_one_out_options",
    "originality",
    "pair_ratings",
    "reading_times",
    "rsa",
    "table_encoding",
    "table_rsa",
}
"""These read captured states or log-probabilities, in which there is no text to cut."""


def test_every_scorer_of_the_house_is_tried() -> None:
    assert set(SCORED) | STATES == set(lookup.scorer_names())


@pytest.mark.parametrize("name", SCORED)
def test_no_scorer_reads_a_thought(name: str) -> None:
    target, right, wrong, options = SCORED[name]
    scorer = lookup.scorer(name)
    parser, document = lookup.parser(scorer.default_parser), Document("d", "d", {}, target)

    def parts(output: str) -> dict[str, object]:
        return dict(scorer.record(document, (output,), parser, options).parts)

    bare = parts(right)
    assert parts(wrong) != bare
    thought = parts(f"<think>{wrong}\n</think>\n{right}")
    assert thought == {**bare, "closed_thoughts": 1}
    record = scorer.record(document, (f"<think>{right}",), parser, options)
    assert record.parsed is None
    assert record.parts["unclosed_thoughts"] == 1
    assert {**parts(""), "unclosed_thoughts": 1}.keys() == record.parts.keys()


@pytest.mark.parametrize("name", lookup.parser_names())
def test_every_parser_leaves_an_unclosed_thought_unparsed(name: str) -> None:
    scorer = lookup.scorer("keyphrase3")
    record = scorer.record(Document("d", "d", {}), ("<think>no",), lookup.parser(name))
    assert record.parsed is None
    assert record.outputs == ("<think>no",)
