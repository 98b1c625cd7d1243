"""What one English sentence says about presence: that the thing is there, that it is not, nothing.

Each form is read in both polarities or in none: "there is a" and "there is no", "I can see" and
"I cannot see", "is present" and "is absent". A negation counts only at the place where it negates
the presence: "a dog without a collar" and "a dog that does not move" are there.

A sentence does not say which thing it speaks of; the first one is taken to answer the question.
"""

from __future__ import annotations

import re
from typing import Literal, NamedTuple

YesNo = Literal["yes", "no"]


class Said(NamedTuple):
    """A sentence's reading.

    Attributes:
        answer: What it says; ``None``: that it cannot be said.
        strength: 2 for a direct answer (yes, no, true, false), 1 for a statement of presence, 0
            for a description ("the image shows a kitchen"), which may speak of another thing.
    """

    answer: YesNo | None
    strength: int


DIRECT: dict[str, YesNo] = {
    "yes": "yes", "no": "no",
    "yep": "yes", "nope": "no",
    "yeah": "yes", "nah": "no",
    "yup": "yes", "naw": "no",
    "yea": "yes", "nay": "no",
    "affirmative": "yes", "negative": "no",
    "true": "yes", "false": "no",
    "correct": "yes", "incorrect": "no",
    "y": "yes", "n": "no",
}  # fmt: skip
"""Words that answer by themselves, in pairs."""
_LEADS = frozenset(("yes", "no", "yep", "nope", "yeah", "nah", "yup", "naw", "yea", "nay"))
"""Those that also answer at the head of a clause; the others only as a clause of their own."""


def words_of(text: str) -> frozenset[str]:
    """The words of a text, for long lists of them."""
    return frozenset(text.split())


_SURE = (
    r"(?:absolutely|certainly|clearly|definitely|evidently|indeed|likely|most likely|obviously"
    r"|of course|probably|surely|very likely)"
)
_ADVERBS = (
    r"(?:(?:actually|also|certainly|clearly|currently|definitely|even|indeed|likely|obviously"
    r"|probably|really|simply|still|surely|visibly|in fact|of course) )*"
)
_IMAGE = (
    r"(?:drawing|frame|illustration|image|images|painting|photo|photograph|pic|picture|pictures"
    r"|scene|screenshot|shot|view)"
)
_NO = r"(?:no|not|none|never|neither|nobody|nothing|nowhere|zero|0)\b"
_BE = (
    r"(?:is|are|was|were|exists?|remains?|has been|have been|(?:can|must|will|would) be"
    r"|(?:appears?|seems?|looks) to be)"
)
_SEE = (
    r"(?:see|sees|saw|spot|spotted|find|found|detect|detected|observe|observed|notice|noticed"
    r"|identify|identified|recognize|recognise|make out|perceive|locate)"
)
_CONTAIN = r"(?:contain|contains|contained|include|includes|have|has|hold|holds|lack|lacks)"
_SHOW = (
    r"(?:show|shows|depict|depicts|display|displays|feature|features|capture|captures|portray"
    r"|portrays|present|presents|illustrate|illustrates)"
)
_SEEN = (
    r"(?:visible|present|seen|shown|depicted|pictured|portrayed|found|detected|observed|noticed"
    r"|spotted|identified|apparent|evident|noticeable|discernible|included|contained|featured"
    r"|displayed|captured|absent|missing|invisible"
    rf"|(?:in|within|on|inside|part of) (?:the|this|that|your|our|an?|given|provided)"
    rf" (?:\w+ )?{_IMAGE}|in (?:it|sight|view|frame)|there$|here$)\b"
)
_LACKING = frozenset(
    {"absent", "missing", "invisible", "lack", "lacks", "without", "devoid of", "free of"}
)

