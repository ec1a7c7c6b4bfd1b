"""Checks the examples for AWS with the service models of the SDK, a linter of state machines, and moto.

Moto runs the state machine. The jobs that it submits to Batch run sparkify on the servers of the sandbox.
"""

import fnmatch
import itertools
import json
import logging
import re
import sys
import time
from pathlib import Path

import yaml

from expect import CheckFailed, assert_equal, run
from sandbox import EXAMPLES, REGION

BATCH, STEPS, EVENTS = (EXAMPLES / name for name in ("aws-batch", "step-functions", "eventbridge"))
STATE_MACHINE = STEPS / "sparkify-nightly.asl.json"
ACCOUNT = "123456789012"

# Each file and the request that it is.
REQUESTS = {
    BATCH / "job-definition.yaml": ("batch", "RegisterJobDefinition"),
    EXAMPLES / "airflow/ecs-task-definition.yaml": ("ecs", "RegisterTaskDefinition"),
    STEPS / "state-machine.yaml": ("stepfunctions", "CreateStateMachine"),
    EVENTS / "nightly-schedule.yaml": ("scheduler", "CreateSchedule"),
    EVENTS / "status-schedule.yaml": ("scheduler", "CreateSchedule"),
    EVENTS / "failed-status-rule.yaml": ("events", "PutRule"),
}

# What Batch knows of a job that ended: the exit code, the reason of the container, and the reason of the job.
BATCH_ENDS = [
    ("4", None, "Essential container in task exited", "RETRY"),
    *((code, None, "Essential container in task exited", "EXIT") for code in ("1", "2", "3", "101", "137", "143")),
    (None, None, "Host EC2 (instance i-0123456789abcdef0) terminated.", "RETRY"),
    (None, "CannotPullContainerError: i/o timeout", "Task failed to start", "RETRY"),
    (None, "ResourceInitializationError: no such secret", "Task failed to start", "EXIT"),
]

# A log that is not JSON, of which a run rejects more than the limit.
BAD_LOG = "log_data/2018/11/2018-11-30-events.json"


def check(sandbox):
    """Returns the arguments of all calls of sparkify."""
    requests = {path: yaml.safe_load(path.read_text()) for path in REQUESTS}
    requests[STEPS / "state-machine.yaml"]["definition"] = STATE_MACHINE.read_text()
    for path, (service, operation) in REQUESTS.items():
        check_request(path.name, service, operation, requests[path])
    run(Path(sys.executable).with_name("statelint"), STATE_MACHINE)
    definition = json.loads(STATE_MACHINE.read_text())
    for name, state in definition["States"].items():
        if state["Type"] == "Task":
            service, action = re.fullmatch(r"arn:aws:states:::(\w+):(\w+)(?:\.sync)?", state["Resource"]).groups()
            check_request(name, service, action[0].upper() + action[1:], camel_case(state["Parameters"], service))
    submit = json.loads(requests[EVENTS / "status-schedule.yaml"]["Target"]["Input"])
    check_request("status-schedule.yaml", "batch", "SubmitJob", camel_case(submit, "batch"))
    for name, service in [("nightly-schedule.yaml", "states"), ("status-schedule.yaml", "batch")]:
        check_schedule(requests[EVENTS / name], service)

    job = requests[BATCH / "job-definition.yaml"]
    for exit_code, reason, status_reason, action in BATCH_ENDS:
        found = batch_action(job["retryStrategy"]["evaluateOnExit"], exit_code, reason, status_reason)
        assert_equal(f"Batch after {exit_code or reason or status_reason}", found, action)
    check_references(requests, definition, submit)
    check_time_of_attempts(job, definition)
    check_policies(sandbox, requests)
    check_executions(sandbox, job, definition)
    print(f"aws: {len(requests)} requests are valid, and the state machine does what it says on moto")

    clean = definition["States"]["Clean"]["Parameters"]["ContainerOverrides"]["Command"]
    return [job["containerProperties"]["command"], clean, submit["ContainerOverrides"]["Command"]]


