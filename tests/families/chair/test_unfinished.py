"""Where the last sentence of a caption ends."""

from __future__ import annotations

import pytest

from headbench.errors import ConfigError
from headbench.families.chair.unfinished import has_sentence_end, without_unfinished
from headbench.nouns import Document
from headbench.scoring import lookup
from headbench.scoring.parser import VERBATIM


@pytest.mark.parametrize(
    ("caption", "kept"),
    [
        ("A dog. A cat and", "A dog."),
        ("A dog! Is it a cat? Or a", "A dog! Is it a cat?"),
        ("A dog.\n\nThe scene", "A dog."),
        ('It says "stop." The car', 'It says "stop."'),
        ("A dog. A cat of 3.5 kg", "A dog."),
        ("A dog. A cat and...", "A dog."),
        ("1. A dog.\n2. A cat on", "1. A dog."),
        ("一只狗。一只猫", "一只狗。"),
    ],
)
def test_what_follows_the_last_sentence_end_is_dropped(caption: str, kept: str) -> None:
    assert without_unfinished(caption) == kept


@pytest.mark.parametrize(
    "caption",
    ["A dog.", "A dog. \n", "A dog", "", "A dog and...", "1. A dog\n2. A cat", "About 3.5 dogs"],
)
def test_a_caption_with_nothing_to_drop_stays(caption: str) -> None:
    assert without_unfinished(caption) == caption
    assert has_sentence_end(caption) == caption.startswith("A dog.")


def test_task_files_have_the_option_too() -> None:
    scorer = lookup.scorer("chair")
    told: dict[str, object] = {"drop_unfinished": True}
    asked = Document("1", "1", {}, target=["dog"])
    record = scorer.record(asked, ("A dog. A cat and",), VERBATIM, told)
    assert record.parts["hallucinated"] == []
    assert scorer.record(asked, ("A dog. A cat and",), VERBATIM, {}).parts["hallucinated"] == [
        "cat"
    ]
    with pytest.raises(ConfigError, match="drop_unfinished must be true or false"):
        scorer.record(asked, ("A dog.",), VERBATIM, {"drop_unfinished": "yes"})
