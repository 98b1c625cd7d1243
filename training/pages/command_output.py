"""Write, or check, what pages show of what commands and scripts print.

A page shows output in three ways: below a command of a ``console`` block, in a ``text`` block that
follows a block of commands or a script, and between marks that name the command::

    <!-- output: headbench run --tasks niah,pope --intervention vhr -->
    <!-- /output -->

``python -m training.pages.command_output`` types each page that shows something, in a folder like a
reader's (:mod:`training.pages.typed`), and puts what is printed now in the place of what differs.
``--check`` writes nothing and fails where a page shows something else. Without names of pages, it
takes every page that shows output.
"""

from __future__ import annotations

import argparse
import difflib
import tempfile
from pathlib import Path

from training.pages.typed.blocks import ROOT, Block, blocks_of, pages
from training.pages.typed.session import Session, session
from training.pages.typed.shown import same
from training.pages.typed.typing import commands, type_mark, type_page


def shows_output(block: Block) -> bool:
    """Whether a block holds something that was printed."""
    if block.reason:
        return False
    shown = block.language == "console" and any(text.strip() for _, text in commands(block))
    return shown or bool(block.output_of)


def is_marked(block: Block) -> bool:
    """Whether a comment above a block names the command."""
    return block.output_of not in ("", "above")


def renewed(page: Path, inner: Session) -> str:
    """The page's text with what is printed now, where that differs from what it shows."""
    blocks = [block for block in blocks_of(page) if shows_output(block)]
    printed: dict[int, str] = {}
    for block in blocks:
        if is_marked(block):
            with tempfile.TemporaryDirectory() as folder:
                printed[block.line] = type_mark(block, Path(folder), inner)
    if not all(map(is_marked, blocks)):
        with tempfile.TemporaryDirectory() as folder:
            printed |= type_page(page, Path(folder), inner, check=False).printed
    lines = page.read_text(encoding="utf-8").splitlines()
    for block in reversed(blocks):
        now = printed.get(block.line)
        if now is not None and not same(block.text, now):
            lines[block.line : block.end - 1] = now.splitlines()
    return "\n".join(lines) + "\n"


def main() -> int:
    """Write or check every page that shows output; 1 where a check fails."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--check", action="store_true", help="write nothing; fail on a difference")
    parser.add_argument("pages", nargs="*", help="pages; default: all that show output")
    given = parser.parse_args()
    chosen = [(ROOT / name).resolve() for name in given.pages] or [
        page for page in pages() if any(map(shows_output, blocks_of(page)))
    ]
    differ = 0
    with tempfile.TemporaryDirectory(prefix="typed") as folder, session(Path(folder)) as inner:
        for page in chosen:
            before, after = page.read_text(encoding="utf-8"), renewed(page, inner)
            if before != after:
                differ += 1
                name = page.relative_to(ROOT).as_posix()
                diff = difflib.unified_diff(
                    before.splitlines(), after.splitlines(), name, "now", lineterm="", n=1
                )
                print(*diff, sep="\n")
                if not given.check:
                    page.write_text(after, encoding="utf-8")
    return 1 if differ and given.check else 0


if __name__ == "__main__":
    raise SystemExit(main())
