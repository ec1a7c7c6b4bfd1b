"""The role of COPY reads the prefixes that are given to the template, and nothing else. A wider policy is noticed."""

import copy
import json
import unittest
from pathlib import Path

from granted import Grant, differences
from iam_simulator import ALLOWED, DENIED, Request, evaluate
from placeholders import fill
from rendering import InvalidParameters, load, render

INFRA = Path(__file__).resolve().parents[2] / "infra"
TEMPLATE = load((INFRA / "warehouse.yaml").read_text())
FILE = fill((INFRA / "policies/redshift-role.json").read_text())

REQUIRED = {"AllowedCidr": "10.20.0.0/16", "DataBucket": "data", "OutputPrefix": "star"}
INPUT = {"InputBucket": "input", "SongsPrefix": "songs", "LogsPrefix": "logs"}
KEY_ARN = "arn:aws:kms:eu-west-1:123456789012:key/1234"


def role(**parameters):
    return render(TEMPLATE, REQUIRED | parameters)["Resources"]["Role"]["Properties"]


def role_policy(**parameters):
    (policy,) = role(**parameters)["Policies"]
    return policy["PolicyDocument"]


def grant(places, buckets, **others):
    return Grant({"s3:GetObject": set(places)}, set(places), {"s3:GetBucketLocation": set(buckets)}, **others)


OUTPUT_ONLY = grant([("data", "star")], ["data"])
BOTH = grant([("data", "star"), ("input", "songs"), ("input", "logs")], ["data", "input"])

# Each of these makes a policy wider than it may be.
WIDENED = {
    "the prefix without its slash": lambda s: s[0].update(Resource="arn:aws:s3:::data/star*"),
    "the whole bucket": lambda s: s[0].update(Resource="arn:aws:s3:::data/*"),
    "all buckets": lambda s: s[0].update(Resource="arn:aws:s3:::*"),
    "all resources": lambda s: s[0].update(Resource="*"),
    "a wildcard for one character": lambda s: s[0].update(Resource="arn:aws:s3:::dat?/star/*"),
    "all that reads": lambda s: s[0].update(Action="s3:Get*"),
    "all of S3": lambda s: s[0].update(Action="s3:*"),
    "writing": lambda s: s[0].update(Action=["s3:GetObject", "s3:PutObject"]),
    "deleting": lambda s: s[0].update(Action=["s3:GetObject", "s3:DeleteObject"]),
    "all that is not writing": lambda s: (s[0].pop("Action"), s[0].update(NotAction="s3:Put*")),
    "all that is not the bucket": lambda s: (s[0].pop("Resource"), s[0].update(NotResource="arn:aws:s3:::data")),
    "listing without a condition": lambda s: s[1].pop("Condition"),
    "listing of the bare prefix": lambda s: s[1]["Condition"]["StringLike"]["s3:prefix"].append("star"),
    "listing of siblings": lambda s: s[1]["Condition"]["StringLike"].update({"s3:prefix": "star*"}),
    "listing of the bucket": lambda s: s[1]["Condition"]["StringLike"].update({"s3:prefix": ["star/*", ""]}),
    "listing if no prefix is named": lambda s: s[1].update(Condition={"StringLikeIfExists": {"s3:prefix": ["star/*"]}}),
    "listing with a negated condition": lambda s: s[1].update(Condition={"StringNotLike": {"s3:prefix": ["logs/*"]}}),
    "the policy of the bucket": lambda s: s[2].update(Action=["s3:GetBucketLocation", "s3:GetBucketPolicy"]),
    "another service": lambda s: s.append({"Effect": "Allow", "Action": "iam:PassRole", "Resource": "*"}),
    "decryption with any key": lambda s: s.append({"Effect": "Allow", "Action": "kms:Decrypt", "Resource": "*"}),
    "everything": lambda s: s.append({"Effect": "Allow", "Action": "*", "Resource": "*"}),
}

# Each of these takes away what COPY needs.
NARROWED = {
    "no reading": lambda s: s.pop(0),
    "no listing": lambda s: s.pop(1),
    "only one level": lambda s: s[0].update(Resource="arn:aws:s3:::data/star/?"),
    "reading is denied": lambda s: s.append({"Effect": "Deny", "Action": "s3:GetObject", "Resource": "*"}),
}


