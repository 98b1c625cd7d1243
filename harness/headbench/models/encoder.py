"""A sentence encoder: mean-pooled states of an AutoModel, for the ``encoder`` role."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import torch
import transformers
from safetensors import SafetensorError
from transformers import AutoModel, AutoTokenizer

from headbench._version import __version__
from headbench.errors import ConfigError, HeadbenchError, RefusedError
from headbench.jobs import Job
from headbench.models.adapter_catalogue import check_args, positive, rows_a_batch
from headbench.models.base_model import BaseModel, digest_of
from headbench.models.hf import batching
from headbench.models.hf.captures import captures_of
from headbench.models.hf.fingerprint import fingerprint_tensors, weights_of
from headbench.models.hf.identity import config_text, unused_weights
from headbench.models.hf.length import encoder_room, sentence_config
from headbench.models.hf.load import display_name, pick_device, quiet
from headbench.models.hf.settings import DTYPES
from headbench.models.hf.weights import check_weights
from headbench.nouns import Answer, Capture, Request

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
)
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
    """Mean over the real tokens of a layer's hidden states.

    A ``represent`` request asks for ``Capture("residual", (layer,), rows="all", pool="mean")``
    with 0-based layers, -1 for the last hidden state; each array is ``[layer, 1, width]``.

    Args:
        model: An encoder in evaluation mode.
        tokenizer: Its tokenizer.
        encoding: Pooling and limits.
        name: Display name.
        weights: Fingerprint of the weights.
        sentence: ``sentence_bert_config.json``, where the checkpoint has one.
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
    ) -> None:
        super().__init__(name)
        self.model = model.eval()
        self.tokenizer = tokenizer
        self.encoding = encoding
        self.layers = int(model.config.num_hidden_layers)
        self.room = encoder_room(
            model, tokenizer, sentence, encoding.max_length, allowed=encoding.allow_overrun
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

    def key(self, job: Job) -> Mapping[str, object]:
        """Digest of the sentence's ids."""
        return {"tokens": digest_of(self._ids(job.request))}

    def refuse(self, job: Job) -> None:
        """Also: captures that are no pooled hidden states, and text that is too long."""
        super().refuse(job)
        where = f"document {job.request.document!r}"
        for capture in captures_of(job.request):
            pooled = capture.site == "residual" and capture.rows == "all"
            if not pooled or capture.pool != "mean" or capture.tower != "text":
                raise RefusedError(
                    "an encoder gives mean-pooled hidden states only",
                    where=f"{where}: {capture}",
                    hint='ask for site "residual", rows "all", pool "mean"',
                )
            wrong = [layer for layer in capture.layers if not LAST <= layer < self.layers]
            if wrong:
                raise RefusedError(
                    f"layer {wrong[0]} does not exist",
                    where=where,
                    hint=f"layers run from 0 to {self.layers - 1}; -1 is the last",
                )
        self.room.refuse(len(self._ids(job.request)), "the tokens of a text", where)

    def plan(self, jobs: Sequence[Job]) -> Sequence[tuple[int, ...]]:
        """Batches by length over the whole run."""
        for job in jobs:
            self.refuse(job)
        needs = [
            batching.Need(
                ("represent",),
                len(self._ids(job.request)),
                (job.request.document, job.request.step, f"{job.request.index:06d}"),
            )
            for job in jobs
        ]
        return batching.plan(needs, self.encoding.batch_size, self.model.device.type)

    def answer(self, jobs: Sequence[Job]) -> Iterator[tuple[int, Answer]]:
        """Encode one batch in one pass."""
        for job in jobs:
            self.refuse(job)
        rows = [self._ids(job.request) for job in jobs]
        states, mask = self._states(rows)
        for place, job in enumerate(jobs):
            arrays: dict[Capture, Tensor] = {}
            for capture in captures_of(job.request):
                wanted = [states[layer + 1 if layer != LAST else -1] for layer in capture.layers]
                pooled = [self._pool(state[place], mask[place], job) for state in wanted]
                arrays[capture] = torch.stack(pooled)
            yield place, Answer(text=None, arrays=arrays)

    def overrun(self, request: Request) -> bool:
        """Whether a text is longer than the model's limits allow."""
        return self.room.beyond(len(self._ids(request)))

    def unknown_share(self, request: Request) -> float:
        """Share of the sentence's tokens that are the unknown token, in [0, 1]."""
        ids = self._ids(request)
        unknown = self.tokenizer.unk_token_id
        return ids.count(unknown) / len(ids) if unknown is not None and ids else 0.0

    @torch.no_grad()
    def _states(self, rows: Sequence[Sequence[int]]) -> tuple[tuple[Tensor, ...], Tensor]:
        """Hidden states of all layers ``[row, position, width]``, and the mask of real tokens."""
        length = max(len(row) for row in rows)
        pad = self.tokenizer.pad_token_id or 0
        ids = torch.tensor([[*row, *[pad] * (length - len(row))] for row in rows])
        mask = torch.tensor([[1] * len(row) + [0] * (length - len(row)) for row in rows])
        device = self.model.device
        out = self.model(
            input_ids=ids.to(device), attention_mask=mask.to(device), output_hidden_states=True
        )
        states: tuple[Tensor, ...] = out.hidden_states
        return states, mask.to(device)

    def _pool(self, state: Tensor, mask: Tensor, job: Job) -> Tensor:
        """Mean over real positions, ``[1, width]``."""
        weights = mask.float()[:, None]
        mean = (state.float() * weights).sum(0, keepdim=True) / weights.sum()
        if not bool(mean.isfinite().all()):
            raise HeadbenchError(
                "the encoder's states are not numbers (NaN)",
                where=f"document {job.request.document!r}, dtype {self.model.dtype}",
                hint="run with dtype=float32",
            )
        return torch.nn.functional.normalize(mean, dim=-1) if self.encoding.normalize else mean

    def _ids(self, request: Request) -> list[int]:
        text = "\n".join(turn["content"] for turn in request.messages)
        ids: list[int] = self.tokenizer(text)["input_ids"]
        return ids


def create(args: Mapping[str, str]) -> EncoderModel:
    """Build the adapter from ``--model-args pretrained=...``; safetensors only.

    Raises:
        ConfigError: an unknown argument, or a checkpoint that cannot be loaded.
    """
    check_args("encoder", args, ARGS)
    pretrained = args.get("pretrained", "")
    if not pretrained:
        raise ConfigError(
            "the 'encoder' adapter needs a checkpoint",
            where="--model-args",
            hint="add pretrained=FOLDER or pretrained=ORG/NAME",
        )
    revision = args.get("revision") or None
    dtype = args.get("dtype", "float32")
    if dtype not in DTYPES:
        raise ConfigError(
            f"dtype cannot be {dtype!r}", where="--model-args", hint=", ".join(sorted(DTYPES))
        )
    try:
        with quiet():
            model, report = AutoModel.from_pretrained(
                pretrained,
                revision=revision,
                dtype=DTYPES[dtype],
                use_safetensors=True,
                output_loading_info=True,
            )
        tokenizer = AutoTokenizer.from_pretrained(pretrained, revision=revision)
        sentence = sentence_config(pretrained, revision)
    except (OSError, ValueError, KeyError, SafetensorError) as error:
        raise ConfigError(
            f"the checkpoint cannot be loaded: {str(error).splitlines()[0]}",
            where=f"pretrained={pretrained}",
            hint="give a folder in Hugging Face format with safetensors weights, or a hub id",
        ) from error
    allowed = args.get("allow_unused_weights") == "true"
    unused = check_weights(report, f"pretrained={pretrained}", allowed=allowed, encoder=True)
    encoding = Encoding(
        normalize=args.get("normalize", "true") == "true",
        max_length=positive(args, "max_length", 1) if "max_length" in args else None,
        batch_size=rows_a_batch(args),
        allow_overrun=args.get("allow_overrun") == "true",
    )
    weights = weights_of(pretrained, revision or "", model)
    model = model.to(pick_device(args.get("device", "auto"))).requires_grad_(False)
    name = args.get("name") or display_name(pretrained)
    encoder = EncoderModel(model, tokenizer, encoding, name, weights, sentence)
    encoder.identity = {**encoder.identity, **unused_weights(unused)}
    return encoder


def wrap(model: Any, tokenizer: Any, *, name: str = "in-memory", **encoding: Any) -> EncoderModel:
    """Build the adapter around an encoder in memory; keywords are :class:`Encoding`'s."""
    return EncoderModel(model, tokenizer, Encoding(**encoding), name, fingerprint_tensors(model))
