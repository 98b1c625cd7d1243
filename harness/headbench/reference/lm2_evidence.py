"""The command ``python -m headbench.reference.lm2_evidence``: it says where it went."""

from headbench.reference._old_commands import moved

if __name__ == "__main__":
    moved("headbench.reference.lm2_evidence", "python -m training.pages.reference_lm_v2")
