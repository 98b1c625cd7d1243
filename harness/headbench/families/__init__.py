"""One folder per task family: rows, parsers, scorers, metrics, recorded outputs, recipes."""
