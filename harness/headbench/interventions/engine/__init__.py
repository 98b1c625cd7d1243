"""The intervention engine: edits of a model's attention, row by row, as data.

::

    engine = Engine(model)
    with engine.attach([Row(plan, prompt=len(tokens), pad=0)]) as firing:
        model.generate(...)
    firing.visited(0), firing.changed(0)
"""

from headbench.interventions.engine.engine import Engine
from headbench.interventions.engine.rows import Firing, Row

__all__ = ["Engine", "Firing", "Row"]
