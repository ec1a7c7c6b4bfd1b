"""What the template creates: private, encrypted, TLS only, audited, limited in cost, and tagged."""

import json
import re
import unittest
from pathlib import Path

import cfnlint

from rendering import InvalidParameters, load, render

INFRA = Path(__file__).resolve().parents[2] / "infra"
TEXT = (INFRA / "warehouse.yaml").read_text()
TEMPLATE = load(TEXT)
SCHEMAS = Path(cfnlint.__file__).parent / "data/schemas"
REGION = "us-east-1"
RESOURCE_SCHEMAS = json.loads((SCHEMAS / f"providers/{REGION}.json").read_text())

REQUIRED = {"AllowedCidr": "10.20.0.0/16", "DataBucket": "data", "OutputPrefix": "star"}
ALARM = {"AlarmEmail": "someone@example.com"}
TAG = {"Key": "sparkify:warehouse", "Value": "sparkify"}
LOGS = ["connectionlog", "userlog", "useractivitylog"]


def rendered(**parameters):
    return render(TEMPLATE, REQUIRED | parameters)


def properties(**parameters):
    return {name: r["Properties"] for name, r in rendered(**parameters)["Resources"].items()}


def types(**parameters):
    return {r["Type"] for r in rendered(**parameters)["Resources"].values()}


def schema(resource_type):
    return json.loads((SCHEMAS / f"resources/{RESOURCE_SCHEMAS[resource_type]}.json").read_text())


class Serverless(unittest.TestCase):
    def test_workgroup(self):
        workgroup = properties()["Workgroup"]
        self.assertEqual((workgroup["BaseCapacity"], workgroup["MaxCapacity"]), ("4", "8"))
        self.assertIs(workgroup["PubliclyAccessible"], False)
        self.assertIs(workgroup["EnhancedVpcRouting"], True)
        self.assertEqual(len(workgroup["SubnetIds"]), 3)
        parameters = {p["ParameterKey"]: p["ParameterValue"] for p in workgroup["ConfigParameters"]}
        self.assertEqual((parameters["require_ssl"], parameters["enable_user_activity_logging"]), ("true", "true"))

    def test_namespace(self):
        namespace = properties()["Namespace"]
        self.assertIs(namespace["ManageAdminPassword"], True)
        self.assertNotIn("AdminUserPassword", namespace)
        self.assertEqual(namespace["LogExports"], LOGS)

    def test_nothing_of_a_cluster(self):
        self.assertEqual([name for name in types() if name.startswith("AWS::Redshift::")], [])


class Cluster(unittest.TestCase):
    def test_cluster(self):
        cluster = properties(WarehouseKind="cluster")["Cluster"]
        for name, value in (
            ("Encrypted", True),
            ("PubliclyAccessible", False),
            ("EnhancedVpcRouting", True),
            ("ManageMasterPassword", True),
            ("NodeType", "rg.large"),
            ("ClusterType", "single-node"),
            ("AutomatedSnapshotRetentionPeriod", "7"),
            ("LoggingProperties", {"LogDestinationType": "cloudwatch", "LogExports": LOGS}),
        ):
            self.assertEqual(cluster[name], value, name)
        self.assertEqual(set(cluster) & {"MasterUserPassword", "NumberOfNodes"}, set())

    def test_several_nodes(self):
        cluster = properties(WarehouseKind="cluster", NodeCount=2)["Cluster"]
        self.assertEqual((cluster["ClusterType"], cluster["NumberOfNodes"]), ("multi-node", "2"))

    def test_parameter_group_requires_tls(self):
        group = properties(WarehouseKind="cluster")["ClusterParameterGroup"]
        self.assertEqual(group["ParameterGroupFamily"], "redshift-2.0")
        parameters = {p["ParameterName"]: p["ParameterValue"] for p in group["Parameters"]}
        self.assertEqual(parameters["require_ssl"], "true")
        self.assertEqual(parameters["max_concurrency_scaling_clusters"], "0")

    def test_nothing_of_serverless(self):
        self.assertEqual([name for name in types(WarehouseKind="cluster") if "Serverless" in name], [])
        self.assertEqual(len([n for n in properties(WarehouseKind="cluster") if n.startswith("Subnet")]), 2)

    def test_node_types_of_regions(self):
        """The rule of the template agrees with the list of node types that cfn-lint has for each region."""
        by_region = json.loads((SCHEMAS / "extensions/aws_redshift_cluster/nodetype_enum.json").read_text())
        offered_in = {region: offered["enum"] for region, offered in by_region.items() if "enum" in offered}
        self.assertGreater(len(offered_in), 30)
        for region, offered in offered_in.items():
            for node_type in TEMPLATE["Parameters"]["NodeType"]["AllowedValues"]:
                parameters = {"WarehouseKind": "cluster", "NodeType": node_type, "NodeCount": 2}
                try:
                    render(TEMPLATE, REQUIRED | parameters, region)
                    accepted = True
                except InvalidParameters:
                    accepted = False
                self.assertEqual(accepted, node_type in offered, (region, node_type))

    def test_large_nodes_come_in_pairs(self):
        with self.assertRaises(InvalidParameters):
            rendered(WarehouseKind="cluster", NodeType="ra3.4xlarge", NodeCount=1)
        rendered(NodeType="ra3.4xlarge", NodeCount=1)  # A warehouse without nodes does not mind.


