"""What a data source is given and what it returns."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol, TypeVar

from headbench._reading import exists, user_path
from headbench.errors import ConfigError, DataError
from headbench.tasks.images import Images
from headbench.tasks.merge import Merged, Origin
from headbench.tasks.problems import checked
from headbench.tasks.schema import Strict
from headbench.tasks.yamlfile import KeyPath

Options = TypeVar("Options", bound=Strict)
_VARIABLE = re.compile(r"\$\{([^}]*)\}")


class AbsentDataError(DataError):
    """Data that the user must bring is not here; the task itself may be fine."""


@dataclass(frozen=True)
class DataRow:
    """One item as the data has it.

    Attributes:
        fields: What templates may read; ``id``, ``cluster`` and ``target`` have a fixed meaning.
        images: Field name -> content hash.
        place: Where it stands, e.g. ``labels.csv, row 7``, counted from 1 without the header.
    """

    fields: Mapping[str, object]
    images: Mapping[str, str] = field(default_factory=dict)
    place: str = ""


@dataclass(frozen=True)
class DataSpec:
    """What a task file says about its data.

    Attributes:
        path: ``dataset_path``.
        name: ``dataset_name``.
        split: The split wanted.
        kwargs: ``dataset_kwargs``.
        merged: The file, for line numbers.
        seed: The run's seed; sources use it only where the file says ``seed: run``.
    """

    path: str
    name: str | None
    split: str
    kwargs: Mapping[str, Any]
    merged: Merged
    seed: int = 0

    def options(self, model: type[Options]) -> Options:
        """``dataset_kwargs`` as a source's own options.

        Raises:
            ConfigError: Unknown or wrong option.
        """
        return checked(model, dict(self.kwargs), self.merged, ("dataset_kwargs",))

    def where(self, option: str) -> str:
        """File, line and key of an option."""
        return self.merged.where(("dataset_kwargs", option))

    def locate(self, option: str, value: str) -> Path:
        """A file or folder that the task file names, relative to the file that names it.

        ``${HEADBENCH_...}`` is replaced by that environment variable; no other one is read.

        Raises:
            AbsentDataError: The variable is not set, or nothing lies there.
            ConfigError: Another variable is asked for.
        """
        for variable in _VARIABLE.findall(value):
            if not variable.startswith("HEADBENCH_"):
                raise ConfigError(
                    f"only variables HEADBENCH_... are read, not {variable!r}",
                    where=self.where(option),
                )
            if not os.environ.get(variable):
                raise AbsentDataError(
                    f"the data of this task is not here: {variable} is not set",
                    where=self.where(option),
                    hint=f"set {variable} to where it lies",
                )
        text = _VARIABLE.sub(lambda match: os.environ[match.group(1)], value)
        origin = self._origin(option, value)
        folder = (origin.path if origin else self.merged.path).parent
        path = folder / user_path(text)
        if not exists(path):
            raise AbsentDataError(
                f"there is no such file or folder: {path}",
                where=self.where(option),
                hint="paths are relative to the task file"
                if origin is None or origin.line
                else "paths are relative to where the command runs",
            )
        return path

    def _origin(self, option: str, value: str) -> Origin | None:
        """The line that wrote a value: several files may share a mapping.

        Raises:
            ConfigError: Files of several folders write this very value.
        """
        top: KeyPath = ("dataset_kwargs", option)
        wrote = {
            origin.path.parent: origin
            for path, origin in self.merged.origins.items()
            if path[: len(top)] == top and _at(self.merged.data, path) == value
        }
        if len(wrote) > 1 and not Path(value).is_absolute():
            raise ConfigError(
                f"{value!r} is written by files of two folders",
                where=" and ".join(map(str, wrote.values())),
                hint="write one of them as a whole path",
            )
        return next(iter(wrote.values()), self.merged.origins.get(top))


def _at(data: Any, path: KeyPath) -> object:
    """The value at a key path; nothing where the key was deleted."""
    for key in path:
        try:
            data = data[key]
        except (KeyError, IndexError, TypeError):
            return None
    return data


class Source(Protocol):
    """A function that yields the rows of a split, in a stable order."""

    def __call__(self, spec: DataSpec, images: Images) -> Iterator[DataRow]:
        """Yield rows; register images in ``images``."""
        ...
