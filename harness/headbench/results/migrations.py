"""Old result files must still load: one function per version step.

No release has written version 2 yet: it is the coming release's, and grows until then by optional
fields whose default says "not recorded". From that release on, a new field is a new version with a
step here, since an older headbench refuses fields that it does not know.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from headbench.errors import StoreError
from headbench.results.schema import SCHEMA_VERSION

if TYPE_CHECKING:
    from collections.abc import Callable

Document = dict[str, object]


def _to_2(document: Document) -> Document:
    """Version 2 adds facts; every added field has a default that says "not recorded"."""
    return document


STEPS: dict[int, Callable[[Document], Document]] = {1: _to_2}
"""Version n -> the function that turns a document of version n into one of version n + 1."""


def migrate(document: Document, where: str = "") -> Document:
    """Bring a document to the current version, one step at a time.

    Args:
        document: The parsed JSON of a result file; not changed.
        where: File name for errors.

    Raises:
        StoreError: when the version is absent, newer than this package, or has no step; both
            versions are named.
    """
    version = document.get("schema_version")
    if not isinstance(version, int) or isinstance(version, bool):
        raise StoreError(
            "not a result file: it has no integer 'schema_version'",
            where=where,
            hint="give a JSON file that 'headbench run' or 'headbench rescore' wrote",
        )
    current = dict(document)
    while version != SCHEMA_VERSION:
        step = STEPS.get(version)
        if step is None:
            raise StoreError(
                f"the file has schema version {version}; this headbench reads {SCHEMA_VERSION}",
                where=where,
                hint="update headbench"
                if version > SCHEMA_VERSION
                else "read it with the headbench that wrote it",
            )
        current = step(current)
        version += 1
        current["schema_version"] = version
    return current
