"""Which field of a file serves which role: as told, as a known format defines, or the only one.

A released log often holds the right answer beside the model's, under names that either might have.
So no name goes before another: where two fields could serve one role and differ, the file is
refused and the fields are named. What was read is kept, so that a result can say it.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import cast

from headbench.errors import ConfigError, DataError, nearest
from headbench.results.image_keys import image_key
from headbench.scoring import family

LogRow = Mapping[str, object]

OUTPUTS = (
    "answer", "text", "response", "output", "prediction", "pred", "model_answer", "model_response",
    "model_output", "model_prediction", "predicted_answer", "pred_answer", "generated_text",
    "generation", "completion", "reply",
)  # fmt: skip
"""Names of fields that hold what a model said."""

_OUTPUT_ROLES: Mapping[str, tuple[str, ...]] = {"answer": (), "response": ()}
_ROLES: Mapping[str, tuple[str, ...]] = {
    "id": ("question_id", "id", "wall_id", "case_id", "doc_id", "index", "rev_id"),
    "image": ("image_id", "image", "img_id", "image_path", "image_file", "file_name", "filename"),
    "question": ("question", "prompt", "query", "text"),
    "label": ("label", "ground_truth", "gt_answer", "gold", "label_gold", "toxic"),
    "text": ("text", "comment", "test_case", "message", "sentence", "tweet"),
    "confidence": ("confidence", "conf"),
    "setting": ("setting", "category"),
}
"""Roles that any family may ask for -> the field names that they go by."""


@dataclass(frozen=True)
class Roles:
    """Every role that is known.

    Attributes:
        names: Role -> the field names it goes by; which of them stands first decides nothing.
        outputs: Roles that hold what a model said.
    """

    names: Mapping[str, tuple[str, ...]]
    outputs: frozenset[str]


def known_roles() -> Roles:
    """The roles of every file and those that families bring.

    Raises:
        ConfigError: A family brings a role of another meaning under a name that is taken.
    """
    return _roles(family.revision())


@lru_cache(1)
def _roles(revision: int) -> Roles:
    brought = {
        kind: {
            role: cast("tuple[str, ...]", family.load(kind, role)) for role in family.names(kind)
        }
        for kind in _KINDS
    }
    outputs = {
        role: (*names, *OUTPUTS)
        for role, names in {**_OUTPUT_ROLES, **brought["output_roles"]}.items()
    }
    found: dict[str, tuple[str, ...]] = {}
    for role, names in (*_ROLES.items(), *brought["roles"].items(), *outputs.items()):
        if found.setdefault(role, names) != names:
            raise ConfigError(
                f"a role of recorded fields has two meanings: {role!r}",
                where="roles and output_roles of families",
                hint="rename it in the family that is not headbench's own",
            )
    return Roles(found, frozenset(outputs))


_KINDS: tuple[family.Kind, ...] = ("roles", "output_roles")

FILES = ("predictions", "questions")
"""Files that fields can be named for separately."""


@dataclass(frozen=True)
class LogFormat:
    """A log format that defines its fields.

    Attributes:
        name: Whose format it is.
        marks: Fields that every row has.
        roles: Role -> paths; the first that the rows have serves it.
        output: Paths of every role that holds what the model said and is not in ``roles``.
    """

    name: str
    marks: frozenset[str]
    roles: Mapping[str, tuple[str, ...]]
    output: tuple[str, ...] = ()

    def paths(self, role: str) -> tuple[str, ...]:
        """Paths that serve a role in this format."""
        own = self.output if role in known_roles().outputs else ()
        return self.roles.get(role, own)


_FORMATS = (
    LogFormat(
        "VLMEvalKit",
        frozenset({"index", "question", "prediction"}),
        {
            "question": ("question",),
            "label": ("answer",),
            "id": ("index",),
            "image": ("image_path",),
            "setting": ("category",),
        },
        output=("prediction",),
    ),
    LogFormat(
        "lm-eval",
        frozenset({"doc_id", "resps"}),
        {
            "question": ("doc.question", "doc.text", "doc.query", "doc.prompt"),
            "label": ("target",),
            "id": ("doc.question_id", "doc.id", "doc.wall_id", "doc_id"),
            "image": ("doc.image_id", "doc.image_source", "doc.image_path", "doc.image"),
            "setting": ("doc.category", "doc.setting"),
        },
        output=("resps[0][0]",),
    ),
)
"""Formats of other harnesses. lmms-eval writes lm-eval's; ``resps[0][0]`` is the raw response."""


