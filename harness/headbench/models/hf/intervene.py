"""Edits on any transformers model, with nothing else of the harness.

::

    with headbench.intervene(model, "mask_heads(heads=[[2,5],[3,1]])"):
        model.generate(**inputs)
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from headbench.edits import Case, Intervention, Plan, Probe, Rewriter
from headbench.errors import ConfigError, HeadbenchError, RefusedError
from headbench.interventions.edits import EditReport
from headbench.interventions.edits.edit_session import EditSession
from headbench.interventions.resolve import resolve
from headbench.models.hf.engine import Engine, batch_and_start, named_arguments
from headbench.models.hf.forward_pass import HFBackend
from headbench.models.hf.joined_plans import join, merge
from headbench.models.hf.preparation import likeliest
from headbench.models.runtime import CallLayout, Runtime, TokenSequence
from headbench.models.runtime.batch import Captured
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

    transformers drives the passes; where rows stand, what their probes see and how their edits run
    is the runtime's.

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
        self.info = model_info(engine, {})
        self.spans = spans
        self.report: EditReport | None = None
        self._stack = ExitStack()
        self._session: EditSession | None = None
        self._layout: CallLayout | None = None
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
            self._begin_prompt(given)
        if self._session is None:
            raise RefusedError(
                "the first pass inside the block continues a cache, so the prompt is unknown",
                hint="pass the whole prompt inside the block",
            )
        if start and self._layout is not None and self._layout.right:
            raise RefusedError(
                "a prompt that is padded on the right is continued, so that generated tokens would "
                "stand behind its padding",
                where="headbench.intervene",
                hint='set tokenizer.padding_side = "left"',
            )
        self._session.begin(batch, start)

    def _begin_prompt(self, given: Mapping[str, Any]) -> None:
        """Probe a prompt, plan its edits, and put them in charge of the passes to come."""
        self._stack.close()
        self._session = None
        ids: Tensor | None = given.get("input_ids")
        if ids is None:
            embedded = given.get("inputs_embeds") is not None
            raise RefusedError(
                "the model was called with inputs_embeds: embeddings do not say which tokens the "
                "prompt has and where its image is, which interventions and their probes read"
                if embedded
                else "the model was called without input_ids",
                where="headbench.intervene",
                hint="pass input_ids",
            )
        layout = CallLayout.of(ids, given.get("attention_mask"))
        marked = self._marked(len(ids))
        cases = [self._case(tokens, own) for tokens, own in zip(layout.tokens, marked, strict=True)]
        rows = [
            TokenSequence(list(case.tokens), len(case.tokens), spans=case.spans) for case in cases
        ]
        runtime = Runtime(CalledModel(self.engine.model, given, layout), self.engine)
        self._probing = True
        try:
            seen = self._probes(runtime, layout, rows, cases)
        finally:
            self._probing = False
        for row, case, captured in zip(rows, cases, seen, strict=True):
            plans = [
                self._plan(part, case, found)
                for part, found in zip(self.interventions, captured, strict=True)
            ]
            row.plan = join(plans, "headbench.intervene")
            row.probes = merge(captured, "headbench.intervene")
        self._layout = layout
        self._session = self._stack.enter_context(runtime.follow(rows, layout))
        self.report = self._session.report

    def _marked(self, count: int) -> Sequence[Spans]:
        """The spans that the user gave, one mapping per row."""
        if isinstance(self.spans, Mapping):
            return [self.spans] * count
        if len(self.spans) != count:
            raise RefusedError(
                f"spans are given for {len(self.spans)} rows, and the prompt has {count}",
                hint="give one mapping for all rows, or one per row",
            )
        return self.spans

    def _case(self, tokens: Positions, marked: Spans) -> Case:
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
        image = tuple(at for at, one in enumerate(tokens) if one == token)
        if image:
            spans["image"] = image
        request = Request(
            "", "answer", 0, "generate", ({"role": "user", "content": IMAGE if image else ""},),
            images=("",) if image else (),
        )  # fmt: skip
        return Case(request, tokens, spans, self.info)

    def _probes(
        self,
        runtime: Runtime,
        layout: CallLayout,
        rows: Sequence[TokenSequence],
        cases: Sequence[Case],
    ) -> list[list[dict[str, Mapping[Capture, Tensor]]]]:
        """What each method of each row asked to see first, by probe name.

        Probes run on the same prompt, or on the prompt without its image.
        """
        found: list[list[dict[str, Mapping[Capture, Tensor]]]] = [
            [{} for _ in self.interventions] for _ in rows
        ]
        # What was captured by what was looked for: methods that look alike get the same tensors.
        shared: dict[tuple[object, ...], Captured] = {}
        for index, case in enumerate(cases):
            asked = [
                (number, probe)
                for number, part in enumerate(self.interventions)
                for probe in part.probes(case)
            ]
            for number, probe in asked:
                if probe.companion:
                    raise RefusedError(
                        f"the probe {probe.name!r} runs in one batch with the request",
                        where="headbench.intervene",
                        hint="use headbench.run, which lays batches out",
                    )
                look = (probe.captures, probe.gradient, probe.objective)
                if probe.request != case.request:
                    alone = self._without_image(probe, case.tokens)
                    key = (look, tuple(alone.tokens))
                    if key not in shared:
                        shared[key] = _look(self._own_runtime(), probe, [alone], None)
                    captured = shared[key][0]
                else:  # one pass for all rows that look alike
                    if look not in shared:
                        shared[look] = _look(runtime, probe, rows, layout)
                    captured = shared[look][index]
                found[index][number][probe.name] = captured
        return found

    def _own_runtime(self) -> Runtime:
        """The runtime with prompts of its own, in place of the user's call."""
        return Runtime(HFBackend(self.engine.model, 0), self.engine)

    def _without_image(self, probe: Probe, tokens: Positions) -> TokenSequence:
        """The prompt of a text-only probe."""
        token = image_token(self.engine.model.config)
        if probe.request.images or token is None:
            raise RefusedError("this probe needs a prompt of its own", hint="use headbench.run")
        marks = image_marks(self.engine.model.config) | {token}
        kept = [one for one in tokens if one not in marks]
        return TokenSequence(kept, len(kept))

    def _plan(
        self,
        method: Intervention,
        case: Case,
        probes: Mapping[str, Mapping[Capture, Tensor]],
    ) -> Plan:
        plan = method.plan(case, probes)
        if isinstance(method, Rewriter) or plan.branches or plan.combine is not None:
            raise RefusedError(
                f"{method.canonical} rewrites the request or compares branches",
                hint="use headbench.run, which prepares requests",
            )
        return plan


