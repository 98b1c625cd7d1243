"""Write, or check, what a command prints into the pages that show it.

A page marks the place, and the command stands in the mark::

    <!-- output: headbench run --tasks niah,pope --intervention vhr -->
    <!-- /output -->

``python -m training.pages.command_output`` runs each command in an empty folder, and writes it and
its output between the marks. With ``--check`` it writes nothing and fails when a page says
something else: words must be equal, and numbers may differ by :data:`TOLERANCE`, because another
processor may flip the odd answer that lies within rounding.
"""

from __future__ import annotations

import argparse
import difflib
import os
import re
import shlex
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PAGES = (ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md")))
MARK = re.compile(
    r"(<!-- output: (?P<command>.+?) -->\n)(?P<body>.*?)(<!-- /output -->)", re.DOTALL
)
NUMBER = re.compile(r"[-+]?(?:\d[\d,]*\.?\d*|\.\d+)")
TOLERANCE = 0.01


def output(command: str) -> str:
    """What a command prints, run in an empty folder at a fixed width."""
    environment = os.environ | {
        "COLUMNS": "80",
        "NO_COLOR": "1",
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
    }
    with tempfile.TemporaryDirectory() as folder:
        done = subprocess.run(  # noqa: S603 - the command stands in our own page
            shlex.split(command), cwd=folder, env=environment, capture_output=True, text=True
        )
        if done.returncode:
            raise SystemExit(f"$ {command}\n{done.stderr}")
        return done.stdout.replace(f"{Path(folder).resolve()}/", "")


def fenced(command: str, text: str) -> str:
    """The command and what it prints as a block, trailing blanks removed."""
    lines = "\n".join(line.rstrip() for line in text.strip("\n").splitlines())
    return f"```text\n$ {command}\n{lines}\n```\n"


def same(shown: str, now: str) -> bool:
    """Equal words, and numbers within the tolerance; digests and runs of blanks do not count."""
    words = [re.sub(r"[\s─-]+", " ", NUMBER.sub("#", _undigested(text))) for text in (shown, now)]
    numbers = [
        [float(x.replace(",", "")) for x in NUMBER.findall(_undigested(t))] for t in (shown, now)
    ]
    close = len(numbers[0]) == len(numbers[1]) and all(
        abs(a - b) <= max(TOLERANCE, TOLERANCE * abs(a)) for a, b in zip(*numbers, strict=True)
    )
    return words[0] == words[1] and close


def _undigested(text: str) -> str:
    return re.sub(r"-[0-9a-f]{8}\.json", ".json", text)


def main() -> int:
    """Write or check every marked place; 1 where a check fails."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--check", action="store_true", help="write nothing; fail on a difference")
    check = parser.parse_args().check
    failed = 0
    for page in PAGES:
        text = page.read_text(encoding="utf-8")
        for found in MARK.finditer(text):
            body = fenced(found["command"], output(found["command"]))
            if not same(found["body"], body):
                name = page.relative_to(ROOT)
                failed += check
                diff = difflib.unified_diff(
                    found["body"].splitlines(), body.splitlines(), "page", "now", lineterm="", n=1
                )
                print(f"{name}: $ {found['command']}", *diff, sep="\n")
                text = text.replace(found[0], f"{found[1]}{body}{found[4]}")
        if not check:
            page.write_text(text, encoding="utf-8")
    return 1 if failed else 0


if __name__ == "__main__":
    raise SystemExit(main())
