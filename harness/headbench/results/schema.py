"""What a result file says: one (model, task, arm) cell, its figures and where they came from.

The models are frozen, know no file and forbid unknown keys, so that a misspelt field cannot pass
unseen. ``docs/schema/result-v2.json`` is exported from here (``results.export``), and a test keeps
it current. A change of meaning needs a new ``SCHEMA_VERSION`` and a step in ``results.migrations``.
Nothing here depends on the clock: a run that was killed and continued ends in the same bytes.
"""

from __future__ import annotations

from typing import Literal, Self

from pydantic import BaseModel, ConfigDict, model_validator

from headbench.nouns import Role

SCHEMA_VERSION: Literal[2] = 2

Kind = Literal["measured", "rescored", "published"]
Status = Literal["ok", "inert", "partial"]


class Frozen(BaseModel):
    """Shared configuration: immutable, no unknown keys, docstrings become descriptions."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)


class NullFacts(Frozen):
    """A figure against no relation: the labels of one of its sides were permuted."""

    p: float
    """Two-sided p."""
    mean: float
    """Mean of the figure over the permutations."""
    sd: float
    """Standard deviation of the figure over the permutations."""
    draws: int
    """Permutations."""
    exchanged: Literal["documents", "clusters"] = "documents"
    """What was exchanged: single documents, or whole clusters with others of their size."""


class Estimate(Frozen):
    """One figure with its interval."""

    metric: str = ""
    """Registry name of the metric, e.g. ``pope.f1``; figures are keyed by its short name."""

    value: int | float | None
    """The figure: fractions in 0..1, counts as integers; null where it is undefined."""
    low: float | None = None
    """Lower end of the interval; null where none was computed."""
    high: float | None = None
    """Upper end of the interval."""
    level: float | None = None
    """Confidence level of the interval, e.g. 0.95."""
    method: str | None = None
    """How the interval was made: ``wilson``, ``cluster-score``, ``jackknife-t`` or ``bootstrap-t``;
    in results of schema version 1 also ``cluster-bootstrap``."""
    n: int = 0
    """Records behind the figure."""
    clusters: int | None = None
    """Clusters that the records come from; null where it was not recorded."""
    note: str = ""
    """Why there is no interval or no null, or that the interval rests on few clusters."""
    unit: str = "fraction"
    """How to print it: fraction, count, words or points."""
    higher_is_better: bool | None = None
    """Direction; null where neither is good."""
    null: NullFacts | None = None
    """The figure's own null, for correlations and their kin; null where there is none, and not
    recorded before."""


class ProfileFacts(Frozen):
    """One metric of every layer, or of every head of every layer, over all documents.

    The task's own figure is not the greatest of these: that is chosen on other documents or
    subjects than it is scored on.
    """

    metric: str
    """Registry name of the metric, e.g. ``brain.table_rsa``."""
    layers: tuple[int, ...]
    """Layer of each row, 0-based, ascending."""
    heads: tuple[int, ...] = ()
    """Head of each column, 0-based; empty: layers without heads, and one column."""
    values: tuple[tuple[float | None, ...], ...]
    """``[row][column]``; null: undefined, such as of a silenced head."""
    floor: float | None = None
    """Lower bound of the noise ceiling; null where there is none."""
    ceiling: float | None = None
    """Upper bound of it."""
    chance: float | None = None
    """What unrelated features have; null where that is not known."""
    note: str = ""
    """How to read it."""


class Coverage(Frozen):
    """How much of the task was answered."""

    answered: int
    """Documents with a record."""
    expected: int
    """Documents the task has under the run's limit."""


class TaskFacts(Frozen):
    """What was asked, and how it was read."""

    name: str
    """Name of the task."""
    version: str
    """``metadata.version`` of the task file."""
    main_metric: str
    """Short name of the metric that Holm's family and the headline use."""
    scorer: str
    """Scorer with its version, e.g. ``pope@1``."""
    parser: str
    """Parser with its version, e.g. ``pope_robust@1``."""
    profile: str | None = None
    """Lexical profile of the scorer, where it has one."""
    prompt_hash: str = ""
    """Digest of the templates, steps and generation settings."""
    data_hash: str = ""
    """Digest of the documents that were asked."""
    data_revision: str | None = None
    """Pinned revision of a data set from the hub."""


class ModelFacts(Frozen):
    """Who answered."""

    name: str
    """Display name, e.g. ``ref-vlm-v2``; the folder of the result carries it."""
    adapter: str = ""
    """Registry name of the adapter; empty for recorded outputs of unknown origin."""
    family: str = ""
    """``model_type`` of the configuration."""
    identity: dict[str, str] = {}
    """All that changes an answer: weights fingerprint, dtype, device, attention path, chat
    template flag, library versions."""


