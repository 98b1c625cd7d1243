"""Names of the checkpoints. A change of a model is a new version, never the old name."""

LM, VLM = "ref-lm-v1", "ref-vlm-v1"
"""What ships, and what the evidence is about."""
NEXT_VLM = "ref-vlm-v2"
"""What training makes now: a recipe that no shipped model has gone through yet."""
SHIPPED_SEED = 0
