"""Head maps as data: a score per (layer, head), and the formats that papers release them in."""

from headbench.heads.head_lists import import_heads, sniff
from headbench.heads.headmap import FORMAT, Head, HeadMap

__all__ = ["FORMAT", "Head", "HeadMap", "import_heads", "sniff"]
