"""Pages typed as a reader types them: every fenced block of the README and the docs, in order.

A page runs in a folder that holds what its reader has (:mod:`.page_files`) and nothing else. Shell
blocks go to bash, Python blocks are scripts, other blocks are files or are read by the loader that
they are for.
What cannot run here says so on the page (:data:`training.pages.typed.blocks.MARK`).
"""
