"""Which class a label of the data is: as the task file lists it, and never by default."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from headbench.errors import DataError

LONGEST = 40
"""Characters of a label that an error shows; what is longer may be the text itself."""


class Classes:
    """Classes of a task by the labels of its data.

    Args:
        classes: Class -> labels, as text; empty: targets are taken as they are.
        left_out: Labels whose rows are left out.
        where: Where the task file lists them.
    """

    def __init__(
        self, classes: Mapping[str, Sequence[str]], left_out: Sequence[str], where: str
    ) -> None:
        self._class = {label: name for name, labels in classes.items() for label in labels}
        self._left_out = frozenset(left_out)
        self._where = where

    @property
    def lists_left_out(self) -> bool:
        """Whether any label is left out."""
        return bool(self._left_out)

    def leaves_out(self, target: object) -> bool:
        """Whether rows with this label are left out."""
        return label_text(target) in self._left_out

    def of(self, target: object, where: str) -> object:
        """The class of a label.

        Raises:
            DataError: The task file lists no such label.
        """
        if not self._class:
            return target
        label = label_text(target)
        if label not in self._class:
            shown = repr(label) if len(label) <= LONGEST else f"of {len(label)} characters"
            raise DataError(
                f"the label {shown} is none of the task's",
                where=where,
                hint=f"{self._where} lists {', '.join(map(repr, [*self._class, *self._left_out]))}",
            )
        return self._class[label]


def label_text(target: object) -> str:
    """A label as text; a cell that is not there is empty."""
    return "" if target is None else str(target)
