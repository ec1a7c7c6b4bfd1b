"""Fills in the placeholders of the policies in infra/policies."""

import json
import re

# `WAREHOUSE_NAME` and the like: capital letters with an underscore, or one of the two single words.
PLACEHOLDER = re.compile(r"\b(?:[A-Z]+_[A-Z_]*[A-Z]|REGION)\b")

EXAMPLES = {
    "ACCOUNT_ID": "123456789012",
    "DATABASE_NAME": "sparkify",
    "DATA_BUCKET": "data",
    "INPUT_BUCKET": "input",
    "LOGS_PREFIX": "logs",
    "NAMESPACE_ID": "5a4e9c1c-0000-4000-8000-000000000002",
    "OUTPUT_PREFIX": "star",
    "REGION": "eu-west-1",
    "SECRET_ARN": "arn:aws:secretsmanager:eu-west-1:123456789012:secret:redshift!sparkify-sparkify_admin-AbCdEf",
    "SONGS_PREFIX": "songs",
    "WAREHOUSE_NAME": "sparkify",
    "WORKGROUP_ID": "5a4e9c1c-0000-4000-8000-000000000001",
}


def fill(text, values=EXAMPLES):
    """Returns the policy with these values. A placeholder without a value raises `KeyError`."""
    return json.loads(PLACEHOLDER.sub(lambda match: values[match[0]], text))
