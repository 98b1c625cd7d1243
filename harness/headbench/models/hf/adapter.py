"""The ``hf`` adapter: a transformers model that answers jobs, edited row by row."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from headbench.edits import Rewrite
from headbench.errors import ConfigError, RefusedError
from headbench.interventions.rewriting import check_rewritten
from headbench.jobs import Job
from headbench.models.adapter_catalogue import rows_a_batch
from headbench.models.base_model import BaseModel, digest_of
from headbench.models.hf import batching
from headbench.models.hf.answering import BatchAnswering
from headbench.models.hf.captures import (
    absolute,
    captures_of,
    check_answer,
    check_keys,
    named_places,
)
from headbench.models.hf.chat import given_to, read_today
from headbench.models.hf.continuations import answer_ids, asked_ids, positions_taken
from headbench.models.hf.fingerprint import fingerprint_tensors
from headbench.models.hf.fold import head_columns
from headbench.models.hf.forward_pass import HFBackend
from headbench.models.hf.halving import by_halves
from headbench.models.hf.identity import identity_of
from headbench.models.hf.length import room_of
from headbench.models.hf.load import Loaded, describe, info_of, load, read_config
from headbench.models.hf.plan_checks import before_weights
from headbench.models.hf.preparation import RequestPreparation
from headbench.models.hf.prompts import Prompt, Prompter, choose_template
from headbench.models.hf.routers import check_routers
from headbench.models.hf.settings import Settings
from headbench.models.hf.state_check import check_state
from headbench.models.hf.tower import check_tower
from headbench.models.hf.vision import Vision
from headbench.models.images import decode
from headbench.models.preview import ModelPreview
from headbench.models.runtime import Runtime
from headbench.models.runtime.decoding import Decoder, DecodingSettings
from headbench.models.runtime.threads import threads
from headbench.nouns import Answer, Kind, ModelInfo, Request, Site

if TYPE_CHECKING:
    from torch import Tensor

    from headbench.interventions.edits.model_shape import ModelShape

KINDS: frozenset[Kind] = frozenset({"generate", "score", "nexttoken", "represent"})
SITES: frozenset[Site] = frozenset({"q", "k", "v", "scores", "pattern", "z", "residual"})


class HFModel(BaseModel):
    """A loaded transformers model.

    Args:
        loaded: Model, tokenizer, processor, shapes and fingerprint.
        settings: How it was asked for.
    """

    kinds = KINDS
    continues = True

    def __init__(self, loaded: Loaded, settings: Settings) -> None:
        super().__init__(loaded.info.name)
        template = choose_template(settings.chat_template, loaded.processor, loaded.tokenizer)
        self.identity = identity_of(loaded, settings, template is not None)
        self.info = loaded.info
        self.images = loaded.processor is not None
        self.rows = rows_a_batch({"batch_size": settings.batch_size})
        self.threads = settings.threads
        self.room = room_of(loaded.model, allowed=settings.allow_overrun)
        self.model = loaded.model
        tokenizer = loaded.tokenizer
        pad = tokenizer.pad_token_id
        self.backend = HFBackend(loaded.model, tokenizer.eos_token_id or 0 if pad is None else pad)
        vision = Vision(loaded.processor, self.image) if loaded.processor is not None else None
        given = given_to(template, settings.template_arguments, read_today(settings.today))
        self.prompter = Prompter(tokenizer, vision, template, given)
        engine = None
        if settings.attn == "headbench":
            from headbench.models.hf.engine import Engine

            engine = Engine(loaded.model)
            self.sites, self.branches, self.gradients = SITES, True, True
            self.info = as_found(loaded.info, engine.shape)
        self.backend.extends = check_state(loaded.model, self.backend.pad_id)
        self.runtime = Runtime(self.backend, engine, settings.threads)
        self.preparation = RequestPreparation(
            self.runtime,
            self.backend,
            self.info,
            self.prompter.resolve,
            vision.tensors if vision is not None else _no_pixels,
            lambda sha256: decode(self.image(sha256), sha256),
        )
        self.decoder = Decoder(self.runtime, self.prompter.decode, end_ids(loaded))
        self.answering = BatchAnswering(self.preparation, self.decoder, self.prompter)

    # ------------------------------------------------------------- the contract

    def key(self, job: Job) -> Mapping[str, object]:
        """Digest of the prompt's ids, and of the continuations' where there are some."""
        prompt = self.prompter.resolve(job.request)
        key: dict[str, object] = {"tokens": digest_of(prompt.tokens)}
        if job.request.kind in ("score", "nexttoken"):
            key["asked"] = digest_of(asked_ids(job.request, prompt, self.prompter))
        if job.request.kind == "represent" and (places := named_places(job.request, prompt.spans)):
            key["places"] = digest_of(places)
        answer = answer_ids(job.request, prompt, self.prompter)
        if answer is not None:
            key["answer"] = digest_of(answer)
        return key

    def refuse(self, job: Job) -> None:
        """Also: settings that cannot be answered, layers that are not there, overruns."""
        super().refuse(job)
        request = job.request
        where = f"document {request.document!r}, step {request.step!r}"
        self.refuse_overrun(request)
        if request.kind == "generate":
            DecodingSettings.read(request.ask, where)
        if request.kind == "represent":
            self._check_captures(request)

    def _check_captures(self, request: Request) -> None:
        """Refuse captures that this model or this prompt does not have."""
        where = f"document {request.document!r}, step {request.step!r}"
        captures = captures_of(request)
        check_answer(captures, "answer" in request.ask, where)
        engine, info = self.runtime.check_engine(), self.preparation.info
        counted = [absolute(capture, info.layers, info.attending) for capture in captures]
        routed = [layer for one in counted if one.site == "router" for layer in one.layers]
        if routed:
            check_routers(routed, engine.routers, type(self.model).__name__)
        check_keys(captures, self.prompter.resolve(request).spans, where)
        inside = [capture for capture in captures if capture.tower == "vision"]
        if inside:
            check_tower(self.model, inside, len(request.images), where)

    def plan(self, jobs: Sequence[Job]) -> Sequence[tuple[int, ...]]:
        """Batches over the whole run; see :mod:`headbench.models.hf.batching`."""
        for job in jobs:
            self.refuse(job)
        for job in {job.condition.name: job for job in reversed(jobs)}.values():
            self.preparation.check_plan(job)
        needs = [self._need(job) for job in jobs]
        return batching.plan(needs, self.rows, self.backend.device.type)

    def answer(self, jobs: Sequence[Job]) -> Iterator[tuple[int, Answer]]:
        """Answer one planned batch; where memory runs out, by halves, which the batch name says."""
        for job in jobs:
            self.refuse(job)
            check_rewritten(job)
        for index, answer, name in by_halves(jobs, self._answers, batch_name(jobs)):
            yield index, dataclasses.replace(answer, batch=name)

    def rewrite(self, jobs: Sequence[Job]) -> Iterator[tuple[int, Rewrite]]:
        """The requests that the jobs' rewriting methods ask in place of the given ones.

        Their probes run together, by halves where memory runs out; then one request after another
        is rewritten when it is taken, so that the images of one are in memory at a time.
        """
        for job in jobs:
            self.refuse(job)
        for index, probed, _ in by_halves(jobs, self.preparation.probe_rewrites):
            yield index, probed.rewritten()

    def refuse_overrun(self, request: Request) -> None:
        """Stop a request that is longer than the configuration allows.

        Raises:
            RefusedError: It is, and the user did not ask for it.
        """
        self._refuse_overrun(request, self.prompter.resolve(request))

    def overrun(self, request: Request) -> bool:
        """Whether prompt and answer go beyond the length that the configuration allows."""
        return self.room.beyond(self._length(request, self.prompter.resolve(request)))

    def unknown_share(self, request: Request) -> float:
        """Share of the prompt's text tokens that are the unknown token, in [0, 1]."""
        return self.prompter.unknown_share(self.prompter.resolve(request))

    def output_weights(self, layer: int) -> Tensor:
        """The output projection of a layer by head, ``[head, dim, width]``, float32 on the CPU.

        Raises:
            RefusedError: no engine, or no output projection inside the attention module.
        """
        return head_columns(self.runtime.check_engine(), layer).float().cpu()

    # ------------------------------------------------------------- one batch

    def _answers(self, jobs: Sequence[Job]) -> list[Answer]:
        with threads(self.threads):
            return self.answering.answers(self.preparation.open(jobs))

    # ------------------------------------------------------------- inside

    def _need(self, job: Job) -> batching.Need:
        request = job.request
        prompt = self.prompter.resolve(request)
        new = 0
        if request.kind == "generate":
            new = DecodingSettings.read(request.ask, request.document).new_tokens
        group = (request.kind, "image" if request.images else "text", f"{new:06d}")
        order = (request.document, request.step, f"{request.index:06d}", job.condition.name)
        new += len(answer_ids(request, prompt, self.prompter) or ())
        return batching.Need(group, len(prompt.tokens) + new, order)

    def _length(self, request: Request, prompt: Prompt) -> int:
        return positions_taken(request, prompt, self.prompter, self.room)

    def _refuse_overrun(self, request: Request, prompt: Prompt) -> None:
        where = f"document {request.document!r}, step {request.step!r}"
        alone = request.kind == "represent" and "answer" not in request.ask
        what = "the prompt" if alone else "the prompt and its answer"
        self.room.refuse(self._length(request, prompt), what, where)