def check_request(where, service, operation, request):
    """Checks a request with the model of the service: its keys, types, sizes, patterns and choices."""
    import botocore.session
    from botocore.validate import ParamValidator

    model = botocore.session.get_session().get_service_model(service)
    shape = model.operation_model(operation).input_shape
    report = ParamValidator().validate(request, shape)
    errors = [report.generate_report()] if report.has_errors() else list(invalid_texts(shape, request, where))
    if errors:
        raise CheckFailed(f"{where}: {operation} of {service}: {'; '.join(errors)}")


def invalid_texts(shape, value, where):
    """Yields what is wrong with the texts in a request, which the SDK leaves to the service."""
    if shape.type_name == "structure":
        for name, member in value.items():
            yield from invalid_texts(shape.members[name], member, f"{where}.{name}")
    elif shape.type_name == "list":
        for member in value:
            yield from invalid_texts(shape.member, member, where)
    elif shape.type_name == "string":
        pattern = shape.metadata.get("pattern")
        if shape.enum and value not in shape.enum:
            yield f"{where}: {value} is none of {shape.enum}"
        if pattern and not re.fullmatch(pattern, value):
            yield f"{where}: {value} does not match {pattern}"


def camel_case(parameters, service):
    """Returns parameters with the names that the API has: SNS has capitals, and Batch has not.

    State machines and schedules write all names with a capital, and a name that ends in `.$` for a computed value.
    """
    if isinstance(parameters, list):
        return [camel_case(member, service) for member in parameters]
    if not isinstance(parameters, dict):
        return parameters
    renamed = {}
    for name, value in parameters.items():
        name = name.removesuffix(".$")
        name = name if service == "sns" else name[0].lower() + name[1:]
        renamed[name] = camel_case(value, service)
    return renamed


def check_schedule(schedule, service):
    from aws_croniter import AwsCroniter

    expression = re.fullmatch(r"cron\((.*)\)", schedule["ScheduleExpression"]).group(1)
    AwsCroniter(expression)
    target = schedule["Target"]
    if service not in target["Arn"]:
        raise CheckFailed(f"{schedule['Name']}: its target is {target['Arn']}")
    json.loads(target["Input"])


def batch_action(conditions, exit_code, reason, status_reason):
    """Returns what Batch does by the conditions of a retry strategy, of which the first that matches decides."""
    for condition in conditions:
        patterns = {
            "onExitCode": exit_code or "",
            "onReason": reason or "",
            "onStatusReason": status_reason or "",
        }
        if all(fnmatch.fnmatchcase(patterns[key], value) for key, value in condition.items() if key != "action"):
            return condition["action"]
    return "RETRY"


def check_references(requests, definition, submit):
    """Checks that the files name each other as they are."""
    job = requests[BATCH / "job-definition.yaml"]["jobDefinitionName"]
    machine = requests[STEPS / "state-machine.yaml"]["name"]
    jobs = [state["Parameters"] for state in definition["States"].values() if "batch" in state.get("Resource", "")]
    assert_equal("job definitions", {parameters["JobDefinition"] for parameters in [*jobs, submit]}, {job})
    assert_equal("number of job queues", len({parameters["JobQueue"] for parameters in [*jobs, submit]}), 1)
    target = requests[EVENTS / "nightly-schedule.yaml"]["Target"]["Arn"]
    assert_equal("target of the schedule", target, f"arn:aws:states:{REGION}:{ACCOUNT}:stateMachine:{machine}")
    pattern = json.loads(requests[EVENTS / "failed-status-rule.yaml"]["EventPattern"])
    assert_equal("job that the rule is about", pattern["detail"]["jobName"], [submit["JobName"]])
    # The ECS task and the Batch job run the same image with the same roles and secrets.
    container = requests[BATCH / "job-definition.yaml"]["containerProperties"]
    task = requests[EXAMPLES / "airflow/ecs-task-definition.yaml"]
    for what, on_ecs, on_batch in [
        ("image", task["containerDefinitions"][0]["image"], container["image"]),
        ("role", task["taskRoleArn"], container["jobRoleArn"]),
        ("execution role", task["executionRoleArn"], container["executionRoleArn"]),
    ]:
        assert_equal(f"{what} of the ECS task", on_ecs, on_batch)