_UNSURE = re.compile(
    r"\b(?:not (?:\w+ )?(?:sure|certain|clear|possible|enough)|unsure|unclear|uncertain"
    r"|(?:hard|difficult) to (?:tell|say|determine)|impossible to"
    r"|no (?:idea|clue|information|way to)|do not know|maybe|perhaps|possibly|possible that"
    r"|(?:might|may|could) (?:not )?(?:be|have|contain|show)"
    r"|(?:can not|could not|unable to|not able to) (?:be )?(?:tell|say|determined?|answer|know"
    r"|confirm(?:ed)?|verif(?:y|ied)|assist|help|view|access|process|provide|analy[sz]e))\b"
)
_NO_ANSWER = re.compile(r"no (?:idea|clue|information|way)\b")
_NO_PICTURE = re.compile(
    rf"\b(?:no|any|an?|the|your) {_IMAGE} (?:was |is |has been |were )?(?:not )?"
    r"(?:provided|attached|uploaded|shared|available|given|included|loaded)\b"
    rf"|\b(?:see|view|have|there is|there are) (?:any|an?|the|your|no) {_IMAGE}$"
)
IDIOMS = re.compile(
    r"\b(?:there is )?(?:no|not a|without|without an?|without any|beyond) (?:doubt|question)\b"
    r"(?: (?:that|about it|about that|but))?"
    r"|\bnot (?:only|just|merely)\b|\bno (?:less|fewer|more) than\b|\bno problem\b"
)
"""Phrases with a negation word that negate nothing; removed before reading."""
_THE_IMAGE = rf"(?:the|this|that|your) (?:\w+ )?{_IMAGE}"
_FILLER = re.compile(
    r"^(?:(?:well|so|oh|ok|okay|hmm?|um|uh|ah|hi|hello|sorry|thanks|sure|assistant|model|thus|hence"
    r"|therefore|then|and|but|as far as i can (?:see|tell)"
    rf"|(?:based on|in|from|within|looking at|upon looking at) {_THE_IMAGE})\b[ ,:]*)+(?=.)"
)
_FRAMES = (
    (
        re.compile(r"i (?:do |would |can |must )?(?:think|believe|suppose|guess|say)(?: that)? "),
        False,
    ),
    (re.compile(r"i (?:do|did|would|can) not (?:think|believe|suppose|say)(?: that)? "), True),
    (re.compile(r"(?:it|that) is (?:true|correct|clear|certain|the case) that "), False),
    (
        re.compile(
            r"(?:it|that) is (?:not (?:true|correct|the case)|false|incorrect|untrue|wrong) that "
        ),
        True,
    ),
    (re.compile(r"it (?:does )?(?:looks?|seems?|appears?) (?:like|that|as if|as though) "), False),
    (re.compile(r"it does not (?:look|seem|appear) (?:like|that|as if|as though) "), True),
    (re.compile(r"not that "), True),
)
"""What a statement may stand in, and whether it turns the statement round."""