class ControlFacts(Frozen):
    """What the arm's own controls were."""

    unit: str
    """What was drawn, in words."""
    drawn: int
    """Distinct control interventions that ran."""
    possible: int
    """Distinct draws that exist."""
    excluded: bool
    """Whether the method's own heads were kept out of the draws."""
    heads: str = ""
    """Which heads were drawn, as ``RunSpec.control_heads`` says; empty: not recorded."""
    match: str = ""
    """How the size of the edit was matched, as ``RunSpec.control_match``; empty: not recorded."""
    test: bool | None = None
    """Whether a rank among the draws has a p-value; null: not recorded, and none is printed."""
    smallest_p: float | None = None
    """The smallest two-tailed p that a rank among the draws can give; null where it has none."""


class ArmFacts(Frozen):
    """Under which intervention."""

    name: str = "baseline"
    """``baseline``, or the canonical intervention; controls carry ``#control-<draw>``."""
    role: Literal["baseline", "toggle", "control"] = "baseline"
    """What the arm is for."""
    canonical: tuple[str, ...] = ()
    """Canonical form of each composed intervention, resolved parameters included."""
    defaults: dict[str, str] | None = None
    """Strengths that were not written: method -> the value that it took and where that comes from,
    e.g. ``alpha=2, the default: ...``; null: not recorded."""
    artefacts: dict[str, str] = {}
    """SHA-256 of every head map and tensor file that the arm read, by parameter."""
    of: str | None = None
    """For a control: name of the intervention's arm that it belongs to."""
    draw: int | None = None
    """For a control: its number."""
    controls: ControlFacts | None = None
    """For an intervention: its controls; null where it declares none, or none were asked for."""
    baseline: str | None = None
    """Id of the baseline result of the same run; null for the baseline itself."""


class NeutralLoss(Frozen):
    """Next-token loss on one neutral text."""

    text: str
    """``scene captions``: true captions, each under the drawn scene it describes; ``prose``: text
    without an image."""
    loss: float
    """Mean loss, nats per token."""
    losses: tuple[float, ...]
    """Summed loss of each passage, nats; controls are measured on the first passages only."""
    tokens: tuple[int, ...]
    """Scored tokens of each passage."""
    change: float | None = None
    """Change against the baseline of the same run on the same passages, nats per token."""
    low: float | None = None
    """Lower end of the change's interval (jackknife over passages); null where nothing varies."""
    high: float | None = None
    """Upper end of the change's interval."""
    level: float | None = None
    """Confidence level of the interval, e.g. 0.95."""


class Diagnostics(Frozen):
    """Did the arm do anything, and did it break the model?"""

    visited: int = 0
    """Attention modules that the edits reached, over all requests."""
    changed: int = 0
    """Rows x heads altered, over all requests; 0 under an intervention makes the cell ``inert``."""
    changed_share: float | None = None
    """Share of documents whose outputs differ from the baseline's."""
    first_token_kl: float | None = None
    """Mean lower bound (nats) of the KL divergence of the first generated position, baseline
    against arm, over the most likely tokens that were kept; it ranks nothing."""
    neutral_loss: float | None = None
    """Mean next-token loss (nats) of the arm on the run's neutral text; null for controls, which
    are measured on fewer passages: see ``neutral``."""
    neutral_text: str | None = None
    """Which neutral text ``neutral_loss`` is of: ``scene captions`` or ``prose``. ``captions`` in
    older files: captions that were NOT true of the images above them, so that an edit that makes a
    model look more raised the loss."""
    neutral: tuple[NeutralLoss, ...] = ()
    """The loss on each neutral text with its change; empty: not recorded."""
    truncated_share: float | None = None
    """Share of generations that stopped at the token limit."""
    passes: int = 0
    """Forward passes spent, probes and branches included."""
    rewritten: int | None = None
    """Requests that the arm changed before they were asked, for instance by another image; null:
    not recorded, or the arm rewrites none."""
    overrun: int | None = None
    """Requests that went beyond the length that the model's configuration allows, which a run does
    under ``--allow-overrun`` only; null: not recorded, or the model names no length."""


class CodeFacts(Frozen):
    """Code that is not headbench's own, and that answers or figures of a run came through."""

    kind: Literal["model", "intervention", "source", "scorer", "parser", "metric"]
    """What it is to the run."""
    name: str
    """Its registry name."""
    digest: str
    """SHA-256 over files and packages; in the response keys of what it answered, or in the id of
    what it read or scored."""
    files: dict[str, str] = {}
    """SHA-256 of each file, its line ends made equal, by its path below the folder or package."""
    packages: dict[str, str] = {}
    """Version of each installed distribution that it is, or imports."""


