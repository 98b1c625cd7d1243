"""The JSON Schema of result files, for editors and for readers in other languages."""

from __future__ import annotations

import json

from headbench.results.schema import SCHEMA_VERSION, Result

PATH = f"docs/schema/result-v{SCHEMA_VERSION}.json"


def json_schema() -> str:
    """The text of ``docs/schema/result-v<version>.json``.

    ``python -m headbench.results.export > docs/schema/result-v2.json`` renews the file.
    """
    schema = Result.model_json_schema(mode="validation")
    schema["$schema"] = "https://json-schema.org/draft/2020-12/schema"
    return json.dumps(schema, indent=1, sort_keys=True) + "\n"


if __name__ == "__main__":
    import sys

    sys.stdout.write(json_schema())
