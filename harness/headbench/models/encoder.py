"""A sentence encoder: pooled states and head outputs of an AutoModel, edited where asked."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import torch
import transformers

from headbench._version import __version__
from headbench.edits import Intervention, Rewriter
from headbench.errors import HeadbenchError, RefusedError
from headbench.jobs import Job
from headbench.models.adapter_catalogue import check_args, positive, rows_a_batch
from headbench.models.base_model import BaseModel, digest_of
from headbench.models.hf import batching
from headbench.models.hf.captures import captures_of, check_keys, named_places, recorded
from headbench.models.hf.encoder_load import load_encoder
from headbench.models.hf.encoder_pass import EncoderBackend, EncoderPrompter, final_norm
from headbench.models.hf.engine import Engine
from headbench.models.hf.fingerprint import fingerprint_tensors
from headbench.models.hf.fold import head_columns, written
from headbench.models.hf.identity import config_text, unused_weights
from headbench.models.hf.identity_check import short_input
from headbench.models.hf.intervene import model_info
from headbench.models.hf.length import encoder_room
from headbench.models.hf.load import describe
from headbench.models.hf.preparation import PreparedJob, RequestPreparation, check_visited
from headbench.models.runtime import Runtime
from headbench.nouns import Answer, Capture, Request, Site

if TYPE_CHECKING:
    from torch import Tensor

ARGS = (
    "pretrained",
    "device",
    "dtype",
    "revision",
    "normalize",
    "max_length",
    "allow_overrun",
    "allow_unused_weights",
    "batch_size",
    "name",
    "untrained",
)
CAPTURED = ("residual", "residual_in", "q", "k", "v", "z", "z_out")
"""Sites of an encoder's captures."""
EDITED: frozenset[Site] = frozenset({"z", "residual"})
"""Sites of an encoder's edits."""
LAST = -1
"""The layer index of the last hidden state."""


@dataclass(frozen=True)
class Encoding:
    """How sentences become vectors.

    Attributes:
        normalize: Scale each vector to length 1.
        max_length: Longest input in tokens, where the user sets one. The model's own limits hold
            beside it; longer text is refused, never cut.
        batch_size: Sentences per batch, or ``None`` for as many as fit.
        allow_overrun: Run texts that are longer than the limits allow; recorded.
    """

    normalize: bool = True
    max_length: int | None = None
    batch_size: int | None = None
    allow_overrun: bool = False


