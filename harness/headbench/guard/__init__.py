"""Checks that results still say what published and pinned numbers say."""
