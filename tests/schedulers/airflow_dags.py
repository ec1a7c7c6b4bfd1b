"""Parses examples/airflow with Airflow itself, and runs its operators with a stub of sparkify and of ECS."""

import logging
import os
from datetime import datetime, timezone
from types import SimpleNamespace

from expect import assert_equal
from sandbox import EXAMPLES, REGION

FOLDER = EXAMPLES / "airflow"

EXPECTED_DAGS = {
    "sparkify_nightly": ["run", "clean"],
    "sparkify_nightly_on_ecs": ["run", "clean"],
    "sparkify_report": ["wait_for_fresh_star", "report"],
}

# What Airflow must try again, on its workers and on ECS. It must not try all other exit codes again.
RETRIED_ON_WORKER, RETRIED_ON_ECS = [4, 137, 143], [4]
EXIT_CODES = [1, 2, 3, 4, 101, 130, 137, 143]

# The DAG run of a day that the fixtures have.
CONTEXT = {
    "data_interval_start": datetime(2018, 11, 5, tzinfo=timezone.utc),
    "data_interval_end": datetime(2018, 11, 6, tzinfo=timezone.utc),
    "conn": SimpleNamespace(sparkify_warehouse=SimpleNamespace(password="password of the connection")),
}


def check(sandbox):
    """Returns the arguments of all calls of sparkify."""
    os.environ |= {"AIRFLOW_HOME": str(sandbox.directory / "airflow"), "AIRFLOW__LOGGING__LOGGING_LEVEL": "CRITICAL"}
    from airflow.dag_processing.dagbag import DagBag
    from airflow.serialization.serialized_objects import DagSerialization

    bag = DagBag(dag_folder=FOLDER)
    assert_equal("import errors of the DAGs", bag.import_errors, {})
    # A circle would be an import error.
    dags = {dag.dag_id: [task.task_id for task in dag.topological_sort()] for dag in bag.dags.values()}
    assert_equal("DAGs and their tasks in order", dags, EXPECTED_DAGS)
    for dag in bag.dags.values():
        DagSerialization.from_dict(DagSerialization.to_dict(dag))
    logging.disable(logging.CRITICAL)
    try:
        nightly, on_ecs, report = (bag.dags[name].task_dict for name in EXPECTED_DAGS)
        calls = check_bash(sandbox, nightly) + check_report(sandbox, report)
        calls += [check_ecs(task) for task in on_ecs.values()]
    finally:
        logging.disable(logging.NOTSET)
    print(f"airflow: {len(dags)} DAGs are valid, and their tasks are tried again after the right exit codes only")
    return calls


def render(task):
    """Returns a copy of a task with its templates filled in, which Airflow would do when it runs the task."""
    copy = task.prepare_for_execution()
    env = task.dag.get_template_env()
    for field in task.template_fields:
        setattr(copy, field, copy.render_template(getattr(copy, field, None), CONTEXT, env))
    return copy


def outcome(task):
    """Runs a task, and returns what Airflow does next."""
    from airflow.sdk.exceptions import AirflowException, AirflowFailException

    try:
        task.execute(dict(CONTEXT))
    except AirflowFailException:
        return "fails for good"
    except AirflowException:
        return "is tried again"
    return "succeeds"


def assert_outcomes(name, retried, execute):
    """Checks what follows each exit code, where `execute` runs the task of that name with one."""
    assert_equal(f"{name} after exit code 0", execute(0), "succeeds")
    for code in EXIT_CODES:
        expected = "is tried again" if code in retried else "fails for good"
        assert_equal(f"{name} after exit code {code}", execute(code), expected)


def check_bash(sandbox, tasks):
    calls = []
    for task in tasks.values():
        task = render(task)
        assert_equal("password of the task", task.env["PGPASSWORD"], "password of the connection")
        task.env["PATH"] = sandbox.path_with_stub()

        def execute(code, task=task):
            sandbox.expect_exit_codes(code)
            return outcome(task)

        assert_outcomes(f"task {task.task_id}", RETRIED_ON_WORKER, execute)
        calls += sandbox.stub_calls()
    return calls


def check_report(sandbox, tasks):
    sensor, report = (render(tasks[name]) for name in EXPECTED_DAGS["sparkify_report"])
    sensor.env["PATH"] = report.env["PATH"] = sandbox.path_with_stub()
    sandbox.expect_exit_codes(1, 0, 0)
    found = [sensor.poke(CONTEXT), sensor.poke(CONTEXT), outcome(report)]
    assert_equal("a stale star, a fresh one, and the report", found, [False, True, "succeeds"])
    return sandbox.stub_calls()[1:]


def check_ecs(task):
    """Runs a task on a stub of ECS that validates the requests, and returns the arguments of sparkify."""
    task = render(task)
    # The log would be another service.
    task.awslogs_group = None
    assert_outcomes(f"task {task.task_id} on ECS", RETRIED_ON_ECS, lambda code: outcome_on_ecs(task, code))
    container = task.overrides["containerOverrides"][0]
    return container["command"]


def outcome_on_ecs(task, code):
    import boto3
    from botocore.stub import ANY, Stubber

    ecs = boto3.client("ecs", region_name=REGION)
    stopped = {"taskArn": "arn", "lastStatus": "STOPPED", "containers": [{"lastStatus": "STOPPED", "exitCode": code}]}
    request = {
        "cluster": "data",
        "taskDefinition": "sparkify",
        "overrides": task.overrides,
        "startedBy": ANY,
        "launchType": "FARGATE",
        "networkConfiguration": ANY,
    }
    with Stubber(ecs) as stubber:
        # It looks for a task of an earlier worker, starts one, waits for it, and reads how it ended.
        stubber.add_response("list_tasks", {"taskArns": []})
        stubber.add_response("run_task", {"tasks": [stopped], "failures": []}, request)
        stubber.add_response("describe_tasks", {"tasks": [stopped], "failures": []})
        stubber.add_response("describe_tasks", {"tasks": [stopped], "failures": []})
        task.__dict__["client"] = ecs
        task.arn = None
        CONTEXT["ti"] = SimpleNamespace(dag_id="d", task_id="t", run_id="r", map_index=-1, xcom_push=lambda **_: None)
        found = outcome(task)
        stubber.assert_no_pending_responses()
    return found
