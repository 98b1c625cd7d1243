"""The page of effects: what interventions do on the models that ship."""