class PolicyOfTheRole(unittest.TestCase):
    def assert_grants(self, policy, expected):
        self.assertEqual(list(differences(policy, expected)), [])

    def test_template_without_input_grants_the_output(self):
        self.assert_grants(role_policy(), OUTPUT_ONLY)

    def test_template_with_input_grants_both(self):
        self.assert_grants(role_policy(**INPUT), BOTH)

    def test_input_in_the_bucket_of_the_output(self):
        expected = grant([("data", "star"), ("data", "raw/logs")], ["data"])
        self.assert_grants(role_policy(LogsPrefix="raw/logs"), expected)

    def test_jsonpaths_file_is_one_key(self):
        places = [("data", "star"), ("input", "logs")]
        expected = grant(places, ["data", "input"], keys=frozenset([("input", "log_json_path.json")]))
        policy = role_policy(InputBucket="input", LogsPrefix="logs", JsonPathsKey="log_json_path.json")
        self.assert_grants(policy, expected)

    def test_key_decrypts_only_for_s3(self):
        policy = role_policy(DataKmsKeyArn=KEY_ARN)
        self.assert_grants(policy, grant([("data", "star")], ["data"], others=frozenset([("kms:Decrypt", KEY_ARN)])))
        for service, expected in (("s3.eu-west-1.amazonaws.com", ALLOWED), ("ec2.eu-west-1.amazonaws.com", DENIED)):
            request = Request("kms:Decrypt", KEY_ARN, {"kms:ViaService": service})
            self.assertEqual(evaluate([policy], request), expected, service)
        self.assertEqual(evaluate([policy], Request("kms:Decrypt", KEY_ARN)), DENIED)

    def test_file_is_the_policy_of_the_template(self):
        self.assertEqual(FILE, json.loads(json.dumps(role_policy(**INPUT))))
        self.assert_grants(FILE, BOTH)

    def test_named_requests(self):
        # The requests that a reader would ask about first, without the help of the generator.
        for action, resource, prefix, expected in (
            ("s3:GetObject", "arn:aws:s3:::input/logs/2018/11/a.json", None, ALLOWED),
            ("s3:GetObject", "arn:aws:s3:::data/star/run/songplays.manifest", None, ALLOWED),
            ("s3:ListBucket", "arn:aws:s3:::input", "logs/", ALLOWED),
            ("s3:GetObject", "arn:aws:s3:::input/logs-secret/a.json", None, DENIED),
            ("s3:GetObject", "arn:aws:s3:::input/log", None, DENIED),
            ("s3:GetObject", "arn:aws:s3:::data/logs/a.json", None, DENIED),
            ("s3:GetObject", "arn:aws:s3:::other/logs/a.json", None, DENIED),
            ("s3:ListBucket", "arn:aws:s3:::input", "logs-secret/", DENIED),
            ("s3:ListBucket", "arn:aws:s3:::input", "logs", DENIED),
            ("s3:ListBucket", "arn:aws:s3:::input", None, DENIED),
            ("s3:PutObject", "arn:aws:s3:::data/star/a", None, DENIED),
            ("s3:DeleteObject", "arn:aws:s3:::data/star/a", None, DENIED),
            ("s3:GetBucketPolicy", "arn:aws:s3:::data", None, DENIED),
            ("iam:CreateUser", "*", None, DENIED),
        ):
            context = {} if prefix is None else {"s3:prefix": prefix}
            self.assertEqual(evaluate([FILE], Request(action, resource, context)), expected, (action, resource, prefix))


class ChangedPolicies(unittest.TestCase):
    def test_each_change_is_noticed(self):
        for name, change in (WIDENED | NARROWED).items():
            policy = copy.deepcopy(role_policy())
            change(policy["Statement"])
            self.assertTrue(any(True for _ in differences(policy, OUTPUT_ONLY)), f"{name} is not noticed")

    def test_prefixes_that_would_widen_the_policy_are_refused(self):
        for prefix in ("", "*", "star*", "st?r", "star/", "/star", "${aws:username}", "a//b", "star/*"):
            with self.assertRaises(InvalidParameters, msg=prefix):
                role_policy(OutputPrefix=prefix)
        for bucket in ("", "*", "data/star", "s3://data", "da?a", "data*", "${aws:username}"):
            with self.assertRaises(InvalidParameters, msg=bucket):
                role_policy(DataBucket=bucket)


class TrustPolicy(unittest.TestCase):
    def assert_trusts(self, policy, services):
        for kind, name in (
            ("Service", "redshift.amazonaws.com"),
            ("Service", "redshift-serverless.amazonaws.com"),
            ("Service", "ec2.amazonaws.com"),
            ("Service", "lambda.amazonaws.com"),
            ("AWS", "arn:aws:iam::123456789012:root"),
            ("AWS", "*"),
            ("Federated", "cognito-identity.amazonaws.com"),
        ):
            request = Request("sts:AssumeRole", principal=(kind, name))
            expected = ALLOWED if kind == "Service" and name in services else DENIED
            self.assertEqual(evaluate([policy], request), expected, name)
        self.assertEqual(evaluate([policy], Request("sts:TagSession", principal=("Service", services[0]))), DENIED)

    def test_only_redshift_takes_the_role(self):
        serverless = ["redshift.amazonaws.com", "redshift-serverless.amazonaws.com"]
        self.assert_trusts(role()["AssumeRolePolicyDocument"], serverless)
        self.assert_trusts(role(WarehouseKind="cluster")["AssumeRolePolicyDocument"], serverless[:1])
        self.assert_trusts(json.loads((INFRA / "policies/redshift-trust.json").read_text()), serverless)

    def test_role_has_no_other_policy(self):
        self.assertEqual(set(role()) & {"ManagedPolicyArns", "PermissionsBoundary"}, set())


if __name__ == "__main__":
    unittest.main()
