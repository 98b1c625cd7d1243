"""POPE: yes/no questions about objects in images."""

from headbench.scoring.family import Family
from headbench.scoring.views import View

FAMILY = Family(
    "pope",
    "yes/no questions about objects in images",
    metrics={
        "pope.accuracy": ".pope_scorer:ACCURACY",
        "pope.precision": ".pope_scorer:PRECISION",
        "pope.recall": ".pope_scorer:RECALL",
        "pope.f1": ".pope_scorer:F1",
        "pope.yes_ratio": ".pope_scorer:YES_RATIO",
        "pope.unparsed_rate": ".pope_scorer:UNPARSED_RATE",
        "pope.tp": ".pope_scorer:TP",
        "pope.fp": ".pope_scorer:FP",
        "pope.tn": ".pope_scorer:TN",
        "pope.fn": ".pope_scorer:FN",
        "pope.mean_f1": ".setting_means:MEAN_F1",
        "pope.mean_accuracy": ".setting_means:MEAN_ACCURACY",
        "pope.mean_precision": ".setting_means:MEAN_PRECISION",
        "pope.mean_recall": ".setting_means:MEAN_RECALL",
        "pope.mean_yes_ratio": ".setting_means:MEAN_YES_RATIO",
        "pope.mean_unparsed_rate": ".setting_means:MEAN_UNPARSED_RATE",
    },
    parsers={
        "pope_ref": ".pope_parsers:POPE_REF",
        "pope_strict": ".pope_parsers:POPE_STRICT",
        "pope_robust": ".pope_robust:POPE_ROBUST",
        "pope_robust@1": ".pope_parsers:POPE_ROBUST_1",
    },
    scorers={
        "pope": ".pope_scorer:POPE",
    },
    sources={
        "pope_files": ".pope_files:rows",
        "coco": "headbench.families.coco_rows:rows",
    },
    worlds={
        "scenes-pope": ".scene_questions:rows",
    },
    rescorers={
        "pope": ".pope_rescoring:RESCORER",
    },
    recipes={
        "pope": ".pope_recipes:Pope",
        "confusion": ".pope_recipes:Confusion",
    },
    settings=("random", "popular", "adversarial"),
    views=(
        View(
            "groups",
            "By setting",
            ("pope.accuracy", "pope.yes_ratio", "pope.unparsed_rate"),
            ("setting",),
            note="Half of the right answers are yes. A yes ratio away from one half is a bias "
            "that accuracy alone does not show; an unparsed answer counts as wrong.",
        ),
    ),
)
