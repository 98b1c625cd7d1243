"""Running a spec: plan, ask, score, compare, print.

``api`` holds what Python users call; they find it as ``headbench.run`` and ``headbench.compare``.
Nothing is imported here, because ``compare`` must not pay for the models that ``run`` loads.
"""