class Network(unittest.TestCase):
    def test_port_is_open_to_the_allowed_network_only(self):
        for kind in ("serverless", "cluster"):
            rules = properties(WarehouseKind=kind, Port=5440)["SecurityGroup"]["SecurityGroupIngress"]
            (rule,) = [{k: v for k, v in r.items() if k != "Description"} for r in rules]
            self.assertEqual(rule, {"IpProtocol": "tcp", "FromPort": "5440", "ToPort": "5440", "CidrIp": "10.20.0.0/16"})

    def test_whole_internet_is_refused(self):
        for cidr in (
            "0.0.0.0/0 ::/0 0.0.0.0/1 128.0.0.0/1 8.0.0.0/7 0.0.0.0/8 10.0.0.0 10.0.0.0/33 256.0.0.0/8 10.0.0/8"
            " 2001:db8::/32 10.0.0.0/08 10.0.0.0/8,0.0.0.0/0"
        ).split() + ["", " 10.0.0.0/8", "10.0.0.0/8\n"]:
            with self.assertRaises(InvalidParameters, msg=cidr):
                rendered(AllowedCidr=cidr)
        for cidr in ("10.0.0.0/8", "203.0.113.7/32", "172.16.0.0/12", "192.168.10.0/24"):
            rendered(AllowedCidr=cidr)

    def test_no_way_to_the_internet(self):
        ways_out = ("InternetGateway", "NatGateway", "EC2::Route", "EIP", "VPNGateway")
        for kind in ("serverless", "cluster"):
            for name in types(WarehouseKind=kind):
                self.assertFalse(name.endswith(ways_out), name)

    def test_subnets_lie_in_the_vpc_and_in_different_zones(self):
        subnets = [p for name, p in properties(VpcCidr="10.9.0.0/16").items() if re.fullmatch("Subnet[ABC]", name)]
        self.assertEqual([s["CidrBlock"] for s in subnets], ["10.9.0.0/24", "10.9.1.0/24", "10.9.2.0/24"])
        self.assertEqual([s["AvailabilityZone"] for s in subnets], ["eu-west-1a", "eu-west-1b", "eu-west-1c"])
        given = properties(AvailabilityZones="eu-west-1c,eu-west-1a,eu-west-1b")
        self.assertEqual(given["SubnetA"]["AvailabilityZone"], "eu-west-1c")
        for cidr in ("10.9.0.0/15", "10.9.0.0/23", "0.0.0.0/16"):
            with self.assertRaises(InvalidParameters, msg=cidr):
                rendered(VpcCidr=cidr)

    def test_endpoint_leads_to_the_given_buckets_and_to_packages(self):
        statements = properties(InputBucket="input")["S3Endpoint"]["PolicyDocument"]["Statement"]
        resources = {r for s in statements for r in (s["Resource"] if isinstance(s["Resource"], list) else [s["Resource"]])}
        buckets = {r.removeprefix("arn:aws:s3:::").split("/")[0] for r in resources}
        self.assertEqual(buckets, {"data", "input", "al2023-repos-eu-west-1-de612dc2"})


