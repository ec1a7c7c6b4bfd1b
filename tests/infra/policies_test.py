"""The other policies in infra/policies allow what sparkify asks AWS for, and little else."""

import copy
import json
import re
import unittest
from pathlib import Path

from granted import Grant, differences
from iam_simulator import ALLOWED, Request, evaluate
from placeholders import EXAMPLES, fill
from template_test import TEMPLATE, schema

REPOSITORY = Path(__file__).resolve().parents[2]
POLICIES = REPOSITORY / "infra/policies"
IN_REGION = {"aws:RequestedRegion": "eu-west-1"}
TAGGED = {"aws:ResourceTag/sparkify:warehouse": "sparkify"}
ACCOUNT = "eu-west-1:123456789012"
ROLE = "arn:aws:iam::123456789012:role/sparkify-copy-eu-west-1"


def read(name):
    return fill((POLICIES / name).read_text())


def allows(policy, action, resource="*", **context):
    return evaluate([policy], Request(action, resource, context)) == ALLOWED


def used_in_s3():
    """Returns the permissions that the error messages of the S3 storage name."""
    sources = (REPOSITORY / "src/storage/s3").rglob("*.rs")
    return {name for source in sources for name in re.findall(r'"(s3:[A-Za-z]+)', source.read_text())}


class Etl(unittest.TestCase):
    GRANT = Grant(
        {
            "s3:GetObject": {("input", "songs"), ("input", "logs"), ("data", "star")},
            "s3:PutObject": {("data", "star")},
            "s3:DeleteObject": {("data", "star")},
            "s3:AbortMultipartUpload": {("data", "star")},
        },
        {("input", "songs"), ("input", "logs"), ("data", "star")},
        {"s3:ListBucketMultipartUploads": {"data"}},
    )

    def test_grants_the_prefixes_and_nothing_else(self):
        self.assertEqual(list(differences(read("etl.json"), self.GRANT)), [])

    def test_has_the_permissions_that_sparkify_uses(self):
        granted = set(self.GRANT.objects) | set(self.GRANT.buckets) | {"s3:ListBucket"}
        # Only doctor reads the policy of a bucket.
        of_doctor = {"s3:GetBucketPolicy"}
        self.assertEqual(used_in_s3(), granted | of_doctor)
        self.assertTrue(allows(read("doctor.json"), *of_doctor, "arn:aws:s3:::data"))
        documented = (REPOSITORY / "docs/s3.md").read_text()
        for permission in granted:
            self.assertIn(f"`{permission}`", documented)

    def test_a_wider_policy_is_noticed(self):
        changes = (
            lambda s: s[2].update(Resource="arn:aws:s3:::data/*"),
            lambda s: s[0].update(Action=["s3:GetObject", "s3:PutObject"]),
            lambda s: s[2]["Action"].append("s3:PutObjectAcl"),
            lambda s: s[1].pop("Condition"),
            lambda s: s[4].update(Action="s3:*"),
        )
        for number, change in enumerate(changes):
            policy = copy.deepcopy(read("etl.json"))
            change(policy["Statement"])
            self.assertTrue(any(True for _ in differences(policy, self.GRANT)), number)

    def test_example_of_aws_batch_is_this_policy(self):
        values = EXAMPLES | {"DATA_BUCKET": "bucket", "INPUT_BUCKET": "bucket"}
        values |= {"SONGS_PREFIX": "song_data", "LOGS_PREFIX": "log_data"}
        example = json.loads((REPOSITORY / "examples/aws-batch/job-role-policy.json").read_text())
        self.assertEqual(example, fill((POLICIES / "etl.json").read_text(), values))


class IamLogin(unittest.TestCase):
    POLICY = read("iam-login.json")

    def test_logs_in_to_this_warehouse_only(self):
        for action, resource, expected in (
            ("redshift:GetClusterCredentialsWithIAM", f"arn:aws:redshift:{ACCOUNT}:dbname:sparkify/sparkify", True),
            ("redshift:GetClusterCredentialsWithIAM", f"arn:aws:redshift:{ACCOUNT}:dbname:other/sparkify", False),
            ("redshift:GetClusterCredentials", f"arn:aws:redshift:{ACCOUNT}:dbuser:sparkify/admin", False),
            ("redshift-serverless:GetCredentials", workgroup(EXAMPLES["WORKGROUP_ID"]), True),
            ("redshift-serverless:GetCredentials", workgroup("other"), False),
            ("secretsmanager:GetSecretValue", EXAMPLES["SECRET_ARN"], True),
            ("secretsmanager:GetSecretValue", EXAMPLES["SECRET_ARN"] + "2", False),
            ("secretsmanager:PutSecretValue", EXAMPLES["SECRET_ARN"], False),
            ("redshift:DescribeClusters", "*", True),
            ("redshift:ModifyCluster", f"arn:aws:redshift:{ACCOUNT}:cluster:sparkify", False),
        ):
            self.assertEqual(allows(self.POLICY, action, resource, **IN_REGION), expected, (action, resource))


