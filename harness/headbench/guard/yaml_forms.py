"""Reading the guard's own YAML files, with every fault named."""

from __future__ import annotations

from pathlib import Path
from typing import TypeVar

from pydantic import BaseModel, ConfigDict, ValidationError

from headbench._reading import read_file
from headbench._yaml import load
from headbench.errors import DataError


class Frozen(BaseModel):
    """Immutable, unknown keys refused."""

    model_config = ConfigDict(frozen=True, extra="forbid")


_Form = TypeVar("_Form", bound=BaseModel)


def read_form(path: Path, form: type[_Form], what: str, hint: str) -> _Form:
    """Read one YAML file of a known form.

    Args:
        path: The file.
        form: What it must say.
        what: What an error calls it, e.g. ``a file of published cells``.
        hint: Where to look for the form.

    Raises:
        DataError: It is missing, no YAML, or does not have this form; the first faults are named.
    """
    try:
        text = read_file(path, what, hint=hint).decode()
    except UnicodeDecodeError as error:
        raise DataError(f"not YAML: {error}", where=str(path)) from error
    loaded = load(text, str(path), DataError).data
    try:
        return form.model_validate(loaded)
    except ValidationError as error:
        faults = [
            f"{'.'.join(map(str, fault['loc']))}: {fault['msg']}"
            for fault in error.errors(include_url=False)[:4]
        ]
        raise DataError(f"not {what}: {'; '.join(faults)}", where=str(path), hint=hint) from error
