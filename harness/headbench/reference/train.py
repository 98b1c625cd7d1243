"""The command ``python -m headbench.reference.train``: it says where it went."""

from headbench.reference._old_commands import moved

if __name__ == "__main__":
    moved("headbench.reference.train", "python -m training lm-v1|lm-v2|vlm-v2")
