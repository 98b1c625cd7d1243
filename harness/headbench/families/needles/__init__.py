"""Needles in a haystack: packaged, generated and published ones."""

from headbench.scoring.family import Family
from headbench.scoring.views import View

FAMILY = Family(
    "needles",
    "packaged, generated and published ones",
    metrics={
        "niah.recall": ".needle_metrics:RECALL",
        "niah.fraction": ".needle_metrics:FRACTION",
        "niah.substring": ".needle_rouge:SUBSTRING",
        "niah.judge": ".judged_cells:JUDGE",
    },
    scorers={
        "niah": ".niah_scorers:NIAH",
        "keyphrase3": ".niah_scorers:KEYPHRASE3",
        "needle_rouge": ".needle_rouge:NEEDLE_ROUGE",
        "string_match_all": ".ruler_scorers:STRING_MATCH_ALL",
        "string_match_part": ".ruler_scorers:STRING_MATCH_PART",
        "niah@1": ".niah_scorers:NIAH_1",
        "keyphrase3@1": ".niah_scorers:KEYPHRASE3_1",
        "needle_rouge@1": ".needle_rouge:NEEDLE_ROUGE_1",
    },
    sources={
        "text_folder": ".text_folder_rows:rows",
        "ruler": ".ruler_rows:rows",
    },
    worlds={
        "needles": ".needle_world_rows:needle_rows",
    },
    rescorers={
        "niah": ".needle_rescoring:RESCORER",
    },
    recipes={
        "needle_cells": ".needle_recipes:NeedleCells",
    },
    roles={
        "needle": ("needle",),
        "retrieval_question": ("retrieval_question", "question"),
        "judge": ("score",),
        "length": ("context_length", "token_limit", "length", "max_length"),
        "depth": ("depth_percent", "depth", "document_depth_percent"),
    },
    views=(
        View(
            "grid",
            "Recall by length and depth",
            ("niah.recall",),
            ("length", "depth"),
            note="Length in words, depth as the share of the text before the needle.",
        ),
    ),
)
