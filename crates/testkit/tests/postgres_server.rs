//! The PostgreSQL server of the tests: its databases, and what is left after its end.

#![cfg(unix)]
#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::io::{BufRead, BufReader};
use std::net::TcpListener;
use std::path::PathBuf;
use std::process::{Command, Stdio};

use testkit::postgres_server::{PostgresServer, PostgresServerOptions, shared_server};

#[test]
fn each_test_has_its_own_database() {
    let databases = [
        shared_server().create_database(),
        shared_server().create_database(),
    ];
    for database in &databases {
        let mut client = database.connect();
        client
            .batch_execute("CREATE TABLE only_here (n INTEGER)")
            .unwrap();
        let row = client.query_one("SELECT current_database()", &[]).unwrap();
        assert_eq!(row.get::<_, String>(0), database.name);
    }
    assert!(databases[0].url().ends_with(&databases[0].name));
}

#[test]
fn dropped_server_leaves_nothing() {
    let server = PostgresServer::start(PostgresServerOptions::default());
    server.create_database();
    let (folder, port) = (server.dir().to_owned(), server.port);
    drop(server);
    assert!(!folder.exists());
    TcpListener::bind(("127.0.0.1", port)).expect("the port is still in use");
}

/// A killed test process closes the pipe of the supervisor, of which it has the only write end.
#[test]
fn killed_process_leaves_nothing() {
    // Marks the child: this test again, as a process that starts a server and is killed.
    const CHILD: &str = "SPARKIFY_TEST_KILLED";
    if std::env::var_os(CHILD).is_some() {
        println!("folder={}", shared_server().dir().display());
        std::thread::sleep(std::time::Duration::from_secs(600));
        return;
    }
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args(["killed_process_leaves_nothing", "--exact", "--nocapture"])
        .env(CHILD, "1")
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let folder = BufReader::new(child.stdout.take().unwrap())
        .lines()
        .map(Result::unwrap)
        .find_map(|line| Some(PathBuf::from(line.split_once("folder=")?.1)))
        .unwrap();
    assert!(folder.join("data/postmaster.pid").exists());
    child.kill().unwrap();
    child.wait().unwrap();
    while folder.exists() {
        std::thread::sleep(std::time::Duration::from_millis(10));
    }
}
