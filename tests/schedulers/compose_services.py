"""Checks examples/compose.yaml with docker compose, and runs the commands of its services without containers."""

import json
import subprocess
import sys
from pathlib import Path

import psycopg2

from expect import CheckFailed, assert_equal, run
from sandbox import EXAMPLES, FIXTURES, PASSWORD, USER

FILE = EXAMPLES / "compose.yaml"

# The servers, and then the commands, in the order in which compose starts them.
EXPECTED_ORDER = ["storage", "warehouse", "create-tables", "upload", "run", "question"]

HEALTHY, DONE = "service_healthy", "service_completed_successfully"
EXPECTED_WAITS = {
    "create-tables": {"warehouse": HEALTHY},
    "upload": {"storage": HEALTHY},
    "run": {"create-tables": DONE, "upload": DONE},
    "question": {"run": DONE},
}


def check(sandbox):
    """Returns the arguments of all calls of sparkify."""
    compose = Path(sys.executable).with_name("docker-compose")
    services = json.loads(run(compose, "--file", FILE, "config", "--format", "json").stdout)["services"]
    order = start_order(services)
    assert_equal("order of the services", order, EXPECTED_ORDER)
    for name, service in services.items():
        waits = {other: on["condition"] for other, on in service.get("depends_on", {}).items()}
        assert_equal(f"what {name} waits for", waits, EXPECTED_WAITS.get(name, {}))

    create_database(sandbox, services["warehouse"]["environment"]["POSTGRES_DB"])
    output = {name: run_service(sandbox, name, services[name]) for name in order}
    if "songplays" not in output["run"].stderr or len(output["question"].stdout.splitlines()) < 3:
        raise CheckFailed(f"the star schema is not on the screen: {output['run'].stderr}{output['question'].stdout}")
    for name in ["create-tables", "run"]:
        again = run_service(sandbox, name, services[name])
    if "nothing new" not in again.stderr:
        raise CheckFailed(f"a second run: {again.stderr}")
    print(f"compose: {len(services)} services are valid, and their commands give a star schema from nothing")
    return [service["command"] for service in services.values() if service["image"].startswith("sparkify:")]


def start_order(services):
    """Returns the names of the services so that each follows those that it waits for."""
    order = []
    while len(order) < len(services):
        waits = {name: services[name].get("depends_on", {}) for name in services if name not in order}
        order += sorted(name for name, others in waits.items() if set(others) <= set(order))
    return order


def create_database(sandbox, name):
    connection = psycopg2.connect(
        host="127.0.0.1", port=sandbox.postgres_port, user=USER, password=PASSWORD, dbname="postgres"
    )
    connection.autocommit = True
    connection.cursor().execute(f"CREATE DATABASE {name}")
    connection.close()


def run_service(sandbox, name, service):
    """Runs the command of a service, or for a server its health check, with this machine's programs and servers."""
    programs = {"python": sys.executable, "sparkify": sandbox.sparkify}
    if "healthcheck" in service:
        # The first word is CMD.
        command = service["healthcheck"]["test"][1:]
    elif service.get("entrypoint"):
        command = service["entrypoint"] + service["command"]
    else:
        command = ["sparkify", *service["command"]]

    def here(text):
        text = text.replace("@warehouse/", f"@127.0.0.1:{sandbox.postgres_port}/")
        text = text.replace("http://storage:5000", sandbox.aws_endpoint).replace(
            "http://127.0.0.1:5000", sandbox.aws_endpoint
        )
        return text.replace("/fixtures/", f"{FIXTURES}/")

    command = [str(programs.get(word, word)) for word in command]
    command = [here(word) if word != "warehouse" else "127.0.0.1" for word in command]
    environment = {key: here(value) for key, value in service.get("environment", {}).items()}
    environment |= {"PGPASSWORD": PASSWORD, "PGPORT": str(sandbox.postgres_port)}
    environment["PATH"] = f"{Path(sys.executable).parent}:/usr/local/bin:/usr/bin:/bin"
    completed = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=120)
    assert_equal(f"service {name}: {completed.stderr}: exit code", completed.returncode, 0)
    return completed