_WHOLE = (
    re.compile(rf"{_SURE}( not)?"),
    re.compile(
        r"(?:it|there|that|this|they|i|we|he|she) (?:is|are|was|were|does|do|did|has|have|can)"
        r"( not)?(?: indeed)?"
    ),
    re.compile(
        r"(?:it|that|this) is (?:true|right|correct|(not (?:true|right|correct)|false|wrong"
        r"|incorrect))"
    ),
    re.compile(r"(?:so|(not))"),
)
"""Sentences that answer as a whole; what the group holds negates them."""
_THERE = re.compile(
    rf"\bthere {_ADVERBS}(?:(?P<aux>(?:do|does|did|can|will|would) not )(?:(?:appear|seem|look) )?"
    rf"(?:to )?(?:be|exist)|(?:do|does|did) (?:appear|seem) to be|{_BE})\b ?{_ADVERBS}"
    rf"(?P<no>{_NO})?"
)
_I_SEE = re.compile(
    rf"\b(?:i|we|you|one) {_ADVERBS}(?:(?:can|could|do|did|have|had|am able to|are able to) )?"
    rf"(?P<aux>(?:can not|could not|do not|did not|am not|are not|am unable to|are unable to|not"
    rf"|never) )?{_ADVERBS}(?:able to )?{_SEE}\b ?{_ADVERBS}(?P<no>{_NO})?"
)
_SUBJECT = rf"^(?:{_THE_IMAGE}(?: (?:itself|above|provided|given|shown))?|{_IMAGE}|it|this|that)"
_HOLDS = re.compile(
    rf"{_SUBJECT} {_ADVERBS}(?:(?:do|does|did) )?(?P<aux>(?:not|never) )?{_ADVERBS}"
    rf"(?P<verb>{_CONTAIN})\b ?(?:got )?{_ADVERBS}(?P<no>{_NO})?"
)
_WITH = re.compile(
    rf"{_SUBJECT} (?:is|are) (?P<aux>not )?{_ADVERBS}(?P<verb>with|of|without|devoid of|free of)\b"
)
_IT_IS = re.compile(
    rf"^(?:it|that|this|these|those) (?:is|are|was|were) {_ADVERBS}(?P<aux>not )?{_ADVERBS}"
    rf"(?:an?|any|some) (?!(?:\w+ )?{_IMAGE})\w{{2,}}"
)
_SHOWS = re.compile(
    rf"{_SUBJECT} {_ADVERBS}(?:(?:do|does|did) )?(?P<aux>(?:not|never) )?{_ADVERBS}"
    rf"(?P<verb>{_SHOW})\b ?{_ADVERBS}(?P<no>{_NO})?"
)
_IS_SEEN = re.compile(
    rf"\b(?:is|are|was|were|can|could|does|do|appears?|seems?) {_ADVERBS}"
    rf"(?P<aux>(?:not|never|nowhere) )?{_ADVERBS}(?:(?:appear|seem) )?(?:to )?(?:be )?{_ADVERBS}"
    rf"(?P<verb>{_SEEN})"
)
_FORMS = (
    (_THERE, 1),
    (_I_SEE, 1),
    (_HOLDS, 1),
    (_WITH, 1),
    (_IT_IS, 1),
    (_SHOWS, 0),
    (_IS_SEEN, 1),
)
_BARE_SEEN = re.compile(rf"(?:\w+ ){{0,4}}?(?P<aux>not )?(?P<verb>{_SEEN})")
_VERB = re.compile(r"\b(?:is|are|was|were|there|i|can|if|only|just|instead)\b")
_A_THING = re.compile(
    r"(?P<no>not )?(?:an?|any|one|two|three|four|five|six|some|several|many|multiple|\d{1,3})"
    r" (?!(?:an?|the|is|are|was|were|and|or|of|in|on|to|for|it|yes|no|not)\b)\w{2,}"
)
_NO_SUBJECT = re.compile(r"(?:no|none|neither|nobody|not (?:an?|any|one))\b")
_CLAUSES = re.compile(r"[,:—–()]| - | (?:but|however|although|though|while|whereas|because|since) ")
_MODIFIER = re.compile(r" (?:that|which|who|with|without) ")
_CONDITION = re.compile(r"\b(?:if|whether|unless)\b")
_OTHER_THING = re.compile(
    r"\b(?:(?:only|just)(?! (?:one|two|three|an?|\d+)\b)|instead|rather than)\b"
)
"""Words that refer to another object than the one asked about."""
_LAST_WORD = re.compile(r"(?<!\bor )(?<!\band )(?<!\bwith )\b(yes|no)$")
_INVERTED = re.compile(
    r"(?:is|are|was|were|does|do|can|could|have|has) (?:there|you|the|this|that|an?|any|it|we)\b"
)


