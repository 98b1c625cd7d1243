"""Both shipped models answer through the plain library classes, with nothing of ours but a path."""

from pathlib import Path

from PIL import Image
from transformers import (
    AutoModelForCausalLM,
    AutoModelForImageTextToText,
    AutoProcessor,
    AutoTokenizer,
)

import headbench

package = Path(headbench.__file__).parent
if (package.parents[1] / "pyproject.toml").exists():
    raise SystemExit(f"headbench was imported from a checkout: {package}")
checkpoints = package / "reference" / "checkpoints"

tokenizer = AutoTokenizer.from_pretrained(checkpoints / "ref-lm-v1")
model = AutoModelForCausalLM.from_pretrained(checkpoints / "ref-lm-v1", dtype="float32")
inputs = tokenizer("the secret word of", return_tensors="pt")
text = tokenizer.decode(model.generate(**inputs, max_new_tokens=4)[0])
print("ref-lm-v1 :", text)

processor = AutoProcessor.from_pretrained(checkpoints / "ref-vlm-v2")
vlm = AutoModelForImageTextToText.from_pretrained(checkpoints / "ref-vlm-v2", dtype="float32")
image = Image.new("RGB", (64, 64), "white")
batch = processor(images=image, text=f"{processor.image_token} is there a", return_tensors="pt")
text = processor.tokenizer.decode(vlm.generate(**batch, max_new_tokens=4)[0])
print("ref-vlm-v2:", text)
