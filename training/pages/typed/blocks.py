"""The fenced blocks of a page, and what stands around them."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[3]
FENCE = re.compile(r"^(?P<indent> *)(?P<fence>`{3,}|~{3,})(?P<language>[\w-]*)\s*$")
MARK = re.compile(r"^\*Not run here: (?P<reason>.+?)\*$")
"""A line above a block that no test types; readers see it, and the test counts it."""
NAMED = re.compile(r"^`(?P<name>[\w./-]+\.(?:py|ya?ml|jsonl?|csv))`")
"""A paragraph above a block that begins with a file's name: the block is that file."""
OUTPUT = re.compile(r"^<!-- output(?:: (?P<command>.+?))? -->$")
SHELL = ("bash", "sh", "console")


@dataclass(frozen=True)
class Block:
    """One fenced block.

    Attributes:
        page: Its page, relative to the repository.
        line: Line of the opening fence, from 1.
        end: Line of the closing fence.
        language: What follows the opening fence.
        text: What stands between, without the fence's indent.
        reason: Why it is not typed; empty where it is.
        name: File that it is; empty where the page names none.
        output_of: Command whose output it is, or ``above`` for that of the block before it.
    """

    page: str
    line: int
    end: int
    language: str
    text: str
    reason: str = ""
    name: str = ""
    output_of: str = ""

    @property
    def where(self) -> str:
        """``docs/tasks.md:12``."""
        return f"{self.page}:{self.line}"


def pages() -> list[Path]:
    """Every page that is written for readers, the README first."""
    found = [ROOT / name for name in ("README.md", "CONTRIBUTING.md", "CHANGELOG.md")]
    for folder in ("docs", "tasks", "results", "training"):
        found += sorted((ROOT / folder).rglob("*.md"))
    return found


def blocks_of(page: Path) -> list[Block]:
    """The fenced blocks of a page, in order.

    Raises:
        ValueError: A fence is not closed.
    """
    lines = page.read_text(encoding="utf-8").splitlines()
    return list(_blocks(name_of(page), lines))


def name_of(page: Path) -> str:
    """A page's path below the repository; of another file its name."""
    return page.relative_to(ROOT).as_posix() if page.is_relative_to(ROOT) else page.name


def _blocks(page: str, lines: list[str]) -> Iterator[Block]:
    last_end, last_language = 0, ""
    start = 0
    while start < len(lines):
        opening = FENCE.match(lines[start])
        if opening is None:
            start += 1
            continue
        closing = f"{opening['indent']}{opening['fence']}"
        end = next((n for n in range(start + 1, len(lines)) if lines[n] == closing), None)
        if end is None:
            raise ValueError(f"{page}:{start + 1}: the block is not closed")
        indent = len(opening["indent"])
        text = "".join(f"{line[indent:]}\n" for line in lines[start + 1 : end])
        above = _above(lines, last_end, start)
        mark, output = MARK.match(above[-1]), OUTPUT.match(above[-1])
        named = next((m for line in reversed(above) if (m := NAMED.match(line))), None)
        own = re.match(r"# ([\w-]+\.ya?ml)\n", text)
        directly = not any(line.strip() for line in lines[last_end:start])
        follows = directly and last_language in ("python", *SHELL)
        yield Block(
            page,
            start + 1,
            end + 1,
            opening["language"],
            text,
            reason=mark["reason"] if mark else "",
            name=own[1] if own else named["name"] if named else "",
            output_of=(output["command"] or "above")
            if output
            else "above"
            if follows and opening["language"] == "text"
            else "",
        )
        last_end, last_language = end + 1, opening["language"]
        start = end + 1


def _above(lines: list[str], after: int, start: int) -> list[str]:
    """The paragraph above a block, or one empty line."""
    end = start
    while end > after and not lines[end - 1].strip():
        end -= 1
    begin = end
    while begin > after and lines[begin - 1].strip():
        begin -= 1
    return lines[begin:end] or [""]


def inline_commands(page: Path) -> Iterator[tuple[int, str]]:
    """Line and text of every command that stands in a sentence or a table."""
    inside = {n for one in blocks_of(page) for n in range(one.line, one.end + 1)}
    for number, line in enumerate(page.read_text(encoding="utf-8").splitlines(), start=1):
        if number not in inside:
            for text in re.findall(r"(?<!`)`([^`]+)`(?!`)", line):
                if text.startswith(("headbench ", "python -m ", "python ", "make ")):
                    yield number, text
