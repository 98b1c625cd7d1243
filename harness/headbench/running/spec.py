"""A run as one frozen value: it can be printed, hashed, stored and replayed."""

from __future__ import annotations

import json
import math
import re
import shlex
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Literal

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    NonNegativeInt,
    PositiveInt,
    ValidationError,
    field_validator,
    model_validator,
)

from headbench._json import strict_json
from headbench.edits import Contrast
from headbench.errors import ConfigError, StoreError
from headbench.nouns import Role
from headbench.results.bounds import MOST_DRAWS
from headbench.results.canonical import digest
from headbench.results.files import read_result
from headbench.running.model_roles import SUBJECT, model_words
from headbench.scoring.thoughts import CLOSED, marks_of
from headbench.scoring.thoughts import NONE as NO_MARKS
from headbench.tasks.overrides import Overrides

DEFAULT_CONTROLS = 4
"""Control draws per intervention: enough to see an outlier. A rank p of .05 needs 39."""
DEFAULT_DRAWS = 10_000
DEFAULT_LEVEL = 0.95
OtherRole = Literal["judge", "encoder"]
"""Roles other than the subject, which is the model that interventions act on."""
ControlHeads = Literal["any", "apart", "low", "layers", "document"]


class RoleModel(BaseModel):
    """The adapter of a role other than the subject."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)

    model: str
    """Adapter name."""
    args: dict[str, str] = {}
    """Its arguments."""


class RunSpec(BaseModel):
    """All that decides a run's numbers. Where results go is not part of it."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)

    tasks: tuple[str, ...] = Field(min_length=1)
    """Tasks, groups, tags or YAML files."""
    task_args: dict[str, str] = {}
    """Values of the tasks' arguments (``headbench.tasks.arguments``): ``name`` for every task that
    takes it, ``TASK.name`` for one."""
    interventions: tuple[str, ...] = ()
    """Interventions; each list given to a scalar parameter sweeps."""
    model: str | None = None
    """Adapter name; null takes the shipped reference model that fits the tasks."""
    model_args: dict[str, str] = {}
    """The adapter's arguments."""
    roles: dict[OtherRole, RoleModel] = {}
    """Who answers the steps of the other roles; ``model`` is the subject."""
    controls: Literal["all"] | NonNegativeInt = DEFAULT_CONTROLS
    """Control draws per intervention; ``all`` takes every set that exists, up to 1,000."""
    control_heads: ControlHeads = "any"
    """Which heads a control takes. ``any``: sets drawn as the method's own could have been, which
    alone give a rank a p-value. ``apart``: without its own heads. ``low``: heads that its head map
    scores below ``control_below``. ``layers``: heads of layers that it does not edit. ``document``:
    the heads chosen for another document, for methods that choose per sample."""
    control_below: float | None = None
    """Score below which a head may be drawn, for ``control_heads=low``."""
    control_match: Literal["none", "norm"] = "none"
    """``norm``: the strength of each control is rescaled, so that the change of the attention
    output (after the output projection) is as large as the intervention's."""
    limit: PositiveInt | Annotated[float, Field(gt=0, lt=1)] | None = None
    """Take only the first documents of each task: so many, or this share, rounded up."""
    num_fewshot: NonNegativeInt | None = None
    """Solved examples before each prompt, in place of what the tasks say."""
    fewshot_as_multiturn: bool = False
    """Show solved examples as turns of the conversation."""
    system_instruction: str | None = None
    """System turn of the evaluated model, in place of what the tasks say."""
    gen_kwargs: dict[str, str] = {}
    """Generation settings of the evaluated model, in place of what the tasks say."""
    batch_size: Literal["auto"] | PositiveInt = "auto"
    """Rows per batch."""
    seed: int = 0
    """Every request's seed, every control draw and every random swap is derived from it."""
    include: tuple[str, ...] = ()
    """Folders of the user's own tasks and interventions."""
    draws: int = Field(DEFAULT_DRAWS, gt=0, le=MOST_DRAWS)
    """Random swaps of the permutation tests; at most 100,000."""
    level: float = Field(DEFAULT_LEVEL, gt=0.5, lt=1)
    """Confidence level of the intervals."""
    reasoning_marks: tuple[str, ...] = (CLOSED,)
    """Marks of thoughts that are cut before answers are read (``headbench.scoring.thoughts``)."""
    allow_overrun: bool = False
    """Run requests that are longer than the model's configuration allows."""

    @field_validator("reasoning_marks")
    @classmethod
    def _known_marks(cls, marks: tuple[str, ...]) -> tuple[str, ...]:
        marks_of(marks)  # refuses unknown names before anything runs
        return marks or (NO_MARKS,)

    @model_validator(mode="after")
    def _low_has_a_score(self) -> RunSpec:
        if (self.control_heads == "low") != (self.control_below is not None):
            raise ValueError("control_heads=low and control_below=SCORE belong together")
        return self

    @property
    def contrast(self) -> Contrast | None:
        """The kind of controls, where it is not the methods' own."""
        if self.control_heads == "any":
            return None
        return Contrast(self.control_heads, self.control_below)

    def __hash__(self) -> int:
        return hash(self.digest)

    @property
    def digest(self) -> str:
        """SHA-256 of the canonical JSON."""
        return digest(self.document())

    def document(self) -> dict[str, object]:
        """The spec as JSON values, as a result carries it.

        What most runs do not say is there only where it is said, so that their digests stay.
        """
        said = dict(self.model_dump(mode="json"))
        for name in ("roles", "task_args", *Overrides.__annotations__):
            # Not by ``in``: 0 equals False, and no solved examples are a number of them.
            if said[name] is None or said[name] is False or said[name] == {}:
                del said[name]
        return said

    @property
    def changes(self) -> Overrides:
        """What the run changes in every task."""
        return Overrides(**{name: getattr(self, name) for name in Overrides.__annotations__})

    def command(self) -> str:
        """The command line that gives this run again."""
        words = ["headbench", "run", "--tasks", ",".join(self.tasks)]
        if self.task_args:
            pairs = (f"{name}={value}" for name, value in sorted(self.task_args.items()))
            words += ["--task-args", ",".join(pairs)]
        for intervention in self.interventions:
            words += ["--intervention", intervention]
        names: dict[Role, str] = {} if self.model is None else {SUBJECT: self.model}
        args: dict[Role, Mapping[str, str]] = {SUBJECT: self.model_args}
        for role, told in self.roles.items():
            names[role], args[role] = told.model, told.args
        words += model_words(names, args)
        for flag, value, default in (
            ("--controls", self.controls, DEFAULT_CONTROLS),
            ("--control-heads", self.control_heads, "any"),
            ("--control-below", self.control_below, None),
            ("--control-match", self.control_match, "none"),
            ("--limit", self.limit, None),
            ("--num_fewshot", self.num_fewshot, None),
            ("--system_instruction", self.system_instruction, None),
            ("--batch-size", self.batch_size, "auto"),
            ("--seed", self.seed, 0),
            ("--draws", self.draws, DEFAULT_DRAWS),
            ("--level", self.level, DEFAULT_LEVEL),
        ):
            if value != default:
                words += [flag, str(value)]
        if self.reasoning_marks != (CLOSED,):
            words += ["--reasoning-marks", ",".join(self.reasoning_marks)]
        for folder in self.include:
            words += ["--include", folder]
        if self.gen_kwargs:
            pairs = (f"{name}={value}" for name, value in sorted(self.gen_kwargs.items()))
            words += ["--gen_kwargs", ",".join(pairs)]
        if self.fewshot_as_multiturn:
            words.append("--fewshot_as_multiturn")
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
            f"the run's options are not valid: {faults}", hint="see headbench run --help"
        ) from error


