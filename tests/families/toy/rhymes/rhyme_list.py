"""Rows of a rhyme list: a line per word, ``cat -at``."""

from headbench.errors import DataError
from headbench.tasks.data.source import DataRow
from headbench.tasks.schema import Strict


class ListOptions(Strict):
    """``dataset_kwargs`` of a rhyme list."""

    data_files: str


def read_list(path):
    """Word -> ending that its rhyme must have."""
    pairs = [line.split() for line in path.read_text("utf-8").splitlines() if line.strip()]
    for number, pair in enumerate(pairs, start=1):
        if len(pair) != 2 or not pair[1].startswith("-"):
            raise DataError("a line is WORD -ENDING", where=f"{path}, line {number}")
    return {word: ending[1:] for word, ending in pairs}


def rows(spec, images):
    """A document per word."""
    options = spec.options(ListOptions)
    for word, ending in read_list(spec.locate("data_files", options.data_files)).items():
        yield DataRow({"id": word, "cluster": word, "word": word, "target": ending})
