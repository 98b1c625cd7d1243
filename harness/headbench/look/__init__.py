"""Pictures of attention: what chosen heads look at while a model answers one prompt.

Only the rows that predict a token of the answer are computed, never a whole pattern of all queries
by all keys.
"""
