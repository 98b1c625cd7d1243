"""Brain and behaviour alignment: how close the geometry of layers and heads is to people's."""

from headbench.scoring.family import Family

FAMILY = Family("brain", "models against people: brains, ratings, reading times")
