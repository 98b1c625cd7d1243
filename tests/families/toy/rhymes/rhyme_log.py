"""Recorded rhymes: their own file format (``cat => hat``) and their own join, by word."""

import hashlib
from pathlib import Path

from pydantic import Field

from headbench.errors import DataError
from headbench.nouns import Document
from headbench.results.canonical import digest
from headbench.results.recorded import Recorded
from headbench.results.rescored import Log, rescored
from headbench.results.rescorer import RescoreOptions, Rescorer
from headbench.scoring import lookup

from .rhyme_list import read_list


class RhymeOptions(RescoreOptions):
    """What recorded rhymes need beside the answers."""

    rhyme_list: Path = Field(description="The words and their endings.")
    ignore: tuple[str, ...] = Field((), description="A word to leave out; repeatable.")


def read_log(path):
    """Answers by word."""
    content = path.read_bytes()
    pairs = [line.split(" => ") for line in content.decode().splitlines()]
    if any(len(pair) != 2 for pair in pairs):
        raise DataError("a line is WORD => ANSWER", where=str(path))
    sha256 = hashlib.sha256(content).hexdigest()
    return dict(pairs), Recorded((), path.name, sha256, "lines", "utf-8")


def score(predictions, options, reading):
    """The rate of recorded rhymes."""
    answers, recorded = read_log(predictions)
    asked = {w: e for w, e in read_list(options.rhyme_list).items() if w not in options.ignore}
    scorer = lookup.scorer("rhymes")
    parser = lookup.parser(scorer.default_parser)
    records = tuple(
        scorer.record(Document(word, word, {}, target=ending), (answers[word],), parser)
        for word, ending in asked.items()
        if word in answers
    )
    return rescored(
        Log(
            task="rhymes",
            scorer=scorer.id,
            parser=parser.id,
            metrics=lookup.named_metrics("rhymes"),
            records=records,
            expected=len(asked),
            inputs={"predictions": recorded},
            name=predictions.stem,
            data=digest(asked),
            source={"joined by": "word"},
            notes=(f"words: {len(asked)}",),
        ),
        reading.sampling,
    )


RESCORER = Rescorer(RhymeOptions, score, "rhymes, against a rhyme list")
