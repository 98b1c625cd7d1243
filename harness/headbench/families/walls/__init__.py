"""Only Connect walls: sixteen clues, four groups of four."""

from headbench.scoring.family import Family
from headbench.scoring.views import View

RANDOM_WALLS = ((0, 2_604_732), (1, 22_688), (2, 204), (3, 0), (4, 1))
"""Right groups, and how many of the 2,627,625 groupings of 16 clues into four fours have them."""

FAMILY = Family(
    "walls",
    "sixteen clues, four groups of four",
    metrics={
        "walls.solved_walls": ".walls_scorer:SOLVED_WALLS",
        "walls.correct_groups": ".walls_scorer:CORRECT_GROUPS",
        "walls.group_rate": ".walls_scorer:GROUP_RATE",
        "walls.solved_rate": ".walls_scorer:SOLVED_RATE",
        "walls.wd": ".walls_scorer:WD",
        "walls.fms": ".walls_scorer:FMS",
        "walls.ari": ".walls_scorer:ARI",
        "walls.nmi": ".walls_scorer:NMI",
        "walls.ami": ".walls_scorer:AMI",
        "walls.unparsed_rate": ".walls_scorer:UNPARSED_RATE",
        "walls.connections": ".walls_scorer:CONNECTIONS",
        "walls.connection_rate": ".walls_scorer:CONNECTION_RATE",
        "walls.connection_rouge1": ".walls_scorer:CONNECTION_ROUGE1",
    },
    parsers={
        "walls_ref": ".walls_parse:WALLS_REF",
        "walls_robust": ".walls_parse:WALLS_ROBUST",
        "walls_ref@1": ".walls_parse:WALLS_REF_1",
    },
    scorers={
        "walls": ".walls_scorer:WALLS",
        "walls@1": ".walls_scorer:WALLS_1",
    },
    sources={
        "walls": ".walls_files:rows",
    },
    worlds={
        "walls": ".wall_world_rows:wall_rows",
    },
    rescorers={
        "walls": ".walls_rescoring:RESCORER",
    },
    recipes={
        "humans": ".wall_recipes:Humans",
    },
    log_formats={
        "Only Connect predictions": ".wall_logs:ONLY_CONNECT",
    },
    roles={
        "connections": ("connections", "predicted_connections", "connection_names", "names"),
    },
    output_roles={
        "groups": ("groups", "predicted_groups", "grouping"),
    },
    views=(
        View(
            "counts",
            "Walls by right groups",
            ("walls.correct_groups",),
            ("correct_groups",),
            chance=tuple((right, ways / 2_627_625) for right, ways in RANDOM_WALLS),
            note="Chance is a random grouping into four fours. It never has exactly three right "
            "groups; an answer that repeats or omits a clue may.",
        ),
    ),
)
