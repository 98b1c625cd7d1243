"""From pages to files: the same pages give the same bytes, on any machine at any time."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path

from headbench._reading import exists, is_file, is_folder
from headbench.errors import StoreError
from headbench.leaderboard.environment import environment
from headbench.leaderboard.page import Asset, Page, Part, Shard
from headbench.leaderboard.shards import shard_script
from headbench.results.disk import write_atomic

STATIC = Path(__file__).parent / "static"
MARK = "files.txt"
"""Lists the files of a built board, and so marks a folder as one."""


def render(parts: Iterable[Part], facts: Mapping[str, object]) -> dict[str, bytes]:
    """The files of a board by path, in order.

    Args:
        parts: Pages, shards and other files, in any order.
        facts: What the frame of every page shows; ``base.html`` says which.

    Raises:
        ValueError: two parts have one path, or a page names a page or script that is not there.
    """
    given = list(parts)
    pages = [part for part in given if isinstance(part, Page)]
    entries = sorted((page.nav_order, page.name, page) for page in pages if page.nav)
    nav = [page for _, _, page in entries]
    frame = {**facts, "pages": frozenset(page.name for page in pages)}
    files: dict[str, bytes] = {}
    for part in given:
        path, content = _file(part, nav, frame)
        if files.setdefault(path, content) != content:
            raise ValueError(f"two parts of the board are called {path}")
    for found in sorted(STATIC.rglob("*")):
        if found.is_file():
            files[f"static/{found.relative_to(STATIC).as_posix()}"] = found.read_bytes()
    for page in pages:
        for need in (f"data/{name}.js" for name in page.shards):
            if need not in files:
                raise ValueError(f"{page.file} loads {need}, which no part makes")
        for need in (f"static/{name}.js" for name in page.scripts):
            if need not in files:
                raise ValueError(f"{page.file} loads {need}, which is not there")
    listed = "".join(f"{path}\n" for path in sorted([*files, MARK]))
    files[MARK] = listed.encode()
    return dict(sorted(files.items()))


def write(files: Mapping[str, bytes], out: Path) -> int:
    """Write a board; files of an earlier board that are no part of it are removed.

    Args:
        files: What :func:`render` gave.
        out: The folder; made where it is absent.

    Returns:
        How many files were written or removed; the others were the same.

    Raises:
        StoreError: the folder holds something that is no board, or cannot be written.
    """
    old = listed(out)
    if old is None and exists(out) and (not is_folder(out) or any(out.iterdir())):
        raise StoreError(
            "this folder holds files, and none of them says that it is a board",
            where=str(out),
            hint="give an empty folder, or one that 'headbench leaderboard build' wrote",
        )
    moved = 0
    for path, content in files.items():
        place = out / path
        if not place.is_file() or place.read_bytes() != content:
            write_atomic(place, content)
            moved += 1
    for path in sorted(set(old or ()) - set(files)):
        place = out / path
        if place.is_file():
            place.unlink()
            moved += 1
    return moved


def listed(out: Path) -> list[str] | None:
    """The files that a built folder says it has; ``None`` where it is no board."""
    mark = out / MARK
    if not is_file(mark):
        return None
    names = mark.read_text(encoding="utf-8").split("\n")
    # Nothing outside the folder is ever touched, whatever the list says.
    return [name for name in names if name and not name.startswith("/") and ".." not in name]


def _file(part: Part, nav: list[Page], facts: Mapping[str, object]) -> tuple[str, bytes]:
    if isinstance(part, Shard):
        return f"data/{part.name}.js", shard_script(part).encode("ascii")
    if isinstance(part, Asset):
        return part.path, part.content
    template = environment().get_template(part.template)
    text = template.render({**part.context, "page": part, "nav": nav, "board": facts})
    return part.file, text.encode("utf-8")
