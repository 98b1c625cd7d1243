"""Brain and behaviour alignment: how close the geometry of layers and heads is to people's."""

from headbench.scoring.family import Family

FAMILY = Family(
    "brain",
    "models against people: brains, ratings, reading times",
    metrics={
        "brain.rsa": ".rsa_scorer:RSA",
        "brain.normalised": ".rsa_scorer:NORMALISED",
        "brain.rsa_head": ".rsa_scorer:RSA_HEAD",
        "brain.normalised_head": ".rsa_scorer:NORMALISED_HEAD",
        "brain.ceiling_lower": ".rsa_scorer:CEILING_LOWER",
        "brain.ceiling_upper": ".rsa_scorer:CEILING_UPPER",
        "brain.subjects": ".rsa_scorer:SUBJECTS",
        "brain.odd_one_out": ".odd_one_out_scorer:ACCURACY",
        "brain.tied": ".odd_one_out_scorer:TIED",
        "brain.gpt4": ".odd_one_out_scorer:GPT4",
        "brain.chatgpt": ".odd_one_out_scorer:CHATGPT",
        "brain.originality_r": ".originality_scorer:ORIGINALITY",
        "brain.length_r": ".originality_scorer:LENGTH",
    },
    scorers={
        "rsa": ".rsa_scorer:RSA_SCORER",
        "odd_one_out": ".odd_one_out_scorer:ODD_ONE_OUT",
        "originality": ".originality_scorer:ORIGINALITY_SCORER",
    },
    sources={
        "things": ".concept_rows:concept_rows",
        "things_triplets": ".concept_rows:triplet_rows",
        "alternate_uses": ".concept_rows:use_rows",
    },
    worlds={
        "concepts": ".concept_rows:word_rows",
    },
    recipes={
        "rdm92": ".brain_recipes:Rdm92Model",
        "things_triplets": ".brain_recipes:TripletAgreement",
        "alternate_uses": ".brain_recipes:UsesOriginality",
        "natural_stories": ".brain_recipes:ReadingTimesRecipe",
    },
)
