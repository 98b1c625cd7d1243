"""What training exports loads with the library's own classes, at either patch size."""

from __future__ import annotations

import pytest
import torch
from PIL import Image

from training.vlm_v2.language_model import build_model
from training.vlm_v2.model import build_vlm
from training.vlm_v2.release import model_name, store
from training.vlm_v2.vocabulary import IMAGE, vocabulary


@pytest.mark.parametrize(
    ("patch", "places", "name"), [(16, 16, "ref-vlm-v2"), (8, 64, "ref-vlm-v2-64-image-tokens")]
)
def test_a_stored_model_answers_through_plain_classes(tmp_path, patch, places, name):
    from transformers import AutoModelForImageTextToText, AutoProcessor

    made = build_vlm(build_model(0).state_dict(), 0, patch)
    assert model_name(made) == name
    store(made, tmp_path / name)
    processor = AutoProcessor.from_pretrained(tmp_path / name)
    model = AutoModelForImageTextToText.from_pretrained(tmp_path / name, dtype=torch.float32)
    given = processor(
        images=Image.new("RGB", (128, 128), "white"),
        text="<s> <image> describe the image .",
        add_special_tokens=False,
        return_tensors="pt",
    )
    assert int((given["input_ids"] == vocabulary()[IMAGE]).sum()) == places
    with torch.no_grad():
        assert torch.isfinite(model(**given).logits).all()
