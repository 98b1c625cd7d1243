"""The parser, the scorer and the metric of rhymes."""

from headbench.scoring import Parser, Scorer, SumMetric, ratio


def last_word(text):
    """The last word of an answer, in lower case."""
    words = text.lower().split()
    return words[-1].strip(".,!?") if words else None


def score(document, outputs, parser, options):
    """``rhymed``: whether the word read ends as the target says, and is another word."""
    said = parser.read(outputs[0])
    return {"rhymed": int(bool(said) and said != document.id and said.endswith(document.target))}


LAST_WORD = Parser("last_word", 1, last_word, "the last word")
RHYMES = Scorer("rhymes", 1, score, ("rhymes.rate",), default_parser="last_word")
RATE = SumMetric(
    "rate",
    ("rhymed", "n"),
    lambda record: (float(record.parts["rhymed"]), 1.0),
    lambda sums: ratio(sums[..., 0], sums[..., 1]),
    higher_is_better=True,
)
