"""The reference models that ship: their training, their evidence, their checkpoints."""
