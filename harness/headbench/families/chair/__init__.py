"""CHAIR: objects that captions name and images do not hold."""
