"""What a task file may say. Unknown keys are refused; key names follow lm-eval where it has one."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    WithJsonSchema,
    field_validator,
    model_validator,
)

from headbench.errors import ConfigError
from headbench.nouns import CaptureSite, Kind, Role
from headbench.site_names import PATTERN, SITES, site_and_layers


def _listed(value: object) -> object:
    """A single string is a list of one."""
    return [value] if isinstance(value, str) else value


Names = Annotated[tuple[str, ...], BeforeValidator(_listed)]
"""A name or a list of names."""

OutputType = Literal[
    "generate_until",
    "generate",
    "multiple_choice",
    "loglikelihood",
    "score",
    "nexttoken",
    "represent",
]
KINDS: Mapping[str, Kind] = {
    "generate_until": "generate",
    "generate": "generate",
    "multiple_choice": "score",
    "loglikelihood": "score",
    "score": "score",
    "nexttoken": "nexttoken",
    "represent": "represent",
}
"""Output type of a task file -> kind of request."""


ALL: Literal["all"] = "all"
"""What `layers` says instead of every number."""
OUTSIDE_ATTENTION = ("residual", "residual_in", "router")
"""Sites that every layer has, with attention or without."""


class Strict(BaseModel):
    """Base of all parts: frozen, unknown keys forbidden."""

    # Built when first used: listing and checking one task need few of them.
    model_config = ConfigDict(extra="forbid", frozen=True, defer_build=True)


class Generation(Strict):
    """How to generate."""

    max_gen_toks: int = Field(64, ge=1, description="Most tokens to generate.")
    until: Names = Field((), description="Strings that end the answer; they are cut off.")
    do_sample: bool = Field(False, description="Sample instead of taking the likeliest token.")
    temperature: float = Field(1.0, ge=0, description="Used only with do_sample.")
    top_p: float = Field(1.0, gt=0, le=1, description="Used only with do_sample.")
    top_k: int = Field(0, ge=0, description="Used only with do_sample; 0 is off.")

    def ask(self) -> dict[str, object]:
        """The settings as a request carries them; sampling settings only when they matter."""
        settings: dict[str, object] = {"max_new_tokens": self.max_gen_toks, "until": self.until}
        if self.do_sample:
            settings |= {
                "do_sample": True,
                "temperature": self.temperature,
                "top_p": self.top_p,
                "top_k": self.top_k,
            }
        return settings


_SITE_SCHEMA: dict[str, Any] = {
    "anyOf": [{"enum": list(SITES)}, {"type": "string", "pattern": f"^{PATTERN}$"}]
}


class CaptureConfig(Strict):
    """What a `represent` step captures."""

    site: Annotated[CaptureSite, WithJsonSchema(_SITE_SCHEMA)] = Field(
        "residual",
        description="Named place in the forward pass, or TransformerLens's name of it "
        "(`blocks.5.attn.hook_z`, with its layer); `residual_in` is what a layer reads (of "
        "layer 0: the embeddings), `z_out` what each head adds to the residual stream, `z` times "
        "its rows of the output projection.",
    )
    layers: tuple[int | Literal["all"], ...] = Field(
        (-1,),
        min_length=1,
        description="0-based layers, each once; negative ones count from the top. `all`: every "
        "layer of the model, and of sites inside attention every layer with heads.",
    )
    rows: str = Field(
        "all",
        pattern=r"^[a-z][a-z0-9_]*$",
        description="Query rows: `all`; `last`, the last prompt token; `content`, the text of the "
        "prompt without special tokens and without what a chat template adds; `answer`, the "
        "tokens of the answer that the step continues; `image`; or a span that a template marks.",
    )
    pool: Literal["none", "mean", "last"] = Field(
        "mean", description="Mean over the rows, their last one, or none."
    )
    keys: str | None = Field(
        None,
        description="For `pattern` and `scores`: the key positions, as the name of a span that a "
        "template marks, or `image`, `first`, `last`, `prompt`; in the vision tower `image` (the "
        "patches), `class` or `prompt`.",
    )
    tower: Literal["text", "vision"] = Field(
        "text", description="`vision`: inside the vision tower, while it looks at the one image."
    )

    @field_validator("layers", mode="before")
    @classmethod
    def _listed(cls, layers: object) -> object:
        return (ALL,) if layers == ALL else layers

    @model_validator(mode="before")
    @classmethod
    def _their_site(cls, data: Any) -> Any:
        """Take a site by TransformerLens's name, which may hold the layer."""
        if not isinstance(data, dict) or "hook_" not in str(data.get("site")):
            return data
        layers = data.get("layers")
        given: Any = (layers,) if isinstance(layers, int | str) else layers
        try:
            site, found = site_and_layers(str(data["site"]), given)
        except ConfigError as error:
            raise ValueError(f"{error.what}; {error.hint}") from None
        return data | {"site": site} | ({} if found is None else {"layers": found})

    @model_validator(mode="after")
    def _possible(self) -> CaptureConfig:
        if repeated := [one for one in self.layers if self.layers.count(one) > 1]:
            raise ValueError(f"layer {repeated[0]} stands twice in layers")
        if ALL in self.layers and len(self.layers) > 1:
            raise ValueError("layers: all stands alone: it names every layer")
        if ALL in self.layers and self.tower == "vision":
            raise ValueError("layers: all counts those of the text model; name the tower's")
        by_key = self.site in ("pattern", "scores")
        if self.keys is not None and not by_key:
            raise ValueError(f"keys: {self.keys} needs the site pattern or scores, not {self.site}")
        if by_key and self.keys is None and self.rows != "last":
            raise ValueError(
                f"{self.site} is never captured whole: name a span with `keys`, or say `rows: last`"
            )
        if by_key and self.rows not in ("all", "last"):
            raise ValueError(
                f"rows: {self.rows} of {self.site}: only `all` and `last` are captured"
            )
        if self.tower == "vision" and self.rows != "all":
            raise ValueError("a vision tower has no prompt and no last row: say `rows: all`")
        if self.tower == "vision" and self.site == "z_out":
            raise ValueError("z_out is captured in the text model only: say `site: z`")
        return self


