"""Decides whether policies of IAM allow a request, by the rules of IAM's policy evaluation for identities.

A request is denied unless a statement allows it, and a statement that denies takes precedence over all that allow. A part
of a policy that this module does not know raises `Unsupported`: a test must not pass because something was left out.
"""

import fnmatch
import functools
import ipaddress
import re
from dataclasses import dataclass, field

ALLOWED, DENIED, EXPLICITLY_DENIED = "allowed", "denied", "explicitly denied"

STATEMENT_KEYS = {
    "Sid",
    "Effect",
    "Action",
    "NotAction",
    "Resource",
    "NotResource",
    "Principal",
    "Condition",
}


class Unsupported(Exception):
    """The policy has something that the simulator does not know."""


@dataclass(frozen=True)
class Request:
    """What is asked for: the action, its resource, the context keys of the request, and who asks (trust policies)."""

    action: str
    resource: str = "*"
    context: dict = field(default_factory=dict)
    principal: tuple = ()  # such as ("Service", "redshift.amazonaws.com")


def evaluate(policies, request):
    """Returns `ALLOWED`, `DENIED` or `EXPLICITLY_DENIED` for a request, by all policies together."""
    effects = {
        statement["Effect"]
        for policy in policies
        for statement in as_list(policy["Statement"])
        if statement_applies(statement, request)
    }
    if not effects <= {"Allow", "Deny"}:
        raise Unsupported(f"the effects {effects}")
    if "Deny" in effects:
        return EXPLICITLY_DENIED
    return ALLOWED if effects else DENIED


def is_allowed(policy, action, resource="*", **context):
    """Returns true if the policy allows the action. Underscores in names of context keys stand for colons."""
    keys = {key.replace("_", ":", 1): value for key, value in context.items()}
    return evaluate([policy], Request(action, resource, keys)) == ALLOWED


def statement_applies(statement, request):
    """Returns true if all parts of a statement match the request."""
    unknown = set(statement) - STATEMENT_KEYS
    if unknown:
        raise Unsupported(f"{sorted(unknown)} in a statement")
    return (
        matches_action(statement, request.action)
        and matches_resource(statement, request.resource)
        and matches_principal(statement, request.principal)
        and all(
            matches_condition(operator, keys, request.context)
            for operator, keys in statement.get("Condition", {}).items()
        )
    )


def matches_action(statement, action):
    """Names of actions are compared without regard to case."""
    if "NotAction" in statement:
        return not matches_any_action(tuple(as_list(statement["NotAction"])), action)
    return matches_any_action(tuple(as_list(statement["Action"])), action)


# A test asks for every action of every service, on a few resources each.
@functools.lru_cache(maxsize=1 << 17)
def matches_any_action(patterns, action):
    return any(matches_wildcards(pattern.lower(), action.lower()) for pattern in patterns)


def matches_resource(statement, resource):
    """A statement without a resource belongs to a trust policy."""
    if "NotResource" in statement:
        return not any(matches_wildcards(p, resource) for p in as_list(statement["NotResource"]))
    if "Resource" not in statement:
        return "Principal" in statement
    return any(matches_wildcards(p, resource) for p in as_list(statement["Resource"]))


def matches_principal(statement, principal):
    """A statement without a principal belongs to a policy of an identity, which is whoever has the policy."""
    if "Principal" not in statement:
        return not principal
    wanted = statement["Principal"]
    if wanted == "*":
        return True
    kind, name = principal if principal else (None, None)
    return any(allowed in ("*", name) for allowed in as_list(wanted.get(kind, [])))


def matches_condition(operator, keys, context):
    """All keys of an operator must match, each with one of its values."""
    quantifier, _, name = operator.rpartition(":")
    if quantifier not in ("", "ForAnyValue", "ForAllValues"):
        raise Unsupported(f"the quantifier {quantifier}")
    if_exists = name.endswith("IfExists") and name != "Null"
    name = name.removesuffix("IfExists") if if_exists else name
    known = {key.lower(): value for key, value in context.items()}
    for key, values in keys.items():
        found = known.get(key.lower())
        expected = as_list(values)
        if name == "Null":
            matched = any((found is None) == (str(value).lower() == "true") for value in expected)
        elif found is None:
            matched = if_exists or quantifier == "ForAllValues" or is_negated(name)
        elif quantifier == "ForAnyValue":
            matched = any(matches_values(name, value, expected) for value in as_list(found))
        elif quantifier == "ForAllValues":
            matched = all(matches_values(name, value, expected) for value in as_list(found))
        elif isinstance(found, list):
            raise Unsupported(f"several values of {key} without a quantifier")
        else:
            matched = matches_values(name, found, expected)
        if not matched:
            return False
    return True


def is_negated(operator):
    return "Not" in operator


def matches_values(operator, found, expected):
    """One of the expected values must match. With a negated operator, none may."""
    if operator not in OPERATORS:
        raise Unsupported(f"the condition operator {operator}")
    for value in expected:
        if re.search(r"\$\{", str(value)):
            raise Unsupported(f"the policy variable in {value}")
    matched = any(OPERATORS[operator](str(found), str(value)) for value in expected)
    return matched != is_negated(operator)


def equals(found, value):
    return found == value


def equals_ignoring_case(found, value):
    return found.lower() == value.lower()


def is_like(found, value):
    return matches_wildcards(value, found)


def is_in_network(found, value):
    return ipaddress.ip_address(found) in ipaddress.ip_network(value)


# Negated operators have the function of the positive one: `matches_values` inverts the result.
OPERATORS = {
    "StringEquals": equals,
    "StringNotEquals": equals,
    "StringEqualsIgnoreCase": equals_ignoring_case,
    "StringNotEqualsIgnoreCase": equals_ignoring_case,
    "StringLike": is_like,
    "StringNotLike": is_like,
    "ArnEquals": is_like,
    "ArnLike": is_like,
    "ArnNotEquals": is_like,
    "ArnNotLike": is_like,
    "Bool": equals_ignoring_case,
    "NumericEquals": lambda found, value: float(found) == float(value),
    "NumericNotEquals": lambda found, value: float(found) == float(value),
    "NumericLessThan": lambda found, value: float(found) < float(value),
    "NumericLessThanEquals": lambda found, value: float(found) <= float(value),
    "NumericGreaterThan": lambda found, value: float(found) > float(value),
    "NumericGreaterThanEquals": lambda found, value: float(found) >= float(value),
    "IpAddress": is_in_network,
    "NotIpAddress": is_in_network,
}


def matches_wildcards(pattern, text):
    """Returns true if a pattern with `*` and `?` matches the whole text. A `*` also matches slashes and colons."""
    if re.search(r"\$\{", pattern):
        raise Unsupported(f"the policy variable in {pattern}")
    # Brackets are wildcards of fnmatch, and not of IAM.
    return fnmatch.fnmatchcase(text, pattern.replace("[", "[[]"))


def as_list(value):
    return value if isinstance(value, list) else [value]
