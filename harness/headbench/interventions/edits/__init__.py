"""Carrying edits out: the tensor arithmetic of one forward pass, with no model library.

Edits come in as data (:mod:`headbench.edits`), a plan per sequence of the batch. They are compiled
to a program per layer (``layer_programs``), and a session (``edit_session``) runs every attention
call of a pass through the program of its layer. Edits of queries, keys, values and head outputs are
one affine table (``affine``); edits of scores and patterns take the cheapest exact path
(``path_choice``).

What puts a session in charge of a model is :class:`headbench.models.hf.engine.Engine`.
"""

from headbench.interventions.edits.sequence_edits import EditReport, SequenceEdits

__all__ = ["EditReport", "SequenceEdits"]