class Prompt(Strict):
    """What is asked; at the top level it is the default of every step."""

    output_type: OutputType = Field(
        "generate_until",
        description="`generate_until` (or `generate`), `multiple_choice` (the likeliest of "
        "`doc_to_choice`), `loglikelihood` (of `doc_to_target`), `score` (either of the two), "
        "`nexttoken` (over `doc_to_choice` as single tokens), `represent` (`captures`).",
    )
    system: str | None = Field(None, description="Template of a system turn.")
    description: str = Field("", description="Template put before the first user turn's text.")
    doc_to_text: str = Field("", description="Template of the user turn, or a bare field name.")
    doc_to_choice: str | tuple[str, ...] | None = Field(
        None, description="Templates of the choices, or the name of a field that lists them."
    )
    doc_to_image: Names = Field(
        (), description="Fields that hold images, in the order of the `<image>` marks of the text."
    )
    target_delimiter: str = Field(" ", description="Put before each choice or target in `score`.")
    generation_kwargs: Generation = Field(
        default_factory=Generation, description="How to generate."
    )
    for_each: str | None = Field(
        None, description="Field that lists items: one request each; templates read `item`."
    )
    captures: tuple[CaptureConfig, ...] = Field((), description="What `represent` captures.")
    combine: Literal["none", "lines", "balanced_kmeans"] = Field(
        "none",
        description="How the outputs of a `for_each` step become one for the scorer: kept apart; "
        "a line each; or groups of equal size by k-means over represented vectors.",
    )
    use_fewshot: bool = Field(True, description="Whether solved examples come before the prompt.")


class StepConfig(Prompt):
    """One step of a task; what it leaves out comes from the task's top level."""

    name: str = Field(pattern=r"^[a-z][a-z0-9_]*$", description="Later steps read it as `earlier`.")
    role: Role = Field("subject", description="Who answers: `subject`, `encoder` or `judge`.")
    history: Names = Field(
        (), description="Earlier steps whose turns (prompt and answer) come before this one's."
    )
    continues: str | None = Field(
        None,
        description="For `represent`: an earlier `generate_until` step. Its prompt is read again "
        "with the answer that the model gave, and `rows: answer` (or `all`) are captured.",
    )


