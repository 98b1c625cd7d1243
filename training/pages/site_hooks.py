"""What mkdocs calls while it builds: docstrings name things as ``:func:`headbench.detect```."""

from __future__ import annotations

import re

ROLE = re.compile(r":(?:attr|class|data|func|meth|mod):<code>(~?)([\w.]+)</code>")


def on_page_content(html: str, **_: object) -> str:
    """The page without the roles; ``~`` keeps the last part of a name only."""
    return ROLE.sub(lambda m: f"<code>{m[2].rpartition('.')[2] if m[1] else m[2]}</code>", html)
