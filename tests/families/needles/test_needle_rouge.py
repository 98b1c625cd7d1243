from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headbench.errors import ConfigError
from headbench.nouns import Document
from headbench.scoring import lookup
from headbench.scoring.porter import stem
from headbench.scoring.rouge import rouge1_recall, tokens

NEEDLE = "eat a sandwich and sit in Dolores Park on a sunny day"

# From the examples of Porter 1980, with NLTK's departures in the last two lines.
STEMS = """
caresses caress | ponies poni | caress caress | cats cat | feed feed | agreed agre
plastered plaster | bled bled | motoring motor | sing sing | conflated conflat
troubled troubl | sized size | hopping hop | tanned tan | falling fall | hissing hiss
fizzed fizz | failing fail | filing file | happy happi | relational relat
conditional condit | rational ration | valenci valenc | hesitanci hesit | digitizer digit
radicalli radic | differentli differ | vileli vile | analogousli analog
vietnamization vietnam | predication predic | operator oper | feudalism feudal
decisiveness decis | hopefulness hope | callousness callous | formaliti formal
sensitiviti sensit | sensibiliti sensibl | triplicate triplic | formative form
formalize formal | electriciti electr | electrical electr | hopeful hope | goodness good
revival reviv | allowance allow | inference infer | airliner airlin | gyroscopic gyroscop
adjustable adjust | defensible defens | irritant irrit | replacement replac
adjustment adjust | dependent depend | adoption adopt | homologou homolog
communism commun | activate activ | angulariti angular | homologous homolog
effective effect | bowdlerize bowdler | probate probat | rate rate | cease ceas
controll control | roll roll
dies die | died die | skies sky | news news | sunny sunni | possibly possibl | wholly wholli
playing play | playful play | boxing box | snowing snow | hoping hope | trying tri
by by | say say | enjoy enjoy | archaeology archaeolog | lying lie | spied spi
"""
PAIRS = [pair.split() for line in STEMS.split("\n") for pair in line.split("|") if pair.strip()]


@pytest.mark.parametrize(("word", "expected"), PAIRS)
def test_stems(word: str, expected: str) -> None:
    assert stem(word) == expected


@given(st.text(alphabet="abcdeilnorstuyz", max_size=12))
def test_a_stem_is_never_longer_than_its_word_and_an_e(word: str) -> None:
    assert len(stem(word)) <= len(word) + 1
    assert bool(stem(word)) == bool(word)


def test_only_longer_words_are_stemmed() -> None:
    assert tokens("Sunny days, his Parks!") == ["sunni", "day", "his", "park"]
    assert tokens("days", stemmed=False) == ["days"]


def test_recall_by_hand() -> None:
    assert rouge1_recall(NEEDLE, NEEDLE) == 1.0
    assert rouge1_recall(NEEDLE, "") == 0.0
    assert rouge1_recall("", NEEDLE) == 0.0
    assert rouge1_recall(NEEDLE, "Sit in the park.") == pytest.approx(3 / 12)
    assert rouge1_recall("a cat and a dog", "a a a a") == pytest.approx(2 / 5)
    assert rouge1_recall("sunny parks", "sunshine park") == pytest.approx(1 / 2)


def score(output: str, **options: object) -> dict[str, object]:
    document = Document("d", "c", {"length": 10}, NEEDLE)
    parser = lookup.parser("verbatim")
    return dict(lookup.scorer("needle_rouge").record(document, (output,), parser, options).parts)


def test_success_is_above_half_and_the_needle_itself_is_told_apart() -> None:
    assert score(f"You should {NEEDLE}.") == {
        "correct": 1,
        "fraction": 1.0,
        "length": 10,
        "substring": 1,
    }
    half = "eat sandwich and sit in park"
    assert (score(half)["fraction"], score(half)["correct"]) == (0.5, 0)
    shuffled = " ".join(reversed(NEEDLE.split()))
    assert (score(shuffled)["correct"], score(shuffled)["substring"]) == (1, 0)


def test_stemming_is_an_option_and_a_boolean() -> None:
    assert score("sandwiches", stem=True)["fraction"] == pytest.approx(1 / 12)
    assert score("sandwiches", stem=False)["fraction"] == 0.0
    with pytest.raises(ConfigError, match="stem"):
        score("x", stem="porter")
