"""The page of the reference models: what the shipped ones do, and other training seeds."""
