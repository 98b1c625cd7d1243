"""A task: documents, prompts and scoring behind one frozen object."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import islice
from types import MappingProxyType

from headbench.errors import ConfigError, nearest
from headbench.nouns import Document, ModelInfo, Record, Request, Role
from headbench.scoring.scorer import AskedStep
from headbench.tasks.combine import combine_outputs
from headbench.tasks.data import read_rows
from headbench.tasks.data.source import DataSpec
from headbench.tasks.documents import Shaper, hash_documents
from headbench.tasks.fewshot import Fewshot
from headbench.tasks.images import Images
from headbench.tasks.merge import Merged
from headbench.tasks.schema import TaskConfig
from headbench.tasks.sensitive import (
    label_set,
    no_texts_in_errors,
    without_text_as_name,
    without_texts,
)
from headbench.tasks.steps import (
    Earlier,
    Step,
    Turn,
    answer_of,
    build_request,
    compile_step,
    request_seed,
)
from headbench.tasks.survey import Survey, survey


@dataclass
class _Cache:
    """Cache of what a task has read."""

    images: Images = field(default_factory=Images)
    documents: dict[tuple[int, int | None], tuple[Document, ...]] = field(default_factory=dict)
    data_hash: str = ""


@dataclass(frozen=True)
class Task:
    """One task, loaded.

    Attributes:
        config: The file after all includes.
        merged: Where each value came from (:attr:`provenance` shows it).
        steps: What is asked, in order.
    """

    config: TaskConfig
    merged: Merged
    steps: tuple[Step, ...]
    _shaper: Shaper
    _fewshot: Fewshot
    _cache: _Cache = field(default_factory=_Cache, compare=False, repr=False)

    @classmethod
    def build(cls, config: TaskConfig, merged: Merged) -> Task:
        """Compile a checked file.

        Raises:
            ConfigError: A template does not compile.
        """
        numbered = bool(config.steps)
        steps = tuple(
            compile_step(step, merged, number if numbered else None)
            for number, step in enumerate(config.all_steps)
        )
        shaper = Shaper(config, merged)
        return cls(config, merged, steps, shaper, Fewshot(config, merged, shaper))

    # ------------------------------------------------------------- names

    @property
    def name(self) -> str:
        """Unique name."""
        return self.config.task

    @property
    def version(self) -> str:
        """``metadata.version``."""
        return str(self.config.metadata.version)

    @property
    def provenance(self) -> Mapping[str, str]:
        """Dotted key -> ``file:line`` that set it."""
        from headbench.tasks.yamlfile import dotted

        return {dotted(key): str(origin) for key, origin in self.merged.origins.items()}

    @property
    def metrics(self) -> tuple[str, ...]:
        """Registry names of the reported metrics, in the file's order."""
        return tuple(metric.metric for metric in self.config.metric_list)

    @property
    def main_metric(self) -> str:
        """Registry name of the headline."""
        return next(metric.metric for metric in self.config.metric_list if metric.main)

    @property
    def scorer(self) -> str:
        """Registry name of the scorer."""
        return self.config.scorer

    @property
    def parser(self) -> str:
        """Registry name of the parser: the file's, else the scorer's default."""
        if self.config.parser is not None:
            return self.config.parser
        from headbench.scoring import lookup

        return lookup.scorer(self.scorer).default_parser

    @property
    def needs_images(self) -> bool:
        """Whether only models that see images can answer."""
        return self.config.needs_images

    def check_scorer(self, models: Mapping[Role, ModelInfo | None] = MappingProxyType({})) -> None:
        """Refuse scorer options that are wrong, and steps that do not give what is scored.

        Args:
            models: Role -> shapes of its model, as far as they are known.

        Raises:
            ConfigError: The scorer refuses.
        """
        from headbench.scoring import lookup

        asked = [
            AskedStep(
                step.name,
                step.kind,
                outputs=1
                if step.config.for_each is None or step.config.combine != "none"
                else None,
                captures=step.captures,
                model=models.get(step.role),
            )
            for step in self.steps
        ]
        try:
            lookup.scorer(self.scorer).check_options(self.config.scorer_options, asked)
        except ConfigError as error:
            place = f"{error.where}, " if error.where else ""
            raise ConfigError(
                error.what, where=f"{place}task {self.name}, {self.merged.path}", hint=error.hint
            ) from error

    # ------------------------------------------------------------- data

    def documents(self, seed: int = 0, limit: int | None = None) -> tuple[Document, ...]:
        """The documents, in a stable order.

        Args:
            seed: The run's seed. It changes the data only of tasks that say ``seed: run``, so that
                runs with different seeds can be compared.
            limit: Take only the first ones.

        Raises:
            HeadbenchError: The data is absent or broken, or an option is wrong.
        """
        key = (seed, limit)
        if key not in self._cache.documents:
            sensitive = self.config.sensitive
            with no_texts_in_errors(sensitive):
                rows = read_rows(self._spec(seed), self._cache.images)
                shaped = self._shaper.documents(rows, self._fewshot.ids())
                if sensitive:
                    shaped = map(without_text_as_name, shaped)
                self._cache.documents[key] = tuple(islice(shaped, limit))
        return self._cache.documents[key]

    def survey(self) -> Survey:
        """Counts over all rows of the test split: classes, repeats, texts with two golds.

        Raises:
            HeadbenchError: The data is absent or broken, or a label is unknown.
        """
        with no_texts_in_errors(self.config.sensitive):
            rows = read_rows(self._spec(0), Images())
            if self.config.sensitive:
                return survey(rows, self._shaper, without_text_as_name)
            return survey(rows, self._shaper)

    def _spec(self, seed: int) -> DataSpec:
        config = self.config
        return DataSpec(
            config.dataset_path,
            config.dataset_name,
            config.test_split,
            config.dataset_kwargs,
            self.merged,
            seed,
        )

    def image(self, sha256: str) -> bytes:
        """Encoded bytes of an image of the documents, by content hash.

        Raises:
            DataError: No document has it, or the file changed.
        """
        if sha256 not in self._cache.images:
            self.documents()
        return self._cache.images.read(sha256)

    @property
    def data_hash(self) -> str:
        """SHA-256 over all documents (of part of them: :func:`.documents.hash_documents`)."""
        if not self._cache.data_hash:
            self._cache.data_hash = hash_documents(self.documents())
        return self._cache.data_hash

    @property
    def prompt_hash(self) -> str:
        """SHA-256 over everything that decides what a model is asked, given the documents.

        Keys that nobody set stay out of it, so that a new optional key leaves old hashes alone.
        """
        config = self.config
        hashed = {
            "steps": [
                step.config.model_dump(mode="json", exclude_defaults=True) for step in self.steps
            ],
            "generation": [step.config.generation_kwargs.ask() for step in self.steps],
            "num_fewshot": config.num_fewshot,
            "fewshot": config.fewshot_config.model_dump(mode="json", exclude_defaults=True),
            "fewshot_split": config.fewshot_split,
            "doc_fields": config.doc_fields,
        }
        return hashlib.sha256(json.dumps(hashed, sort_keys=True).encode()).hexdigest()

    # ------------------------------------------------------------- asking and scoring

    def step(self, name: str) -> Step:
        """A step by name.

        Raises:
            ConfigError: No step has this name, or what was given is no name.
        """
        if not isinstance(name, str):
            raise ConfigError(
                f"a step is asked for by its name, not by {name!r}",
                where=f"task {self.name!r}",
                hint=f"give one of: {', '.join(step.name for step in self.steps)}",
            )
        for step in self.steps:
            if step.name == name:
                return step
        raise ConfigError(
            f"task {self.name!r} has no step {name!r}",
            hint=nearest(name, [step.name for step in self.steps]),
        )

    def requests(
        self, document: Document, step: str | Step, earlier: Earlier, run_seed: int
    ) -> tuple[Request, ...]:
        """The requests of one step about one document.

        Args:
            document: One of :meth:`documents`.
            step: One of :attr:`steps`, or its name.
            earlier: Outputs of the steps before it; templates read ``earlier.NAME[0]``.
            run_seed: Seed of the run; each request gets its own from it.

        Raises:
            HeadbenchError: A template asks for what the document or the earlier steps have not.
        """
        own_step = step if isinstance(step, Step) and step in self.steps else self._named(step)
        known = (text for texts in earlier.values() for text in texts)
        with no_texts_in_errors(self.config.sensitive, document, known):
            return self._requests(document, own_step, earlier, run_seed)

    def _requests(
        self, document: Document, asked: Step, earlier: Earlier, run_seed: int
    ) -> tuple[Request, ...]:
        fields = self._fields(document, earlier)
        requests: list[Request] = []
        # A step that continues an answer reads the prompt that the answer was given to.
        prompted = asked if asked.config.continues is None else self.step(asked.config.continues)
        answer = self._continued(asked, prompted, document, earlier)
        for index, item in enumerate(asked.items(document)):
            own = fields if asked.config.for_each is None else fields | {"item": item}
            turns = self._turns(prompted, document, own, earlier)
            seed = request_seed(run_seed, document.id, asked.name, index)
            made = build_request(
                asked, document, own, turns, (index, seed), prompted.system(own), answer
            )
            requests.append(made)
        return tuple(requests)

    def _named(self, step: str | Step) -> Step:
        """A step by name; a step of another task is refused, even under a known name.

        Raises:
            ConfigError: There is none.
        """
        if isinstance(step, Step):
            raise ConfigError(
                f"the step {step.name!r} belongs to another task",
                where=f"task {self.name!r}",
                hint="give one of this task's steps, or its name",
            )
        return self.step(step)

    def record(
        self,
        document: Document,
        outputs: tuple[str, ...],
        tokens: tuple[tuple[int, ...], ...] = (),
        marks: Sequence[str] | None = None,
    ) -> Record:
        """Score the outputs of one document, one per request, in step order.

        Of a sensitive task, the record holds labels, numbers and digests, and no text.

        Args:
            document: One of :meth:`documents`.
            outputs: As they came, thoughts included.
            tokens: Token ids of each output, where the model gives them.
            marks: Marks of thoughts (:mod:`headbench.scoring.thoughts`); the default ones if left
                out.

        Raises:
            HeadbenchError: The scorer or parser refuses.
        """
        sensitive = self.config.sensitive
        with no_texts_in_errors(sensitive, document, outputs):
            record = self._scored(document, outputs, tokens, marks)
        if not sensitive:
            return record
        return without_texts(record, label_set(self.config.scorer_options))

    def _scored(
        self,
        document: Document,
        outputs: tuple[str, ...],
        tokens: tuple[tuple[int, ...], ...],
        marks: Sequence[str] | None,
    ) -> Record:
        from headbench.scoring import lookup, thoughts

        scorer = lookup.scorer(self.scorer)
        parser = lookup.parser(self.parser)
        marks = thoughts.DEFAULT if marks is None else marks
        options = self.config.scorer_options
        counted = self._from_subject(document, len(outputs))
        if all(step.config.combine == "none" for step in self.steps):
            return scorer.record(document, outputs, parser, options, tokens, marks, counted)
        # Thoughts are cut from each output before they are combined, because marks would be lost.
        answers = thoughts.cut(outputs, marks, counted)
        combined = combine_outputs(self.steps, document, answers.texts)
        if len(combined) != len(outputs):
            tokens = ()  # they belong to the single outputs
        record = scorer.record(document, combined, parser, options, tokens, ())
        return replace(record, parts={**record.parts, **answers.parts()})

    def _from_subject(self, document: Document, outputs: int) -> list[bool] | None:
        """Which outputs are the evaluated model's; ``None``: all, or not as many as were asked."""
        if all(step.role == "subject" for step in self.steps):
            return None
        found = [step.role == "subject" for step in self.steps for _ in step.items(document)]
        return found if len(found) == outputs else None

    def _fields(self, document: Document, earlier: Earlier) -> dict[str, object]:
        fields: dict[str, object] = {**document.fields, "target": document.target}
        if self.config.num_fewshot:
            fields["fewshot"] = self._fewshot.examples()
        if earlier:
            fields["earlier"] = earlier
        return fields

    def _continued(
        self, asked: Step, prompted: Step, document: Document, earlier: Earlier
    ) -> dict[str, object]:
        """The answer that a step continues; empty for a step that continues none.

        Raises:
            ConfigError: There is no answer yet.
        """
        if prompted is asked:
            return {}
        if not earlier.get(prompted.name):
            raise ConfigError(
                f"step {asked.name!r} continues {prompted.name!r}, which has no answer yet",
                where=f"task {self.name}, document {document.id}",
                hint="run the steps in order",
            )
        return answer_of(earlier[prompted.name][0], same_model=asked.role == prompted.role)

    def _turns(
        self, step: Step, document: Document, fields: Mapping[str, object], earlier: Earlier
    ) -> list[Turn | str]:
        """Earlier turns with their answers, then the step's own."""
        turns: list[Turn | str] = []
        for question, answer in self._fewshot.turns() if step.config.use_fewshot else ():
            turns += [Turn(question, {}, ()), answer]
        before = self._fewshot.before() if step.config.use_fewshot else ""
        for name in step.config.history:
            if not earlier.get(name):
                raise ConfigError(
                    f"step {step.name!r} continues {name!r}, which has no answer yet",
                    where=f"task {self.name}, document {document.id}",
                    hint="run the steps in order",
                )
            turns += [self.step(name).turn(document, fields, before=before), earlier[name][0]]
            before = ""
        turns.append(step.turn(document, fields, before=before))
        return turns
