"""Which shipped model a run takes when none is named."""

from __future__ import annotations

import pytest

from headbench.models import adapter_catalogue
from headbench.running.run_plan import make_plan
from headbench.running.spec import make_spec


@pytest.mark.parametrize(
    ("tasks", "model", "reason"),
    [
        (("walls",), "ref-lm-v2", "walls asks for it"),
        (("niah", "walls", "stickiness"), "ref-lm-v2", "walls, stickiness asks for it"),
        (("niah",), "ref-lm", "no task needs images"),
        (("pope", "walls"), "ref-vlm", "pope needs images"),
    ],
)
def test_a_task_may_ask_for_a_model_and_images_come_first(
    tasks: tuple[str, ...], model: str, reason: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("ref-lm", "ref-lm-v2", "ref-vlm"):
        monkeypatch.setitem(adapter_catalogue.SHIPPED, name, ("helpers_fake_model:create", ""))  # type: ignore[misc]
    plan = make_plan(make_spec(tasks=tasks, limit=1))
    assert plan.spec.model == model
    assert plan.notes[0].endswith(reason)
