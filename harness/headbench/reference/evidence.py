"""The command ``python -m headbench.reference.evidence``: it says where it went."""

from headbench.reference._old_commands import moved

if __name__ == "__main__":
    moved("headbench.reference.evidence", "python -m training.pages.reference_models")
