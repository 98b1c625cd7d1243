"""Chooses the strengths that interventions take on the shipped models by default."""
