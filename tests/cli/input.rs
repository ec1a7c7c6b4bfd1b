//! Missing, hidden, swapped and linked input, and the order in which objects are read.

use testkit::cli::command::{sparkify_path, with_clean_env};
use testkit::cli::output::CommandOutput;
use testkit::cli::sandbox::{Sandbox, run_args};
use testkit::dataset::directory::{deterministic_files, read_report, songplays_text_column};
use testkit::sample_data::{event, event_with_level, events, song};

#[test]
fn missing_input_fails_the_run() {
    let (sandbox, snapshot) = Sandbox::with_dataset();
    sandbox
        .run("nowhere", "logs", "dataset")
        .assert_failure(1, &["cannot read nowhere: "]);
    sandbox
        .run("songs", "no/where", "dataset")
        .assert_failure(1, &["cannot read no/where: "]);
    // The failed run does not create the output directory either.
    sandbox
        .run("nowhere", "logs", "new")
        .assert_failure(1, &["nowhere"]);
    assert!(!sandbox.path("new").exists());
    snapshot.assert_unchanged();
    sandbox.assert_no_staging_left();
}

#[test]
fn directory_without_input_objects_fails_the_run() {
    let (sandbox, snapshot) = Sandbox::with_dataset();
    sandbox.create_dir("empty/below");
    sandbox.write("others/data.csv", "a,b");
    sandbox.write("others/.hidden.json", event(0));
    sandbox.write("others/_temporary/part.json", event(0));
    for (songs, logs, words) in [
        ("empty", "logs", "no songs in empty: "),
        ("songs", "empty", "no logs in empty: "),
        (
            "songs",
            "others",
            "; ignored: 3 (.csv 1, hidden 2); check --logs, or read such objects with --include GLOB",
        ),
        ("songs", "others/data.csv", "no logs in others/data.csv: "),
    ] {
        sandbox
            .run(songs, logs, "dataset")
            .assert_failure(1, &[words]);
    }
    snapshot.assert_unchanged();
    sandbox.assert_no_staging_left();
}

#[test]
fn corrupt_compressed_stream_is_named_in_a_warning() {
    let sandbox = Sandbox::with_input();
    sandbox.write("logs/b.json.gz", b"no gzip at all");
    let output = sandbox.run_with(&["--max-rejects", "1"]);
    assert_eq!(output.code, Some(0), "{output:?}");
    let warning = "sparkify: warning: the compressed stream of logs/b.json.gz is corrupt: ";
    assert!(output.stderr.starts_with(warning), "{output:?}");
}

#[test]
#[cfg(target_os = "linux")]
fn zstd_window_larger_than_memory_fails_the_run() {
    let (sandbox, snapshot) = Sandbox::with_dataset();
    // By RFC 8878: the magic number, no content size, a window of 2^31 bytes, and one raw block, which is the
    // last.
    let text = event(7);
    let block = u32::try_from(text.len()).unwrap() << 3 | 1;
    let mut frame = vec![0x28, 0xb5, 0x2f, 0xfd, 0, 21 << 3];
    frame.extend(&block.to_le_bytes()[..3]);
    frame.extend(text.as_bytes());
    sandbox.write("logs/b.json.zst", frame);
    let script = r#"ulimit -v 1500000 && exec "$0" "$@""#;
    let mut command = with_clean_env(std::process::Command::new("sh"));
    command.args(["-c", script, &sparkify_path()]);
    command.args(run_args("songs", "logs", "dataset"));
    command.args(["--threads=2", "--max-rejects=100%"]);
    CommandOutput::run(command.current_dir(sandbox.root())).assert_failure(
        1,
        &["cannot read logs/b.json.zst: not enough memory for the zstd window"],
    );
    snapshot.assert_unchanged();
    sandbox.run_with(&[]).assert_success();
    assert_eq!(read_report(&sandbox.path("dataset"))["logs"]["kept"], 4);
}

#[test]
fn objects_without_records_give_an_empty_dataset() {
    let sandbox = Sandbox::new();
    sandbox.write("songs/a.json", "");
    sandbox.write("logs/a.json", " \n");
    let output = sandbox.run_with(&[]);
    assert_eq!(output.code, Some(0), "{output:?}");
    let warnings = "sparkify: warning: no records in the 1 song object of songs\n\
                    sparkify: warning: no records in the 1 log object of logs\n";
    assert_eq!(output.stderr, warnings);
    let report = read_report(&sandbox.path("dataset"));
    for table in ["songplays", "users", "songs", "artists", "time"] {
        assert_eq!(report["tables"][table]["rows"], 0);
        assert_eq!(
            report["tables"][table]["files"], 1,
            "an empty table needs a file with its columns"
        );
    }
}

