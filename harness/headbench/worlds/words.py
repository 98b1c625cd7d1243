"""Word lists of the needle world. One entry is one word and one token.

The lists are split by the part they play in a sentence. Keys and values of needles are drawn from
the same words that the filler uses, so that a model cannot find a needle by a rare word.
"""

from __future__ import annotations


def _listed(text: str) -> tuple[str, ...]:
    """The words of a text, in order."""
    return tuple(text.split())


ROLES: tuple[str, ...] = _listed(
    """
    baker sailor teacher farmer painter doctor miller hunter tailor captain gardener singer poet
    merchant shepherd weaver carpenter judge nurse porter potter dancer soldier clerk barber
    fox owl heron badger otter raven falcon rabbit spider turtle donkey sparrow beetle lizard
    salmon
    """
)
PLACES: tuple[str, ...] = _listed(
    """
    harbor village market castle tower temple chapel bridge cellar attic stable orchard meadow
    forest valley desert island canyon glacier lagoon marsh prairie quarry tunnel station museum
    library theater bakery tavern palace garden kitchen school hospital factory prison courtyard
    fountain lighthouse
    """
)
EVENTS: tuple[str, ...] = _listed(
    """
    storm wedding harvest festival funeral battle journey dream comet eclipse winter summer autumn
    thunder flood voyage contest parade lesson feast riddle promise rumor legend treaty auction
    concert sermon picnic shadow
    """
)
KEYS: tuple[str, ...] = ROLES + PLACES + EVENTS
"""What a needle is about."""

THINGS: tuple[str, ...] = _listed(
    """
    lantern copper ribbon anchor basket candle hammer violin compass mirror blanket feather pebble
    button bottle barrel ladder needle saddle trumpet whistle anvil arrow bucket cabinet carpet
    chisel cradle crown dagger drum easel envelope flute goblet helmet jacket kettle locket mallet
    medal napkin oar paddle pillow pistol plow quill rope scarf shovel sickle spoon stamp statue
    stove sword table teapot thimble torch tray trunk umbrella vase veil wagon wallet wheel wreath
    zipper apron axe badge ball bell bench book boot bowl box brick broom brush cage cane chain
    chair chest clock coat coin comb cork cup curtain desk dish door fan fence flag fork gate
    """
)
GOODS: tuple[str, ...] = _listed(
    """
    honey pepper cinnamon barley butter cheese almond lemon cherry walnut onion carrot ginger
    garlic olive peach plum raisin saffron vanilla mustard pumpkin radish turnip melon apricot
    marble amber ivory velvet linen leather paper pearl ruby silk silver timber wool granite
    """
)
QUALITIES: tuple[str, ...] = _listed(
    """
    red green blue yellow purple orange brown white black golden bright dark heavy narrow gentle
    hollow crooked smooth bitter sweet quiet broken ancient simple frozen dusty humble proud tall
    tiny pale sharp rusty noble lonely clever curious brave lazy swift warm cold dry wet soft
    round thick clean empty famous fragile gloomy honest jolly mellow nervous polite rapid solid
    stubborn tender vivid wooden young
    """
)
WORD_VALUES: tuple[str, ...] = THINGS + GOODS + QUALITIES
NUMBER_VALUES: tuple[str, ...] = tuple(str(number) for number in range(10, 100))
"""Two-digit numerals: each is one word."""

VERBS: tuple[str, ...] = _listed(
    """
    carried painted opened wanted noticed cleaned repaired borrowed dropped counted guarded lifted
    polished traded buried covered praised measured collected delivered discovered examined
    exchanged followed gathered handled inspected invented labeled loaded locked missed moved
    ordered packed placed pointed pulled pushed received remembered removed rented replaced
    returned saved searched shared signed sorted studied touched tested used valued washed watched
    weighed wrapped
    """
)
MOTIONS: tuple[str, ...] = _listed(
    """
    walked hurried wandered climbed drifted marched rushed sailed strolled traveled crawled danced
    escaped galloped jumped limped raced stepped turned rode
    """
)
MANNERS: tuple[str, ...] = _listed(
    """
    slowly quickly quietly loudly carefully gladly sadly proudly rarely often calmly boldly kindly
    eagerly politely secretly suddenly twice alone together again badly early late
    """
)
RELATIONS: tuple[str, ...] = _listed("near behind inside beside outside beyond above below")
TIMES: tuple[str, ...] = _listed(
    "morning evening night noon week month year monday friday sunday april june october"
)
WOMEN: tuple[str, ...] = _listed(
    "anna clara elena grace helen iris julia laura maria nora olivia rosa sofia vera zoe"
)
MEN: tuple[str, ...] = _listed(
    "adam boris carl david emil felix george henry ivan jacob leo martin oscar peter victor"
)
FUNCTION_WORDS: tuple[str, ...] = _listed(
    """
    the a of is was were and but in on at to from with by for that this it he she they his her
    there had has who why when where what while after before so as not no nobody everyone one two
    three some then said thought asked told knew hoped days steps people came went back down over
    across through during next last every many more than very too out up into about if because
    secret word number code question answer yes do does did how be are an or
    """
)
PUNCTUATION: tuple[str, ...] = (".", ",", "?", "!", ":", ";", "'", '"', "-", "(", ")")

PROPER: frozenset[str] = frozenset(
    (*WOMEN, *MEN, "monday", "friday", "sunday", "april", "june", "october")
)
"""Words that are written with a capital."""

NEEDLE_WORDS: tuple[str, ...] = tuple(
    dict.fromkeys(
        (
            *FUNCTION_WORDS,
            *KEYS,
            *WORD_VALUES,
            *NUMBER_VALUES,
            *VERBS,
            *MOTIONS,
            *MANNERS,
            *RELATIONS,
            *TIMES,
            *WOMEN,
            *MEN,
        )
    )
)
"""Every word of the needle world, each once, in a fixed order."""
