"""Programs that write pages of the documentation from what they measure."""
