"""The page of statistics: what intervals and tests promise, by simulation."""