class FewshotConfig(Strict):
    """Where solved examples come from."""

    samples: tuple[dict[str, Any], ...] = Field(
        (), description="Examples given in the file itself; else they come from `fewshot_split`."
    )
    sampler: Literal["first_n", "random"] = Field("random", description="How to pick them.")
    seed: int = Field(42, description="Seed of `random`; the same examples for every document.")
    balance: str | None = Field(
        None, description="Field whose values take turns among the examples, e.g. the label."
    )
    doc_to_text: str | None = Field(None, description="Template of an example's question.")
    doc_to_target: str | None = Field(None, description="Template of an example's answer.")
    delimiter: str = Field("\n\n", description="Put after each example.")
    placement: Literal["before", "turns", "template"] = Field(
        "before",
        description="`before` the prompt; as `turns` of the conversation, a question and its "
        "answer each; or where the template says `{{ fewshot }}` (a list of the examples' fields).",
    )


class MetricConfig(Strict):
    """One metric of the task."""

    metric: str = Field(description="Name in the metric registry: `headbench ls metrics`.")
    main: bool = Field(False, description="The task's headline; exactly one metric has it.")


class Metadata(Strict):
    """What a reader must know about the task."""

    version: int | str = Field(description="Changes whenever the prompt, data or scoring does.")
    description: str = Field("", description="One sentence.")
    paper: str = Field("", description="Authors, year, arXiv id.")
    source: str = Field("", description="Where data or protocol come from, with the commit.")
    licence: str = Field("", description="Licence of the data.")
    wording: Literal["published", "own"] = Field(
        "own", description="Whether the prompt's words are the published ones or ours."
    )
    notes: str = Field("", description="Pitfalls.")
    reference: str = Field(
        "", description="Shipped model that a run takes when none is named; else the usual one."
    )


