"""Typing a page: its blocks in order, in one folder."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from training.pages.typed.blocks import SHELL, Block, blocks_of, name_of
from training.pages.typed.page_files import FILES
from training.pages.typed.readers import read
from training.pages.typed.session import Printed, Session
from training.pages.typed.shown import same, with_checks

CHECK = "from training.pages.typed.shown import check as __check\n"
BETWEEN = "\x1e\n"
"""What a script prints between the blocks before it and its own."""
ELSEWHERE: Mapping[str, tuple[str, ...]] = {
    "README.md": ("make run", "make test"),
    "CONTRIBUTING.md": ("make test", "make check"),
}
"""Page -> commands that ``.ci/run`` types, since they install and test what is here."""


class PageError(AssertionError):
    """A block does not do what its page says."""


@dataclass
class Typed:
    """What became of the blocks of a page.

    Attributes:
        ran: Blocks that were run or read.
        marked: Blocks that the page says do not run here.
        printed: Line of a block -> what it is to show, for every block that shows something.
    """

    ran: list[Block] = field(default_factory=list)
    marked: list[Block] = field(default_factory=list)
    printed: dict[int, str] = field(default_factory=dict)


def type_page(page: Path, folder: Path, session: Session, *, check: bool = True) -> Typed:
    """Type every block of a page.

    Args:
        page: The page.
        folder: An empty folder.
        session: Where commands run.
        check: Compare what is shown; else only collect what is printed.

    Raises:
        PageError: A command fails, or prints something else than the page shows.
    """
    name = name_of(page)
    blocks = blocks_of(page)
    _write_files(blocks, folder)
    for setup in FILES.get(name, ()):
        setup(folder, session)
    found = Typed()
    scripts: list[str] = []
    output = ""
    for block in blocks:
        if block.reason:
            found.marked.append(block)
            continue
        if block.output_of not in ("", "above"):
            continue  # type_mark
        if block.name and block.language not in SHELL:
            read(block, folder, session)
        elif block.language == "console":
            found.printed[block.line], output = _console(block, folder, session, check=check)
        elif block.language in SHELL:
            output = _shell(block, folder, session).out
        elif block.language == "python":
            output = _script(block, scripts, folder, session)
            scripts.append(block.text)
        elif block.output_of == "above":
            output = clean(output, folder)
            if check and not same(block.text, output):
                raise PageError(f"{block.where} shows\n{block.text}\nand it prints\n{output}")
            found.printed[block.line] = output
        else:
            read(block, folder, session)
        found.ran.append(block)
    return found


def type_mark(block: Block, folder: Path, session: Session) -> str:
    """A marked command, and what it prints in an empty folder.

    Raises:
        PageError: It fails.
    """
    printed = _succeeded(session.bash(block.output_of, folder), block).out
    return f"$ {block.output_of}\n{clean(printed, folder)}"


def _write_files(blocks: list[Block], folder: Path) -> None:
    """Write what a page shows; a file may stand after the command that reads it."""
    for block in blocks:
        if block.name and not block.reason:
            path = folder / block.name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(block.text, encoding="utf-8")


def commands(block: Block) -> Iterator[tuple[str, str]]:
    """Each command of a ``console`` block, and what is shown below it."""
    lines = block.text.splitlines()
    at = 0
    while at < len(lines):
        if not lines[at].startswith("$ "):
            raise PageError(f"{block.where}: {lines[at]!r} stands before any command")
        command = [lines[at][2:]]
        while command[-1].endswith("\\"):
            at += 1
            command.append(lines[at])
        shown: list[str] = []
        at += 1
        while at < len(lines) and not lines[at].startswith("$ "):
            shown.append(lines[at])
            at += 1
        yield "\n".join(command), "\n".join(shown)


def _console(block: Block, folder: Path, session: Session, *, check: bool) -> tuple[str, str]:
    """The block as it is now, and what its last command prints."""
    now, output = [], ""
    for command, shown in commands(block):
        output = clean(_succeeded(session.bash(command, folder), block).out, folder)
        now.append(f"$ {command}")
        if not shown.strip():
            continue
        if same(shown, output):
            now.append(shown)
        elif check:
            raise PageError(f"{block.where}: $ {command}\nshows\n{shown}\nand prints\n{output}")
        else:
            now.append(output.strip("\n"))
    return "\n".join(now), output


def _shell(block: Block, folder: Path, session: Session) -> Printed:
    lines = block.text.splitlines()
    left = [
        line
        for line in lines
        if line.split("#")[0].strip() not in ELSEWHERE.get(block.page, ()) and line.strip()
    ]
    return _succeeded(session.bash("\n".join(left), folder), block)


def _script(block: Block, before: list[str], folder: Path, session: Session) -> str:
    """Run a block after the earlier ones of its page; what it prints by itself."""
    # Its own text is checked; what came before has been.
    text = f'{CHECK}{"".join(before)}\nprint({BETWEEN!r}, end="")\n{with_checks(block.text)}'
    script = folder / ".block.py"
    script.write_text(text, encoding="utf-8")
    done = _succeeded(session.python(script, folder), block)
    script.unlink()
    return done.out.partition(BETWEEN)[2]


def _succeeded(done: Printed, block: Block) -> Printed:
    if done.status or "Traceback" in done.err:
        told = f"{done.out[-2000:]}\n{done.err[-3000:]}"
        raise PageError(f"{block.where}: exit status {done.status}\n{block.text}\n{told}")
    return done


def clean(text: str, folder: Path) -> str:
    """What is printed, without the folder of this run, and without trailing blanks."""
    text = text.replace(f"{folder.resolve()}/", "").replace(f"{folder}/", "")
    return "\n".join(line.rstrip() for line in text.strip("\n").splitlines())
