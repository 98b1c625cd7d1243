"""A prompt is a function of its document: what in a template would make it anything else.

Equal documents must give equal prompts today, tomorrow and on another machine. So a template may
not draw at random (``random``, ``lipsum``), read a clock, print the address of an object, follow
the order of a set or ask whether two values are one object.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

from jinja2 import Template, nodes
from jinja2.exceptions import TemplateRuntimeError
from jinja2.sandbox import ImmutableSandboxedEnvironment

from headbench.errors import ConfigError
from headbench.tasks import budget

if TYPE_CHECKING:
    from jinja2.runtime import Context

NO_CHANCE = "a prompt must be a function of its document: put what varies into the data, as a field"
RANDOM_FILTERS = frozenset({"random"})
RANDOM_GLOBALS = frozenset({"lipsum"})
_CLOCK = frozenset({"astimezone", "fromtimestamp", "now", "timestamp", "today", "utcnow"})
"""Methods of dates and times that read the clock or the machine's time zone."""
_TIMES = frozenset({"date", "datetime", "time", "Timestamp"})
_ADDRESS = re.compile(r"<[^<>\n]{1,200} at 0x[0-9a-fA-F]+>")


class PureEnvironment(ImmutableSandboxedEnvironment):
    """Jinja's immutable sandbox without what is not a function of the fields, within a budget."""

    intercepted_binops = frozenset({"+", "*", "**", "%"})

    def __init__(self, **options: Any) -> None:
        super().__init__(finalize=budget.sized, **options)
        for name in RANDOM_FILTERS:
            del self.filters[name]
        for name in RANDOM_GLOBALS:
            del self.globals[name]
        self.tests["sameas"] = _same
        checked = {name: budget.checked_filter(name, one) for name, one in self.filters.items()}
        self.filters.update(checked)
        self.filters[budget.COUNTED] = budget.counted
        self.filters[budget.JOINED] = budget.sized

    def compiled(self, tree: nodes.Template) -> Template:
        """A parsed template, its loops counted."""
        code = self.compile(budget.watch(tree))
        return Template.from_code(self, code, self.make_globals(None))

    def call_binop(self, context: Context, operator: str, left: Any, right: Any) -> Any:
        """Within the budget."""
        budget.check_operation(operator, left, right)
        return budget.sized(super().call_binop(context, operator, left, right))

    def call(__self, __context: Context, __obj: Any, *args: Any, **kwargs: Any) -> Any:
        """Within the budget; names as in the base class, which keyword arguments must not meet."""
        budget.check_call(__obj, args, kwargs)
        return budget.sized(super().call(__context, __obj, *args, **kwargs))

    def is_safe_callable(self, obj: object) -> bool:
        """Also: no method of a date that reads the clock."""
        owner = getattr(obj, "__self__", None)
        kind = owner if isinstance(owner, type) else type(owner)
        if kind.__name__ in _TIMES and getattr(obj, "__name__", "") in _CLOCK:
            return False
        return super().is_safe_callable(obj)


def refuse_impure(tree: nodes.Template, where: str) -> None:
    """Refuse filters and functions that draw at random, wherever a template names them.

    Args:
        tree: The parsed template.
        where: File, line and key, for errors.

    Raises:
        ConfigError: One is used.
    """
    found: list[tuple[str, int]] = []
    for used in tree.find_all(nodes.Filter):
        # map('random') calls a filter by its name
        given = used.args if used.name == "map" else []
        names = [used.name, *(one.value for one in given if isinstance(one, nodes.Const))]
        found += [(name, used.lineno) for name in names if name in RANDOM_FILTERS]
    for call in tree.find_all(nodes.Call):
        if isinstance(call.node, nodes.Name) and call.node.name in RANDOM_GLOBALS:
            found.append((call.node.name, call.lineno))
    for name, line in found:
        raise ConfigError(
            f"{name!r} gives another prompt each time",
            where=f"{where}, line {line} of the template",
            hint=NO_CHANCE,
        )


def in_order(value: object) -> object:
    """A field with every set in it as a sorted list: a set's own order changes by process."""
    if isinstance(value, set | frozenset):
        return sorted((in_order(item) for item in value), key=lambda item: (str(item), repr(item)))
    if isinstance(value, Mapping) and any(map(_holds, value.values())):
        return {key: in_order(item) for key, item in value.items()}
    if isinstance(value, list | tuple) and any(map(_holds, value)):
        return type(value)(map(in_order, value))
    return value


def refuse_addresses(text: str, fields: Mapping[str, object], where: str) -> None:
    """Refuse a prompt that shows where an object lies in memory, which is never the same place.

    Raises:
        ConfigError: It does, and no field of the document says so.
    """
    if " at 0x" not in text:
        return
    for found in _ADDRESS.findall(text):
        if not any(found in said for said in _texts(fields.values())):
            lazy = "generator" in found or "map" in found
            raise ConfigError(
                f"the template prints an object and not a text: {found}",
                where=where,
                hint="end the expression with | list or | join(', ')" if lazy else "print a field",
            )


def _same(value: object, other: object) -> bool:
    """The test ``sameas``, for none, true and false; which other values are one object varies."""
    if not any(one is None or isinstance(one, bool) for one in (value, other)):
        raise TemplateRuntimeError("'sameas' is for none, true and false here; compare with ==")
    return value is other


def _holds(value: object) -> bool:
    return isinstance(value, set | frozenset | list | tuple | Mapping)


def _texts(values: Iterable[object]) -> Iterable[str]:
    """Every text in nested values."""
    for value in values:
        if isinstance(value, str):
            yield value
        elif isinstance(value, Mapping):
            yield from _texts(value.keys())
            yield from _texts(value.values())
        elif isinstance(value, list | tuple | set | frozenset):
            yield from _texts(value)
