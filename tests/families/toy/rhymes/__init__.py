"""A complete family of its own: does a model find the rhyme that a list asks for?"""

from pathlib import Path

from headbench.scoring import Family

TASKS = Path(__file__).parent
FAMILY = Family(
    "rhymes",
    "words and what rhymes with them",
    metrics={"rhymes.rate": ".rhyme_scorer:RATE"},
    parsers={"last_word": ".rhyme_scorer:LAST_WORD"},
    scorers={"rhymes": ".rhyme_scorer:RHYMES"},
    sources={"rhyme_list": ".rhyme_list:rows"},
    rescorers={"rhymes": ".rhyme_log:RESCORER"},
    recipes={"rhymes": ".rhyme_recipe:Rhymes"},
    roles={"word": ("word", "asked_word")},
)
