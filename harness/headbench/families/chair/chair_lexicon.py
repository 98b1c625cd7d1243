"""Which objects a caption names: a closed vocabulary, a tokeniser, a table of plurals.

Rohrbach et al. 2018 (arXiv 1809.02156) read objects with a sentence splitter, Treebank tokens and
a rule-based singulariser. Over a closed vocabulary all three reduce to a table and a few regular
expressions, so nothing needs to be downloaded, and the errors of the singulariser that published
figures contain can be listed instead of inherited (profile ``chair-2018``).
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from importlib.resources import files
from types import MappingProxyType

from headbench.errors import ConfigError, nearest
from headbench.families.chair.treebank import tokens

# The reading of the first version: curly quotes of clitics, asterisks and single dashes stay inside
# words, so that marked-up objects are lost. Kept for figures that name it ("chair-2018@1").
_SPLIT = re.compile(r"""(--+|\.{3,}|[\[\](){}<>"“”«»`;@#$%&?!]|[,:](?!\d))""")
_FULL_STOP = re.compile(r"""(?<!\.)\.(?=[\])}>"”'\s]*(?:\s|$))""")
_CLITIC = re.compile(r"(?<=[^\s'])('(?:s|m|d|ll|re|ve)?|n't)(?=\s|$)")


def first_tokens(text: str) -> tuple[str, ...]:
    """Lower-case tokens as version 1 of the profiles read them.

    Args:
        text: A caption, one or several sentences, newlines allowed.
    """
    spaced = _FULL_STOP.sub(" . ", _SPLIT.sub(r" \1 ", text.lower()))
    return tuple(_CLITIC.sub(r" \1", spaced).split())


TOKENS: Mapping[str, Callable[[str], tuple[str, ...]]] = MappingProxyType(
    {"2": tokens, "1": first_tokens}
)
"""Version of a lexicon -> its tokens, the current version first."""
VERSION = next(iter(TOKENS))


@dataclass(frozen=True)
class Lexicon:
    """A named, versioned reading of captions over a closed vocabulary.

    Attributes:
        name: Profile name, e.g. ``chair-2018``.
        version: Raised when a reading changes; a key of :data:`TOKENS`.
        nodes: Term (one word, or a phrase with spaces) -> node word of the object.
        phrases: Adjacent singular words -> the term that they form. A phrase that is no key of
            ``nodes`` names nothing; it keeps its words from counting ("home plate").
        singular: Surface form -> singular form; words that are absent stand for themselves.
        suppress: ``(present, dropped)``: where the first token occurs, the second never counts.
    """

    name: str
    version: str
    nodes: Mapping[str, str]
    phrases: Mapping[str, str] = field(default_factory=dict)
    singular: Mapping[str, str] = field(default_factory=dict)
    suppress: tuple[tuple[str, str], ...] = ()

    def tokens(self, text: str) -> tuple[str, ...]:
        """Lower-case tokens of a text, as this version takes them.

        Args:
            text: A caption.
        """
        return TOKENS[self.version](text)

    @property
    def id(self) -> str:
        """``name@version``, as results store it."""
        return f"{self.name}@{self.version}"

    def mentions(self, text: str) -> tuple[str, ...]:
        """Node words in the order of the text, repetitions kept.

        Args:
            text: A caption.
        """
        words = self._merged([self.singular.get(word, word) for word in self.tokens(text)])
        for present, dropped in self.suppress:
            if present in words:
                words = [word for word in words if word != dropped]
        return tuple(self.nodes[word] for word in words if word in self.nodes)

    def _merged(self, words: Sequence[str]) -> list[str]:
        """Join phrases greedily from the left, the longest first."""
        longest = max((phrase.count(" ") + 1 for phrase in self.phrases), default=1)
        opening = {phrase.partition(" ")[0] for phrase in self.phrases}
        if opening.isdisjoint(words):
            return list(words)
        merged, start = [], 0
        while start < len(words):
            most = min(longest, len(words) - start) if words[start] in opening else 1
            for size in range(most, 1, -1):
                term = self.phrases.get(" ".join(words[start : start + size]))
                if term is not None:
                    merged.append(term)
                    start += size
                    break
            else:
                merged.append(words[start])
                start += 1
        return merged


def from_vocabulary(name: str, vocabulary: Mapping[str, str] | Sequence[str]) -> Lexicon:
    """A lexicon over given words, for worlds whose objects are not COCO's.

    Args:
        name: Profile name; ``name@1`` takes the tokens of version 1.
        vocabulary: Surface form -> node word; a list of words maps each to itself. Plurals are
            entries of their own, and terms may contain spaces.

    Raises:
        ConfigError: The vocabulary is empty or holds something that is not text.
    """
    pairs = (
        dict(vocabulary) if isinstance(vocabulary, Mapping) else {word: word for word in vocabulary}
    )
    if not pairs or not all(isinstance(word, str) for pair in pairs.items() for word in pair):
        raise ConfigError(
            f"the vocabulary of profile {name!r} must map words to object names",
            where="scorer_options.vocabulary",
            hint="give a mapping such as {dog: dog, dogs: dog}, or a list of words",
        )
    name, version = _named(name)
    nodes = {" ".join(TOKENS[version](term)): node for term, node in pairs.items()}
    return Lexicon(
        name=name,
        version=version,
        nodes=MappingProxyType(nodes),
        phrases=MappingProxyType({term: term for term in nodes if " " in term}),
    )


def _named(profile: str) -> tuple[str, str]:
    """Name and version of ``name`` or ``name@version``.

    Raises:
        ConfigError: There is no such version.
    """
    name, _, version = profile.partition("@")
    version = version or VERSION
    if version not in TOKENS:
        raise ConfigError(
            f"lexical profiles are here in the versions {', '.join(sorted(TOKENS))}, not {version}",
            where=f"profile {profile!r}",
            hint=f"write {name} for the current version",
        )
    return name, version


COCO_PROFILES: tuple[str, ...] = ("chair-2018", "chair-clean")
"""Profiles over the 80 COCO categories; ``chair-2018`` is the one to compare with papers."""


@cache
def coco_lexicon(profile: str = "chair-2018") -> Lexicon:
    """A shipped profile over the 80 COCO categories.

    Args:
        profile: One of :data:`COCO_PROFILES`, or ``name@1`` for the tokens of version 1, which lose
            objects in markup. ``chair-2018`` keeps the reference singulariser's errors ("bus" is
            never counted, "buses" is) and the terms that the reference could never match;
            ``chair-clean`` has neither.

    Raises:
        ConfigError: No such profile, or no such version of it.
    """
    profile, version = _named(profile)
    if profile not in COCO_PROFILES:
        raise ConfigError(
            f"no lexical profile {profile!r}", where="profile", hint=nearest(profile, COCO_PROFILES)
        )
    text = (
        files("headbench.families.chair").joinpath("profiles/coco_objects.json").read_text("utf-8")
    )
    table = json.loads(text)
    nodes = {term: node for node, terms in table["synonyms"].items() for term in terms}
    phrases: dict[str, str] = dict(table["phrases"])
    singular: dict[str, str] = dict(table["singular"])
    if profile == "chair-2018":
        errors = table["errors_2018"]
        singular.update(errors["singular"])
        phrases.update(errors["phrases"])
        for term in errors["never_matched"]:
            nodes.pop(term, None)
        # The reference merges pairs only, so a phrase of three words never forms.
        phrases = {words: term for words, term in phrases.items() if words.count(" ") == 1}
    return Lexicon(
        name=profile,
        version=version,
        nodes=MappingProxyType(nodes),
        phrases=MappingProxyType(phrases),
        singular=MappingProxyType(singular),
        suppress=(("toilet", "seat"),),
    )


def lexicon_of(options: Mapping[str, object]) -> Lexicon:
    """The lexicon that a task's ``scorer_options`` name.

    Args:
        options: ``profile`` (default ``chair-2018``); with ``vocabulary`` the profile is a lexicon
            over those words, whatever its name.

    Raises:
        ConfigError: An unknown profile without a vocabulary, or a vocabulary that is none.
    """
    profile = str(options.get("profile", "chair-2018"))
    vocabulary = options.get("vocabulary")
    if vocabulary is None:
        return coco_lexicon(profile)
    words = vocabulary.values() if isinstance(vocabulary, Mapping) else vocabulary
    if isinstance(words, Iterable) and not all(isinstance(word, str) for word in words):
        raise ConfigError(
            "a vocabulary names one object per word, as a text",
            where="scorer_options.vocabulary",
            hint="write {dog: dog, puppy: dog}, or a list of words",
        )
    if isinstance(vocabulary, Mapping):
        return _given_lexicon(profile, tuple(vocabulary.items()))
    if isinstance(vocabulary, list | tuple):
        return _given_lexicon(profile, tuple((word, word) for word in vocabulary))
    raise ConfigError(
        "a vocabulary is a mapping of words to object names, or a list of words",
        where="scorer_options.vocabulary",
    )


@cache
def _given_lexicon(profile: str, pairs: tuple[tuple[str, str], ...]) -> Lexicon:
    return from_vocabulary(profile, dict(pairs))