#[test]
fn logs_passed_as_songs_fail_with_a_hint() {
    let (sandbox, snapshot) = Sandbox::with_dataset();
    sandbox
        .run("logs", "logs", "dataset")
        .assert_failure(
            3,
            &["no record in logs is a song: logs/a.json line 1 byte 0: "],
        )
        .assert_failure(3, &["; check that --songs is song metadata and not logs"]);
    snapshot.assert_unchanged();
    sandbox.assert_no_staging_left();
}

#[test]
fn songs_passed_as_logs_publish_with_a_warning() {
    let sandbox = Sandbox::with_input();
    for quiet in [true, false] {
        let mut arguments = vec!["run", "--songs=songs", "--logs=songs", "--out=dataset"];
        arguments.extend(quiet.then_some("--quiet"));
        let output = sandbox.exec(&arguments);
        let warning = "none of the 1 records in songs is a NextSong event; check --logs";
        assert_eq!((output.code, output.warnings()), (Some(0), vec![warning]));
        assert!(!quiet || output.stderr.lines().count() == 1);
    }
    assert_eq!(
        read_report(&sandbox.path("dataset"))["tables"]["songplays"]["rows"],
        0
    );
}

#[test]
fn hidden_paths_and_unknown_extensions_are_ignored_and_counted() {
    let sandbox = Sandbox::with_input();
    for name in [
        ".hidden.json",
        "_SUCCESS",
        "_part.json",
        "notes.txt",
        "a.json.crc",
        "b.CRC",
        "json",
        // A hidden directory counts once, whatever it contains.
        ".cache/one.json",
        ".cache/two.json",
        "_temporary/0/one.json",
        "visible/.DS_Store",
    ] {
        sandbox.write(&format!("logs/{name}"), event(99));
    }
    let input = [
        "b.jsonl",
        "c.ndjson",
        "deep/er/d.json",
        "a.JSON",
        "e.Ldjson",
    ];
    for (number, name) in input.iter().enumerate() {
        sandbox.write(&format!("logs/{name}"), event(50 + number as u64));
    }
    sandbox.write("songs/notes.txt", "");
    let output = sandbox.exec(&["run", "--songs=songs", "--logs=logs", "--out=dataset"]);
    let lines = "ignored song objects: 1 (.txt 1)\n\
                 ignored log objects: 10 (.crc 2, .txt 1, no extension 1, hidden 6)\n";
    assert!(output.stderr.contains(lines), "{output:?}");
    let report = read_report(&sandbox.path("dataset"));
    let logs = &report["logs"];
    assert_eq!(
        (&logs["objects"], &logs["ignored_objects"], &logs["records"]),
        (&6.into(), &10.into(), &8.into())
    );
    assert_eq!(
        logs["ignored_extensions"],
        serde_json::json!({".crc": 2, ".txt": 1, "hidden": 6, "no extension": 1})
    );
}

#[test]
fn listed_extensions_are_capped_in_summary_and_report() {
    let sandbox = Sandbox::with_input();
    for number in 0..1200 {
        sandbox.write(&format!("logs/a.{number:04}"), "");
    }
    for name in ["b.0500", "b.0501", "c.0501", "d.2018-11-01 at noon"] {
        sandbox.write(&format!("logs/{name}"), "");
    }
    let output = sandbox.exec(&["run", "--songs=songs", "--logs=logs", "--out=dataset"]);
    let line = "ignored log objects: 1,204 (.0501 3, .0500 2, .0000 1, .0001 1, .0002 1, .0003 1, \
                .0004 1, .0005 1, .0006 1, .0007 1, no extension 1, other extensions 1,190)\n";
    assert!(output.stderr.contains(line), "{output:?}");
    let report = read_report(&sandbox.path("dataset"));
    let extensions = report["logs"]["ignored_extensions"].as_object().unwrap();
    assert_eq!(extensions.len(), 52);
    assert_eq!(extensions["other extensions"], 1204 - 1 - 5 - 48);
    assert_eq!(extensions[".0501"], 3);
    let counts = extensions.values().map(|count| count.as_u64().unwrap());
    assert_eq!(report["logs"]["ignored_objects"], counts.sum::<u64>());
}

#[test]
fn input_is_read_in_byte_order_of_keys() {
    let sandbox = Sandbox::with_input();
    // Neither directories before files, nor the order of a dictionary.
    let order = [
        "B.json",
        "a-b.json",
        "a.json",
        "a/x.json",
        "aa.json",
        "\u{e9}.json",
    ];
    for (number, name) in order.iter().enumerate().rev() {
        // The first event is the same in all objects: the one of the first object is kept.
        let own = event_with_level(number as u64 + 1, name);
        let text = format!("{}\n{own}\n", event_with_level(0, name));
        sandbox.write(&format!("logs/{name}"), text);
    }
    sandbox.run_with(&[]).assert_success();
    let out_dir = sandbox.path("dataset");
    let mut expected = vec![order[0]];
    expected.extend(order);
    assert_eq!(songplays_text_column(&out_dir, "level"), expected);
    assert_eq!(read_report(&out_dir)["logs"]["duplicates"], order.len() - 1);
}

