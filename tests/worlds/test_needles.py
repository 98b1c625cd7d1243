from __future__ import annotations

import hashlib
import re
from itertools import islice
from random import Random

import pytest

from headbench.errors import ConfigError
from headbench.worlds import words
from headbench.worlds.filler import CLASSES, SPLIT_CLASSES, sentences
from headbench.worlds.needles import NeedleWorld, build_context, draw_needles, render

SPLITS = ("train", "calibration", "test")


def test_a_document_is_a_function_of_its_arguments():
    world = NeedleWorld("test")
    assert world.document(1, 128, 0.5) == NeedleWorld("test").document(1, 128, 0.5)
    assert world.document(1, 128, 0.5) != world.document(2, 128, 0.5)


def test_the_same_seed_gives_each_split_its_own_document():
    texts = {NeedleWorld(split).document(7, 256, 0.5).context for split in SPLITS}
    assert len(texts) == 3


@pytest.mark.parametrize("family", ["words", "numbers", "mixed"])
@pytest.mark.parametrize("depth", [0.0, 0.37, 1.0])
def test_spans_point_at_the_needle_and_at_its_values(family, depth):
    document = NeedleWorld("test", family).document(3, 300, depth, needles=4, queries=2)
    for query, placed in zip(document.questions, document.needles, strict=False):
        sentence = document.context[slice(*placed.span)]
        assert sentence == f"{query.prefix} {query.answer}."
        assert document.context[slice(*placed.values_span)] == query.answer
        assert document.prompt(query.needle)[slice(*placed.span)] == sentence


def test_the_answer_is_not_given_away_outside_its_needle():
    document = NeedleWorld("test").document(11, 512, 0.5)
    start, end = document.needles[0].span
    rest = document.prompt()[:start] + document.prompt()[end:]
    assert document.questions[0].answer not in rest


@pytest.mark.parametrize("length", [64, 128, 1000, 2048])
def test_length_counts_words_and_marks_and_is_nearly_reached(length):
    document = NeedleWorld("calibration").document(5, length, 0.5)
    counted = len(re.findall(r"\w+|[.,?]", document.prompt()))
    assert counted == document.length
    assert length - 20 < document.length <= length


@pytest.mark.parametrize("depth", [0.0, 0.25, 0.5, 0.75, 1.0])
def test_a_needle_lies_where_it_was_asked_to(depth):
    placed = NeedleWorld("test").document(2, 1024, depth).needles[0]
    assert placed.depth == pytest.approx(depth, abs=0.02)


def test_no_filler_sentence_belongs_to_two_splits():
    drawn = {
        split: {" ".join(s) for s in islice(sentences(Random(1), split), 20_000)}
        for split in SPLITS
    }
    assert drawn["train"].isdisjoint(drawn["test"])
    assert drawn["train"].isdisjoint(drawn["calibration"])
    assert drawn["calibration"].isdisjoint(drawn["test"])


def test_no_pair_of_key_and_value_belongs_to_two_splits():
    pairs = {}
    for split in SPLITS:
        random = Random(2)
        pairs[split] = {
            (needle.key, value)
            for _ in range(2000)
            for needle in draw_needles(random, split, ["mixed"])
            for value in needle.values
        }
    assert pairs["train"].isdisjoint(pairs["test"])
    assert pairs["calibration"].isdisjoint(pairs["train"] | pairs["test"])


def test_splits_share_out_all_classes():
    owned = [owned for classes in SPLIT_CLASSES.values() for owned in classes]
    assert sorted(owned) == list(range(CLASSES))


def test_every_word_is_in_the_list_of_words():
    known = {*words.NEEDLE_WORDS, *words.PUNCTUATION}
    for split in SPLITS:
        said = {word for s in islice(sentences(Random(3), split), 5000) for word in s}
        assert said <= known
    for family in ("words", "numbers", "mixed"):
        (needle,) = draw_needles(Random(4), "train", [family])
        assert {*needle.sentence, *needle.question} <= known


def test_words_stand_in_one_list_only():
    listed = [*words.FUNCTION_WORDS, *words.KEYS, *words.WORD_VALUES, *words.NUMBER_VALUES]
    listed += [*words.VERBS, *words.MOTIONS, *words.MANNERS, *words.RELATIONS, *words.TIMES]
    listed += [*words.WOMEN, *words.MEN]
    assert len(listed) == len(set(listed)) == len(words.NEEDLE_WORDS)


def test_prose_has_capitals_and_attached_marks():
    text, spans = render(["on", "sunday", ",", "anna", "walked", ".", "he", "said", "no", "."])
    assert text == "On Sunday, Anna walked. He said no."
    assert [text[slice(*span)].lower() for span in spans][:4] == ["on", "sunday", ",", "anna"]


def test_an_exact_context_has_exactly_the_length_asked_for():
    random = Random(5)
    for length in (40, 101, 512):
        needles = draw_needles(random, "train", ["words", "numbers"])
        context = build_context(random, "train", needles, (0.1, 0.9), length, exact=True)
        assert len(context.words) == length
        for needle, start in zip(needles, context.starts, strict=True):
            assert context.words[start : start + len(needle.sentence)] == needle.sentence


def test_keys_of_a_document_differ():
    document = NeedleWorld("test").document(0, 500, 0.5, needles=8, queries=6)
    assert len({placed.needle.key for placed in document.needles}) == 8
    assert len(document.questions) == 6


@pytest.mark.parametrize(
    ("arguments", "names"),
    [
        ({"length": 20}, "length 20"),
        ({"depth": 1.5}, "depth"),
        ({"needles": 9, "length": 2000}, "needles"),
        ({"queries": 2}, "queries"),
    ],
)
def test_arguments_out_of_range_are_named(arguments, names):
    given = {"seed": 0, "length": 128, "depth": 0.5, **arguments}
    with pytest.raises(ConfigError, match=names):
        NeedleWorld("test").document(**given)


def test_an_unknown_split_names_the_nearest():
    with pytest.raises(ConfigError, match=r"did you mean 'test'\?"):
        NeedleWorld("tset")


def test_documents_are_what_they_have_always_been():
    digest = hashlib.sha256()
    for split in SPLITS:
        for family in ("words", "numbers", "mixed"):
            document = NeedleWorld(split, family).document(12, 300, 0.25, needles=3, queries=2)
            digest.update("\n".join([document.prompt(0), document.prompt(1)]).encode())
    # A change here changes every stored needle result: bump WORLD_VERSION with it.
    assert digest.hexdigest() == "ff8829587403bd6f0e3fa03545b939b11d52986dedf9300f6e85c9e584a882fa"
