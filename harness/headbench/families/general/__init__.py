"""What every task may use: tables of one's own, hub data sets, packaged worlds."""

from headbench.scoring.family import Family

FAMILY = Family(
    "general",
    "tables of your own, hub data sets, the answer as it stands",
    metrics={
        "auroc": "headbench.scoring.rank_metrics:AUROC",
        "spearman": "headbench.scoring.rank_metrics:SPEARMAN",
    },
    parsers={"verbatim": "headbench.scoring.parser:VERBATIM"},
    sources={
        "world": "headbench.tasks.data.world:rows",
        "json": "headbench.tasks.data.user_files:rows",
        "jsonl": "headbench.tasks.data.user_files:rows",
        "csv": "headbench.tasks.data.user_files:rows",
        "datasets": "headbench.tasks.data.hub_datasets:rows",
    },
    recipes={
        "heads": ".recipes:Heads",
        "agreement": ".recipes:Agreement",
        "correlation": ".recipes:Correlation",
    },
)
