"""One file a method; each defines ``METHOD`` and imports no torch when it is loaded."""
