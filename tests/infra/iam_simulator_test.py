"""The simulator decides as IAM's documentation of policy evaluation says."""

import unittest

from iam_simulator import (
    ALLOWED,
    DENIED,
    EXPLICITLY_DENIED,
    Request,
    Unsupported,
    evaluate,
    is_allowed,
    matches_wildcards,
)


def policy(*statements):
    return {"Version": "2012-10-17", "Statement": list(statements)}


def allow(action="s3:GetObject", resource="*", **others):
    return {"Effect": "Allow", "Action": action, "Resource": resource, **others}


def deny(action="s3:GetObject", resource="*", **others):
    return allow(action, resource, **others) | {"Effect": "Deny"}


class Evaluation(unittest.TestCase):
    def test_nothing_is_allowed_without_a_statement(self):
        self.assertEqual(evaluate([policy()], Request("s3:GetObject")), DENIED)
        self.assertEqual(evaluate([], Request("s3:GetObject")), DENIED)

    def test_explicit_deny_takes_precedence_in_any_order_and_across_policies(self):
        for policies in ([policy(allow(), deny())], [policy(deny(), allow())], [policy(allow()), policy(deny())]):
            self.assertEqual(evaluate(policies, Request("s3:GetObject")), EXPLICITLY_DENIED)

    def test_a_single_statement_need_not_be_a_list(self):
        self.assertTrue(is_allowed({"Statement": allow()}, "s3:GetObject"))

    def test_actions_ignore_case_and_have_wildcards(self):
        for pattern in ("s3:getobject", "s3:Get*", "s3:*", "*", "s3:?etObject"):
            self.assertTrue(is_allowed(policy(allow(pattern)), "s3:GetObject"), pattern)
        for pattern in ("s3:GetObjects", "s3:Get", "s3:Put*", "s3:?GetObject", "S"):
            self.assertFalse(is_allowed(policy(allow(pattern)), "s3:GetObject"), pattern)

    def test_not_action_allows_everything_else(self):
        statement = {"Effect": "Allow", "NotAction": "s3:Put*", "Resource": "*"}
        self.assertTrue(is_allowed(policy(statement), "iam:CreateUser"))
        self.assertFalse(is_allowed(policy(statement), "s3:PutObject"))

    def test_resources_respect_case_and_have_wildcards(self):
        statement = policy(allow(resource=["arn:aws:s3:::b/logs/*", "arn:aws:s3:::b/x?z"]))
        for resource in ("arn:aws:s3:::b/logs/", "arn:aws:s3:::b/logs/2018/11/a.json", "arn:aws:s3:::b/xyz"):
            self.assertTrue(is_allowed(statement, "s3:GetObject", resource), resource)
        for resource in ("arn:aws:s3:::b/logs", "arn:aws:s3:::b/Logs/a", "arn:aws:s3:::b/xz", "arn:aws:s3:::c/logs/a"):
            self.assertFalse(is_allowed(statement, "s3:GetObject", resource), resource)

    def test_not_resource_excludes(self):
        statement = {"Effect": "Allow", "Action": "s3:*", "NotResource": "arn:aws:s3:::b/*"}
        self.assertFalse(is_allowed(policy(statement), "s3:GetObject", "arn:aws:s3:::b/k"))
        self.assertTrue(is_allowed(policy(statement), "s3:GetObject", "arn:aws:s3:::c/k"))

    def test_brackets_are_no_wildcards(self):
        self.assertTrue(matches_wildcards("a[b]*", "a[b]c"))
        self.assertFalse(matches_wildcards("a[b]*", "abc"))

    def test_principals_of_trust_policies(self):
        trust = {"Effect": "Allow", "Principal": {"Service": ["redshift.amazonaws.com"]}, "Action": "sts:AssumeRole"}
        for principal, expected in (
            (("Service", "redshift.amazonaws.com"), ALLOWED),
            (("Service", "ec2.amazonaws.com"), DENIED),
            (("AWS", "redshift.amazonaws.com"), DENIED),
            ((), DENIED),
        ):
            self.assertEqual(evaluate([policy(trust)], Request("sts:AssumeRole", principal=principal)), expected)
        anybody = trust | {"Principal": "*"}
        self.assertEqual(evaluate([policy(anybody)], Request("sts:AssumeRole", principal=("AWS", "x"))), ALLOWED)


