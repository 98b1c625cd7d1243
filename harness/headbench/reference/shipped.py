"""Names of the checkpoints. A change of a model is a new version, never the old name."""

LM, VLM = "ref-lm-v1", "ref-vlm-v2"
"""What the tasks run on by default, and what the evidence is about."""
EARLIER = ("ref-vlm-v1",)
"""Superseded; they go on shipping, because results name them."""
SHIPPED_SEED = 0
