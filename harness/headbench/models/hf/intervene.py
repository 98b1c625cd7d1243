"""Edits on any transformers model, with nothing else of the harness.

::

    with headbench.intervene(model, "mask_heads(heads=[[2,5],[3,1]])"):
        model.generate(**inputs)
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from headbench.edits import Case, Intervention, Plan, Probe
from headbench.errors import ConfigError, RefusedError
from headbench.interventions.edits import EditReport, SequenceEdits
from headbench.interventions.edits.edit_session import EditSession
from headbench.interventions.resolve import resolve
from headbench.models.hf.engine import Engine, batch_and_start, named_arguments
from headbench.nouns import Capture, ModelInfo, Positions, Request

if TYPE_CHECKING:
    from torch import nn
    from transformers import PreTrainedModel

IMAGE = "<image>"
Spans = Mapping[str, Sequence[int]]


@contextmanager
def intervene(
    model: PreTrainedModel,
    intervention: str,
    *,
    maps: Mapping[str, str] | None = None,
    spans: Spans | Sequence[Spans] = MappingProxyType({}),
) -> Iterator[Running]:
    """Run every forward pass of ``model`` inside the block under an intervention.

    Works with ``model(...)`` and ``model.generate(...)``, batches and padding included. The prompt
    is what the first pass of a generation brings; a plain ``model(...)`` call is all prompt. The
    padding is read from ``attention_mask``. Everything is gone when the block ends, however it
    ends.

    Args:
        model: A transformers model in evaluation mode.
        intervention: For example ``scale_heads(heads=[[1,2]],alpha=0.5)``; no sweeps.
        maps: Name -> path of head maps that the intervention may name.
        spans: Name -> positions of parts of the prompt, padding not counted, for methods that read
            them: ``gift`` follows the ``question``. A sequence gives one mapping per row. The image
            is found by its placeholder tokens.

    Yields:
        Running: What the edits of the latest generation reached and altered.

    Raises:
        ConfigError: Not an intervention, or a sweep.
        RefusedError: A model or a request that the intervention does not fit.
    """
    with Engine(model) as engine:
        conditions = resolve(intervention, model_info(engine, maps or {}))
        if len(conditions) != 1:
            raise ConfigError(
                f"{intervention!r} sweeps over {len(conditions)} conditions",
                hint="open one block for each value",
            )
        with Running(engine, conditions[0].interventions, spans) as running:
            yield running


def model_info(engine: Engine, maps: Mapping[str, str]) -> ModelInfo:
    """The shapes of an engine's model, as interventions read them."""
    config, shape = engine.model.config, engine.shape
    return ModelInfo(
        name=str(config.name_or_path or type(engine.model).__name__),
        family=config.model_type,
        layers=shape.layers,
        heads=shape.heads,
        kv_heads=shape.kv_heads,
        head_dim=shape.head_dim,
        images=image_token(config) is not None,
        maps=maps,
        value_dim=shape.value_dim,
        attention=shape.attention,
    )


def image_marks(config: Any) -> set[int]:
    """Tokens that only frame an image: a prompt without the image has none of them."""
    names = ("vision_start_token_id", "vision_end_token_id", "boi_token_index", "eoi_token_index")
    found = {getattr(config, name, None) for name in names}
    return {token for token in found if isinstance(token, int)}


def image_token(config: Any) -> int | None:
    """The placeholder token of an image, where the model takes images in a text."""
    for name in ("image_token_id", "image_token_index"):
        if isinstance(found := getattr(config, name, None), int):
            return found
    return None


