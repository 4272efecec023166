"""Validates lines of the JSON output against their JSON Schema.

The first argument is the file of the schema. Reads one JSON value a line on standard input, and writes one line for
each: the errors as a JSON list of texts, empty if the value is valid.
"""

import json
import sys

import jsonschema

with open(sys.argv[1], encoding="utf-8") as file:
    SCHEMA = json.load(file)
jsonschema.Draft202012Validator.check_schema(SCHEMA)
VALIDATOR = jsonschema.Draft202012Validator(SCHEMA)


def leaves(error):
    """The errors that explain a failed `oneOf` best: those of the alternative for the same event."""
    if not error.context:
        return [error]
    best = jsonschema.exceptions.best_match([error])
    return [best] + error.context[:5]


for line in sys.stdin:
    errors = [leaf for error in VALIDATOR.iter_errors(json.loads(line)) for leaf in leaves(error)]
    print(json.dumps([f"{error.json_path}: {error.message[:300]}" for error in errors]), flush=True)