def create(args: Mapping[str, str]) -> HFModel:
    """Build the adapter from ``--model-args``; see :class:`Settings`."""
    settings = Settings.read(args)
    return HFModel(load(settings), settings)


def preview(args: Mapping[str, str]) -> ModelPreview:
    """What ``--model-args`` and the checkpoint's configuration tell, before weights are read."""
    settings = Settings.read(args)
    config = read_config(settings)
    info = info_of(config, settings)
    edited = settings.attn == "headbench"
    return ModelPreview(
        identity={"name": info.name},
        info=info,
        kinds=KINDS,
        sites=SITES if edited else frozenset(),
        branches=edited,
        gradients=edited,
        images=info.images,
        check_jobs=before_weights(settings, config, info),
    )


def wrap(
    model: Any,
    tokenizer: Any,
    processor: Any | None = None,
    *,
    name: str = "in-memory",
    **args: str,
) -> HFModel:
    """Build the adapter around a model that is already in memory.

    Args:
        model: A transformers model.
        tokenizer: Its tokenizer.
        processor: Its processor, for images.
        name: Display name.
        args: As ``--model-args``: ``chat_template``, ``chat_template_args``, ``attn``,
            ``batch_size``.
    """
    settings = Settings.read({"pretrained": name, **args})
    if settings.untrained:
        raise ConfigError(
            "a model in memory has the weights that it has",
            where="untrained",
            hint="leave the argument out, and say it in name=",
        )
    model.eval()
    info = dataclasses.replace(describe(model.config, name), images=processor is not None)
    weights = fingerprint_tensors(model)
    return HFModel(Loaded(model, tokenizer, processor, info, weights), settings)


