"""Whether requests may share an encoded prefix, read off their plan alone.

An edit that changes how a prefix is read gives it an encoding of its own. An edit that looks at the
whole prompt, or whose work depends on where the rest of the prompt stands, shares no prefix.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from headbench.edits import Bias, Columns, Edit, Mix, Plan, Visible

Encoding = Literal["baseline", "own", "none"]


@dataclass(frozen=True)
class Sharing:
    """What a plan allows.

    Attributes:
        encoding: ``baseline``: the unedited prefix serves; ``own``: one encoding per condition;
            ``none``: every prompt is encoded whole.
        reason: Why not, where there is none.
    """

    encoding: Encoding
    reason: str = ""


def sharing(plan: Plan) -> Sharing:
    """What prefixes of requests under a plan may share.

    Args:
        plan: The joined plan of a request, without its branches' own edits: a branch is a sequence
            with a plan of its own, and is asked by itself.

    Returns:
        ``baseline`` where every edit acts behind the prompt's prefix only (decoding, or the last
        prompt token); ``own`` where edits of fixed heads act on the prefix as on any other token;
        ``none`` otherwise.
    """
    for edit in plan.edits:
        reason = _reason(edit)
        if reason:
            return Sharing("none", reason)
    return Sharing("baseline" if all(map(_acts_behind, plan.edits)) else "own")


def _acts_behind(edit: Edit) -> bool:
    """Whether an edit leaves every prefix as it is, and needs nothing remembered of it."""
    if isinstance(edit.op, Mix) and edit.op.target == "first":
        return False  # the first token's value is remembered when an edited prefix is read
    return edit.phase in ("decode", "from_last") or edit.rows == "last"


def _reason(edit: Edit) -> str:
    """Why an edit has no prefix; empty where it has."""
    if callable(edit.where):
        return "heads are chosen for each prompt"
    if isinstance(edit.op, Columns):
        return "an edit of columns computes them for each prompt"
    if isinstance(edit.op, Bias) and isinstance(edit.op.keys, str):
        return f"an edit aims at the span {edit.op.keys!r}, which each prompt marks for itself"
    if isinstance(edit.op, Visible) and edit.op.mutual is not None:
        return "an edit hides spans, which each prompt marks for itself"
    if edit.rows == "after_image":
        return "an edit begins behind the image"
    return ""
