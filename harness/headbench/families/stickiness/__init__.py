"""Annotation stickiness: whether a label survives a better definition."""

from headbench.scoring.family import Family
from headbench.scoring.views import View

FAMILY = Family(
    "stickiness",
    "whether a label survives a better definition",
    metrics={
        "stickiness.rescue": ".stickiness_scorer:RESCUE",
        "stickiness.z": ".stickiness_scorer:Z_SIZE",
        "stickiness.stickiness": ".stickiness_scorer:STICKINESS_RATE",
        "stickiness.ever_rescued": ".stickiness_scorer:EVER_RESCUED",
        "stickiness.damage": ".stickiness_scorer:DAMAGE",
        "stickiness.c": ".stickiness_scorer:C_SIZE",
        "stickiness.zero_shot_accuracy": ".stickiness_scorer:ACCURACY",
        "stickiness.unparsed_rate": ".stickiness_scorer:UNPARSED_RATE",
        "stickiness.confidence_shift": ".stickiness_scorer:CONFIDENCE_SHIFT",
        "stickiness.change_rate": ".stickiness_scorer:CHANGE_RATE",
        "stickiness.macro_f1_zero_shot": ".macro_f1:ZERO_SHOT",
        "stickiness.macro_f1_aligned": ".macro_f1:ALIGNED",
        "stickiness.macro_f1_misaligned": ".macro_f1:MISALIGNED",
        "stickiness.macro_f1_few_shot": ".macro_f1:FEW_SHOT",
        "stickiness.macro_f1_few_shot_definition": ".macro_f1:FEW_SHOT_DEFINITION",
        "stickiness.macro_f1_turn_1": ".macro_f1:TURN_1",
        "stickiness.macro_f1_turn_2": ".macro_f1:TURN_2",
        "stickiness.macro_f1_turn_3": ".macro_f1:TURN_3",
    },
    rescorers={
        "stickiness": ".stickiness_rescoring:RESCORER",
    },
    roles={
        "condition": ("condition", "step"),
    },
    parsers={
        "label_form": ".label_parsers:LABEL_FORM",
        "label_robust": ".label_parsers:LABEL_ROBUST",
    },
    scorers={
        "stickiness": ".stickiness_scorer:STICKINESS",
    },
    sources={
        "annotations": ".annotation_files:rows",
    },
    worlds={
        "labels": ".label_world_rows:label_rows",
    },
    views=(
        View(
            "groups",
            "Rescue by confidence without a definition",
            ("stickiness.rescue",),
            ("confidence.zero_shot",),
            bins=(0.5, 0.6, 0.7, 0.8, 0.9, 1.0),
            note="Confidence as the model states it. A definition is of most use where it rescues "
            "labels that were given with confidence.",
        ),
    ),
)
