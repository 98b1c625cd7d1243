"""The reading of yes/no answers for new results: yes and no are treated alike.

An answer is freed of what only carries it (tags, markup, JSON, numbering, labels, the echoed
question); then its sentences are read in order (:mod:`headbench.families.pope.pope_statements`):

1. A named answer ("the answer is no", "Answer: yes") counts wherever it stands.
2. Otherwise the first sentence that says something counts: it begins or ends with yes or no, or
   states that the thing is there or is not.
   A statement counts only among the first :data:`EARLY` sentences, and a mere description ("the
   image shows a kitchen") only in an answer of one or two sentences: a caption answers nothing.
3. A later sentence that begins with the other of yes and no, or a statement after a description
   that differs from it, makes the answer unparsed.

Answers that offer both or decline ("I cannot tell") are unparsed, and so are languages other than
English: "No hay un perro" and "Sí, hay un perro" are both unread, because reading the one without
the other would favour no.
"""

from __future__ import annotations

import json
import re
import unicodedata
from collections.abc import Iterator, Mapping
from itertools import islice

from headbench.families.pope.pope_statements import (
    DIRECT,
    IDIOMS,
    Said,
    YesNo,
    read_sentence,
    words_of,
)
from headbench.scoring.parser import Parser

SENTENCES = 30
"""Sentences that are read; an output that answers in none of them is unparsed."""
EARLY = 3
"""Sentences that are searched for a statement."""
LONGEST = 400
"""Characters of a sentence that are read."""

_ANSWER_TAG = re.compile(r"<(answer|final_answer|response|output)>([^<]*)(?:</\1>|\Z)")
_BOXED = re.compile(r"\\boxed\s*\{\s*(?:\\text(?:bf)?\s*\{)?([^{}]*)\}")
_TAG = re.compile(r"<[/|]?[a-z_][^<>\n]{0,80}>|\[/?(?:inst|answer|ans)\]|\\text(?:bf)?\{")
_MARKUP = re.compile(r"[*_`~#>|\\\"“”«»{}\[\]=]+")
_FENCE = re.compile(r"```[a-z]*")
_CONTRACTIONS = (
    ("can", re.compile(r"\b(?:can't|cannot|cant)\b"), "can not"),
    ("won't", re.compile(r"\bwon't\b"), "will not"),
    (
        "nt",
        re.compile(r"\b(is|are|was|were|do|does|did|has|have|could|would|should)nt\b"),
        r"\1 not",
    ),
    ("n't", re.compile(r"n't\b"), " not"),
    ("'re", re.compile(r"'re\b"), " are"),
    ("'ve", re.compile(r"'ve\b"), " have"),
    ("'ll", re.compile(r"'ll\b"), " will"),
    ("'d", re.compile(r"'d\b"), " would"),
    ("i'm", re.compile(r"\bi'm\b"), "i am"),
    ("'s", re.compile(r"\b(there|it|that|here|what|he|she)'s\b"), r"\1 is"),
    ("theres", re.compile(r"\btheres\b"), "there is"),
)
"""What a text must hold to be searched, the form, and how it is written out."""
_SENTENCE = re.compile(r"(?:[^.!?;\n]++|(?<=\d)\.(?=\d))+[.!?;\n]*")
_LABEL = re.compile(
    r"[\W_]*(?:(?:final |short |my |the )?(?:answer|response|reply|output|result|prediction|label"
    r"|assistant|conclusion|verdict)\s*(?:[:\-–—]|->)"
    r"|(?:question|option|choice|item|image|answer|number|q|a)?\s*[(#]*(?:\d{1,3}|\b[a-z])\s*[.):\]]"
    r"(?!\d)|a\s*:)\s*"
)
_ASKED = re.compile(r"(?:question|q|user|human|prompt|instruction)\s*\d*\s*:")
_INSTRUCTION = re.compile(
    r"(?:please |just |you must |kindly )*(?:answer|respond|reply|say|choose)\b"
)
_NAMED = re.compile(
    r"\b(?:answer|conclusion|verdict|response)\b(?: (?:to|for) (?:the|your|this|that) \w+)?"
    r"(?: (?:is|was|would be|should be|must be|will be)|\s*[:\-–—]|\s*->)"
    r"[\s:'(]*(?:an? |definitely |clearly |therefore |simply |most likely )*(yes|no)\b"
    r"(?! (?:idea|clue|information|way)\b|\s*(?:/|or\b|and\b)\s*(?:yes|no)\b)"
)
_NAMING = ("answer", "conclusion", "verdict", "response")
"""Without one of these words nothing is named."""
_EITHER = re.compile(r"\b(?:yes\s*(?:/|\||or|and)\s*no|no\s*(?:/|\||or|and)\s*yes)\b")
_OPENING = re.compile(r"[^\w\n]*(yes|no)\b(?!\s*(?:/|\||or\b|and\b)\s*(?:yes|no)\b)")
_ENGLISH = words_of("""
    the is are was were there it this that these those of not does did do can see any picture photo
    shown visible present appears appear contain contains depicted detected found to have has one
    two only just here some with without in image i an on at by near next under behind and but or
    you we which sitting standing think say sign
""")
"""Words by which a sentence is taken for English."""
_FOREIGN = words_of("""
    hay un una unos unas el la los las en es se del al ningún ninguna ningun nada sí si veo puedo
    aparece ci c'è ce non sono nella nel il lo gli le di che vedo nessun nessuna alcun alcuna há um
    uma não na nos das dos imagem imagen immagine nie ma jest tak widzę obrazie je není obrázku een
    geen er den det ikke nu este poza ya que por para como pero
""")
"""Words of languages in which "no" begins an answer, or is a word."""
_KEYS = ("answer", "final_answer", "response", "prediction", "label", "result", "output", "present")


