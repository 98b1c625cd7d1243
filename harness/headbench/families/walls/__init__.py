"""Only Connect walls: sixteen clues in four groups of four."""
