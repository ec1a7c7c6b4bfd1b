"""The nightly run of sparkify in Apache Airflow 3: on the workers (sparkify_nightly) or on AWS Fargate
(sparkify_nightly_on_ecs), and a sensor that other DAGs can copy to wait for a fresh star schema (sparkify_report).

Copy this file to the folder of the DAGs, change the constants, and delete the variant that you do not use.
docs/scheduling.md says what must exist: the configuration file or the task definition, and the connection.
"""

from datetime import datetime, timedelta

from airflow.providers.amazon.aws.operators.ecs import EcsRunTaskOperator
from airflow.providers.standard.operators.bash import BashOperator
from airflow.providers.standard.sensors.bash import BashSensor
from airflow.sdk import DAG
from airflow.sdk.exceptions import AirflowFailException, AirflowSkipException
from airflow.timetables.interval import CronDataIntervalTimetable

SONGS = "s3://bucket/song_data"
LOGS = "s3://bucket/log_data"
OUT = "s3://bucket/star"
WAREHOUSE = "redshift://etl@cluster.abc123.eu-west-1.redshift.amazonaws.com:5439/dev"
IAM_ROLE = "arn:aws:iam::123456789012:role/redshift-reads-s3"

# Every exit code but these is final: 0 is success, 4 is worth trying again later.
FINAL_EXIT_CODES = frozenset(range(256)) - {0, 4}
# On a worker, 137 and 143 mean that the worker was killed or stopped. On ECS they are the end of the container itself:
# it ran out of memory, or somebody stopped it.
FINAL_EXIT_CODES_ON_WORKER = FINAL_EXIT_CODES - {137, 143}

# Airflow waits 10, 20 and 40 minutes. The run of a day may be repeated at any time: what is loaded already is left
# out, and what is loaded twice changes nothing.
RETRIES = {"retries": 3, "retry_delay": timedelta(minutes=10), "retry_exponential_backoff": True}

# The interval of a DAG run is a day in UTC, and its run begins when the day's logs are complete.
DAILY = {
    "schedule": CronDataIntervalTimetable("17 2 * * *", timezone="UTC"),
    "start_date": datetime(2018, 11, 1),
    # With catchup, Airflow runs each day since start_date, in any order and even at the same time.
    "catchup": False,
    # Loads wait for each other, so more runs at a time would only occupy workers.
    "max_active_runs": 1,
    "tags": ["sparkify"],
}

# The logs of the day, such as s3://bucket/log_data/2018/11/2018-11-15-events.json.gz. A day without logs fails. With
# LOGS in its place each run would read what is not loaded yet, late files included, but a backfill by day could not.
LOGS_OF_THE_DAY = LOGS + "/{{ data_interval_start.strftime('%Y/%m/%Y-%m-%d') }}-*"


class FailsForGood:
    """An operator whose task fails without retries if its command ends with one of `skip_on_exit_code`.

    The operators of Airflow know two kinds of exit codes: one that fails the task, with retries, and one that skips
    it. Here the second kind fails it for good.
    """

    def execute(self, context):
        try:
            return super().execute(context)
        except AirflowSkipException as error:
            raise AirflowFailException(f"no retry: {error}") from error


class SparkifyOperator(FailsForGood, BashOperator):
    """Runs a command of sparkify on the worker. If Airflow stops the task, sparkify receives SIGTERM."""

    def __init__(self, **kwargs):
        # The password of the warehouse comes from a connection, and is masked in logs and in the user interface.
        password = {"PGPASSWORD": "{{ conn.sparkify_warehouse.password }}"}
        super().__init__(env=password, append_env=True, skip_on_exit_code=FINAL_EXIT_CODES_ON_WORKER, **RETRIES, **kwargs)


class SparkifyOnEcsOperator(FailsForGood, EcsRunTaskOperator):
    """Runs a command of sparkify as a task on AWS Fargate, by the task definition in ecs-task-definition.yaml."""

    def __init__(self, *, command, **kwargs):
        network = {"subnets": ["subnet-0123456789abcdef0"], "securityGroups": ["sg-0123456789abcdef0"]}
        super().__init__(
            cluster="data",
            task_definition="sparkify",
            launch_type="FARGATE",
            overrides={"containerOverrides": [{"name": "sparkify", "command": command}]},
            network_configuration={"awsvpcConfiguration": {**network, "assignPublicIp": "DISABLED"}},
            awslogs_group="/sparkify",
            awslogs_stream_prefix="nightly/sparkify",
            awslogs_region="eu-west-1",
            container_name="sparkify",
            # If the worker is replaced while the task runs, its successor waits for the same task.
            reattach=True,
            skip_on_exit_code=FINAL_EXIT_CODES,
            **RETRIES,
            **kwargs,
        )


with DAG(dag_id="sparkify_nightly", **DAILY):
    run = SparkifyOperator(
        task_id="run",
        bash_command=f"""
            exec sparkify run --songs {SONGS} --logs '{LOGS_OF_THE_DAY}' --out {OUT} \\
                --warehouse {WAREHOUSE} --iam-role {IAM_ROLE} \\
                --quiet --log-format json --metrics /var/lib/sparkify/sparkify.prom
        """,
        execution_timeout=timedelta(hours=5),
    )
    clean = SparkifyOperator(task_id="clean", bash_command=f"exec sparkify clean {OUT} --keep 7 --yes")
    run >> clean


with DAG(dag_id="sparkify_nightly_on_ecs", **DAILY):
    run = SparkifyOnEcsOperator(
        task_id="run",
        command=[
            *["run", "--songs", SONGS, "--logs", LOGS_OF_THE_DAY, "--out", OUT],
            *["--warehouse", WAREHOUSE, "--iam-role", IAM_ROLE, "--quiet", "--log-format", "json"],
        ],
        execution_timeout=timedelta(hours=5),
    )
    clean = SparkifyOnEcsOperator(task_id="clean", command=["clean", OUT, "--keep", "7", "--yes"])
    run >> clean


with DAG(dag_id="sparkify_report", **DAILY):
    # It succeeds as soon as the last load is younger than 26 hours, and fails if that does not happen by morning.
    fresh = BashSensor(
        task_id="wait_for_fresh_star",
        bash_command=f"exec sparkify status --warehouse {WAREHOUSE} --max-age 26h",
        env={"PATH": "/usr/local/bin:/usr/bin:/bin", "PGPASSWORD": "{{ conn.sparkify_warehouse.password }}"},
        mode="reschedule",
        poke_interval=timedelta(minutes=5),
        timeout=timedelta(hours=4),
    )
    report = BashOperator(
        task_id="report",
        bash_command=f"""
            exec sparkify query top-songs --warehouse {WAREHOUSE} --csv \\
                --since {{{{ data_interval_start | ds }}}} --until {{{{ data_interval_end | ds }}}}
        """,
        env={"PGPASSWORD": "{{ conn.sparkify_warehouse.password }}"},
        append_env=True,
    )
    fresh >> report