class EncoderModel(BaseModel):
    """States of a text at the rows of a capture, and edits of heads where they can be reached.

    ``represent`` requests ask for ``residual``, ``residual_in``, ``q``, ``k``, ``v``, ``z`` or
    ``z_out``; layers count from 0, from the top with -1. Rows of a text are ``all`` (special tokens
    included), ``last``, ``content`` (without special tokens) or a marked span. Pooled states of the
    residual stream have length 1 where ``normalize`` says so.

    Args:
        model: An encoder in evaluation mode.
        tokenizer: Its tokenizer.
        encoding: Pooling and limits.
        name: Display name.
        weights: Fingerprint of the weights.
        sentence: ``sentence_bert_config.json``, where the checkpoint has one.
        maps: Head maps beside the checkpoint, name -> path.

    Attributes:
        unreachable: Why heads cannot be reached; empty where they can.
    """

    kinds = frozenset({"represent"})

    def __init__(
        self,
        model: Any,
        tokenizer: Any,
        encoding: Encoding,
        name: str,
        weights: str,
        sentence: Mapping[str, Any] = MappingProxyType({}),
        maps: Mapping[str, str] = MappingProxyType({}),
    ) -> None:
        super().__init__(name)
        self.model = model.eval()
        self.tokenizer = tokenizer
        self.encoding = encoding
        self.layers = int(model.config.num_hidden_layers)
        self.room = encoder_room(
            model, tokenizer, sentence, encoding.max_length, allowed=encoding.allow_overrun
        )
        self.prompter = EncoderPrompter(tokenizer)
        self.backend = EncoderBackend(model)
        engine = self._engine()
        shapes = describe(model.config, name)
        if engine is not None:
            shapes = replace(model_info(engine, maps), name=name)
            self.sites, self.info = EDITED, shapes
        self.runtime = Runtime(self.backend, engine)
        self.preparation = RequestPreparation(
            self.runtime, self.backend, shapes, self.prompter.resolve, _none, _none
        )
        self.identity = {
            "adapter": "encoder",
            "name": name,
            "architecture": type(model).__name__,
            "weights": weights,
            "config": digest_of(config_text(model))[:12],
            "dtype": str(model.dtype).removeprefix("torch."),
            "device": model.device.type,
            "pooling": "mean",
            "normalize": str(encoding.normalize).lower(),
            "headbench": __version__,
            "torch": str(torch.__version__),
            "transformers": str(transformers.__version__),
        }

    def _engine(self) -> Engine | None:
        """What reaches the heads; ``None``, with the reason noted, where nothing does."""
        self.unreachable = ""
        try:
            engine = Engine(self.model)
        except RefusedError as error:
            self.unreachable = error.what
            return None
        if final_norm(self.model, engine.blocks, short_input(self.model)):
            engine.close()
            self.unreachable = f"{type(self.model).__name__} has a norm behind its last layer"
            return None
        return engine

    def key(self, job: Job) -> Mapping[str, object]:
        """Digest of the text's ids, and of the rows that captures name."""
        prompt = self.prompter.resolve(job.request)
        places = named_places(job.request, prompt.spans)
        return {
            "tokens": digest_of(list(prompt.tokens)),
            **({"places": digest_of(places)} if places else {}),
        }

    def refuse(self, job: Job) -> None:
        """Also: captures that an encoder does not have, edits out of reach, texts too long."""
        super().refuse(job)
        request = job.request
        where = f"document {request.document!r}"
        captures = captures_of(request)
        for capture in captures:
            inside = capture.site in ("residual", "residual_in")
            if (
                capture.tower != "text"
                or capture.site not in CAPTURED
                or capture.rows == "after_image"
            ):
                raise RefusedError(
                    f"an encoder gives no {capture.site} at rows {capture.rows!r}",
                    where=f"{where}: {capture}",
                    hint=f"sites: {', '.join(CAPTURED)}; rows: all, last, content or a span",
                )
            if self.unreachable and not inside:
                raise RefusedError(
                    f"the heads of {self.name} cannot be reached: {self.unreachable}",
                    where=f"{where}: {capture}",
                    hint='ask for site "residual"',
                )
            wrong = [layer for layer in capture.layers if not LAST <= layer < self.layers]
            if wrong:
                raise RefusedError(
                    f"layer {wrong[0]} does not exist",
                    where=where,
                    hint=f"layers run from 0 to {self.layers - 1}; -1 is the last",
                )
        check_keys(captures, self.prompter.resolve(request).spans, where)
        for part in job.condition.interventions:
            self._refuse_edits(part, request, job.condition.name)
        self.refuse_overrun(request)

    def _refuse_edits(self, part: Intervention, request: Request, name: str) -> None:
        """Refuse what edits other sites than head outputs and states, or must look first.

        Raises:
            RefusedError: It does.
        """
        case = self.preparation.case(request)
        if part.probes(case) or isinstance(part, Rewriter):
            raise RefusedError(
                f"{part.canonical} looks at a decoder's pass first, and this is an encoder",
                where=f"intervention {name}",
                hint="use mask_heads, scale_heads or another method with fixed heads",
            )
        wrong = [edit.site for edit in part.plan(case, {}).edits if edit.site not in EDITED]
        if wrong:
            raise RefusedError(
                f"{part.canonical} edits {wrong[0]}; of an encoder only head outputs and states "
                "are edited",
                where=f"intervention {name}",
                hint="use mask_heads (mode zero or mean) or scale_heads",
            )

    def refuse_overrun(self, request: Request) -> None:
        """Stop a text that is longer than the limits allow.

        Raises:
            RefusedError: It is, and the user did not ask for it.
        """
        tokens = self.prompter.resolve(request).tokens
        self.room.refuse(len(tokens), "the tokens of a text", f"document {request.document!r}")

    def plan(self, jobs: Sequence[Job]) -> Sequence[tuple[int, ...]]:
        """Batches of texts of one length over the whole run."""
        for job in jobs:
            self.refuse(job)
        for job in {job.condition.name: job for job in reversed(jobs)}.values():
            if job.condition.interventions:
                self.preparation.check_plan(job)
        needs = []
        for job in jobs:
            length = len(self.prompter.resolve(job.request).tokens)
            request = job.request
            order = (request.document, request.step, f"{request.index:06d}", job.condition.name)
            needs.append(batching.Need(("represent", f"{length:06d}"), length, order))
        return batching.plan(needs, self.encoding.batch_size, self.model.device.type)

    def answer(self, jobs: Sequence[Job]) -> Iterator[tuple[int, Answer]]:
        """Encode texts; those of one length and one list of captures share a pass."""
        for job in jobs:
            self.refuse(job)
        works = self.preparation.open(jobs)
        groups: dict[tuple[object, ...], list[int]] = {}
        for place, work in enumerate(works):
            alike = (len(work.prompt.tokens), captures_of(work.job.request))
            groups.setdefault(alike, []).append(place)
        for places in groups.values():
            mine = [works[place] for place in places]
            for place, work, arrays in zip(places, mine, self._captured(mine), strict=True):
                check_visited(work)
                yield (
                    place,
                    Answer(
                        text=None,
                        arrays=arrays,
                        visited=work.visited,
                        changed=work.changed,
                        chosen=dict(work.chosen),
                        passes=work.passes,
                    ),
                )

    def overrun(self, request: Request) -> bool:
        """Whether a text is longer than the model's limits allow."""
        return self.room.beyond(len(self.prompter.resolve(request).tokens))

    def unknown_share(self, request: Request) -> float:
        """Share of the text's tokens that are the unknown token, in [0, 1]."""
        return self.prompter.unknown_share(request)

    def output_weights(self, layer: int) -> Tensor:
        """The output projection of a layer by head, ``[head, dim, width]``, float32 on the CPU.

        Raises:
            RefusedError: No engine, or no output projection next to the attention module.
        """
        return head_columns(self.runtime.check_engine(), layer).float().cpu()

    def _captured(self, works: Sequence[PreparedJob]) -> list[dict[Capture, Tensor]]:
        """What one request's captures hold for each text, ``[layer, row, ...]``."""
        captures = captures_of(works[0].job.request)
        counted = {one: recorded(one, self.layers) for one in captures}
        if self.unreachable:
            return [self._pooled(work, counted) for work in works]
        distinct = tuple(dict.fromkeys(counted.values()))
        found = []
        for work, arrays in zip(works, self.preparation.capture(works, distinct), strict=True):
            named = {}
            for one, at in counted.items():
                value = arrays[at]
                if one.site == "z_out":
                    value = written(self.runtime.check_engine(), at.layers, value)
                named[one] = self._checked(one, value, work).cpu()
            found.append(named)
        return found

    def _pooled(
        self, work: PreparedJob, counted: Mapping[Capture, Capture]
    ) -> dict[Capture, Tensor]:
        """States from the model's own list of hidden states, where heads cannot be reached."""
        row = self.preparation.sequence(work.prompt)
        self.backend.keep_states = True
        with torch.inference_mode():
            self.backend.forward([row], 0, len(row.tokens), None, 1)
        work.passes += 1
        found = {}
        for one, at in counted.items():
            behind = one.site == "residual"
            states = torch.stack([self.backend.states[layer + behind][0] for layer in at.layers])
            places = {"all": range(len(row.tokens)), "last": (len(row.tokens) - 1,)}
            rows = states[:, list(places.get(one.rows) or work.prompt.spans[one.rows])]
            if one.pool == "mean":
                rows = rows.mean(1, keepdim=True)
            elif one.pool == "last":
                rows = rows[:, -1:]
            found[one] = self._checked(one, rows, work).cpu()
        return found

    def _checked(self, capture: Capture, value: Tensor, work: PreparedJob) -> Tensor:
        """The numbers of a capture, of length 1 where a pooled state is wanted so."""
        value = value.float()
        if not bool(value.isfinite().all()):
            raise HeadbenchError(
                "the encoder's states are not numbers (NaN)",
                where=f"document {work.job.request.document!r}, dtype {self.model.dtype}",
                hint="run with dtype=float32",
            )
        vector = capture.site in ("residual", "residual_in") and capture.pool != "none"
        return (
            torch.nn.functional.normalize(value, dim=-1)
            if vector and self.encoding.normalize
            else value
        )


