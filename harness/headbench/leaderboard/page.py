"""What a page is, and what a script on it may load: plain data that the builder turns into files.

Everything lies in one folder, so that each link is a file name and works under ``file://``.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

ShardValue = str | int | float | bool | None | Sequence["ShardValue"]
"""What a row of a shard may hold: no mappings, so that no foreign text is ever a key."""

_FILE = re.compile(r"[a-z0-9][a-z0-9_.-]*")


@dataclass(frozen=True)
class Page:
    """One HTML file.

    Attributes:
        name: File name without ``.html``; see :func:`page_name`.
        title: Heading and window title.
        template: A file in ``templates/`` that extends ``base.html``.
        context: What the template reads. Strings are data: the template escapes them.
        scripts: Files of ``static/`` beside ``headbench.js``, without ``.js``, in loading order.
        shards: Names of shards that the page loads at once.
        nav: Its entry in the navigation of every page; empty: it has none.
        nav_order: Place of the entry.
        under: Name of the page whose navigation entry stands for this one.
    """

    name: str
    title: str
    template: str
    context: Mapping[str, object] = field(default_factory=dict)
    scripts: tuple[str, ...] = ()
    shards: tuple[str, ...] = ()
    nav: str = ""
    nav_order: int = 100
    under: str = ""

    def __post_init__(self) -> None:
        """Check what becomes part of a path."""
        for name in (self.name, *self.scripts, *self.shards):
            if not _FILE.fullmatch(name):
                raise ValueError(f"not a file name of the board: {name!r}")

    @property
    def file(self) -> str:
        """Its path below the built folder."""
        return f"{self.name}.html"


@dataclass(frozen=True)
class Shard:
    """Rows that a script loads: ``data/<name>.js``.

    Attributes:
        name: File name without ``.js``; keep a shard under about 1 MB.
        columns: Names of the columns, which are the board's own words.
        rows: One sequence per row, in the columns' order.
    """

    name: str
    columns: tuple[str, ...]
    rows: Sequence[Sequence[ShardValue]]

    def __post_init__(self) -> None:
        """Check the name and the rows' length."""
        if not _FILE.fullmatch(self.name):
            raise ValueError(f"not a file name of the board: {self.name!r}")
        for row in self.rows:
            if len(row) != len(self.columns):
                raise ValueError(
                    f"shard {self.name}: {len(row)} values for {len(self.columns)} columns"
                )


@dataclass(frozen=True)
class Asset:
    """Another file of the built folder, for instance the JSON of a table.

    Attributes:
        path: Below the built folder, ``/`` between parts.
        content: Its bytes.
    """

    path: str
    content: bytes


Part = Page | Shard | Asset
"""What a maker of pages yields."""


def page_name(kind: str, name: str) -> str:
    """A file name for a thing of any name: ``task-pope``.

    What a file name cannot hold is left out and a digest added, so that two names never meet.

    Args:
        kind: The board's own word, such as ``task``.
        name: Any text.
    """
    plain = re.sub(r"[^a-z0-9_]+", "-", name.lower()).strip("-")[:60]
    if plain == name and plain:
        return f"{kind}-{plain}"
    digest = hashlib.sha256(name.encode("utf-8", "surrogatepass")).hexdigest()[:8]
    return f"{kind}-{plain}-{digest}" if plain else f"{kind}-{digest}"