def read_robust(text: str) -> YesNo | None:
    """What an answer says.

    Args:
        text: One answer, of any length; what lies behind :data:`SENTENCES` sentences counts only
            where it names an answer.

    Returns:
        ``None``: unparsed.
    """
    plain = unicodedata.normalize("NFKC", text).lower().replace("\u2019", "'").strip()
    found, said = _json_answer(plain)
    if found:
        return said
    for held, pattern, group in (("\\boxed", _BOXED, 1), ("<", _ANSWER_TAG, 2)):
        if held not in plain:
            continue
        *_, last = [None, *pattern.finditer(plain)]
        if last is not None and last[group].strip():
            plain = last[group]
    plain = _written_out(plain)
    may_name = any(word in plain for word in _NAMING)
    named = {match[1] for match in _NAMED.finditer(plain)} if may_name else set()
    first = _read(plain)
    if named:
        direct = {first.answer} if first and first.strength == 2 and first.answer else set()
        only = named | direct
        return _word(only.pop()) if len(only) == 1 else None
    return first.answer if first else None


def _read(plain: str) -> Said | None:
    """The first sentence that says something, unless a later one says otherwise."""
    first: Said | None = None
    for number, sentence in enumerate(_sentences(plain)):
        if _EITHER.search(sentence):
            if first is None:
                return None
            continue
        if not _english(sentence):
            if first is None and sentence.split(" ", 1)[0].strip(",:;'") in DIRECT:
                return None
            continue
        said = read_sentence(sentence)
        if said is not None and said.strength == 2 and first is None:
            return said
        if first is not None and first.strength == 0 and number > 1:
            return None
        if said is None or (first is None and number >= EARLY):
            continue
        if first is None:
            first = said
        elif said.answer not in (None, first.answer) and (
            said.strength > first.strength == 0 or _OPENING.match(sentence)
        ):
            return None
    return first


def _sentences(plain: str) -> Iterator[str]:
    """Sentences without labels and numbering; questions and instructions are passed over."""
    for match in islice(_SENTENCE.finditer(plain), SENTENCES):
        piece = match.group()[:LONGEST]
        body = piece.rstrip(".!?;\n \t")
        while label := _LABEL.match(body):
            if not body[label.end() :].strip():
                break
            body = body[label.end() :]
        if _INSTRUCTION.match(body):
            body = body.partition(":")[2]
        body = " ".join(body.split())
        asked = "?" in match.group() or _ASKED.match(body)
        if not asked and re.search(r"[^\W_]", body):
            yield body


def _english(sentence: str) -> bool:
    """Whether a sentence may be English: it has its words, or is too short to tell."""
    words = re.findall(r"[^\W\d_]+(?:'[^\W\d_]+)?", sentence)
    rest = [word for word in words if word not in DIRECT]
    if not rest:
        return bool(words)
    foreign = sum(word in _FOREIGN for word in rest)
    known = sum(word in _ENGLISH for word in rest)
    if known:
        return foreign <= known
    return not foreign and all(map(str.isascii, rest)) and (len(rest) <= 3 or "a" in rest)


def _json_answer(plain: str) -> tuple[bool, YesNo | None]:
    """Whether an answer holds a JSON value with a text or a truth value, and what it says."""
    start = min((at for at in (plain.find("{"), plain.find("[")) if at >= 0), default=None)
    if start is None:
        return False, None
    for text in (plain[start:], plain[start:].replace("'", '"')):
        try:
            value = json.JSONDecoder().raw_decode(text)[0]
        except (ValueError, RecursionError):  # no JSON, or brackets without end
            continue
        leaves = list(islice(_leaves(value), SENTENCES))
        if leaves:
            read = {leaf if isinstance(leaf, bool) else _text(leaf) for leaf in leaves}
            words = {"yes" if one is True else "no" if one is False else one for one in read}
            words.discard(None)
            return True, _word(str(words.pop())) if len(words) == 1 else None
    return False, None


def _leaves(value: object) -> Iterator[str | bool]:
    """Texts and truth values; of an object that has a key for its answer, only that one."""
    stack = [value]
    while stack:
        part = stack.pop()
        if isinstance(part, str | bool):
            yield part
        elif isinstance(part, list):
            stack += reversed(part)
        elif isinstance(part, Mapping):
            key = next((key for key in _KEYS if isinstance(part.get(key), str | bool)), None)
            stack += [part[key]] if key else reversed(list(part.values()))


def _text(leaf: str) -> YesNo | None:
    said = _read(_written_out(leaf))
    return said.answer if said else None


def _written_out(plain: str) -> str:
    """Without tags, markup and idioms, and with contractions as two words."""
    if "`" in plain:
        plain = _FENCE.sub(" ", plain)
    if any(sign in plain for sign in "<[\\"):
        plain = _TAG.sub(" ", plain)
    plain = _MARKUP.sub(" ", plain)
    for held, pattern, written in _CONTRACTIONS:
        if held in plain:
            plain = pattern.sub(written, plain)
    denies = any(word in plain for word in ("no", "doubt", "question"))
    return IDIOMS.sub(" ", plain) if denies else plain


def _word(word: str) -> YesNo:
    return "yes" if word == "yes" else "no"


POPE_ROBUST = Parser(
    "pope_robust", 2, read_robust, "yes, no or a statement of presence, in English; for new results"
)
