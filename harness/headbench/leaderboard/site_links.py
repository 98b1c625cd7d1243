"""Does every link of a board lead somewhere, inside it?"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from html.parser import HTMLParser
from posixpath import dirname, join, normpath
from urllib.parse import unquote, urlsplit

_TO_FILES = ("href", "src")
_TO_IDS = ("popovertarget", "for", "aria-labelledby", "aria-describedby", "aria-controls")


class _Page(HTMLParser):
    """Ids and references of one page."""

    def __init__(self) -> None:
        super().__init__()
        self.ids: list[str] = []
        self.targets: list[str] = []
        self.named: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Note what a tag is called and what it refers to."""
        for name, value in attrs:
            if name == "id":
                self.ids.append(value or "")
            elif name in _TO_FILES:
                self.targets.append(value or "")
            elif name in _TO_IDS:
                self.named += (value or "").split()


def link_faults(files: Mapping[str, bytes]) -> Iterator[str]:
    """Every link that leads nowhere, leaves the folder, or names an id that is not there.

    Args:
        files: Path -> content, as a build gives them.
    """
    pages = {path: _read(content) for path, content in files.items() if path.endswith(".html")}
    for path, page in pages.items():
        known = set(page.ids)
        if len(known) < len(page.ids):
            twice = sorted({one for one in page.ids if page.ids.count(one) > 1})
            yield f"{path}: an id is there twice: {', '.join(twice[:3])}"
        for name in sorted(set(page.named) - known):
            yield f"{path}: nothing has the id {name!r}"
        for target in sorted(set(page.targets)):
            fault = _fault(path, target, files, pages)
            if fault:
                yield f"{path}: {target!r} {fault}"


def _read(content: bytes) -> _Page:
    page = _Page()
    page.feed(content.decode("utf-8"))
    page.close()
    return page


def _fault(path: str, target: str, files: Mapping[str, bytes], pages: Mapping[str, _Page]) -> str:
    """What is wrong with a link; empty where it leads somewhere."""
    parts = urlsplit(target)
    if parts.scheme == "data":
        return ""
    if parts.scheme or parts.netloc or parts.path.startswith("/"):
        return "leaves the board"
    place = normpath(join(dirname(path), unquote(parts.path))) if parts.path else path
    if place not in files:
        return "is no file of the board"
    if not parts.fragment or "=" in parts.fragment:  # the state of a view, which a script reads
        return ""
    if place in pages and unquote(parts.fragment) not in pages[place].ids:
        return "names an id that is not there"
    return ""