class Doctor(unittest.TestCase):
    def test_reads_settings_only(self):
        names = [a for s in read("doctor.json")["Statement"] for a in (s["Action"] if isinstance(s["Action"], list) else [s["Action"]])]
        for name in names:
            self.assertRegex(name, ":(Get|Describe)[A-Za-z]+$")
        self.assertNotIn("s3:GetObject", names)


class Infra(unittest.TestCase):
    POLICY = read("infra.json")

    # What a resource of the template could be, by the names that CloudFormation and Redshift give.
    RESOURCES = (
        "*",
        f"arn:aws:ec2:{ACCOUNT}:vpc/vpc-1",
        ROLE,
        "arn:aws:iam::123456789012:role/aws-service-role/redshift.amazonaws.com/AWSServiceRoleForRedshift",
        f"arn:aws:redshift:{ACCOUNT}:cluster:sparkify",
        f"arn:aws:redshift:{ACCOUNT}:namespace:{EXAMPLES['NAMESPACE_ID']}",
        f"arn:aws:redshift:{ACCOUNT}:parametergroup:sparkify-clusterparametergroup-1",
        f"arn:aws:redshift:{ACCOUNT}:subnetgroup:sparkify-clustersubnetgroup-1",
        f"arn:aws:redshift-serverless:{ACCOUNT}:namespace/{EXAMPLES['NAMESPACE_ID']}",
        f"arn:aws:logs:{ACCOUNT}:log-group:/aws/redshift/sparkify/userlog:log-stream:",
        "arn:aws:budgets::123456789012:budget/sparkify-eu-west-1-redshift",
        EXAMPLES["SECRET_ARN"],
    )
    CONTEXTS = (
        IN_REGION | TAGGED | {"iam:PassedToService": "redshift.amazonaws.com", "iam:AWSServiceName": "redshift.amazonaws.com"},
    )
    # What the handlers of CloudFormation declare for properties that the template does not use, and what needs no policy:
    # keys of one's own, elastic addresses, snapshot copies, restoring, resource policies, data protection, VPC lattice.
    NOT_USED = re.compile(
        "kms:|vpc-lattice:|vpce:|initech:|firehose:|cloudwatch:|s3:REST|billing:"
        "|ec2:(Describe[*]|AllocateAddress|AssociateAddress|AttachNetworkInterface|CreateNetworkInterface"
        "|ModifyNetworkInterfaceAttribute|.*SubnetCidrBlock|.*VpcEncryptionControls?|ModifyVpcTenancy)"
        "|iam:(AttachRolePolicy|DetachRolePolicy|.*PermissionsBoundary)"
        "|redshift:(RestoreFrom|(Put|Delete)ResourcePolicy|.*SnapshotCopy|ModifyAqua|ModifyClusterDbRevisions|RotateEncryptionKey"
        "|FailoverPrimaryCompute)"
        "|redshift-serverless:(RestoreFrom|(Create|Update|Delete)SnapshotCopyConfiguration)"
        "|logs:((Put|Delete)(DataProtection|Index|Resource)Policy|CreateLogDelivery|(Associate|Disassociate)KmsKey"
        "|PutBearerTokenAuthentication|PutLogGroupDeletionProtection)"
    )
    # What `sparkify infra` asks for itself, besides what CloudFormation does in its name.
    OF_SPARKIFY = (
        "cloudformation:CreateStack cloudformation:UpdateStack cloudformation:DeleteStack cloudformation:RollbackStack"
        " cloudformation:DescribeStacks cloudformation:DescribeStackEvents cloudformation:ListStackResources"
        " cloudformation:DescribeStackResources cloudformation:ContinueUpdateRollback cloudformation:GetTemplate"
        " redshift:DescribeClusters redshift:PauseCluster redshift:ResumeCluster redshift:CreateClusterSnapshot"
        " redshift:DescribeClusterSnapshots redshift:DeleteClusterSnapshot redshift-serverless:GetWorkgroup"
        " redshift-serverless:GetNamespace redshift-serverless:CreateSnapshot redshift-serverless:GetSnapshot"
        " redshift-serverless:ListSnapshots redshift-serverless:DeleteSnapshot redshift-serverless:ListUsageLimits"
        " redshift-serverless:CreateUsageLimit redshift-serverless:UpdateUsageLimit redshift-serverless:DeleteUsageLimit"
    ).split()

    def allows_somewhere(self, action):
        stack = f"arn:aws:cloudformation:{ACCOUNT}:stack/sparkify/1"
        snapshot = f"arn:aws:redshift:{ACCOUNT}:snapshot:sparkify/final"
        resources = (*self.RESOURCES, stack, snapshot)
        return any(allows(self.POLICY, action, r, **context) for r in resources for context in self.CONTEXTS)

    def test_allows_what_the_resources_of_the_template_need(self):
        checked = 0
        for resource_type in sorted({r["Type"] for r in TEMPLATE["Resources"].values()}):
            for handler in ("create", "read", "update", "delete"):
                for action in schema(resource_type)["handlers"].get(handler, {}).get("permissions", []):
                    if not self.NOT_USED.match(action):
                        self.assertTrue(self.allows_somewhere(action), f"{action} of {resource_type}")
                        checked += 1
        self.assertGreater(checked, 150)

    def test_allows_what_sparkify_asks_for(self):
        for action in self.OF_SPARKIFY:
            self.assertTrue(self.allows_somewhere(action), action)

    def test_refuses_what_is_not_of_the_warehouse(self):
        everywhere = IN_REGION | TAGGED | {"iam:PassedToService": "redshift.amazonaws.com"}
        for action, resource, context in (
            ("iam:PutRolePolicy", "arn:aws:iam::123456789012:role/admin", everywhere),
            ("iam:PassRole", "arn:aws:iam::123456789012:role/admin", everywhere),
            ("iam:PassRole", ROLE, IN_REGION | {"iam:PassedToService": "ec2.amazonaws.com"}),
            ("iam:AttachRolePolicy", ROLE, everywhere),
            ("iam:CreateUser", "*", everywhere),
            ("ec2:DeleteVpc", f"arn:aws:ec2:{ACCOUNT}:vpc/vpc-1", IN_REGION),
            ("ec2:DeleteSecurityGroup", f"arn:aws:ec2:{ACCOUNT}:security-group/sg-1", IN_REGION),
            ("ec2:RunInstances", f"arn:aws:ec2:{ACCOUNT}:instance/*", everywhere),
            ("ec2:CreateInternetGateway", f"arn:aws:ec2:{ACCOUNT}:internet-gateway/*", everywhere),
            ("redshift:DeleteCluster", f"arn:aws:redshift:{ACCOUNT}:cluster:other", everywhere),
            ("redshift:DeleteClusterSnapshot", f"arn:aws:redshift:{ACCOUNT}:snapshot:other/final", everywhere),
            ("redshift:GetClusterCredentialsWithIAM", f"arn:aws:redshift:{ACCOUNT}:dbname:sparkify/sparkify", everywhere),
            ("redshift-serverless:DeleteNamespace", f"arn:aws:redshift-serverless:{ACCOUNT}:namespace/1", IN_REGION),
            ("redshift-serverless:GetCredentials", workgroup("1"), everywhere),
            ("secretsmanager:GetSecretValue", EXAMPLES["SECRET_ARN"], everywhere),
            ("secretsmanager:DeleteSecret", f"arn:aws:secretsmanager:{ACCOUNT}:secret:other", everywhere),
            ("cloudformation:DeleteStack", f"arn:aws:cloudformation:{ACCOUNT}:stack/other/1", everywhere),
            ("logs:DeleteLogGroup", f"arn:aws:logs:{ACCOUNT}:log-group:/app", everywhere),
            ("s3:GetObject", "arn:aws:s3:::data/star/a", everywhere),
        ):
            self.assertFalse(allows(self.POLICY, action, resource, **context), (action, resource))


def workgroup(identifier):
    return f"arn:aws:redshift-serverless:{ACCOUNT}:workgroup/{identifier}"


if __name__ == "__main__":
    unittest.main()
