"""CHAIR: objects that captions name and images do not hold."""

from headbench.scoring.family import Family
from headbench.scoring.views import View

FAMILY = Family(
    "chair",
    "objects that captions name and images do not hold",
    metrics={
        "chair.chair_s": ".chair_scorer:CHAIR_S",
        "chair.chair_i": ".chair_scorer:CHAIR_I",
        "chair.recall": ".chair_scorer:RECALL",
        "chair.len": ".chair_scorer:LENGTH",
        "chair.f1": ".chair_scorer:F1",
        "chair.object_f1": ".chair_scorer:OBJECT_F1",
        "chair.hit_ratio": ".chair_scorer:HIT_RATIO",
        "chair.hallucinated_captions": ".chair_scorer:HALLUCINATED_CAPTIONS",
        "chair.hallucinated_mentions": ".chair_scorer:HALLUCINATED_MENTIONS",
        "chair.mentions": ".chair_scorer:MENTIONS",
    },
    scorers={
        "chair": ".chair_scorer:CHAIR",
    },
    sources={
        "coco": "headbench.families.coco_rows:rows",
    },
    worlds={
        "scenes-chair": ".scene_captions:rows",
    },
    rescorers={
        "chair": ".chair_rescoring:RESCORER",
    },
    recipes={
        "chair": ".chair_recipes:Chair",
    },
    output_roles={
        "caption": ("caption",),
    },
    marks={"hallucinated": "not in the picture"},
    views=(
        View(
            "plane",
            "Invented objects against recall and length",
            ("chair.recall", "chair.chair_i", "chair.len", "chair.chair_s"),
            note="A caption that names less invents less. A condition is better than another only "
            "where it has a lower CHAIR_i at no lower object recall; length is in the table.",
        ),
    ),
)
