"""CHAIR's parts and figures against slow definitions, and the shape of its invariances."""

from __future__ import annotations

import math
import random
import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from headbench.errors import ConfigError, DataError
from headbench.families.chair import chair_scorer as chair
from headbench.families.chair.chair_lexicon import coco_lexicon, from_vocabulary
from headbench.families.chair.chair_truth import coco_truth, given_truth
from headbench.nouns import Document, Record
from headbench.results.image_keys import image_key
from headbench.scoring import lookup

NODES = sorted(set(coco_lexicon("chair-clean").nodes.values()))
PLAIN = [node for node in NODES if " " not in node and node not in {"tie", "chair", "toilet"}]


def record(mentions: list[str], truth: set[str], words: int = 1, **extra: object) -> Record:
    parts: dict[str, object] = {
        "mentions": mentions,
        "hallucinated": [node for node in mentions if node not in truth],
        "found": sorted(truth & set(mentions)),
        "truth_size": len(truth),
        "words": words,
        **extra,
    }
    return Record("d", "d", ("",), None, "verbatim@1", parts)


captions = st.lists(
    st.tuples(st.lists(st.sampled_from(PLAIN), max_size=6), st.sets(st.sampled_from(PLAIN))),
    min_size=1,
    max_size=8,
)


@settings(deadline=None)
@given(captions)
def test_corpus_ratios_match_a_count_by_hand(items: list[tuple[list[str], set[str]]]) -> None:
    records = [record(mentions, truth) for mentions, truth in items]
    wrong = mentioned = found = objects = bad = named = 0
    for mentions, truth in items:
        hallucinated = 0
        for node in mentions:
            mentioned += 1
            if node not in truth:
                wrong += 1
                hallucinated = 1
        bad += hallucinated
        found += len({node for node in mentions if node in truth})
        named += len(set(mentions))
        objects += len(truth)
    assert chair.CHAIR_S.of(records) == bad / len(items)
    assert chair.HALLUCINATED_CAPTIONS.of(records) == bad
    assert chair.HALLUCINATED_MENTIONS.of(records) == wrong
    assert chair.MENTIONS.of(records) == mentioned
    same = {"nan_ok": True, "abs": 1e-12}
    chair_i = wrong / mentioned if mentioned else math.nan
    recall = found / objects if objects else math.nan
    assert chair.CHAIR_I.of(records) == pytest.approx(chair_i, **same)
    assert chair.RECALL.of(records) == pytest.approx(recall, **same)
    if mentioned and objects and recall + (1 - chair_i) > 0:
        expected = 2 * (1 - chair_i) * recall / (1 - chair_i + recall)
        assert chair.F1.of(records) == pytest.approx(expected, abs=1e-12)
    if named + objects:
        assert chair.OBJECT_F1.of(records) == pytest.approx(2 * found / (named + objects))


@settings(deadline=None)
@given(captions, st.integers(0, 1000))
def test_order_of_captions_does_not_matter(
    items: list[tuple[list[str], set[str]]], seed: int
) -> None:
    records = [record(mentions, truth) for mentions, truth in items]
    shuffled = records[:]
    random.Random(seed).shuffle(shuffled)
    for metric in lookup.metrics_of(chair.CHAIR):
        assert metric.of(records) == pytest.approx(metric.of(shuffled), nan_ok=True)


@settings(deadline=None)
@given(st.lists(st.sampled_from(PLAIN), min_size=1, max_size=6))
def test_brackets_perfect_and_inverted(nodes: list[str]) -> None:
    perfect, inverted = [record(nodes, set(nodes))], [record(nodes, set(PLAIN) - set(nodes))]
    assert (chair.CHAIR_S.of(perfect), chair.CHAIR_I.of(perfect)) == (0, 0)
    assert (chair.RECALL.of(perfect), chair.F1.of(perfect), chair.OBJECT_F1.of(perfect)) == (
        1,
        1,
        1,
    )
    assert (chair.CHAIR_S.of(inverted), chair.CHAIR_I.of(inverted)) == (1, 1)
    assert chair.RECALL.of(inverted) == 0


def test_a_caption_without_objects_stays_in_the_denominator() -> None:
    records = [record([], {"dog"}), record(["cat"], {"dog"})]
    assert chair.CHAIR_S.of(records) == 0.5
    assert chair.CHAIR_I.of(records) == 1.0


@settings(deadline=None)
@given(st.lists(st.sampled_from(PLAIN), max_size=8))
def test_plain_objects_are_read_back_in_order(nodes: list[str]) -> None:
    text = "There is " + ", then ".join(nodes) + "."
    assert coco_lexicon("chair-clean").mentions(text) == tuple(nodes)


@pytest.mark.parametrize(
    ("text", "in_2018", "in_clean"),
    [
        ("A bus. Two buses.", ("bus",), ("bus", "bus")),
        ("Three collies and two magpies", (), ("dog", "bird")),
        ("men wearing ties by a tie", ("person", "tie"), ("person", "tie", "tie")),
        ("a tennis racket", ("tennis racket",), ("tennis racket",)),
        ("a wine glass; two wine glasses", ("wine glass",) * 2, ("wine glass",) * 2),
        ("canoes", (), ("boat",)),
        ("a motor bike and a cheesecake", (), ("motorcycle", "cake")),
        ("a stove top oven", ("oven", "oven"), ("oven",)),
        ("an iPhone", (), ("cell phone",)),
        ("persons", ("person",), ("person",)),
    ],
)
def test_the_2018_profile_keeps_the_errors_that_papers_contain(
    text: str, in_2018: tuple[str, ...], in_clean: tuple[str, ...]
) -> None:
    assert coco_lexicon("chair-2018").mentions(text) == in_2018
    assert coco_lexicon("chair-clean").mentions(text) == in_clean


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a dog on a table. The cat sleeps.", ("dog", "dining table", "cat")),
        ("table.The cat", ("cat",)),
        ("(dog), [cat]: bird!", ("dog", "cat", "bird")),
        ('the "dog" and the dog\'s bed', ("dog", "dog", "bed")),
        ("dog/cat", ()),
        ("a dog-shaped kite", ("kite",)),
        ("a hot dog and a dog", ("hot dog", "dog")),
        ("baby elephant near a passenger train", ("elephant", "train")),
        ("a home plate and a train track", ()),
        ("a toilet near a seat", ("toilet",)),
        ("a toilet seat and a seat", ("toilet",)),
        ("bow tie", ("tie",)),
        ("cars\n\ntrucks", ("car", "truck")),
        ("", ()),
    ],
)
def test_tokens_and_phrases(text: str, expected: tuple[str, ...]) -> None:
    assert coco_lexicon("chair-2018").mentions(text) == expected


