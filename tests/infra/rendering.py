"""Renders a CloudFormation template with parameters, as far as infra/warehouse.yaml needs it.

An intrinsic function that this module does not know raises `ValueError`, so that a change of the template cannot slip past
the tests. Attributes of resources, which only AWS knows, become `<Resource.Attribute>`.
"""

import ipaddress
import re

import yaml

PSEUDO = {
    "AWS::Partition": "aws",
    "AWS::Region": "eu-west-1",
    "AWS::AccountId": "123456789012",
    "AWS::URLSuffix": "amazonaws.com",
    "AWS::StackName": "sparkify",
}

NO_VALUE = object()


class InvalidParameters(Exception):
    """CloudFormation would refuse these parameters before it creates anything."""


class Loader(yaml.SafeLoader):
    """Reads the short forms of intrinsic functions, such as `!Ref`."""


def short_form(loader, suffix, node):
    name = suffix if suffix in ("Ref", "Condition") else f"Fn::{suffix}"
    if isinstance(node, yaml.ScalarNode):
        value = loader.construct_scalar(node)
    elif isinstance(node, yaml.SequenceNode):
        value = loader.construct_sequence(node, deep=True)
    else:
        value = loader.construct_mapping(node, deep=True)
    if name == "Fn::GetAtt" and isinstance(value, str):
        value = value.split(".", 1)
    return {name: value}


Loader.add_multi_constructor("!", short_form)


def load(text):
    """Parses a template."""
    return yaml.load(text, Loader)


def render(template, parameters, region=PSEUDO["AWS::Region"]):
    """Returns the resources and outputs of a template with these parameters."""
    values = check_parameters(template, parameters)
    renderer = Renderer(template, {**PSEUDO, "AWS::Region": region, **values})
    renderer.check_rules()
    return {section: renderer.section(section) for section in ("Resources", "Outputs")}


def check_parameters(template, parameters):
    """Returns the values of all parameters, or raises `InvalidParameters`."""
    declared = template["Parameters"]
    unknown = set(parameters) - set(declared)
    if unknown:
        raise InvalidParameters(f"unknown parameters: {sorted(unknown)}")
    values = {}
    for name, rules in declared.items():
        if name not in parameters and "Default" not in rules:
            raise InvalidParameters(f"{name} is missing")
        value = str(parameters.get(name, rules.get("Default")))
        if "AllowedPattern" in rules and not re.fullmatch(rules["AllowedPattern"], value):
            raise InvalidParameters(f"{name} is {value!r}: {rules.get('ConstraintDescription', rules['AllowedPattern'])}")
        if "AllowedValues" in rules and value not in [str(allowed) for allowed in rules["AllowedValues"]]:
            raise InvalidParameters(f"{name} is {value!r}, not one of {rules['AllowedValues']}")
        if not rules.get("MinLength", 0) <= len(value) <= rules.get("MaxLength", len(value)):
            raise InvalidParameters(f"{name} has {len(value)} characters")
        if rules["Type"] == "Number" and not rules.get("MinValue", 0) <= float(value) <= rules.get("MaxValue", 1e9):
            raise InvalidParameters(f"{name} is {value}")
        values[name] = value.split(",") if rules["Type"] == "CommaDelimitedList" else value
    return values


class Renderer:
    """Resolves the intrinsic functions of one template."""

    def __init__(self, template, values):
        self.template, self.values = template, values

    def check_rules(self):
        for name, rule in self.template.get("Rules", {}).items():
            if "RuleCondition" not in rule or self.is_true(rule["RuleCondition"]):
                for assertion in rule["Assertions"]:
                    if not self.is_true(assertion["Assert"]):
                        raise InvalidParameters(f"{name}: {assertion['AssertDescription']}")

    def section(self, name):
        return {
            key: self.resolve({k: v for k, v in entry.items() if k != "Condition"})
            for key, entry in self.template[name].items()
            if self.condition(entry.get("Condition"))
        }

    def condition(self, name):
        return name is None or self.is_true(self.template["Conditions"][name])

    def is_true(self, expression):
        (function, argument) = only_item(expression)
        if function == "Condition":
            return self.condition(argument)
        if function == "Fn::And":
            return all(self.is_true(part) for part in argument)
        if function == "Fn::Or":
            return any(self.is_true(part) for part in argument)
        if function == "Fn::Not":
            return not self.is_true(argument[0])
        if function == "Fn::Equals":
            left, right = (str(self.resolve(part)) for part in argument)
            return left == right
        if function == "Fn::Contains":
            members, member = (self.resolve(part) for part in argument)
            return str(member) in [str(m) for m in members]
        raise ValueError(f"unknown condition {function}")

    def resolve(self, value):
        """Returns a value without intrinsic functions."""
        if isinstance(value, list):
            return [item for item in map(self.resolve, value) if item is not NO_VALUE]
        if not isinstance(value, dict):
            return value
        if len(value) == 1:
            (function, argument) = only_item(value)
            if function == "Ref":
                return self.ref(argument)
            if function.startswith("Fn::"):
                return self.call(function.removeprefix("Fn::"), argument)
        resolved = {key: self.resolve(item) for key, item in value.items()}
        return {key: item for key, item in resolved.items() if item is not NO_VALUE}

    def ref(self, name):
        if name == "AWS::NoValue":
            return NO_VALUE
        if name in self.values:
            return self.values[name]
        self.ensure_created(name)
        return f"<{name}>"

    def call(self, function, argument):
        if function == "If":
            return self.resolve(argument[1] if self.condition(argument[0]) else argument[2])
        if function == "Sub":
            text, extra = argument if isinstance(argument, list) else (argument, {})
            extra = {name: self.resolve(value) for name, value in extra.items()}
            return re.sub(r"\$\{([^}]+)\}", lambda m: str(extra.get(m[1]) or self.ref(m[1])), text)
        if function == "GetAtt":
            self.ensure_created(argument[0])
            return f"<{'.'.join(argument)}>"
        if function == "GetAZs":
            return [f"{self.values['AWS::Region']}{letter}" for letter in "abc"]
        arguments = self.resolve(argument)
        if function == "Join":
            return arguments[0].join(arguments[1])
        if function == "Split":
            return arguments[1].split(arguments[0])
        if function == "Select":
            return arguments[1][int(arguments[0])]
        if function == "Cidr":
            network, count, bits = arguments
            subnets = ipaddress.ip_network(network).subnets(new_prefix=32 - int(bits))
            return [str(next(subnets)) for _ in range(int(count))]
        raise ValueError(f"unknown function Fn::{function}")

    def ensure_created(self, name):
        """Raises if a resource is named that does not exist, or not with these parameters."""
        if not self.condition(self.template["Resources"][name].get("Condition")):
            raise ValueError(f"{name} is not created with these parameters")


def only_item(mapping):
    (item,) = mapping.items()
    return item
