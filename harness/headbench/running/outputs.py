"""What a request's answer says, as the text that parsers and later steps read."""

from __future__ import annotations

from collections.abc import Sequence

from headbench.errors import RefusedError
from headbench.nouns import Answer, CapturedArrays, GeneratedText, Request, ScoredText


def output_text(request: Request, answer: Answer) -> str:
    """One text per answer.

    ``generate``: the generated text. ``score`` and ``nexttoken`` over several choices: the
    likeliest (the first, where several are equally likely); over one: its log-probability;
    either way with ``.scores``, the log-probability of each.
    ``represent``: the captured arrays, named by their digests.

    Raises:
        RefusedError: the model left out what was asked.
    """
    if request.kind == "generate":
        if answer.text is None:
            raise _missing(request, "text")
        return GeneratedText.of(answer.text, answer.tokens)
    if request.kind == "represent":
        return _arrays(request, answer)
    choices = _choices(request)
    if len(answer.scores) != len(choices):
        raise _missing(request, f"{len(choices)} scores")
    if len(choices) == 1:
        return ScoredText.of(repr(float(answer.scores[0])), answer.scores)
    best = max(range(len(choices)), key=lambda index: answer.scores[index])
    texts = tuple(choice.strip() for choice in choices)
    return ScoredText.of(texts[best], answer.scores, texts)


def _choices(request: Request) -> Sequence[str]:
    found = request.ask["continuations" if request.kind == "score" else "tokens"]
    if not isinstance(found, Sequence):
        raise _missing(request, "choices")
    return [str(choice) for choice in found]


def _arrays(request: Request, answer: Answer) -> CapturedArrays:
    captures = request.ask["captures"]
    if not isinstance(captures, Sequence) or any(one not in answer.arrays for one in captures):
        raise _missing(request, "captures")
    # In the order that was asked for, whatever order the adapter gives them in.
    return CapturedArrays.of(
        lambda: tuple(answer.arrays[one].cpu().float().numpy() for one in captures)
    )


def _missing(request: Request, what: str) -> RefusedError:
    return RefusedError(
        f"the model's answer to a {request.kind!r} request lacks its {what}",
        where=f"document {request.document!r}, step {request.step!r}",
        hint="correct the adapter: see docs/models.md",
    )
