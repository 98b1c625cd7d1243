"""Whether a checkpoint of the hub can be had at all, found out in seconds.

Without a network the library tries each file for half a minute, after the model libraries were
loaded for as long.
"""

from __future__ import annotations

import os
import ssl
import threading
from collections.abc import Mapping
from pathlib import Path
from urllib.error import HTTPError, URLError
from urllib.request import Request, urlopen

from headbench._reading import exists
from headbench.errors import ConfigError

SECONDS = 3.0
"""How long the hub has to answer at all."""
_CONFIG, _WEIGHTS = "config.json", "model.safetensors"


BUILT = "HEADBENCH_REAL_MODELS"
"""Environment variable: the folder of the models that ``make real`` builds, where it is not
``headbench/models`` in the user's cache."""


def built_models() -> Path:
    """The folder of the models that ``make real`` builds; it need not exist."""
    cache = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(os.environ.get(BUILT) or Path(cache) / "headbench" / "models")


def checkpoint_of(named: str) -> str:
    """A checkpoint's folder where its name is that of a built model; else the name as it is.

    A folder of that name where the command runs comes first. The names of built models say how
    their weights were made, so that none of them is one of the hub's.
    """
    if not named or "/" in named or named.startswith((".", "~")) or exists(named):
        return named
    folder = built_models().expanduser() / named
    return str(folder) if exists(str(folder / _WEIGHTS)) else named


def is_hub_id(named: str) -> bool:
    """Whether a checkpoint's name is a hub id, ``name`` or ``organisation/name``, and no path."""
    is_path = named.startswith(("/", ".", "~")) or named.count("/") > 1
    return bool(named) and not is_path and not exists(checkpoint_of(named))


def check_reachable(args: Mapping[str, str]) -> None:
    """Refuse a hub id that is not in the local cache while the hub does not answer.

    Args:
        args: Arguments of the adapter: ``pretrained`` and ``revision``.

    Raises:
        ConfigError: It cannot be fetched; the message says whether offline mode is on.
    """
    named = args.get("pretrained", "")
    if not is_hub_id(named) or _is_cached(named, args.get("revision") or None):
        return
    from huggingface_hub import constants

    hint = "give a folder in Hugging Face format with safetensors weights, or fetch it beforehand"
    if constants.HF_HUB_OFFLINE:
        raise ConfigError(
            "the checkpoint is not in the local cache, and HF_HUB_OFFLINE is set",
            where=f"pretrained={named}",
            hint=hint,
        )
    if not _answers(constants.ENDPOINT):
        raise ConfigError(
            f"the checkpoint is not in the local cache, and {constants.ENDPOINT} does not answer",
            where=f"pretrained={named}",
            hint=hint,
        )


def _is_cached(named: str, revision: str | None) -> bool:
    from huggingface_hub import try_to_load_from_cache
    from huggingface_hub.errors import HFValidationError

    try:
        return isinstance(try_to_load_from_cache(named, _CONFIG, revision=revision), str)
    except HFValidationError as error:
        raise ConfigError(
            f"{named!r} is neither a folder nor a hub id",
            where=f"pretrained={named[:200]}",
            hint="give a folder in Hugging Face format with safetensors weights, or a hub id",
        ) from error


def _answers(endpoint: str) -> bool:
    """Whether the hub answers, through the proxy that the environment names."""
    answered = threading.Event()

    def ask() -> None:
        try:
            # The endpoint is the library's own setting, which it fetches from itself.
            urlopen(Request(endpoint, method="HEAD"), timeout=SECONDS).close()  # noqa: S310
        except HTTPError:
            answered.set()
        except URLError as error:
            if isinstance(error.reason, ssl.SSLError):  # the library may know other certificates
                answered.set()
        except (OSError, ValueError):
            return
        else:
            answered.set()

    # A thread, because no time limit holds for looking up the name.
    asking = threading.Thread(target=ask, daemon=True)
    asking.start()
    asking.join(SECONDS)
    return answered.is_set()
