"""One runtime below the adapters: sequences, groups, batches and the verbs that move them."""

from headbench.models.runtime.batch import Batch
from headbench.models.runtime.call_layout import CallLayout
from headbench.models.runtime.runtime import Runtime
from headbench.models.runtime.sequence import MAIN, OPEN, SequenceGroup, TokenSequence

__all__ = ["MAIN", "OPEN", "Batch", "CallLayout", "Runtime", "SequenceGroup", "TokenSequence"]