def check_time_of_attempts(job, definition):
    """Checks that the state machine has the time for all attempts, because it tells nobody if its own time is over."""
    states = definition["States"]
    again = next(choice for choice in states["Which exit code?"]["Choices"] if choice["Next"] == "Wait")
    attempts = next(rule["NumericLessThan"] for rule in again["And"] if "NumericLessThan" in rule)
    needed = attempts * (job["timeout"]["attemptDurationSeconds"] + states["Wait"]["Seconds"])
    if not needed <= definition["TimeoutSeconds"] < 86_400:
        raise CheckFailed(f"{attempts} attempts may take {needed} s, the state machine {definition['TimeoutSeconds']} s")


def check_policies(sandbox, requests):
    """Checks that IAM accepts the policies, and that they allow what the files beside them name."""
    schedules = [request["Target"] for path, request in requests.items() if path.name.endswith("-schedule.yaml")]
    uses = {
        STEPS / "role-policy.json": STATE_MACHINE.read_text(),
        EVENTS / "role-policy.json": json.dumps(schedules),
        BATCH / "execution-role-policy.json": json.dumps(requests[BATCH / "job-definition.yaml"]),
        BATCH / "job-role-policy.json": "",
    }
    services = "batch|sns|sqs|states|secretsmanager"
    # A secret is followed by the key in it.
    name = r"(?:secret:[\w/-]+|[\w/-]+(?::[\w-]+)?)"
    for number, (path, text) in enumerate(uses.items()):
        policy = path.read_text()
        sandbox.client("iam").create_policy(PolicyName=f"policy-{number}", PolicyDocument=policy)
        allowed = re.findall(r'"(arn:[^"]+)"', policy)
        for arn in set(re.findall(rf"arn:aws:(?:{services}):{REGION}:{ACCOUNT}:{name}", text)):
            if not any(fnmatch.fnmatchcase(arn, pattern) for pattern in allowed):
                raise CheckFailed(f"{path.relative_to(EXAMPLES)} does not allow {arn}")


def check_executions(sandbox, job, definition):
    """Runs the state machine, where each job ends with an exit code that is given, or runs sparkify."""
    machine = StateMachine(sandbox, job, definition)
    run_code = "run"
    cases = [
        # ends of the jobs, the state of the execution, the jobs that are submitted, the subject of the message
        ([run_code, run_code], "SUCCEEDED", ["sparkify-nightly", "sparkify-clean"], None),
        ([4, 4, 0, 0], "SUCCEEDED", ["sparkify-nightly"] * 3 + ["sparkify-clean"], None),
        ([4, 4, 4, 4], "FAILED", ["sparkify-nightly"] * 4, "the nightly run failed"),
        ([1], "FAILED", ["sparkify-nightly"], "the nightly run failed"),
        ([143], "FAILED", ["sparkify-nightly"], "the nightly run failed"),
        ([None], "FAILED", ["sparkify-nightly"], "the nightly run could not start"),
        ([0, 1], "SUCCEEDED", ["sparkify-nightly", "sparkify-clean"], "old runs were not removed"),
    ]
    for ends, status, jobs, subject in cases:
        found = machine.execute(ends)
        expected = (status, jobs, subject and f"sparkify: {subject}")
        assert_equal(f"execution whose jobs end with {ends}", found, expected)

    s3 = sandbox.client("s3")
    s3.put_object(Bucket="bucket", Key=BAD_LOG, Body=b"no JSON\n" * 100)
    found = machine.execute([run_code])
    s3.delete_object(Bucket="bucket", Key=BAD_LOG)
    expected = ("FAILED", ["sparkify-nightly"], "sparkify: too many rejects")
    assert_equal("execution of a run with too many rejects", found, expected)


def operation(task, boto_service_name=None, service_action_name=None):
    """Returns the model of the operation that a task of a state machine calls."""
    import botocore.session
    from botocore import xform_name

    model = botocore.session.get_session().get_service_model(task._get_boto_service_name(boto_service_name))
    action = task._get_boto_service_action(service_action_name)
    name = next(name for name in model.operation_names if xform_name(name) == action)
    return model.operation_model(name)