def log_formats() -> tuple[LogFormat, ...]:
    """Known formats, those that families bring last."""
    names = family.names("log_formats")
    return (*_FORMATS, *(cast("LogFormat", family.load("log_formats", name)) for name in names))


_STEP = re.compile(r"\.?([^.\[\]]+)|\[(\d+)\]")
_MISSING = object()


def normal(text: str) -> str:
    """A question without image marks, outer blanks, case, and repeated blanks."""
    return " ".join(text.replace("<image>", " ").lower().split())


def contains(prompt: str, text: str) -> bool:
    """Whether a prompt holds a text, not as part of longer words."""
    at = prompt.find(text)
    while at >= 0:
        before, after = prompt[at - 1 : at], prompt[at + len(text) : at + len(text) + 1]
        inside = (before + text[:1]).isalnum() and before != ""
        outside = (text[-1:] + after).isalnum() and after != ""
        if not inside and not outside:
            return True
        at = prompt.find(text, at + 1)
    return False


def as_text(value: object) -> str:
    """Text of a field; some logs store a prompt as the list of its pieces."""
    if isinstance(value, list | tuple):
        return " ".join(as_text(piece) for piece in value)
    return value if isinstance(value, str) else str(value)


def follow(row: LogRow, path: str) -> object | None:
    """The value at a path, ``resps[0][0]`` or ``doc.question``; ``None`` where there is none.

    A field whose very name is the path goes before.
    """
    if path in row:
        return row[path]
    value: object = row
    for name, index in _STEP.findall(path):
        if name:
            value = value.get(name, _MISSING) if isinstance(value, Mapping) else _MISSING
        else:
            there = isinstance(value, list | tuple) and int(index) < len(value)
            value = value[int(index)] if there else _MISSING  # type: ignore[index]
        if value is _MISSING:
            return None
    return value


@dataclass(frozen=True)
class Reading:
    """Where the roles of one file were found.

    Attributes:
        names: Role -> field or path; roles that the file does not serve are absent.
        form: Name of the known format that decided, else empty.
    """

    names: Mapping[str, str]
    form: str = ""

    def value(self, row: LogRow, role: str) -> object | None:
        """What a row holds for a role, or ``None``."""
        name = self.names.get(role)
        return None if name is None else follow(row, name)

    def text(self, row: LogRow, role: str) -> str | None:
        """The same as text; list values are joined by a blank."""
        value = self.value(row, role)
        return None if value is None else as_text(value)

    def __str__(self) -> str:
        """``answer from prediction, image from image_path (VLMEvalKit)``."""
        roles = ", ".join(f"{role} from {name}" for role, name in self.names.items())
        return f"{roles} ({self.form})" if self.form else roles