#[test]
fn symlinked_input_is_followed() {
    let sandbox = Sandbox::with_input();
    sandbox.run("songs", "logs", "plain").assert_success();
    sandbox.symlink("linked-logs", "logs");
    sandbox.create_dir("mixed");
    sandbox.symlink("mixed/a.json", "../logs/a.json");
    sandbox.create_dir("nested");
    sandbox.symlink("nested/2018", "../logs");
    for logs in ["linked-logs", "linked-logs/", "mixed", "nested"] {
        sandbox.run("songs", logs, "dataset").assert_success();
        assert_eq!(
            deterministic_files(&sandbox.path("dataset")),
            deterministic_files(&sandbox.path("plain"))
        );
    }
}

#[test]
fn symlink_cycle_fails_the_run() {
    // Cycles: a link to its own directory, a link to the parent, and links between two directories.
    for links in [
        &[("logs/again", ".")][..],
        &[("logs/above", "..")],
        &[("logs/one", "."), ("logs/two", ".")],
        &[("logs/other", "../other"), ("other/logs", "../logs")],
    ] {
        let (sandbox, snapshot) = Sandbox::with_dataset();
        sandbox.create_dir("other");
        for (link, to) in links {
            sandbox.symlink(link, to);
        }
        let output = sandbox.run_with(&[]).assert_failure(1, &["cannot "]);
        let cycle_errors = [
            "Too many levels of symbolic links",
            "symbolic links lead from ",
        ];
        assert!(
            cycle_errors
                .iter()
                .any(|words| output.stderr.contains(words))
        );
        snapshot.assert_unchanged();
        sandbox.assert_no_staging_left();
    }
}

/// Folders may be nested as deeply as the system allows.
#[test]
fn deep_folders_are_no_loop() {
    let sandbox = Sandbox::with_input();
    sandbox.run("songs", "logs", "plain").assert_success();
    let deep = format!("deep/{}", "d/".repeat(200));
    sandbox.create_dir(&deep);
    std::fs::rename(
        sandbox.path("logs/a.json"),
        sandbox.path(&deep).join("a.json"),
    )
    .unwrap();
    // A link to a folder that is not above it is no loop either.
    sandbox.create_dir("linked");
    sandbox.symlink("linked/deep", "../deep");
    sandbox.run("songs", "linked", "dataset").assert_success();
    assert_eq!(
        deterministic_files(&sandbox.path("dataset")),
        deterministic_files(&sandbox.path("plain"))
    );
}

#[test]
fn single_file_is_accepted_as_input() {
    let sandbox = Sandbox::with_input();
    sandbox.run("songs", "logs", "plain").assert_success();
    sandbox
        .run("songs/a.json", "logs/a.json", "dataset")
        .assert_success();
    assert_eq!(
        deterministic_files(&sandbox.path("dataset")),
        deterministic_files(&sandbox.path("plain"))
    );
}

#[test]
fn dangling_symlink_or_socket_fails_the_run() {
    let (sandbox, snapshot) = Sandbox::with_dataset();
    sandbox.symlink("logs/gone.json", "nowhere.json");
    sandbox
        .run_with(&[])
        .assert_failure(1, &["cannot read logs/gone.json: No such file"]);
    std::fs::remove_file(sandbox.path("logs/gone.json")).unwrap();
    // A Unix socket: it has no size, and reading it would block.
    let _socket = std::os::unix::net::UnixListener::bind(sandbox.path("logs/socket.json")).unwrap();
    sandbox
        .run_with(&[])
        .assert_failure(1, &["logs/socket.json: it is neither a file nor a folder"]);
    // A socket that is named as an argument must not block the run either.
    sandbox
        .run("logs/socket.json", "logs", "dataset")
        .assert_failure(1, &["logs/socket.json: it is neither a file nor a folder"]);
    snapshot.assert_unchanged();
    sandbox.assert_no_staging_left();
}

#[test]
fn ignored_files_may_be_unreadable() {
    let sandbox = Sandbox::with_input();
    sandbox.symlink("logs/gone.txt", "nowhere");
    sandbox.write("songs/b.json", song(2));
    sandbox.write("logs/b.json", events(5..9));
    sandbox.run_with(&[]).assert_success();
    assert_eq!(
        read_report(&sandbox.path("dataset"))["logs"]["ignored_objects"],
        1
    );
}
