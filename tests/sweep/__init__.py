"""The sweep: every decoder class of transformers, tiny, held against the library."""