@dataclass(frozen=True)
class Fields:
    """Finds the fields of a file by role.

    Attributes:
        given: ``role`` or ``file.role`` -> field or path, where a user said so; then no other is
            tried. Files are those of :data:`FILES`.
        file: For which of these files fields are looked up; empty: for either.
    """

    given: Mapping[str, str] = field(default_factory=dict)
    file: str = ""

    @classmethod
    def parse(cls, options: Sequence[str]) -> Fields:
        """Read ``role=field`` and ``file.role=field`` options.

        Raises:
            ConfigError: An option has no ``=``, names no role or file, or gives a path that is
                none.
        """
        given: dict[str, str] = {}
        for option in options:
            key, equals, name = option.partition("=")
            if not equals or not name:
                raise ConfigError(
                    "a field is given as role=name",
                    where=f"--field {option}",
                    hint="for example --field caption=text",
                )
            file, dot, role = key.rpartition(".")
            if dot and file not in FILES:
                raise ConfigError(
                    f"no file is called {file!r}",
                    where=f"--field {option}",
                    hint=f"one of {', '.join(FILES)}, as in --field predictions.answer=text",
                )
            roles = known_roles().names
            if role not in roles:
                raise ConfigError(
                    f"no role is called {role!r}",
                    where=f"--field {option}",
                    hint=nearest(role, roles),
                )
            if given.get(key, name) != name:
                raise ConfigError(f"{key} is given twice", where=f"--field {option}")
            given[key] = name
        return cls(given)

    def of(self, file: str) -> Fields:
        """The same for one of :data:`FILES`; what was said for this file goes before."""
        return Fields(self.given, file)

    def told(self, role: str) -> str | None:
        """The field that a user named for a role."""
        own = self.given.get(f"{self.file}.{role}") if self.file else None
        return own or self.given.get(role)

    def reading(self, rows: Sequence[LogRow], roles: Sequence[str], where: str) -> Reading:
        """Find the roles of a file.

        Args:
            rows: Its rows.
            roles: What is looked for. A field serves one role: the earlier one of these.
            where: Name of the file, for errors.

        Raises:
            DataError: Several fields could serve one role and differ, or no row has the field that
                was named.
        """
        form = next((one for one in log_formats() if _has_form(rows, one)), None)
        names: dict[str, str] = {}
        decided = False
        claimed = {name for role in roles if (name := self.told(role)) is not None}
        for role in roles:
            found = self.told(role)
            if found is not None and role not in known_roles().outputs:
                self._check_there(rows, role, found, where)
            if found is None and form is not None:
                found = _defined(rows, form, role, where)
                decided = decided or found is not None
            found = found or self._only(rows, role, claimed, where)
            if found is not None:
                names[role] = found
                claimed.add(found)
        return Reading(names, form.name if form is not None and decided else "")

    def _only(self, rows: Sequence[LogRow], role: str, claimed: set[str], where: str) -> str | None:
        """The one field that could serve a role; several are one where they never differ."""
        free = [name for name in known_roles().names[role] if name not in claimed]
        candidates = [name for name in free if any(row.get(name) is not None for row in rows)]
        for name in candidates[1:]:
            if not all(_same(role, row.get(candidates[0]), row.get(name)) for row in rows):
                option = f"{self.file}.{role}" if self.file else role
                raise DataError(
                    f"several fields could be the {role}: {', '.join(candidates)}",
                    where=where,
                    hint=f"say which, for example --field {option}={candidates[-1]}",
                )
        return candidates[0] if candidates else None

    def _check_there(self, rows: Sequence[LogRow], role: str, name: str, where: str) -> None:
        if any(follow(row, name) is not None for row in rows):
            return
        other = f"; --field {self.file}.{role}=NAME is for this file alone" if self.file else ""
        raise DataError(
            f"no row has the field {name!r}, which was named for the {role}",
            where=where,
            hint=f"check the name{other}",
        )

    # -------------------------------------------------------------- one row

    def name(self, row: LogRow, role: str, but: str | None = None) -> str | None:
        """The field under which one row holds a role, or ``None``.

        Args:
            row: One row.
            role: One of :func:`known_roles`.
            but: A field that already serves another role of this row.

        Raises:
            DataError: Several fields could serve the role.
        """
        shown = {key: value for key, value in row.items() if key != but}
        found = self.reading((shown,), (role,), "one row").names.get(role)
        return found if found is not None and follow(shown, found) is not None else None

    def find(self, row: LogRow, role: str, but: str | None = None) -> object | None:
        """The value of a role in one row, or ``None`` where the row has none."""
        name = self.name(row, role, but)
        return None if name is None else follow(row, name)

    def text(self, row: LogRow, role: str, but: str | None = None) -> str | None:
        """The same as text; list values are joined by a blank."""
        value = self.find(row, role, but)
        return None if value is None else as_text(value)


def _has_form(rows: Sequence[LogRow], form: LogFormat) -> bool:
    return bool(rows) and all(form.marks <= row.keys() for row in rows)


def _defined(rows: Sequence[LogRow], form: LogFormat, role: str, where: str) -> str | None:
    """The path that a format defines for a role, where the rows have it.

    Raises:
        DataError: It defines a list of one response, and rows hold several, or no text.
    """
    paths = form.paths(role)
    path = next((one for one in paths if any(follow(row, one) is not None for row in rows)), None)
    if path is not None and path.endswith("[0][0]"):
        for number, row in enumerate(rows, start=1):
            outer = follow(row, path[:-6])
            single = isinstance(outer, list) and len(outer) == 1 and isinstance(outer[0], list)
            if not single or len(outer[0]) != 1 or not isinstance(outer[0][0], str):  # type: ignore[index]
                raise DataError(
                    f"{path[:-6]} is not one response of text",
                    where=f"{where}, row {number}",
                    hint=f"say which to read, for example --field {role}={path[:-6]}[0][1]",
                )
    return path


def _same(role: str, one: object, other: object) -> bool:
    """Whether two fields of a row say the same in a role."""
    if one is None or other is None:
        return one is other
    if role == "image":
        return image_key(one) == image_key(other)
    if role == "question":
        first, second = normal(as_text(one)), normal(as_text(other))
        return first in second or second in first
    return as_text(one) == as_text(other)