def read_sentence(sentence: str) -> Said | None:
    """What a sentence says.

    Args:
        sentence: Lower case, contractions written out ("is not"), without :data:`IDIOMS`, with
            single spaces; commas, colons and dashes may occur.

    Returns:
        ``None`` where it says nothing about presence.
    """
    plain = _squeezed(_FILLER.sub("", _squeezed(sentence)))
    clauses = _clauses(plain)
    if not clauses:
        return None
    if _INVERTED.match(plain):  # a question without its mark; an answer may stand behind it
        found = _LAST_WORD.search(plain) or next(
            (hit for clause in clauses if (hit := _LEADING.match(clause))), None
        )
        return Said(_answer(found[1]), 2) if found else None
    if _NO_ANSWER.match(plain) or _NO_PICTURE.match(plain):
        return Said(None, 2)
    first, last = clauses[0], clauses[-1]
    word = first.split(" ", 1)[0]
    if word in _LEADS or first in DIRECT:
        return Said(DIRECT[word], 2)
    for clause in (first, last):
        if found := _LAST_WORD.search(clause):
            return Said(_answer(found[1]), 2)
    turned = False
    for pattern, turns in _FRAMES * 2:
        if found := pattern.match(plain):
            plain, turned = plain[found.end() :], turned ^ turns
    said = _statement(plain)
    return said._replace(answer=_other(said.answer)) if said and turned else said


_LEADING = re.compile(r"(yes|no)\b")


def _statement(plain: str) -> Said | None:
    """The first clause that states presence or absence, or a sentence that is no whole one."""
    for pattern in _WHOLE:
        if found := pattern.fullmatch(plain):
            return Said("no" if found[1] else "yes", 2)
    clauses = _clauses(plain)
    for clause in clauses:
        main = re.split(r" (?:that|which|who) (?!there\b|i\b|it\b)", clause, maxsplit=1)[0]
        if _UNSURE.search(main) or _NO_PICTURE.search(clause):
            return Said(None, 2)
        if said := _clause(clause):
            return said
    return _fragment(clauses)


def _clauses(plain: str) -> list[str]:
    return [one for part in _CLAUSES.split(plain) if (one := _squeezed(part))]


def _clause(clause: str) -> Said | None:
    """The earliest form of a clause."""
    hits = [
        (found.start(), strength, found)
        for pattern, strength in _FORMS
        if (found := pattern.search(clause))
    ]
    if not hits:
        return None
    start, strength, found = min(hits, key=lambda hit: hit[:2])
    # A subject negates what is said of it; "there is" and "I see" have none to be negated.
    subject = found.re is _IS_SEEN and _NO_SUBJECT.match(clause) is not None
    said = _presence(found, subject)
    if _CONDITION.search(clause[:start]) or (said == "yes" and _OTHER_THING.search(clause)):
        return None
    return Said(said, strength)


def _fragment(clauses: list[str]) -> Said | None:
    """No whole sentence: "not visible", "dog: present", "a dog without a collar"."""
    whole = " ".join(clauses)
    found = _BARE_SEEN.fullmatch(whole)
    if found and not _VERB.search(whole):
        return Said(_presence(found, _NO_SUBJECT.match(whole) is not None), 1)
    if found := _A_THING.match(clauses[0]):
        head = _MODIFIER.split(clauses[0][found.end() :], maxsplit=1)[0]
        if re.search(r"\b(?:no|not|never|instead|rather)\b", head) is None:
            return Said("no" if found["no"] else "yes", 1)
    return None


def _presence(found: re.Match[str], subject: bool) -> YesNo:
    """Whether a form states presence: its negations, of which two cancel out."""
    groups = found.groupdict()
    negated = bool(groups.get("aux")) or bool(groups.get("no"))
    lacking = str(groups.get("verb")) in _LACKING
    return "no" if negated ^ lacking ^ subject else "yes"


def _answer(word: str) -> YesNo:
    return "yes" if word == "yes" else "no"


def _other(answer: YesNo | None) -> YesNo | None:
    return answer and _answer("no" if answer == "yes" else "yes")


def _squeezed(text: str) -> str:
    """Single spaces, and no punctuation at the ends."""
    return " ".join(text.split()).strip(" ,:;()—–-'")
