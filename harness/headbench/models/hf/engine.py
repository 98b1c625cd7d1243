"""The engine: one model, its attention routed through headbench, edits attached by batch.

::

    engine = Engine(model)
    with engine.attach([SequenceEdits(plan, prompt=len(tokens), pad=0)]) as report:
        model.generate(...)
    report.visited(0), report.changed(0)
"""

from __future__ import annotations

import inspect
import weakref
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING, Any, TypeVar

import torch
from torch import Tensor, nn

from headbench.errors import RefusedError
from headbench.interventions.edits.edit_session import EditSession
from headbench.interventions.edits.gradient import GradientRecorder
from headbench.interventions.edits.recorder import Recorder
from headbench.interventions.edits.sequence_edits import EditReport, SequenceEdits
from headbench.models.hf.attention_interface import (
    NAME,
    SavedImplementations,
    Slot,
    assign_slot,
    install,
    release_slot,
    restore,
    snapshot,
)
from headbench.models.hf.identity_check import identity_check, refuse_unsupported
from headbench.models.hf.layer_stack import shape_of, stack_of
from headbench.models.hf.routers import Router, check_routers, find_routers
from headbench.nouns import Capture

if TYPE_CHECKING:
    from torch.utils.hooks import RemovableHandle
    from transformers import PreTrainedModel

SomeRecorder = TypeVar("SomeRecorder", bound=Recorder)
_ENGINES: weakref.WeakKeyDictionary[nn.Module, weakref.ref[Engine]] = weakref.WeakKeyDictionary()
"""Model -> the engine that edits it. Weak both ways: neither keeps the other alive."""


