"""Compares what a policy allows with what it is meant to grant in S3, and names each difference."""

import random
import string
from dataclasses import dataclass, field

import parliament

from iam_simulator import is_allowed

# What whoever tries to get around a policy would ask for.
SEED = 19
RANDOM_KEYS = 400


@dataclass(frozen=True)
class Grant:
    """What a policy is meant to allow: actions on objects below prefixes, actions on buckets, and listings."""

    objects: dict  # action: set of (bucket, prefix)
    listings: set = field(default_factory=set)  # (bucket, prefix)
    buckets: dict = field(default_factory=dict)  # action: set of buckets
    keys: frozenset = frozenset()  # (bucket, key) that can be read and listed besides
    others: frozenset = frozenset()  # (action, resource) outside S3


def differences(policy, grant):
    """Returns a line for each request that the policy decides otherwise than the grant."""
    return [*objects(policy, grant), *listings(policy, grant), *everything_else(policy, grant)]


def objects(policy, grant):
    """Asks for each granted action on objects inside and outside the prefixes."""
    for action, places in grant.objects.items():
        for bucket, key in keys(grant):
            expected = any(bucket == b and key.startswith(f"{p}/") for b, p in places)
            expected |= action == "s3:GetObject" and (bucket, key) in grant.keys
            if is_allowed(policy, action, f"arn:aws:s3:::{bucket}/{key}") != expected:
                yield f"{action} of s3://{bucket}/{key} must be {'allowed' if expected else 'denied'}"


def listings(policy, grant):
    """Asks for listings with each key as the prefix, and for one without any."""
    for bucket, key in keys(grant):
        expected = any(bucket == b and key.startswith(f"{p}/") for b, p in grant.listings) or (bucket, key) in grant.keys
        if is_allowed(policy, "s3:ListBucket", f"arn:aws:s3:::{bucket}", s3_prefix=key) != expected:
            yield f"a listing of s3://{bucket}/{key} must be {'allowed' if expected else 'denied'}"
    for bucket in {bucket for bucket, _ in keys(grant)}:
        for context in ({}, {"s3_prefix": ""}, {"s3_delimiter": "/"}):
            if is_allowed(policy, "s3:ListBucket", f"arn:aws:s3:::{bucket}", **context):
                yield f"a listing of the whole bucket {bucket} must be denied"


def everything_else(policy, grant):
    """Asks for every action of every service that IAM knows, on each resource that the policy could name."""
    buckets = {bucket for bucket, _ in grant.listings} | {"other"}
    inside = {f"arn:aws:s3:::{b}/{p}/key" for places in grant.objects.values() for b, p in places}
    resources = ["*", *(f"arn:aws:s3:::{bucket}" for bucket in sorted(buckets)), *sorted(inside)]
    resources += [resource for _, resource in sorted(grant.others)]
    for action in all_actions():
        for resource in resources:
            expected = resource.removeprefix("arn:aws:s3:::") in grant.buckets.get(action, set())
            expected |= (action, resource) in grant.others
            expected |= any(resource == f"arn:aws:s3:::{b}/{p}/key" for b, p in grant.objects.get(action, set()))
            # Without these keys, a statement with a condition would look as if it allowed nothing.
            context = {"s3_prefix": "no such prefix", "kms_ViaService": "s3.eu-west-1.amazonaws.com"}
            if is_allowed(policy, action, resource, **context) != expected:
                yield f"{action} on {resource} must be {'allowed' if expected else 'denied'}"


def all_actions():
    """Returns the names of all actions that parliament's copy of the Service Authorization Reference has."""
    return sorted(
        f"{service['prefix']}:{privilege['privilege']}"
        for service in parliament.iam_definition
        for privilege in service["privileges"]
    )


def keys(grant):
    """Returns keys in and beside each granted prefix, in the bucket and in others, and random ones."""
    places = {place for group in grant.objects.values() for place in group} | grant.listings
    buckets = {bucket for bucket, _ in places}
    prefixes = {prefix for _, prefix in places}
    found = set()
    for prefix in prefixes:
        found |= {f"{prefix}/", f"{prefix}/a.json", f"{prefix}/2018/11/a b+c%2F.json", f"{prefix}//"}
        found |= {prefix, prefix[:-1], f"{prefix}-secret/a", f"{prefix}s/a", f"{prefix}.json", f"{prefix} /a"}
        found |= {f"x{prefix}/a", f"x/{prefix}/a", f"/{prefix}/a", prefix.upper() + "/a", f"./{prefix}/a", f"{prefix}\\a"}
    chance = random.Random(SEED)
    alphabet = string.ascii_letters + string.digits + "/-_.*?%"
    for _ in range(RANDOM_KEYS):
        prefix = chance.choice(sorted(prefixes))
        kept = prefix[: chance.randint(0, len(prefix))]
        found.add(kept + "".join(chance.choices(alphabet, k=chance.randint(1, 8))))
    found |= {key for _, key in grant.keys} | {f"{key}.old" for _, key in grant.keys}
    others = {"other"} | {f"{bucket}-backup" for bucket in buckets} | {bucket[:-1] for bucket in buckets}
    return [(bucket, key) for bucket in sorted(buckets | others) for key in sorted(found)]
