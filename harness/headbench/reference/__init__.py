"""The reference models that ship: checkpoints, head maps, and what loads them."""