class Engine:
    """Edits the attention of one transformers model, and leaves it as it was when closed.

    Building an engine routes the text model's attention through headbench (a vision tower keeps
    its own), checks on a short input that an empty plan changes nothing, and learns which modules
    attend. Between edits the model computes exactly what it did before.

    Args:
        model: A transformers model in evaluation mode.

    Raises:
        RefusedError: The class does not use the attention interface, or an empty plan differs from
            the model's own attention, or another engine holds the model.

    Attributes:
        blocks: The decoder layers, in order.
        model: The model.
        modules: Layer -> attention module of the layers that have attention.
        routers: Layer -> router of the layers with experts.
        shape: Layers, heads and widths, read from the modules.
        own: The attention implementation the model came with, e.g. ``sdpa``.
    """

    def __init__(self, model: PreTrainedModel) -> None:
        other = _ENGINES.get(model)
        if other is not None and other() is not None:
            raise RefusedError(
                "another engine already edits this model",
                hint="close it first, or join the interventions with '+'",
            )
        refuse_unsupported(model)
        self.model = model
        saved = snapshot(model)
        self.own = str(model.config.get_text_config()._attn_implementation)
        install(model)
        try:
            found = identity_check(model, saved)
            stack = stack_of(model, found)
            self.shape = shape_of(model, found, stack)
        except BaseException:
            restore(saved)
            raise
        self.modules = stack.modules
        self.blocks = stack.blocks
        self.routers = find_routers(model, self.blocks)
        self._slots: tuple[Slot, ...] = tuple(
            assign_slot(module, layer) for layer, module in self.modules.items()
        )
        self._session: EditSession | None = None
        # Runs when the engine is collected, too: the model gets its own attention back.
        self._close = weakref.finalize(self, _release, saved, tuple(self.modules.values()))
        _ENGINES[model] = weakref.ref(self)

    def close(self) -> None:
        """Give the model back its own attention. Harmless when repeated."""
        self._close()
        _ENGINES.pop(self.model, None)

    def __enter__(self) -> Engine:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()

    @contextmanager
    def attach(self, sequences: Sequence[SequenceEdits]) -> Iterator[EditReport]:
        """Run every forward pass inside the block under the sequences' edits.

        Args:
            sequences: One for each prompt of the batch, in batch order. Sequences with an empty
                plan stay as they are, beside edited ones.

        Yields:
            EditReport: What the edits reached and altered, readable during and after the block.

        Raises:
            RefusedError: An edit that this model cannot carry, or an attach inside another.
        """
        with self.running(EditSession(sequences, self.shape)) as session:
            yield session.report

    @contextmanager
    def capture(
        self,
        captures: Sequence[Capture],
        sequences: Sequence[SequenceEdits],
        recorded: Collection[int] | None = None,
    ) -> Iterator[dict[int, dict[Capture, Tensor]]]:
        """Record activations, under the sequences' edits.

        Inside an :meth:`attach` of the same sequences it joins that block; alone, it attaches them
        itself. What is recorded is what the model used, after edits.

        Args:
            captures: What to record.
            sequences: The sequences of the batch.
            recorded: Numbers of the sequences that are recorded; ``None``: all of them. The others
                need not have the spans that captures name.

        Yields:
            Sequence -> capture -> tensor, filled when the block ends. Shapes by site: ``z`` and
            ``q`` ``[layer, row, head, dim]``; ``k`` and ``v`` ``[layer, row, kv head, dim]``;
            ``pattern`` and ``scores`` ``[layer, head, row, key]``; ``residual``
            ``[layer, row, width]``, the output of the decoder layer, and ``residual_in`` its input;
            ``router``
            ``[layer, row, expert]``, the router's logits before any expert is chosen.
        """
        with self._recorded(captures, sequences, Recorder, recorded) as recorder:
            found: dict[int, dict[Capture, Tensor]] = {}
            yield found
        found.update(recorder.result())

    @contextmanager
    def gradients(
        self, captures: Sequence[Capture], sequences: Sequence[SequenceEdits]
    ) -> Iterator[GradientRecorder]:
        """Differentiate one pass by what captures name, in the shapes of :meth:`capture`.

        Yields:
            GradientRecorder: Give its ``differentiate`` a figure of the pass's logits.
        """
        with (
            torch.inference_mode(mode=False),
            torch.enable_grad(),
            _from_embeddings(self.model),
            self._recorded(captures, sequences, GradientRecorder) as recorder,
        ):
            yield recorder

    @contextmanager
    def _recorded(
        self,
        captures: Sequence[Capture],
        sequences: Sequence[SequenceEdits],
        kind: type[SomeRecorder],
        recorded: Collection[int] | None = None,
    ) -> Iterator[SomeRecorder]:
        """Let a recorder see the passes of the block."""
        for capture in captures:
            if capture.site == "router":
                check_routers(capture.layers, self.routers, type(self.model).__name__)
        recorder = kind(captures, sequences, self.shape, recorded)
        with ExitStack() as stack:
            session = self._session
            if session is None:
                session = stack.enter_context(self.running(EditSession(sequences, self.shape)))
            elif session.recorder is not None or len(session.sequences) != len(sequences):
                raise RefusedError("captures are already being made, or of other rows")
            stack.enter_context(self._recording(session, recorder))
            yield recorder

    @contextmanager
    def _recording(self, session: EditSession, recorder: Recorder) -> Iterator[None]:
        hooks = [
            self.blocks[layer].register_forward_hook(_CaptureHook(session, recorder, layer))
            for layer in range(self.shape.layers)
            if recorder.wants(layer, "residual")
        ]
        hooks += [
            self.blocks[layer].register_forward_pre_hook(
                _CaptureInputHook(session, recorder, layer), with_kwargs=True
            )
            for layer in range(self.shape.layers)
            if recorder.wants(layer, "residual_in")
        ]
        hooks += [
            router.module.register_forward_hook(_CaptureHook(session, recorder, layer, router))
            for layer, router in self.routers.items()
            if recorder.wants(layer, "router")
        ]
        session.recorder = recorder
        try:
            yield
        finally:
            session.recorder = None
            for hook in hooks:
                hook.remove()

    @contextmanager
    def running(self, session: EditSession, *, announce: bool = True) -> Iterator[EditSession]:
        """Put ``session`` in charge of the model's attention; :meth:`attach` is the usual way.

        Args:
            session: The sequences with their compiled edits.
            announce: Tell the session where each forward pass begins; without it, the caller does.
        """
        if not self._close.alive:
            raise RefusedError("this engine is closed", hint="build a new Engine(model)")
        if self._session is not None:
            raise RefusedError(
                "edits are already attached to this model",
                hint="join the edits in one plan; interventions join with '+'",
            )
        if self.model.training:
            raise RefusedError("the model is in training mode", hint="call model.eval() first")
        if self.model.config.get_text_config()._attn_implementation != NAME:
            raise RefusedError(
                "the model's attention implementation was changed after the engine was built",
                hint="build a new Engine(model)",
            )
        self._session = session
        hooks = [self._announcing(session)] if announce else []
        for layer in session.reads_input:
            note = _InputHook(session, layer)
            hooks.append(self.blocks[layer].register_forward_pre_hook(note, with_kwargs=True))
        for layer in session.edits_residual:
            hooks.append(self.blocks[layer].register_forward_hook(_ResidualHook(session, layer)))
        # The attention function finds the session in the slot of the module that calls it.
        for slot in self._slots:
            slot.session = session
        try:
            yield session
        finally:
            for slot in self._slots:
                slot.session = None
            for hook in hooks:
                hook.remove()
            self._session = None

    def _announcing(self, session: EditSession) -> RemovableHandle:
        def announce(module: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
            session.begin(*batch_and_start(named_arguments(module, args, kwargs)))

        hook: RemovableHandle = self.model.register_forward_pre_hook(announce, with_kwargs=True)
        return hook


@contextmanager
def _from_embeddings(model: PreTrainedModel) -> Iterator[None]:
    """Let autograd follow every pass from the token embeddings on."""

    def follow(_module: nn.Module, _given: Any, embedded: Tensor) -> Tensor:
        # The weights are frozen, so without this no tensor of the pass would have a gradient.
        return embedded.requires_grad_(True)

    handle = model.get_input_embeddings().register_forward_hook(follow)
    try:
        yield
    finally:
        handle.remove()


def batch_and_start(given: Mapping[str, Any]) -> tuple[int, int]:
    """Batch rows of a forward call, and the position it starts at: the length of its cache.

    Raises:
        RefusedError: The call brings no tokens, embeddings or pixels.
    """
    cache = given.get("past_key_values")
    start = int(cache.get_seq_length()) if cache is not None else 0
    for name in ("input_ids", "inputs_embeds", "pixel_values"):
        if isinstance(given.get(name), Tensor):
            return given[name].shape[0], start
    raise RefusedError("the model was called without input_ids, inputs_embeds or pixel_values")


class _InputHook:
    """Hands the input of a decoder layer to a session."""

    def __init__(self, session: EditSession, layer: int) -> None:
        self.session, self.layer = session, layer

    def __call__(self, module: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        self.session.note_input(self.layer, args[0] if args else kwargs["hidden_states"])


class _ResidualHook:
    """Edits the output of a decoder layer."""

    def __init__(self, session: EditSession, layer: int) -> None:
        self.session, self.layer = session, layer

    def __call__(self, module: nn.Module, args: tuple[Any, ...], output: Any) -> Any:
        if isinstance(output, tuple):
            return self.session.residual(self.layer, output[0]), *output[1:]
        return self.session.residual(self.layer, output)


class _CaptureHook:
    """Hands the output of a decoder layer, or of its router, to a recorder."""

    def __init__(
        self, session: EditSession, recorder: Recorder, layer: int, router: Router | None = None
    ) -> None:
        self.session, self.recorder, self.layer, self.router = session, recorder, layer, router

    def __call__(self, module: nn.Module, args: tuple[Any, ...], output: Any) -> None:
        if self.router is not None:
            logits = self.router.logits(output, len(self.session.bounds))  # [batch, query, expert]
            positions = self.session.locate(logits.shape[1])
            self.recorder.outside("router", self.layer, positions, logits)
            return
        hidden = output[0] if isinstance(output, tuple) else output  # [batch, query, width]
        positions = self.session.locate(hidden.shape[1])
        self.recorder.outside("residual", self.layer, positions, hidden)


class _CaptureInputHook:
    """Hands the input of a decoder layer to a recorder."""

    def __init__(self, session: EditSession, recorder: Recorder, layer: int) -> None:
        self.session, self.recorder, self.layer = session, recorder, layer

    def __call__(self, module: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        hidden = args[0] if args else kwargs["hidden_states"]  # [batch, query, width]
        positions = self.session.locate(hidden.shape[1])
        self.recorder.outside("residual_in", self.layer, positions, hidden)


def named_arguments(
    module: nn.Module, args: tuple[Any, ...], kwargs: Mapping[str, Any]
) -> Mapping[str, Any]:
    """The arguments of a forward call by name."""
    if not args:
        return kwargs
    return {**inspect.signature(module.forward).bind_partial(*args).arguments, **kwargs}


def _release(saved: SavedImplementations, modules: Sequence[nn.Module]) -> None:
    restore(saved)
    for module in modules:
        release_slot(module)
