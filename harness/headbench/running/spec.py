"""A run as one frozen value: it can be printed, hashed, stored and replayed."""

from __future__ import annotations

import json
import math
import re
import shlex
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, PositiveInt, ValidationError

from headbench.errors import ConfigError, StoreError
from headbench.results.canonical import digest, plain
from headbench.results.files import read_result

DEFAULT_CONTROLS = 4
"""Control draws a toggle: enough to see an outlier; a p-value needs 19 and is asked for."""


class RunSpec(BaseModel):
    """All that decides a run's numbers. Where results go is not part of it."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)

    tasks: tuple[str, ...] = Field(min_length=1)
    """Tasks, groups, tags or YAML files."""
    interventions: tuple[str, ...] = ()
    """Toggles; each list given to a scalar parameter sweeps."""
    model: str | None = None
    """Adapter name; null takes the shipped reference model that fits the tasks."""
    model_args: dict[str, str] = {}
    """The adapter's arguments."""
    controls: int = Field(DEFAULT_CONTROLS, ge=0)
    """Control draws a toggle."""
    limit: PositiveInt | None = None
    """Take only the first documents of each task."""
    batch_size: Literal["auto"] | PositiveInt = "auto"
    """Rows a batch."""
    seed: int = 0
    """Every request's seed, every control draw and every resampling is derived from it."""
    include: tuple[str, ...] = ()
    """Folders of the user's own tasks and interventions."""
    draws: PositiveInt = 10_000
    """Bootstrap and permutation draws."""
    level: float = Field(0.95, gt=0.5, lt=1)
    """Confidence level of the intervals."""
    allow_overrun: bool = False
    """Run requests that are longer than the model's configuration allows."""

    def __hash__(self) -> int:
        return hash(self.digest)

    @property
    def digest(self) -> str:
        """SHA-256 of the canonical JSON."""
        return digest(self.model_dump(mode="json"))

    def document(self) -> dict[str, object]:
        """The spec as JSON values, as a result carries it."""
        return dict(self.model_dump(mode="json"))

    def command(self) -> str:
        """The command line that gives this run again."""
        words = ["headbench", "run", "--tasks", ",".join(self.tasks)]
        for toggle in self.interventions:
            words += ["--intervention", toggle]
        if self.model is not None:
            words += ["--model", self.model]
        if self.model_args:
            pairs = [f"{key}={value}" for key, value in sorted(self.model_args.items())]
            words += ["--model-args", ",".join(pairs)]
        for flag, value, default in (
            ("--controls", self.controls, DEFAULT_CONTROLS),
            ("--limit", self.limit, None),
            ("--batch-size", self.batch_size, "auto"),
            ("--seed", self.seed, 0),
        ):
            if value != default:
                words += [flag, str(value)]
        for folder in self.include:
            words += ["--include", folder]
        if self.allow_overrun:
            words.append("--allow-overrun")
        return shlex.join(words)


def make_spec(**values: object) -> RunSpec:
    """Build a spec from a user's values.

    Raises:
        ConfigError: a value is out of range; all faults are named.
    """
    try:
        return RunSpec.model_validate(values)
    except ValidationError as error:
        faults = "; ".join(
            f"{'.'.join(str(part) for part in fault['loc'])}: {fault['msg']}"
            for fault in error.errors()
        )
        raise ConfigError(
            f"the run is not well formed: {faults}", mend="see headbench run --help"
        ) from error


def spec_from_result(path: Path) -> RunSpec:
    """The spec of the run that wrote a result, for ``run --from``.

    Raises:
        StoreError: the file is no result, or was not made by a run.
    """
    result = read_result(path)
    if not result.run.spec:
        raise StoreError(
            f"this {result.kind} result holds no run to replay",
            where=str(path),
            mend="give a result that 'headbench run' wrote",
        )
    return make_spec(**result.run.spec)


def template_args(pairs: Sequence[str]) -> str:
    """Read ``key=value`` pairs for a chat template: the adapter's ``chat_template_args``.

    ``true``, ``false``, ``null`` and numbers are what they look like; all else is text, and so is
    what stands in double quotes (``"1.0"``).

    Raises:
        ConfigError: a part has no ``=``, a value is a list or no finite number, or a name comes
            twice.
    """
    found: dict[str, object] = {}
    for pair in pairs:
        name, sign, text = pair.partition("=")
        if not sign or not name.isidentifier():
            raise ConfigError(
                f"{pair!r} is not name=value",
                where=f"--template-arg {pair}",
                mend="write for example enable_thinking=false",
            )
        if name in found:
            raise ConfigError(f"{name!r} is given twice", where=f"--template-arg {pair}")
        value: object = {"True": True, "False": False}.get(text, text)
        if isinstance(value, str):
            try:
                value = json.loads(text)
            except ValueError:
                value = text
        unfit = isinstance(value, float) and not math.isfinite(value)
        if unfit or isinstance(value, list | dict):
            raise ConfigError(
                f"the template argument {name!r} is no true, false, number or text",
                where=f"--template-arg {pair}",
                mend="put it in double quotes if it is meant as text",
            )
        found[name] = value
    # An = inside a text would read as the next argument of the adapter.
    return json.dumps(found, sort_keys=True).replace("=", "\\u003d") if found else ""


def parse_model_args(text: str) -> Mapping[str, str]:
    """Read ``pretrained=PATH,dtype=bfloat16``; a comma inside a value is kept.

    A comma separates only where ``name=`` follows it.

    Raises:
        ConfigError: a part has no ``=``, or a name comes twice.
    """
    found: dict[str, str] = {}
    for part in re.split(r",(?=\s*[A-Za-z_]\w*=)", text) if text.strip() else ():
        name, sign, value = part.strip().partition("=")
        if not sign or not name:
            raise ConfigError(
                f"{part.strip()!r} is not name=value",
                where=f"--model-args {text}",
                mend="write for example pretrained=./checkpoint,dtype=bfloat16",
            )
        if name in found:
            raise ConfigError(f"{name!r} is given twice", where=f"--model-args {text}")
        found[name] = str(plain(value))
    return found