class Running:
    """Keeps the rows of the running generation attached to the model.

    Attributes:
        report: Reports of the latest prompt's rows; ``None`` before the first pass.
    """

    def __init__(
        self,
        engine: Engine,
        interventions: Sequence[Intervention],
        spans: Spans | Sequence[Spans] = MappingProxyType({}),
    ) -> None:
        self.engine, self.interventions = engine, tuple(interventions)
        self.spans = spans
        self.report: EditReport | None = None
        self._stack = ExitStack()
        self._session: EditSession | None = None
        self._probing = False

    def __enter__(self) -> Running:
        hook = self.engine.model.register_forward_pre_hook(self._before, with_kwargs=True)
        self._hook = hook
        return self

    def __exit__(self, *exception: object) -> None:
        self._hook.remove()
        self._stack.close()

    def _before(self, module: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        """A forward pass begins: at a prompt's start, attach rows for it."""
        if self._probing:
            return
        given = named_arguments(module, args, kwargs)
        batch, start = batch_and_start(given)
        if not start:
            self._stack.close()
            self._session = None
            session = EditSession(self._rows(given), self.engine.shape)
            self._stack.enter_context(self.engine.running(session, announce=False))
            self._session, self.report = session, session.report
        if self._session is None:
            raise RefusedError(
                "the first pass inside the block continues a cache, so the prompt is unknown",
                hint="pass the whole prompt inside the block",
            )
        self._session.begin(batch, start)

    def _rows(self, given: Mapping[str, Any]) -> list[SequenceEdits]:
        ids: Tensor | None = given.get("input_ids")
        if ids is None:
            raise RefusedError("the model was called without input_ids", hint="pass input_ids")
        mask: Tensor | None = given.get("attention_mask")
        if mask is None or mask.ndim != 2:
            mask = torch.ones_like(ids)
        bare, cases = [], []
        visible = mask[:, : ids.shape[1]].bool()
        for tokens, seen, marked in zip(ids, visible, self._marked(len(ids)), strict=True):
            pad, prompt = int(seen.int().argmax()), int(seen.sum())
            case = self._case(tokens[pad : pad + prompt], marked)
            cases.append(case)
            bare.append(SequenceEdits(Plan(), prompt, pad, None, case.spans))
        probes = self._probes(given, bare, cases)
        rows = []
        for row, case, seen_before in zip(bare, cases, probes, strict=True):
            edits = [e for m in self.interventions for e in self._edits(m, case, seen_before)]
            rows.append(replace(row, plan=Plan(edits=tuple(edits)), probes=seen_before))
        return rows

    def _marked(self, count: int) -> Sequence[Spans]:
        """The spans that the user gave, one mapping a row."""
        if isinstance(self.spans, Mapping):
            return [self.spans] * count
        if len(self.spans) != count:
            raise RefusedError(
                f"spans are given for {len(self.spans)} rows, and the prompt has {count}",
                hint="give one mapping for all rows, or one a row",
            )
        return self.spans

    def _case(self, tokens: Tensor, marked: Spans) -> Case:
        """What methods may know of a prompt whose text is unknown: tokens, image, given spans."""
        beyond = [name for name, at in marked.items() if at and max(at) >= len(tokens)]
        if beyond:
            raise RefusedError(
                f"the span {beyond[0]!r} ends behind the prompt of {len(tokens)} tokens",
                hint="count positions from the first token that is not padding",
            )
        given = {name: tuple(at) for name, at in marked.items()}
        spans: dict[str, Positions] = {**given, "first": (0,), "last": (len(tokens) - 1,)}
        token = image_token(self.engine.model.config)
        pictures = [] if token is None else torch.nonzero(tokens == token).flatten().tolist()
        if pictures:
            spans["image"] = tuple(pictures)
        request = Request(
            "", "answer", 0, "generate", ({"role": "user", "content": IMAGE if pictures else ""},),
            images=("",) if pictures else (),
        )  # fmt: skip
        return Case(request, tuple(tokens.tolist()), spans, model_info(self.engine, {}))

    def _probes(
        self, given: Mapping[str, Any], rows: Sequence[SequenceEdits], cases: Sequence[Case]
    ) -> list[dict[str, Mapping[Capture, Tensor]]]:
        """Run what the methods ask for first: the same prompt, or the prompt without its image."""
        found: list[dict[str, Mapping[Capture, Tensor]]] = [{} for _ in rows]
        same: set[Capture] = set()
        for case, mine in zip(cases, found, strict=True):
            for probe in (p for m in self.interventions for p in m.probes(case)):
                if probe.companion:
                    raise RefusedError(
                        f"the probe {probe.name!r} runs in one batch with the request",
                        where="headbench.intervene",
                        hint="use headbench.run, which lays batches out",
                    )
                if probe.request == case.request:
                    same |= set(probe.captures)
                    mine[probe.name] = {}
                else:
                    mine[probe.name] = self._without_image(probe, case.tokens)
        if same:
            unedited = {**given, "past_key_values": None, "use_cache": False}
            captured = self._captured(tuple(same), rows, unedited)
            for index, mine in enumerate(found):
                found[index] = {name: got or captured[index] for name, got in mine.items()}
        return found

    def _without_image(self, probe: Probe, tokens: Positions) -> Mapping[Capture, Tensor]:
        token = image_token(self.engine.model.config)
        if probe.request.images or token is None:
            raise RefusedError("this probe needs a prompt of its own", hint="use headbench.run")
        device = next(self.engine.model.parameters()).device
        marks = image_marks(self.engine.model.config) | {token}
        ids = torch.tensor([[t for t in tokens if t not in marks]], device=device)
        row = SequenceEdits(Plan(), ids.shape[1])
        return self._captured(probe.captures, [row], {"input_ids": ids, "use_cache": False})[0]

    def _captured(
        self, captures: Sequence[Capture], rows: Sequence[SequenceEdits], inputs: Mapping[str, Any]
    ) -> dict[int, dict[Capture, Tensor]]:
        self._probing = True
        try:
            with torch.no_grad(), self.engine.capture(captures, rows) as found:
                self.engine.model(**inputs)
        finally:
            self._probing = False
        return found

    def _edits(
        self,
        method: Intervention,
        case: Case,
        probes: Mapping[str, Mapping[Capture, Tensor]],
    ) -> Sequence[Any]:
        plan = method.plan(case, probes)
        if plan.request is not None or plan.branches or plan.combine is not None:
            raise RefusedError(
                f"{method.canonical} rewrites the request or compares branches",
                hint="use headbench.run, which prepares requests",
            )
        return plan.edits