def _look(
    runtime: Runtime, probe: Probe, rows: Sequence[TokenSequence], layout: CallLayout | None
) -> Captured:
    """What a probe captures of unedited prompts, by row."""
    if probe.gradient:
        objective = probe.objective or likeliest
        found = runtime.gradients(rows, probe.captures, objective, layout)
    else:
        found = runtime.encode(rows, cache=False, captures=probe.captures, layout=layout).captured
    # Copies, because the user's own pass may be differentiated and these were made without a graph.
    return {
        index: {capture: tensor.clone() for capture, tensor in captured.items()}
        for index, captured in found.items()
    }


class CalledModel:
    """A model that is fed what its user called it with: the backend of a prompt's probes.

    Args:
        model: The model.
        given: The arguments of the user's call, by name.
        layout: Where its rows stand.
    """

    joins = extends = False

    def __init__(self, model: Any, given: Mapping[str, Any], layout: CallLayout) -> None:
        self.model, self.given, self.layout = model, given, layout

    @property
    def name(self) -> str:
        """The model's class."""
        return type(self.model).__name__

    @property
    def device(self) -> torch.device:
        """Where the call's inputs are."""
        found: torch.device = self.given["input_ids"].device
        return found

    @property
    def dtype(self) -> torch.dtype:
        """Of the weights."""
        found: torch.dtype = self.model.dtype
        return found

    def forward(
        self, rows: Sequence[TokenSequence], start: int, seen: int, cache: Any | None, keep: int
    ) -> Tensor:
        """The call once more, without its cache; logits of each row's last token ``[row, 1, ...]``.

        Models without a vocabulary give no logits, and probes of values need none.
        """
        inputs = {**self.given, "past_key_values": None, "use_cache": False}
        right = self.layout.right or (0,) * len(rows)
        if "logits_to_keep" in inputs:  # generate asks for the padded last position alone
            inputs["logits_to_keep"] = 1 + max(right)
        logits: Tensor | None = getattr(self.model(**inputs), "logits", None)
        if logits is None:
            return torch.empty(len(rows), 1, 0, device=self.device)
        last = -1 - torch.tensor(right, device=logits.device)
        return logits[torch.arange(len(rows), device=logits.device), last][:, None].float()

    def new_cache(self) -> Any:
        """Nothing follows a probe."""
        raise HeadbenchError("a call's own cache is transformers'")

    def take_rows(self, cache: Any, index: Sequence[int]) -> Any:
        """Nothing follows a probe."""
        raise HeadbenchError("a call's own cache is transformers'")

    def join_caches(self, caches: Sequence[Any], seen: Sequence[int]) -> Any:
        """Nothing follows a probe."""
        raise HeadbenchError("a call's own cache is transformers'")
