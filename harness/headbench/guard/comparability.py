"""Does a recomputed figure speak of what the published cell speaks of?

Two figures of other sizes, parsers, profiles, prompts or settings may agree by accident, and then
agree about nothing. What the cell states is compared with what the recorded outputs say; what
either does not say is named, not guessed.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from headbench.guard.published_cells import NOT_STATED, PublishedCell
from headbench.results.recipe import Facts
from headbench.scoring import family

_PLACE = re.compile(r"(\b[Aa] )?\{\w+\}")


def differences(cell: PublishedCell, facts: Facts) -> Iterator[str]:
    """In what a cell and its recomputation differ, one sentence per difference.

    Args:
        cell: The published figure.
        facts: What is known of the recomputed one.
    """
    if isinstance(cell.n, int) and facts.n is not None and cell.n != facts.n:
        yield f"n is {cell.n:,} in the cell, {facts.n:,} in the files"
    for name, said, used in (
        ("parser", cell.table.parser, facts.parser),
        ("profile", cell.table.profile, facts.profile),
    ):
        if _stated(said) and not _names(str(said), used):
            yield f"{name} is {said} in the cell, {used or 'none'} in the recomputation"
    setting = setting_of(cell)
    if setting and facts.settings and facts.settings != (setting,):
        yield f"setting is {setting} in the cell, {', '.join(facts.settings)} in the files"
    yield from _prompts(cell, facts)


def unstated(cell: PublishedCell, facts: Facts) -> tuple[str, ...]:
    """What the files or the recomputation know, and the cell does not state."""
    known = {
        "n": facts.n is not None and not isinstance(cell.n, int),
        "parser": facts.parser not in (None, *_MECHANICAL) and not _stated(cell.table.parser),
        "profile": facts.profile is not None and not _stated(cell.table.profile),
        "prompt": bool(facts.prompts) and not _stated(cell.prompt),
        "setting": bool(facts.settings) and not setting_of(cell),
    }
    return tuple(name for name, missing in known.items() if missing)


_MECHANICAL = ("verbatim@1", "human@1")
"""Parsers without a choice, which no paper states."""


def setting_of(cell: PublishedCell) -> str:
    """The setting that a cell states, by itself or in the name of its task; or nothing."""
    if cell.table.setting is not None:
        return cell.table.setting if _stated(cell.table.setting) else ""
    return next((one for one in family.settings() if cell.table.task.endswith(f"_{one}")), "")


def _stated(value: str | None) -> bool:
    return value is not None and value != NOT_STATED


def _names(said: str, used: str | None) -> bool:
    """Whether ``name`` or ``name@version`` names what was used."""
    return used is not None and said in (used, used.partition("@")[0])


def _prompts(cell: PublishedCell, facts: Facts) -> Iterator[str]:
    if not _stated(cell.prompt) or not facts.prompts:
        return
    wordings = (str(cell.prompt), *cell.row.also_asked, *cell.table.also_asked)
    patterns = [_pattern(wording) for wording in wordings]
    other = [one for one in facts.prompts if not any(p.fullmatch(_plain(one)) for p in patterns)]
    if other:
        yield (
            f"{len(other)} of {len(facts.prompts)} prompts in the files are not the cell's "
            f"({_plain(str(cell.prompt))!r}), e.g. {_plain(other[0])[:120]!r}"
        )


def _plain(prompt: str) -> str:
    """A prompt without image marks and repeated blanks."""
    return " ".join(prompt.replace("<image>", " ").split())


def _pattern(wording: str) -> re.Pattern[str]:
    """What fits a wording; ``a {object}`` stands for ``a dog`` and ``an apple``."""
    pieces: list[str] = []
    at, text = 0, _plain(wording)
    for match in _PLACE.finditer(text):
        article = f"{match[1][0]}n? " if match[1] else ""
        pieces += [re.escape(text[at : match.start()]), article, ".+"]
        at = match.end()
    return re.compile("".join([*pieces, re.escape(text[at:])]))
