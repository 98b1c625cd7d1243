"""The engine: one model, its attention routed through headbench, edits attached by batch."""

from __future__ import annotations

import inspect
import weakref
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING, Any, TypeVar

import torch
from torch import Tensor, nn

from headbench.errors import RefusedError
from headbench.interventions.engine import support
from headbench.interventions.engine.attention import NAME, Seat, seat, unseat
from headbench.interventions.engine.capture import Recorder
from headbench.interventions.engine.gradient import GradientRecorder, from_embeddings
from headbench.interventions.engine.routers import Gate, check_gates, gates
from headbench.interventions.engine.rows import Firing, Row
from headbench.interventions.engine.session import EditSession
from headbench.nouns import Capture

if TYPE_CHECKING:
    from torch.utils.hooks import RemovableHandle
    from transformers import PreTrainedModel

SomeRecorder = TypeVar("SomeRecorder", bound=Recorder)
_LIVE: weakref.WeakKeyDictionary[nn.Module, weakref.ref[Engine]] = weakref.WeakKeyDictionary()


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
        gates: Layer -> gate of the layers with experts.
        model: The model.
        modules: Layer -> attention module of the layers that have attention.
        shape: Layers, heads and widths, read from the modules.
        own: The attention implementation the model came with, e.g. ``sdpa``.
    """

    def __init__(self, model: PreTrainedModel) -> None:
        held = _LIVE.get(model)
        if held is not None and held() is not None:
            raise RefusedError(
                "another engine already edits this model",
                hint="close it first, or join the toggles with '+'",
            )
        support.refuse_unsupported(model)
        self.model = model
        saved = support.snapshot(model)
        self.own = str(model.config.get_text_config()._attn_implementation)
        support.install(model)
        try:
            found = support.identity_check(model, saved)
            stack = support.stack_of(model, found)
            self.shape = support.shape_of(model, found, stack)
        except BaseException:
            support.restore(saved)
            raise
        self.modules = stack.modules
        self.blocks = stack.blocks
        self.gates = gates(model, self.blocks)
        self._seats: tuple[Seat, ...] = tuple(
            seat(module, layer) for layer, module in self.modules.items()
        )
        self._session: EditSession | None = None
        self._close = weakref.finalize(self, _release, saved, tuple(self.modules.values()))
        _LIVE[model] = weakref.ref(self)

    def close(self) -> None:
        """Give the model back its own attention. Harmless when repeated."""
        self._close()
        _LIVE.pop(self.model, None)

    def __enter__(self) -> Engine:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()

    @contextmanager
    def attach(self, rows: Sequence[Row]) -> Iterator[Firing]:
        """Run every forward pass inside the block under the rows' edits.

        Args:
            rows: One for each prompt of the batch, in batch order. Rows with an empty plan stay
                as they are, beside edited ones.

        Yields:
            Firing: What the edits reached and altered, readable during and after the block.

        Raises:
            RefusedError: An edit that this model cannot carry, or an attach inside another.
        """
        with self.running(EditSession(rows, self.shape)) as session:
            yield session.firing

    @contextmanager
    def capture(
        self, captures: Sequence[Capture], rows: Sequence[Row]
    ) -> Iterator[dict[int, dict[Capture, Tensor]]]:
        """Bring activations home, under the rows' edits.

        Inside an :meth:`attach` of the same rows it joins that block; alone, it attaches the rows
        itself. What is recorded is what the model used, after edits.

        Yields:
            Row -> capture -> tensor, filled when the block ends. Shapes by site: ``z`` and ``q``
            ``[layer, row, head, dim]``; ``k`` and ``v`` ``[layer, row, kv head, dim]``;
            ``pattern`` and ``scores`` ``[layer, head, row, key]``; ``residual``
            ``[layer, row, width]``, the output of the decoder layer; ``router``
            ``[layer, row, expert]``, the gate's logits before any expert is chosen.
        """
        with self._recorded(captures, rows, Recorder) as recorder:
            found: dict[int, dict[Capture, Tensor]] = {}
            yield found
        found.update(recorder.result())

    @contextmanager
    def gradients(
        self, captures: Sequence[Capture], rows: Sequence[Row]
    ) -> Iterator[GradientRecorder]:
        """Differentiate one pass by what captures name, in the shapes of :meth:`capture`.

        Yields:
            GradientRecorder: Give its ``differentiate`` a figure of the pass's logits.
        """
        with (
            torch.inference_mode(mode=False),
            torch.enable_grad(),
            from_embeddings(self.model),
            self._recorded(captures, rows, GradientRecorder) as recorder,
        ):
            yield recorder

    @contextmanager
    def _recorded(
        self, captures: Sequence[Capture], rows: Sequence[Row], kind: type[SomeRecorder]
    ) -> Iterator[SomeRecorder]:
        for capture in captures:
            if capture.site == "router":
                check_gates(capture.layers, self.gates, type(self.model).__name__)
        recorder = kind(captures, rows, self.shape)
        with ExitStack() as stack:
            session = self._session
            if session is None:
                session = stack.enter_context(self.running(EditSession(rows, self.shape)))
            elif session.recorder is not None or len(session.rows) != len(rows):
                raise RefusedError("captures are already being made, or of other rows")
            stack.enter_context(self._recording(session, recorder))
            yield recorder

    @contextmanager
    def _recording(self, session: EditSession, recorder: Recorder) -> Iterator[None]:
        hooks = [
            self.blocks[layer].register_forward_hook(_Overhear(session, recorder, layer))
            for layer in range(self.shape.layers)
            if recorder.wants(layer, "residual")
        ]
        hooks += [
            gate.module.register_forward_hook(_Overhear(session, recorder, layer, gate))
            for layer, gate in self.gates.items()
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
        """Put ``session`` in charge of the model's attention; :meth:`attach` is the usual door.

        Args:
            session: The rows with their compiled edits.
            announce: Tell the session where each forward pass begins; without it, the caller does.
        """
        if not self._close.alive:
            raise RefusedError("this engine is closed", hint="build a new Engine(model)")
        if self._session is not None:
            raise RefusedError(
                "edits are already attached to this model",
                hint="join the edits in one plan; toggles join with '+'",
            )
        if self.model.training:
            raise RefusedError("the model is in training mode", hint="call model.eval() first")
        if self.model.config.get_text_config()._attn_implementation != NAME:
            raise RefusedError(
                "somebody changed the model's attention implementation after the engine was built",
                hint="build a new Engine(model)",
            )
        self._session = session
        hooks = [self._announcing(session)] if announce else []
        for layer in session.reads_input:
            note = _Note(session, layer)
            hooks.append(self.blocks[layer].register_forward_pre_hook(note, with_kwargs=True))
        for layer in session.edits_residual:
            hooks.append(self.blocks[layer].register_forward_hook(_Residual(session, layer)))
        for place in self._seats:
            place.session = session
        try:
            yield session
        finally:
            for place in self._seats:
                place.session = None
            for hook in hooks:
                hook.remove()
            self._session = None

    def _announcing(self, session: EditSession) -> RemovableHandle:
        def announce(module: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
            session.begin(*reach(arguments(module, args, kwargs)))

        hook: RemovableHandle = self.model.register_forward_pre_hook(announce, with_kwargs=True)
        return hook


def reach(given: Mapping[str, Any]) -> tuple[int, int]:
    """Batch rows of a forward call, and the position it starts at: the cache knows how far it is.

    Raises:
        RefusedError: The call brings no tokens, embeddings or pixels.
    """
    cache = given.get("past_key_values")
    start = int(cache.get_seq_length()) if cache is not None else 0
    for name in ("input_ids", "inputs_embeds", "pixel_values"):
        if isinstance(given.get(name), Tensor):
            return given[name].shape[0], start
    raise RefusedError("the model was called without input_ids, inputs_embeds or pixel_values")


class _Note:
    """Hands the input of a decoder layer to a session."""

    def __init__(self, session: EditSession, layer: int) -> None:
        self.session, self.layer = session, layer

    def __call__(self, module: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        self.session.note_input(self.layer, args[0] if args else kwargs["hidden_states"])


class _Residual:
    """Edits the output of a decoder layer."""

    def __init__(self, session: EditSession, layer: int) -> None:
        self.session, self.layer = session, layer

    def __call__(self, module: nn.Module, args: tuple[Any, ...], output: Any) -> Any:
        if isinstance(output, tuple):
            return self.session.residual(self.layer, output[0]), *output[1:]
        return self.session.residual(self.layer, output)


class _Overhear:
    """Hands the output of a decoder layer, or of its gate, to a recorder."""

    def __init__(
        self, session: EditSession, recorder: Recorder, layer: int, gate: Gate | None = None
    ) -> None:
        self.session, self.recorder, self.layer, self.gate = session, recorder, layer, gate

    def __call__(self, module: nn.Module, args: tuple[Any, ...], output: Any) -> None:
        if self.gate is not None:
            logits = self.gate.logits(output, len(self.session.bounds))
            call = self.session.locate(logits.shape[1])
            self.recorder.outside("router", self.layer, call, logits)
            return
        hidden = output[0] if isinstance(output, tuple) else output
        call = self.session.locate(hidden.shape[1])
        self.recorder.outside("residual", self.layer, call, hidden)


def arguments(
    module: nn.Module, args: tuple[Any, ...], kwargs: Mapping[str, Any]
) -> Mapping[str, Any]:
    """The arguments of a forward call by name."""
    if not args:
        return kwargs
    return {**inspect.signature(module.forward).bind_partial(*args).arguments, **kwargs}


def _release(saved: support.Saved, modules: Sequence[nn.Module]) -> None:
    support.restore(saved)
    for module in modules:
        unseat(module)
