"""No template hangs, fills the memory, or ends in another error than one of ours."""

from __future__ import annotations

import random
import sys

import pytest

from fuzz.templates import rendered_apart, template

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="processes are limited on Linux")


def test_templates_are_rendered_or_refused_within_limits() -> None:
    draw = random.Random("templates")
    templates = [template(draw) for _ in range(100)]
    came = rendered_apart(templates)
    wrong = {
        text: told
        for text, told in zip(templates, came, strict=True)
        if told not in ("read", "refused")
    }
    assert not wrong
    assert came.count("read") >= 10
    assert came.count("refused") >= 10
