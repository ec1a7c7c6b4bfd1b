#!/usr/bin/env python3
"""Checks infra/warehouse.yaml and infra/policies: by cfn-lint, checkov and parliament, and by tests of their own.

    python3 -m venv .venv && .venv/bin/pip install -r tests/infra/requirements.txt
    .venv/bin/python tests/infra/check.py

It needs no network and no account. The tests have the names `*_test.py`.
"""

import json
import re
import subprocess
import sys
import tempfile
import unittest
from pathlib import Path

import parliament

from placeholders import PLACEHOLDER, fill

REPOSITORY = Path(__file__).resolve().parents[2]
TEMPLATE = REPOSITORY / "infra/warehouse.yaml"
POLICIES = REPOSITORY / "infra/policies"

# The default regions of an account, as far as they have all resource types of the template.
REGIONS = (
    "us-east-1 us-east-2 us-west-1 us-west-2 ca-central-1 sa-east-1 eu-central-1 eu-west-1 eu-west-2 eu-west-3"
    " ap-northeast-1 ap-northeast-2 ap-south-1 ap-southeast-1 ap-southeast-2"
).split()
# Regions without budgets, where the template is used without that resource.
REGIONS_WITHOUT_BUDGETS = ["eu-north-1", "ap-northeast-3"]
BUDGET = re.compile(r"^  # \(budget\)\n.*^  # \(end of budget\)\n", re.MULTILINE | re.DOTALL)

# CloudFormation accepts no longer template in a request.
MAX_TEMPLATE_BYTES = 51_200

# Rules of checkov that must have been applied, and the exceptions. It looks only at what the default values of the
# parameters create, so that it needs a template for each kind of warehouse.
NETWORK_RULES = {"CKV_AWS_23", "CKV_AWS_24", "CKV_AWS_60", "CKV_AWS_61", "CKV_AWS_62", "CKV_AWS_63", "CKV_AWS_66"}
CHECKOV_RULES = {
    # Encrypted, not public, TLS, in a VPC.
    "cluster": NETWORK_RULES | {"CKV_AWS_64", "CKV_AWS_87", "CKV_AWS_105", "CKV_AWS_154"},
    # No rule knows Serverless: template_test.py checks the same.
    "serverless": NETWORK_RULES,
}
CHECKOV_EXCEPTIONS = {"cluster": {"CKV_AWS_71", "CKV_AWS_158"}, "serverless": {"CKV_AWS_158"}}


class CheckFailed(Exception):
    """A linter has found something, or did not look at what it should."""


def main():
    try:
        lint_template()
        scan_template()
        lint_policies()
    except CheckFailed as error:
        sys.exit(f"error: {error}")
    suite = unittest.defaultTestLoader.discover(str(Path(__file__).parent), "*_test.py")
    if suite.countTestCases() == 0 or not unittest.TextTestRunner().run(suite).wasSuccessful():
        sys.exit(1)


def lint_template():
    """Runs cfn-lint, for regions with budgets and for those without."""
    text = TEMPLATE.read_text()
    if len(text.encode()) > MAX_TEMPLATE_BYTES:
        raise CheckFailed(f"{TEMPLATE} is longer than {MAX_TEMPLATE_BYTES} bytes")
    run(tool("cfn-lint"), "--regions", *REGIONS, "--template", TEMPLATE)
    shorter, count = BUDGET.subn("", text)
    if count != 1:
        raise CheckFailed(f"{TEMPLATE} has no lines from `(budget)` to `(end of budget)`")
    with tempfile.TemporaryDirectory() as directory:
        path = Path(directory) / "without_budget.yaml"
        path.write_text(shorter)
        # The parameters and the condition of the budget have no use then.
        unused = ("--ignore-checks", "W2001", "W8001")
        run(tool("cfn-lint"), "--regions", *REGIONS_WITHOUT_BUDGETS, *unused, "--template", path)
    print(f"cfn-lint: no finding in {len(REGIONS) + len(REGIONS_WITHOUT_BUDGETS)} regions")


def scan_template():
    """Runs checkov for each kind. An exception is in the template, beside its resource, and has a reason."""
    for kind, rules in CHECKOV_RULES.items():
        text, count = re.subn("(?m)^    Default: serverless$", f"    Default: {kind}", TEMPLATE.read_text())
        if count != 1:
            raise CheckFailed(f"{TEMPLATE} has no default kind of warehouse")
        with tempfile.TemporaryDirectory() as directory:
            (Path(directory) / TEMPLATE.name).write_text(text)
            arguments = ["--framework", "cloudformation", "--skip-download", "--output", "json", "--file", TEMPLATE.name]
            results = json.loads(run(tool("checkov"), *arguments, cwd=directory))["results"]
        if results["parsing_errors"]:
            raise CheckFailed(f"checkov cannot read {results['parsing_errors']}")
        missing = rules - {passed["check_id"] for passed in results["passed_checks"]}
        if missing:
            raise CheckFailed(f"checkov did not apply {sorted(missing)} to a {kind} warehouse")
        skipped = results["skipped_checks"]
        if {check["check_id"] for check in skipped} != CHECKOV_EXCEPTIONS[kind]:
            raise CheckFailed(f"the exceptions of a {kind} warehouse are not {sorted(CHECKOV_EXCEPTIONS[kind])}")
        for check in skipped:
            if len(check["check_result"].get("suppress_comment") or "") < 20:
                raise CheckFailed(f"{check['check_id']} of {check['resource']} is skipped without a reason")
        print(f"checkov, {kind}: {len(results['passed_checks'])} passed, {len(skipped)} skipped with a reason")


def lint_policies():
    """Runs parliament on each policy, with its placeholders filled in. It knows no trust policies."""
    paths = sorted(path for path in POLICIES.glob("*.json") if path.name != "redshift-trust.json")
    for path in paths:
        policy = json.dumps(fill(path.read_text()))
        if PLACEHOLDER.search(policy):
            raise CheckFailed(f"{path}: {PLACEHOLDER.search(policy)[0]} has no value")
        findings = parliament.analyze_policy_string(policy).findings
        if findings:
            raise CheckFailed(f"{path}: {'; '.join(map(str, findings))}")
    print(f"parliament: no finding in {len(paths)} policies")


def tool(name):
    """Returns the program of the environment that runs this script."""
    return Path(sys.executable).parent / name


def run(*command, **options):
    done = subprocess.run(list(map(str, command)), capture_output=True, text=True, timeout=300, **options)
    if done.returncode != 0:
        raise CheckFailed(f"{Path(command[0]).name} exits with {done.returncode}:\n{done.stdout}{done.stderr}")
    return done.stdout


if __name__ == "__main__":
    main()