def create(args: Mapping[str, str]) -> EncoderModel:
    """Build the adapter from ``--model-args pretrained=...``; safetensors only.

    Raises:
        ConfigError: an unknown argument, or a checkpoint that cannot be loaded.
    """
    check_args("encoder", args, ARGS)
    loaded = load_encoder(args)
    encoding = Encoding(
        normalize=args.get("normalize", "true") == "true",
        max_length=positive(args, "max_length", 1) if "max_length" in args else None,
        batch_size=rows_a_batch(args),
        allow_overrun=args.get("allow_overrun") == "true",
    )
    encoder = EncoderModel(
        loaded.model,
        loaded.tokenizer,
        encoding,
        loaded.name,
        loaded.weights,
        loaded.sentence,
        loaded.maps,
    )
    encoder.identity = {**encoder.identity, **unused_weights(loaded.unused)}
    return encoder


def _none(sha256: str) -> Any:
    raise RefusedError("an encoder of texts takes no images", where=f"image {sha256[:12]}")


def wrap(model: Any, tokenizer: Any, *, name: str = "in-memory", **encoding: Any) -> EncoderModel:
    """Build the adapter around an encoder in memory; keywords are :class:`Encoding`'s."""
    return EncoderModel(model, tokenizer, Encoding(**encoding), name, fingerprint_tensors(model))
