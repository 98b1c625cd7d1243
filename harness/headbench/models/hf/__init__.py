"""Any transformers model, with interventions through one attention function."""
