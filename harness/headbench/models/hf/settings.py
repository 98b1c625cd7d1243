"""Arguments of the ``hf`` adapter, as ``--model-args`` gives them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any, Literal, cast

import torch

from headbench.errors import ConfigError
from headbench.models.adapter_catalogue import check_args, positive, rows_a_batch
from headbench.models.hf.chat import Argument, read_arguments, read_today
from headbench.models.hub_reach import checkpoint_of

ChatFlag = Literal["auto", "on", "off"]
DTYPES = {
    "float32": torch.float32,
    "fp32": torch.float32,
    "bfloat16": torch.bfloat16,
    "bf16": torch.bfloat16,
    "float16": torch.float16,
    "fp16": torch.float16,
}


@dataclass(frozen=True)
class Settings:
    """Arguments of the ``hf`` adapter.

    Attributes:
        pretrained: Folder or hub id; a built model's name (``make real``) becomes its folder.
        dtype: ``auto``: float32 on a CPU, the checkpoint's own elsewhere; or a name of ``DTYPES``.
        device: ``auto``: the first GPU if there is one; or anything torch knows.
        revision: Branch, tag or commit of a hub id.
        chat_template: ``auto`` uses the model's chat template if it has one.
        chat_template_args: What the template is given beside the messages, a JSON object of single
            values, e.g. ``{"enable_thinking": false}``.
        enable_thinking: The same for this one argument: ``true`` or ``false``.
        today: The date that a template writes which asks for today's, ``YYYY-MM-DD``.
        attn: ``headbench`` takes interventions; ``sdpa`` is the library's own path, which is eager
            for the classes that sdpa cannot compute (Gemma 2, GPT-OSS).
        trust_remote_code: Run Python code of the checkpoint; recorded.
        batch_size: Rows a batch, or ``auto`` (by tokens).
        name: Display name; by default the hub id or the folder's name.
        threads: Threads of the numerical library while the model answers; ``None`` leaves them as
            they are.
        allow_overrun: Run requests that are longer than the configuration allows; recorded.
        allow_unused_weights: Load a checkpoint with weights that the model does not use; recorded.
        untrained: The checkpoint's configuration and tokenizer with seeded random weights, as a
            control; the identity and the display name say so.
    """

    pretrained: str
    dtype: str = "auto"
    device: str = "auto"
    revision: str = ""
    chat_template: ChatFlag = "auto"
    chat_template_args: str = ""
    enable_thinking: str = ""
    today: str = ""
    attn: Literal["headbench", "sdpa"] = "headbench"
    trust_remote_code: bool = False
    batch_size: str = "auto"
    name: str = ""
    threads: int | None = None
    allow_overrun: bool = False
    allow_unused_weights: bool = False
    untrained: bool = False

    @classmethod
    def read(cls, args: Mapping[str, str]) -> Settings:
        """Read ``--model-args``.

        Raises:
            ConfigError: an unknown key, a value out of its list, or no ``pretrained``.
        """
        check_args("hf", args, tuple(field.name for field in fields(cls)))
        if not args.get("pretrained"):
            raise ConfigError(
                "the 'hf' adapter needs a checkpoint",
                where="--model-args",
                hint="add pretrained=FOLDER or pretrained=ORG/NAME",
            )
        _one_of(args, "dtype", ("auto", *DTYPES))
        _one_of(args, "chat_template", ("auto", "on", "off"))
        read_arguments(args)
        read_today(args.get("today", ""))
        _one_of(args, "attn", ("headbench", "sdpa"))
        switches = ("trust_remote_code", "allow_overrun", "allow_unused_weights", "untrained")
        for switch in switches:
            _one_of(args, switch, ("true", "false"))
        rows_a_batch(args)
        values = cast("dict[str, Any]", dict(args))
        values["pretrained"] = checkpoint_of(args["pretrained"])
        values |= {switch: args.get(switch) == "true" for switch in switches}
        if "threads" in args:
            values["threads"] = positive(args, "threads", 1)
        return cls(**values)

    @property
    def template_arguments(self) -> dict[str, Argument]:
        """What the chat template is given beside the messages."""
        return read_arguments(
            {
                "chat_template_args": self.chat_template_args,
                "enable_thinking": self.enable_thinking,
            }
        )


def _one_of(args: Mapping[str, str], key: str, allowed: tuple[str, ...]) -> None:
    if key in args and args[key] not in allowed:
        raise ConfigError(
            f"{key} cannot be {args[key]!r}",
            where=f"--model-args {key}={args[key]}",
            hint=f"allowed: {', '.join(allowed)}",
        )
