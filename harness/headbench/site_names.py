"""Names of places in the forward pass: ours, and those that TransformerLens users know.

``blocks.5.attn.hook_z`` is site ``z`` of layer 5, ``attn.hook_z`` (or ``hook_z``) the site alone.
A name of theirs stands for ours only where both mean the same tensor.
"""

from __future__ import annotations

import re

from headbench.errors import ConfigError, nearest

SITES = ("q", "k", "v", "scores", "pattern", "z", "residual", "router", "z_out", "residual_in")
THEIRS = {
    "attn.hook_rot_q": "q",
    "attn.hook_rot_k": "k",
    "attn.hook_v": "v",
    "attn.hook_attn_scores": "scores",
    "attn.hook_pattern": "pattern",
    "attn.hook_z": "z",
    "attn.hook_result": "z_out",
    "hook_resid_pre": "residual_in",
    "hook_resid_post": "residual",
}
"""Name below ``blocks.N`` -> our site."""
OTHER = {
    "attn.hook_q": "it is read before the rotation, and headbench after it: attn.hook_rot_q",
    "attn.hook_k": "it is read before the rotation, and headbench after it: attn.hook_rot_k",
    "hook_attn_out": "headbench has each head's share of it, hook_result (z_out)",
    "hook_mlp_out": "headbench has no site in the feed-forward part",
    "hook_resid_mid": "headbench has no site between attention and the feed-forward part",
    "hook_q_input": "headbench has what a layer reads: hook_resid_pre",
    "hook_k_input": "headbench has what a layer reads: hook_resid_pre",
    "hook_v_input": "headbench has what a layer reads: hook_resid_pre",
}
"""Names that stand for no site of ours, and why."""
PATTERN = r"(?:blocks\.\d+\.)?(?:attn\.)?hook_\w+"
_NAME = re.compile(r"(?:blocks\.(?P<layer>\d+)\.)?(?P<rest>(?:attn\.)?hook_\w+)")


def site_of(name: str, where: str = "") -> tuple[str, int | None]:
    """Our site, and the layer where the name holds one.

    Args:
        name: Our name or theirs.
        where: What asks for it, for errors.

    Raises:
        ConfigError: There is no such site, or their name is of another tensor.
    """
    if name in SITES:
        return name, None
    match = _NAME.fullmatch(name)
    if match is None:
        raise ConfigError(
            f"there is no site {name!r}", where=where, hint=nearest(name, (*SITES, *THEIRS))
        )
    rest = match["rest"]
    found = [full for full in (rest, f"attn.{rest}") if full in THEIRS or full in OTHER]
    if not found:
        raise ConfigError(
            f"headbench knows no place {rest!r} of TransformerLens",
            where=where,
            hint=nearest(rest, tuple(THEIRS)),
        )
    if found[0] in OTHER:
        raise ConfigError(f"{name!r} is no site of headbench", where=where, hint=OTHER[found[0]])
    return THEIRS[found[0]], None if match["layer"] is None else int(match["layer"])


def site_and_layers(
    name: str, layers: tuple[int, ...] | None, where: str = ""
) -> tuple[str, tuple[int, ...] | None]:
    """Our site, and the layers, which the name or its asker gives.

    Raises:
        ConfigError: As :func:`site_of`, or the two name different layers.
    """
    site, layer = site_of(name, where)
    if layer is None:
        return site, layers
    if layers is not None and tuple(layers) != (layer,):
        raise ConfigError(
            f"{name!r} names layer {layer}, and layers are {list(layers)}",
            where=where,
            hint=f"write {site!r} with the layers that you want, or layers: [{layer}]",
        )
    return site, (layer,)