class StateMachine:
    """The state machine on moto, with the job definition and the topic that it names."""

    def __init__(self, sandbox, job, definition):
        import requests
        from moto.batch.models import Job
        from moto.batch_simple.models import BatchSimpleBackend
        from moto.sns.models import sns_backends
        from moto.stepfunctions.parser.asl.component.state.exec.state_task.service.state_task_service import (
            StateTaskService,
        )
        from moto.stepfunctions.parser.asl.utils import boto_client

        self.sandbox, self.ends, self.jobs, self.nights = sandbox, [], [], itertools.count(1)
        configuration = {"batch": {"use_docker": False}, "stepfunctions": {"execute_state_machine": True}}
        requests.post(f"{sandbox.aws_endpoint}/moto-api/config", json=configuration).raise_for_status()
        # It logs each failed execution.
        logging.getLogger("moto").setLevel(logging.CRITICAL)
        # Its interpreter of state machines expects the server at the port of a setting.
        boto_client.moto_server_port = lambda: sandbox.aws_endpoint.rsplit(":", 1)[1]
        # Step Functions writes the names of parameters and results with a capital. Moto has the functions for it, but
        # does not call them.
        StateTaskService._normalise_parameters = lambda task, parameters, *names, **actions: task._to_boto_request(
            parameters, operation(task, *names, **actions).input_shape
        )
        StateTaskService._normalise_response = lambda task, response, *names, **actions: task._from_boto_response(
            response, operation(task, *names, **actions).output_shape
        )
        BatchSimpleBackend._mark_job_as_finished = self.finish
        original = Job._container_details
        Job._container_details = lambda job: original(job) | getattr(job, "ended", {})

        client = sandbox.client
        self.topic = client("sns").create_topic(Name="data-alerts")["TopicArn"]
        self.messages = lambda: sns_backends[ACCOUNT][REGION].topics[self.topic].sent_notifications
        self.create_queue(client("iam"), client("batch"))
        client("batch").register_job_definition(**job)
        definition["States"]["Wait"]["Seconds"] = 0
        self.client = client("stepfunctions")
        role = f"arn:aws:iam::{ACCOUNT}:role/sparkify-state-machine"
        created = self.client.create_state_machine(
            name="sparkify-nightly", roleArn=role, definition=json.dumps(definition)
        )
        self.arn = created["stateMachineArn"]

    def create_queue(self, iam, batch):
        role = iam.create_role(RoleName="batch", AssumeRolePolicyDocument="{}")["Role"]["Arn"]
        environment = batch.create_compute_environment(
            computeEnvironmentName="data", type="UNMANAGED", serviceRole=role
        )
        order = [{"order": 1, "computeEnvironment": environment["computeEnvironmentArn"]}]
        batch.create_job_queue(jobQueueName="data", state="ENABLED", priority=1, computeEnvironmentOrder=order)

    def finish(self, include_start_attempt, job):
        """Ends a job that was submitted: with the next exit code, or with that of sparkify."""
        self.jobs.append(job.job_name)
        end = self.ends.pop(0)
        if end == "run":
            command = job._get_container_property("command", [])
            completed = self.sandbox.run_for_real(command)
            end = completed.returncode
        job.backend._jobs[job.job_id] = job
        job.ended = {"logStreamName": "nightly/default/0123"} | ({} if end is None else {"exitCode": end})
        job.job_stopped_reason = "Essential container in task exited"
        job._mark_stopped(success=end == 0)

    def execute(self, ends):
        """Runs the state machine, and returns its status, the jobs it submitted, and the subject of its message."""
        self.ends, self.jobs = list(ends), []
        self.messages().clear()
        name = f"night-{next(self.nights)}"
        execution = self.client.start_execution(stateMachineArn=self.arn, name=name, input="{}")["executionArn"]
        for _ in range(600):
            described = self.client.describe_execution(executionArn=execution)
            if described["status"] != "RUNNING":
                break
            time.sleep(0.1)
        subjects = [message[2] for message in self.messages()]
        return described["status"], self.jobs, subjects[0] if subjects else None