def spec_from_result(path: Path) -> RunSpec:
    """The spec of the run that wrote a result, for ``run --from``.

    Raises:
        StoreError: the file is no result, was not made by a run, or its spec was changed.
    """
    result = read_result(path)
    if not result.run.spec:
        raise StoreError(
            f"this {result.kind} result holds no run to replay",
            where=str(path),
            hint="give a result that 'headbench run' wrote",
        )
    if result.run.digest and digest(result.run.spec) != result.run.digest:
        raise StoreError(
            "the spec in this result does not have the digest that the result states",
            where=f"{path}: run.spec",
            hint="restore the file, or run with the options you want instead of --from",
        )
    return make_spec(**result.run.spec)


_NOT_FINITE = re.compile(r"NaN|-?Infinity|-?\d[\d.]*[eE]\+?\d+")
"""What looks like a JSON number and is none, or none that is finite."""


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
                hint="write for example enable_thinking=false",
            )
        if name in found:
            raise ConfigError(f"{name!r} is given twice", where=f"--template-arg {pair}")
        value: object = {"True": True, "False": False}.get(text, text)
        if isinstance(value, str):
            try:
                value = strict_json(text)
            except ValueError:
                # ``NaN`` and ``1e999`` are refused below; as text they would be a silent change.
                value = math.nan if _NOT_FINITE.fullmatch(text) else text
        unfit = isinstance(value, float) and not math.isfinite(value)
        if unfit or isinstance(value, list | dict):
            raise ConfigError(
                f"the template argument {name!r} is not true, false, a number or a text",
                where=f"--template-arg {pair}",
                hint="put it in double quotes if it is meant as text",
            )
        found[name] = value
    # An = inside a text would read as the next argument of the adapter.
    return json.dumps(found, sort_keys=True).replace("=", "\\u003d") if found else ""