class ReasoningFacts(Frozen):
    """Thoughts that were cut from the outputs before anything was read."""

    marks: tuple[str, ...] = ()
    """Names of the marks, or ``OPENING...CLOSING``; empty: none was looked for."""
    closed: float | None = None
    """Share of outputs whose thoughts were closed, 0..1; null where there is no output."""
    unclosed: float | None = None
    """Share of outputs with a thought that was not closed, which are unparsed, 0..1."""


class RunFacts(Frozen):
    """How the run was set up; enough to replay it."""

    spec: dict[str, object] = {}
    """The ``RunSpec``, with the model that was taken; ``run --from`` reads it."""
    digest: str = ""
    """Digest of the spec."""
    seed: int = 0
    """The run's seed; every request's seed is derived from it."""
    batch_plan: str = ""
    """Digest of the planned batches that these answers ran in."""
    batches: int = 0
    """How many planned batches that is."""
    threads: int | None = None
    """Threads of the numerical library while the model answered; the bytes are promised for this
    number."""
    versions: dict[str, str] = {}
    """Versions of Python, headbench and the libraries that touch a number."""
    code: tuple[CodeFacts, ...] = ()
    """Interventions, adapters, scorers, parsers and metrics of others that the run used, whichever
    cell they served; empty where there were none, or where an older headbench did not record it."""
    commit: str | None = None
    """Git commit of a headbench checkout, ``-dirty`` where its code or tasks differ; null for a
    wheel."""


class RecordsFile(Frozen):
    """The item records beside this file."""

    name: str
    """File name, in the same folder."""
    sha256: str
    """Digest of the file's bytes."""
    count: int
    """Records in it."""


class ArraysFile(Frozen):
    """The arrays that records refer to, beside this file: safetensors, one tensor per part."""

    name: str
    """File name, in the same folder."""
    sha256: str
    """Digest of the file's bytes."""
    bytes: int
    """Size of the file."""


class Result(Frozen):
    """One (model, task, arm) cell."""

    schema_version: Literal[2] = SCHEMA_VERSION
    """Version of this format."""
    kind: Kind
    """Measured by a run, rescored from recorded outputs, or published in a paper."""
    id: str
    """Digest of the response keys and of the task, prompt, parser, profile and data versions."""
    status: Status
    """``ok``; ``inert``: the edits altered nothing; ``partial``: not every document answered."""
    reason: str = ""
    """Why the status is not ``ok``."""
    task: TaskFacts
    """What was asked."""
    model: ModelFacts
    """Who answered: the subject, where a task has several roles."""
    roles: dict[Role, ModelFacts] = {}
    """Who answered the steps that are not for the subject, by role; empty: there were none."""
    arm: ArmFacts = ArmFacts()
    """Under which intervention; interventions act on the subject only."""
    coverage: Coverage
    """Answered of expected."""
    headline: str | None = None
    """Metric that may be quoted alone; null for a partial cell."""
    metrics: dict[str, Estimate] = {}
    """Figures by metric name."""
    breakdowns: dict[str, dict[str, dict[str, Estimate]]] = {}
    """Figures by breakdown, group and metric, e.g. ``depth`` -> ``0.5`` -> ``accuracy``."""
    profiles: tuple[ProfileFacts, ...] = ()
    """The main figure of each layer or head, where a task compares several; empty for others and
    for control cells, and not recorded before."""
    diagnostics: Diagnostics | None = None
    """Present for measured cells."""
    reasoning: ReasoningFacts | None = None
    """Thoughts that were cut; null where that was not recorded."""
    run: RunFacts = RunFacts()
    """How it was run."""
    source: dict[str, str] = {}
    """For recorded outputs and published cells: where they came from, from which fields they were
    read, and how they were joined."""
    withheld: bool = False
    """Whether the records hold digests in place of texts, because the task is sensitive."""
    records: RecordsFile | None = None
    """The item records; null only where there are none (published cells)."""

    arrays: ArraysFile | None = None
    """Arrays that record parts refer to; null where no part is an array, and not recorded before
    there were any."""

    @model_validator(mode="after")
    def _partial_has_no_headline(self) -> Self:
        short = self.coverage.answered < self.coverage.expected
        if short and self.status == "ok":
            raise ValueError("a cell with missing answers has the status 'partial' or 'inert'")
        if self.status != "ok" and not self.reason:
            raise ValueError(f"a cell with the status {self.status!r} says why in 'reason'")
        if self.status == "partial" and self.headline is not None:
            raise ValueError("a partial cell has no headline")
        return self