class Conditions(unittest.TestCase):
    def decide(self, condition, **context):
        return is_allowed(policy(allow(Condition=condition)), "s3:GetObject", **context)

    def test_string_operators(self):
        for condition, value, expected in (
            ({"StringEquals": {"s3:prefix": "logs/"}}, "logs/", True),
            ({"StringEquals": {"s3:prefix": "logs/*"}}, "logs/a", False),
            ({"StringEquals": {"S3:Prefix": ["a", "logs/"]}}, "logs/", True),
            ({"StringLike": {"s3:prefix": "logs/*"}}, "logs/a/b", True),
            ({"StringLike": {"s3:prefix": "logs/*"}}, "logs", False),
            ({"StringLike": {"s3:prefix": "logs/*"}}, "logs-secret/", False),
            ({"StringNotEquals": {"s3:prefix": ["a", "b"]}}, "b", False),
            ({"StringNotEquals": {"s3:prefix": ["a", "b"]}}, "c", True),
            ({"StringNotLike": {"s3:prefix": "a*"}}, "ab", False),
            ({"StringEqualsIgnoreCase": {"s3:prefix": "LOGS/"}}, "logs/", True),
        ):
            self.assertEqual(self.decide(condition, s3_prefix=value), expected, condition)

    def test_all_operators_and_all_keys_must_match(self):
        condition = {"StringEquals": {"s3:prefix": "a", "s3:delimiter": "/"}, "Bool": {"aws:SecureTransport": "true"}}
        matching = {"s3_prefix": "a", "s3_delimiter": "/", "aws_SecureTransport": "true"}
        self.assertTrue(self.decide(condition, **matching))
        for key in matching:
            self.assertFalse(self.decide(condition, **(matching | {key: "false"})), key)

    def test_keys_that_the_request_does_not_have(self):
        for condition, expected in (
            ({"StringEquals": {"s3:prefix": "a"}}, False),
            ({"StringNotEquals": {"s3:prefix": "a"}}, True),
            ({"StringEqualsIfExists": {"s3:prefix": "a"}}, True),
            ({"ForAllValues:StringEquals": {"aws:TagKeys": "a"}}, True),
            ({"ForAnyValue:StringEquals": {"aws:TagKeys": "a"}}, False),
            ({"Null": {"s3:prefix": "true"}}, True),
            ({"Null": {"s3:prefix": "false"}}, False),
            ({"Bool": {"aws:SecureTransport": "false"}}, False),
        ):
            self.assertEqual(self.decide(condition), expected, condition)

    def test_several_values_of_a_key(self):
        any_value, all_values = ({f"{q}:StringLike": {"aws:TagKeys": ["a*", "b"]}} for q in ("ForAnyValue", "ForAllValues"))
        self.assertTrue(self.decide(any_value, aws_TagKeys=["x", "ab"]))
        self.assertFalse(self.decide(any_value, aws_TagKeys=["x"]))
        self.assertFalse(self.decide(all_values, aws_TagKeys=["b", "x"]))
        self.assertTrue(self.decide(all_values, aws_TagKeys=["b", "ab"]))

    def test_deny_without_tls(self):
        document = policy(allow(), deny("s3:*", Condition={"Bool": {"aws:SecureTransport": "false"}}))
        self.assertTrue(is_allowed(document, "s3:GetObject", aws_SecureTransport="true"))
        self.assertFalse(is_allowed(document, "s3:GetObject", aws_SecureTransport="false"))

    def test_numbers_addresses_and_arns(self):
        self.assertTrue(self.decide({"NumericLessThan": {"s3:signatureAge": "10"}}, s3_signatureAge="9"))
        self.assertFalse(self.decide({"NumericLessThan": {"s3:signatureAge": "10"}}, s3_signatureAge="10"))
        self.assertTrue(self.decide({"IpAddress": {"aws:SourceIp": "10.0.0.0/8"}}, aws_SourceIp="10.1.2.3"))
        self.assertFalse(self.decide({"NotIpAddress": {"aws:SourceIp": "10.0.0.0/8"}}, aws_SourceIp="10.1.2.3"))
        self.assertTrue(self.decide({"ArnLike": {"aws:SourceArn": "arn:aws:s3:::b*"}}, aws_SourceArn="arn:aws:s3:::bc"))


class WhatIsNotKnown(unittest.TestCase):
    def test_raises(self):
        for statement in (
            allow(Condition={"DateLessThan": {"aws:CurrentTime": "2026-01-01"}}),
            allow(Condition={"ForNoValue:StringLike": {"aws:TagKeys": "a"}}),
            allow(Condition={"StringEquals": {"aws:CurrentTime": "${aws:username}"}}),
            allow(resource="arn:aws:s3:::home/${aws:username}/*"),
            allow(NotPrincipal="*"),
            allow() | {"Effect": "Maybe"},
        ):
            request = Request("s3:GetObject", context={"aws:CurrentTime": "x", "aws:TagKeys": ["a"]})
            with self.assertRaises(Unsupported, msg=statement):
                evaluate([policy(statement)], request)


if __name__ == "__main__":
    unittest.main()
