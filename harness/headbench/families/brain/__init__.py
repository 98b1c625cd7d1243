"""Brain and behaviour alignment: how close the geometry of layers and heads is to people's."""

from headbench.scoring.family import Family

FAMILY = Family(
    "brain",
    "models against people: brains, ratings, reading times",
    recipes={
        "rdm92": ".brain_recipes:Rdm92Model",
        "things_triplets": ".brain_recipes:TripletAgreement",
        "alternate_uses": ".brain_recipes:UsesOriginality",
        "natural_stories": ".brain_recipes:ReadingTimesRecipe",
    },
)
