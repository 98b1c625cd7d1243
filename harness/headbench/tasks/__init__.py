"""Tasks: YAML files that say what is asked, of what data, and how it is scored.

:func:`headbench.tasks.loader.load` turns a name into a :class:`headbench.tasks.task.Task`.
"""
