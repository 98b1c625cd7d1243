"""Import paths that the docs once taught still work, warn, and give the very same object."""

from __future__ import annotations

from importlib import import_module

import pytest

MOVED = {
    "headbench.interventions.base": ("HeadMethod", "Method", "Seen"),
    "headbench.interventions.choice": ("HeadChoice", "AnyHeads"),
    "headbench.interventions.registry": ("Method", "Params"),
    "headbench.running.familiarity": ("SENTENCE", "familiarity", "vectors"),
    "headbench.scoring.stickiness_familiarity": ("familiarity", "partial_correlation"),
    "headbench.interventions.vectors": ("GivenVectors", "VectorMethod", "locate"),
    "headbench.detectors.api": ("detect",),
    "headbench.detectors.base": ("Detector", "Trial", "Trials", "Marks", "Params", "Found"),
}


@pytest.mark.parametrize(
    ("module", "name"), [(module, name) for module, names in MOVED.items() for name in names]
)
def test_an_old_path_warns_and_names_the_new_one(module: str, name: str) -> None:
    old = import_module(module)
    with pytest.warns(DeprecationWarning, match=f"{module}.{name} is headbench") as caught:
        found = getattr(old, name)
    place = str(caught[0].message).split(" is ")[1].split(" now")[0]
    new_module, _, new_name = place.rpartition(".")
    assert getattr(import_module(new_module), new_name) is found


def test_an_unknown_name_of_an_old_path_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match=r"detectors.base' has no attribute 'Nothing'"):
        _ = import_module("headbench.detectors.base").Nothing