class TaskConfig(Prompt):
    """A task file after all includes."""

    task: str = Field(
        pattern=r"^[a-z][a-z0-9_]*$", description="Unique name, as `--tasks` takes it."
    )
    include: Names = Field((), description="Files merged below this one, relative to it.")
    tag: Names = Field((), description="Names under which `--tasks` finds several tasks.")
    dataset_path: str = Field(
        description="A data source of `headbench ls families`, such as `world`, `json` or `csv`, "
        "or a hub id (`dataset_kwargs.revision` pins it)."
    )
    dataset_name: str | None = Field(None, description="Configuration of a hub data set.")
    dataset_kwargs: dict[str, Any] = Field(
        default_factory=dict, description="What the data source takes; paths relative to the file."
    )
    arguments: dict[str, Names] = Field(
        default_factory=dict,
        description="What a run may set with `--task-args name=value`: name -> the key, or keys, "
        "of this file, e.g. `table: dataset_kwargs.table` or `layers: captures.0.layers`. The "
        "file's own value is the default and says of what kind it is.",
    )
    test_split: str = Field("test", description="Split that is asked.")
    fewshot_split: str | None = Field(None, description="Split of the examples; never the test's.")
    num_fewshot: int = Field(0, ge=0, description="Solved examples before each prompt.")
    fewshot_config: FewshotConfig = Field(
        default_factory=FewshotConfig, description="Their source and form."
    )
    doc_to_id: str = Field("id", description="Field or template of a document's stable id.")
    doc_to_cluster: str = Field(
        "cluster", description="Field or template of what is resampled together."
    )
    doc_to_target: str = Field(
        "target", description="Field (kept as it is) or template (text) of the ground truth."
    )
    target_classes: dict[str, tuple[str, ...]] = Field(
        default_factory=dict,
        description="Class -> the labels of the data that are it, as text. A label that is "
        "not listed is an error.",
    )
    target_left_out: tuple[str, ...] = Field(
        (), description="Labels of the data whose rows are left out, and counted."
    )
    doc_fields: dict[str, str] = Field(
        default_factory=dict,
        description="Further fields of each document, as templates (a bare word is text).",
    )
    steps: tuple[StepConfig, ...] = Field(
        (), description="Steps in order; without any, one step `answer` with the top level."
    )
    scorer: str = Field(description="Name in the scorer registry.")
    scorer_options: dict[str, Any] = Field(default_factory=dict, description="What it takes.")
    parser: str | None = Field(None, description="Parser; the scorer's own default if left out.")
    metric_list: tuple[MetricConfig, ...] = Field(min_length=1, description="What is reported.")
    breakdown: Names = Field((), description="Fields by which the metrics are also split.")
    needs_images: bool = Field(False, description="Only models that see images can answer.")
    sensitive: bool = Field(
        False, description="Texts and outputs that no listing, log, record or result may hold."
    )
    metadata: Metadata = Field(description="Version and sources.")

    @model_validator(mode="after")
    def _consistent(self) -> TaskConfig:
        main = sum(metric.main for metric in self.metric_list)
        if main != 1:
            raise ValueError(f"exactly one metric of metric_list has `main: true`, not {main}")
        names = [step.name for step in self.steps]
        if len(set(names)) != len(names):
            raise ValueError("two steps have the same name")
        for number, step in enumerate(self.steps):
            unknown = [name for name in step.history if name not in names[:number]]
            if unknown:
                raise ValueError(
                    f"step {step.name!r}: history names {unknown[0]!r}, no step before"
                )
        self._check_continued()
        labels = [one for given in self.target_classes.values() for one in given]
        labels += self.target_left_out
        if len(set(labels)) != len(labels):
            raise ValueError("a label stands twice in target_classes and target_left_out")
        if self.target_left_out and not self.target_classes:
            raise ValueError("target_left_out needs target_classes")
        if self.fewshot_split is not None and self.fewshot_split == self.test_split:
            raise ValueError("fewshot_split must differ from test_split")
        return self

    def _check_continued(self) -> None:
        """A step that continues an answer captures it, and nothing captures an answer without."""
        before: dict[str, StepConfig] = {}
        for step in self.all_steps:
            rows = (
                {one.rows for one in step.captures}
                if KINDS[step.output_type] == "represent"
                else set()
            )
            if step.continues is None and "answer" in rows:
                raise ValueError(
                    f"step {step.name!r}: rows: answer needs `continues`, the name of the step "
                    "that generates the answer"
                )
            before[step.name] = step
            if step.continues is None:
                continue
            continued = before.get(step.continues)
            if not rows:
                raise ValueError(f"step {step.name!r}: only a represent step continues an answer")
            if continued is None or continued is step:
                raise ValueError(
                    f"step {step.name!r}: continues names {step.continues!r}, no step before"
                )
            if KINDS[continued.output_type] != "generate" or continued.for_each is not None:
                raise ValueError(
                    f"step {step.name!r} continues {step.continues!r}, which does not generate one "
                    "answer per document"
                )
            if step.for_each is not None:
                raise ValueError(f"step {step.name!r}: one answer is continued once: no for_each")
            if wrong := sorted(rows - {"answer", "all"}):
                raise ValueError(
                    f"step {step.name!r}: rows: {wrong[0]} of an answer that is continued; say "
                    "`answer` or `all`, with `pool: last` for the last token"
                )

    @property
    def all_steps(self) -> tuple[StepConfig, ...]:
        """The steps with every default filled in from the top level."""
        shared = {name: getattr(self, name) for name in Prompt.model_fields}
        if not self.steps:
            return (StepConfig(name="answer", **shared),)
        return tuple(
            step.model_copy(
                update={n: v for n, v in shared.items() if n not in step.model_fields_set}
            )
            for step in self.steps
        )


class GroupConfig(Strict):
    """A file that names several tasks at once."""

    group: str = Field(pattern=r"^[a-z][a-z0-9_]*$", description="Name, as `--tasks` takes it.")
    task: Names = Field(min_length=1, description="Tasks, tags or groups in it.")
    include: Names = Field((), description="Files merged below this one.")
    tag: Names = Field((), description="Names under which it is found.")
    metadata: Metadata = Field(
        default_factory=lambda: Metadata(version=1), description="Version and sources."
    )


def json_schema() -> str:
    """The JSON Schema of task files, for editors (``tasks/schema.json``)."""
    from pydantic import TypeAdapter

    schema = TypeAdapter(TaskConfig | GroupConfig).json_schema()
    schema["$schema"] = "https://json-schema.org/draft/2020-12/schema"
    schema["title"] = "headbench task file"
    return json.dumps(schema, indent=2, sort_keys=True) + "\n"


if __name__ == "__main__":
    from headbench._paths import tasks_root

    (tasks_root() / "schema.json").write_text(json_schema(), encoding="utf-8")
