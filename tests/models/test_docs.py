"""The adapter that docs/models.md shows is run, so that the page cannot rot."""

from __future__ import annotations

import re
from pathlib import Path

from headbench.jobs import Job
from helpers_models import BASELINE, request

PAGE = Path(__file__).parents[2] / "docs" / "models.md"


def test_the_adapter_on_the_page_has_twenty_lines_and_answers():
    code = re.search(r"```python\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL).group(1)
    body = code[code.index("class Shout") :]
    assert len(body.strip().splitlines()) <= 20
    space = {}
    exec(compile(code, str(PAGE), "exec"), space)  # noqa: S102 - the repository's own page
    model = space["create"]({"mark": "?"})
    assert dict(model.answer([Job(request("who"), BASELINE)]))[0].text == "WHO?"