class LogsAndCost(unittest.TestCase):
    def test_log_groups_have_the_names_that_redshift_writes_to(self):
        for kind, prefix in (("serverless", "/aws/redshift/sparkify"), ("cluster", "/aws/redshift/cluster/sparkify")):
            groups = {p["LogGroupName"]: p["RetentionInDays"] for p in properties(WarehouseKind=kind).values() if "LogGroupName" in p}
            self.assertEqual(groups, {f"{prefix}/{log}": "90" for log in LOGS})

    def test_capacity_cannot_be_left_out(self):
        for parameters in ({"BaseCapacity": ""}, {"BaseCapacity": 5}, {"BaseCapacity": 0}, {"MaxCapacity": ""}):
            with self.assertRaises(InvalidParameters, msg=parameters):
                rendered(**parameters)

    def test_budget_needs_an_address(self):
        self.assertNotIn("Budget", properties())
        budget = properties(BudgetUsd=75, **ALARM)["Budget"]
        self.assertEqual(budget["Budget"]["BudgetLimit"], {"Amount": "75", "Unit": "USD"})
        for notification in budget["NotificationsWithSubscribers"]:
            self.assertEqual(notification["Subscribers"][0]["Address"], ALARM["AlarmEmail"])

    def test_every_resource_that_takes_tags_has_the_tag(self):
        tagged = 0
        for kind in ("serverless", "cluster"):
            for name, resource in rendered(WarehouseKind=kind, **ALARM)["Resources"].items():
                tagging = schema(resource["Type"]).get("tagging", {})
                if tagging.get("taggable", False):
                    property_name = tagging.get("tagProperty", "/properties/Tags").rsplit("/", 1)[1]
                    self.assertIn(TAG, resource["Properties"].get(property_name, []), name)
                    tagged += 1
        self.assertGreater(tagged, 20)

    def test_names_begin_with_the_given_name(self):
        text = json.dumps(rendered(Name="plays-2", **ALARM)["Resources"])
        self.assertNotIn("sparkify-", text.replace("sparkify:warehouse", ""))
        for name in ("ab", "Sparkify", "2plays", "plays--2", "plays-", "a" * 31):
            with self.assertRaises(InvalidParameters, msg=name):
                rendered(Name=name)


class Outputs(unittest.TestCase):
    def test_of_serverless(self):
        outputs = {name: output["Value"] for name, output in rendered()["Outputs"].items()}
        self.assertEqual(outputs["Host"], "<Workgroup.Workgroup.Endpoint.Address>")
        self.assertEqual(outputs["OutLocation"], "s3://data/star")
        self.assertEqual((outputs["Identifier"], outputs["Namespace"]), ("<Workgroup>", "<Namespace>"))
        self.assertEqual(set(outputs) & {"PasswordSecretArn", "SongData", "LogData", "LogJsonPath"}, set())

    def test_of_a_cluster_with_input(self):
        parameters = {"InputBucket": "input", "SongsPrefix": "songs", "LogsPrefix": "logs", "JsonPathsKey": "p.json"}
        outputs = rendered(WarehouseKind="cluster", **parameters)["Outputs"]
        self.assertEqual(outputs["PasswordSecretArn"]["Value"], "<Cluster.MasterPasswordSecretArn>")
        locations = [outputs[name]["Value"] for name in ("SongData", "LogData", "LogJsonPath")]
        self.assertEqual(locations, ["s3://input/songs", "s3://input/logs", "s3://input/p.json"])

    def test_no_password_anywhere(self):
        for name in list(TEMPLATE["Parameters"]) + list(TEMPLATE["Outputs"]):
            if name != "PasswordSecretArn":
                self.assertNotIn("password", name.lower())


class Deletion(unittest.TestCase):
    def test_no_policy_keeps_what_costs_money(self):
        for name, resource in TEMPLATE["Resources"].items():
            self.assertEqual(resource.get("DeletionPolicy", "Delete"), "Delete", name)

    def test_every_parameter_is_in_a_group(self):
        groups = TEMPLATE["Metadata"]["AWS::CloudFormation::Interface"]["ParameterGroups"]
        grouped = [name for group in groups for name in group["Parameters"]]
        self.assertEqual(sorted(grouped), sorted(TEMPLATE["Parameters"]))


if __name__ == "__main__":
    unittest.main()