def regular_plural(word: str) -> str:
    if word.endswith(("s", "x", "ch", "sh")):
        return f"{word}es"
    return f"{word[:-1]}ies" if re.search("[^aeiou]y$", word) else f"{word}s"


IRREGULAR = {"man", "woman", "policeman", "gentleman", "serviceman", "calf", "knife", "thief"}


def test_every_term_is_read_in_the_singular_and_in_the_plural() -> None:
    lexicon = coco_lexicon("chair-clean")
    single = {term: node for term, node in lexicon.nodes.items() if " " not in term}
    for term, node in single.items():
        assert lexicon.mentions(f"One {term}.") == (node,)
        if term not in IRREGULAR | {
            "pocketknife",
            "children",
            "people",
            "oxen",
            "skis",
            "scissors",
        }:
            assert lexicon.mentions(f"Two {regular_plural(term)}!") == (node,), term
    irregular = "men women policemen gentlemen servicemen children people thieves grandchildren"
    assert set(lexicon.mentions(irregular)) == {"person"}
    assert lexicon.mentions("geese, mice, oxen, calves, knives") == (
        "bird", "mouse", "cow", "cow", "knife"
    )  # fmt: skip


def test_length_counts_pieces_between_single_spaces() -> None:
    parts = chair.caption_parts("a  dog ", ["dog"], coco_lexicon())
    assert parts["words"] == 4


def test_given_vocabulary_reads_a_world_of_other_objects() -> None:
    document = Document("1", "1", {}, target=("teapot", "sun"))
    options = {
        "profile": "scene-objects",
        "vocabulary": {"teapot": "teapot", "hot sun": "sun", "bone": "bone"},
    }
    scored = chair.CHAIR.record(
        document, ("a teapot , a bone and a hot sun .",), lookup.parser("verbatim"), options
    )
    assert scored.parts["mentions"] == ["teapot", "bone", "sun"]
    assert scored.parts["hallucinated"] == ["bone"]
    assert scored.parts["lexicon"] == "scene-objects@2"
    assert chair.CHAIR_I.of([scored]) == pytest.approx(1 / 3)
    assert chair.RECALL.of([scored]) == 1


def test_hit_ratio_is_a_mean_over_captions_that_hallucinate() -> None:
    records = [
        record(["dog", "dog", "cat"], set(), hits=1),
        record(["dog"], set(), hits=1),
        record(["dog"], {"dog"}, hits=0),
    ]
    assert chair.HIT_RATIO.of(records) == pytest.approx((0.5 + 1) / 2)
    wrong = [{"dog", "cat"}, {"dog"}, set()]
    assert chair.hit_ratio(wrong, ["dog", "bird", "cat"], 1) == pytest.approx(0.75)
    assert math.isnan(chair.hit_ratio([set()], ["dog"], 1))


def test_rankings_by_frequency_and_by_company() -> None:
    truth = {"1": ["dog", "cat"], "2": ["dog", "bird"], "3": ["cat", "bird", "dog"], "4": ["cat"]}
    assert chair.by_frequency(truth) == ["cat", "dog", "bird"]
    assert chair.by_frequency(truth, with_object="bird") == ["dog", "cat"]


@pytest.mark.parametrize(
    "image",
    [42, "42", 42.0, "000000000042", "COCO_val2014_000000000042.jpg", "val/000000000042.jpg"],
)
def test_one_key_for_the_ways_an_image_is_named(image: object) -> None:
    assert image_key(image) == "42"
    assert image_key("scene_v2.png") == "scene_v2"


def test_ground_truth_is_the_union_of_boxes_and_captions() -> None:
    instances = {
        "categories": [{"id": 6, "name": "bus"}, {"id": 1, "name": "person"}],
        "annotations": [{"image_id": 7, "category_id": 6}, {"image_id": 7, "category_id": 1}],
    }
    captions_file = {"annotations": [{"image_id": 7, "caption": "A puppy."}]}
    truth = coco_truth([instances], [captions_file], coco_lexicon("chair-2018"))
    assert truth == {"7": ("bus", "dog", "person")}


def test_mistakes_are_named() -> None:
    with pytest.raises(ConfigError, match="chair-2017"):
        coco_lexicon("chair-2017")
    with pytest.raises(ConfigError, match="vocabulary"):
        from_vocabulary("w", {})
    with pytest.raises(DataError, match="list of object names"):
        given_truth({"1": "dog"})
    with pytest.raises(DataError, match="dragon"):
        given_truth({"1": ["dragon"]}, coco_lexicon())
    with pytest.raises(DataError, match="target"):
        chair.CHAIR.record(Document("1", "1", {}), ("x",), lookup.parser("verbatim"))
