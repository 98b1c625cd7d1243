"""The recipe of ``ref-lm-v2``, frozen: it makes the same data as when the model was trained."""