def as_found(info: ModelInfo, shape: ModelShape) -> ModelInfo:
    """What the configuration says of a model, with the shapes that its modules showed."""
    return dataclasses.replace(
        info,
        layers=shape.layers,
        heads=shape.heads,
        kv_heads=shape.kv_heads,
        head_dim=shape.head_dim,
        value_dim=shape.value_dim,
        attention=shape.attention,
    )


def end_ids(loaded: Loaded) -> frozenset[int]:
    """Ids that end an answer: of the generation configuration, and the tokenizer's."""
    named = getattr(getattr(loaded.model, "generation_config", None), "eos_token_id", None)
    ids = named if isinstance(named, list | tuple) else [named]
    return frozenset(i for i in (*ids, loaded.tokenizer.eos_token_id) if i is not None)


def batch_name(jobs: Sequence[Job]) -> str:
    """A batch's name: its size and a digest of its members."""
    members = [
        [job.request.document, job.request.step, job.request.index, job.condition.name]
        for job in jobs
    ]
    return f"{len(jobs)}-{digest_of(members)[:12]}"


def _no_pixels(sha256: str) -> Mapping[str, Tensor]:
    raise RefusedError("the model takes no images", where=f"image {sha256[:12]}")


__all__ = ["HFModel", "create", "wrap"]
