"""Random, mostly damaged inputs for everything that reads what a user brings."""
