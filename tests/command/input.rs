//! Input that is missing, hidden, swapped, linked or in a certain order.

use crate::data::{event, event_with_level, events, song};
use crate::harness::{CommandOutput, SPARKIFY, Sandbox, run_args, with_clean_env};
use crate::star::{deterministic_files, read_report, songplays_text_column};

#[test]
fn missing_input_fails_the_run() {
    let (place, earlier) = Sandbox::with_dataset();
    place
        .run("nowhere", "logs", "star")
        .assert_failure(1, "cannot read nowhere: ");
    place
        .run("songs", "no/where", "star")
        .assert_failure(1, "cannot read no/where: ");
    // Neither is a new output folder made in vain.
    place
        .run("nowhere", "logs", "new")
        .assert_failure(1, "nowhere");
    assert!(!place.path("new").exists());
    earlier.assert_unchanged();
    place.assert_no_staging_left();
}

#[test]
fn directory_without_input_objects_fails_the_run() {
    let (place, earlier) = Sandbox::with_dataset();
    place.create_dir("empty/below");
    place.write("others/data.csv", "a,b");
    place.write("others/.hidden.json", event(0));
    place.write("others/_temporary/part.json", event(0));
    for (songs, logs, words) in [
        ("empty", "logs", "no songs in empty: "),
        ("songs", "empty", "no logs in empty: "),
        (
            "songs",
            "others",
            "; ignored: 3 (.csv 1, hidden 2); check --logs, or name such objects by --include GLOB",
        ),
        ("songs", "others/data.csv", "no logs in others/data.csv: "),
    ] {
        place.run(songs, logs, "star").assert_failure(1, words);
    }
    earlier.assert_unchanged();
    place.assert_no_staging_left();
}

#[test]
fn corrupt_compressed_stream_is_named_in_a_warning() {
    let place = Sandbox::with_input();
    place.write("logs/b.json.gz", b"no gzip at all");
    let ended = place.run_with(&["--max-rejects", "1"]);
    assert_eq!(ended.code, Some(0), "{ended:?}");
    let warning = "sparkify: warning: the compressed stream of logs/b.json.gz is broken: ";
    assert!(ended.stderr.starts_with(warning), "{ended:?}");
}

#[test]
#[cfg(target_os = "linux")]
fn zstd_window_larger_than_memory_fails_the_run() {
    let (place, earlier) = Sandbox::with_dataset();
    // RFC 8878: the magic number, no content size, a window of 2^31 bytes, and one raw block, the last.
    let text = event(7);
    let block = u32::try_from(text.len()).unwrap() << 3 | 1;
    let mut frame = vec![0x28, 0xb5, 0x2f, 0xfd, 0, 21 << 3];
    frame.extend(&block.to_le_bytes()[..3]);
    frame.extend(text.as_bytes());
    place.write("logs/b.json.zst", frame);
    let script = r#"ulimit -v 1500000 && exec "$0" "$@""#;
    let mut command = with_clean_env(std::process::Command::new("sh"));
    command.args(["-c", script, SPARKIFY]);
    command.args(run_args("songs", "logs", "star"));
    command.args(["--threads=2", "--max-rejects=100%"]);
    CommandOutput::capture(command.current_dir(place.root())).assert_failure(
        1,
        "cannot read logs/b.json.zst: there is not enough memory for the window",
    );
    earlier.assert_unchanged();
    place.run_with(&[]).assert_success();
    assert_eq!(read_report(&place.path("star"))["logs"]["kept"], 4);
}

#[test]
fn objects_without_records_give_an_empty_dataset() {
    let place = Sandbox::new();
    place.write("songs/a.json", "");
    place.write("logs/a.json", " \n");
    let ended = place.run_with(&[]);
    assert_eq!(ended.code, Some(0), "{ended:?}");
    let warnings = "sparkify: warning: no record in the 1 song object of songs\n\
                    sparkify: warning: no record in the 1 log object of logs\n";
    assert_eq!(ended.stderr, warnings);
    let report = read_report(&place.path("star"));
    for table in ["songplays", "users", "songs", "artists", "time"] {
        assert_eq!(report["tables"][table]["rows"], 0);
        assert_eq!(
            report["tables"][table]["files"], 1,
            "readers want the columns"
        );
    }
}

#[test]
fn logs_passed_as_songs_fail_with_a_hint() {
    let (place, earlier) = Sandbox::with_dataset();
    place
        .run("logs", "logs", "star")
        .assert_failure(
            3,
            "no record in logs is a song: logs/a.json line 1 byte 0: ",
        )
        .assert_failure(3, "; check that --songs is song metadata and not logs");
    earlier.assert_unchanged();
    place.assert_no_staging_left();
}

#[test]
fn songs_passed_as_logs_publish_with_a_warning() {
    let place = Sandbox::with_input();
    for quiet in [true, false] {
        let mut arguments = vec!["run", "--songs=songs", "--logs=songs", "--out=star"];
        arguments.extend(quiet.then_some("--quiet"));
        let ended = place.exec(&arguments);
        let warning = "none of the 1 records in songs is a NextSong event; check --logs";
        assert_eq!((ended.code, ended.warnings()), (Some(0), vec![warning]));
        assert!(!quiet || ended.stderr.lines().count() == 1);
    }
    assert_eq!(
        read_report(&place.path("star"))["tables"]["songplays"]["rows"],
        0
    );
}

#[test]
fn hidden_paths_and_unknown_extensions_are_ignored_and_counted() {
    let place = Sandbox::with_input();
    for name in [
        ".hidden.json",
        "_SUCCESS",
        "_part.json",
        "notes.txt",
        "a.json.crc",
        "b.CRC",
        "json",
        // A hidden folder counts once, whatever it holds.
        ".cache/one.json",
        ".cache/two.json",
        "_temporary/0/one.json",
        "visible/.DS_Store",
    ] {
        place.write(&format!("logs/{name}"), event(99));
    }
    let input = [
        "b.jsonl",
        "c.ndjson",
        "deep/er/d.json",
        "a.JSON",
        "e.Ldjson",
    ];
    for (number, name) in input.iter().enumerate() {
        place.write(&format!("logs/{name}"), event(50 + number as u64));
    }
    place.write("songs/notes.txt", "");
    let ended = place.exec(&["run", "--songs=songs", "--logs=logs", "--out=star"]);
    let lines = "ignored song objects: 1 (.txt 1)\n\
                 ignored log objects: 10 (.crc 2, .txt 1, no ending 1, hidden 6)\n";
    assert!(ended.stderr.contains(lines), "{ended:?}");
    let report = read_report(&place.path("star"));
    let logs = &report["logs"];
    assert_eq!(
        (&logs["objects"], &logs["ignored_objects"], &logs["records"]),
        (&6.into(), &10.into(), &8.into())
    );
    assert_eq!(
        logs["ignored_endings"],
        serde_json::json!({".crc": 2, ".txt": 1, "hidden": 6, "no ending": 1})
    );
}

#[test]
fn listed_extensions_are_capped_in_summary_and_report() {
    let place = Sandbox::with_input();
    for number in 0..1200 {
        place.write(&format!("logs/a.{number:04}"), "");
    }
    for name in ["b.0500", "b.0501", "c.0501", "d.2018-11-01 at noon"] {
        place.write(&format!("logs/{name}"), "");
    }
    let ended = place.exec(&["run", "--songs=songs", "--logs=logs", "--out=star"]);
    let line = "ignored log objects: 1,204 (.0501 3, .0500 2, .0000 1, .0001 1, .0002 1, .0003 1, \
                .0004 1, .0005 1, .0006 1, .0007 1, no ending 1, other endings 1,190)\n";
    assert!(ended.stderr.contains(line), "{ended:?}");
    let report = read_report(&place.path("star"));
    let endings = report["logs"]["ignored_endings"].as_object().unwrap();
    assert_eq!(endings.len(), 52);
    assert_eq!(endings["other endings"], 1204 - 1 - 5 - 48);
    assert_eq!(endings[".0501"], 3);
    let counts = endings.values().map(|count| count.as_u64().unwrap());
    assert_eq!(report["logs"]["ignored_objects"], counts.sum::<u64>());
}

#[test]
fn input_is_read_in_byte_order_of_keys() {
    let place = Sandbox::with_input();
    // Neither the order of folders before files, nor that of a dictionary.
    let order = [
        "B.json",
        "a-b.json",
        "a.json",
        "a/x.json",
        "aa.json",
        "\u{e9}.json",
    ];
    for (number, name) in order.iter().enumerate().rev() {
        // The first event is the same everywhere: the first object's stays.
        let own = event_with_level(number as u64 + 1, name);
        let text = format!("{}\n{own}\n", event_with_level(0, name));
        place.write(&format!("logs/{name}"), text);
    }
    place.run_with(&[]).assert_success();
    let star = place.path("star");
    let mut expected = vec![order[0]];
    expected.extend(order);
    assert_eq!(songplays_text_column(&star, "level"), expected);
    assert_eq!(read_report(&star)["logs"]["duplicates"], order.len() - 1);
}

#[test]
fn symlinked_input_is_followed() {
    let place = Sandbox::with_input();
    place.run("songs", "logs", "plain").assert_success();
    place.symlink("linked-logs", "logs");
    place.create_dir("mixed");
    place.symlink("mixed/a.json", "../logs/a.json");
    place.create_dir("nested");
    place.symlink("nested/2018", "../logs");
    for logs in ["linked-logs", "linked-logs/", "mixed", "nested"] {
        place.run("songs", logs, "star").assert_success();
        assert_eq!(
            deterministic_files(&place.path("star")),
            deterministic_files(&place.path("plain"))
        );
    }
}

#[test]
fn symlink_cycle_fails_the_run() {
    // Round in a circle at once, by way of the folder above, and from one folder to another.
    for links in [
        &[("logs/again", ".")][..],
        &[("logs/above", "..")],
        &[("logs/one", "."), ("logs/two", ".")],
        &[("logs/other", "../other"), ("other/logs", "../logs")],
    ] {
        let (place, earlier) = Sandbox::with_dataset();
        place.create_dir("other");
        for (link, to) in links {
            place.symlink(link, to);
        }
        let ended = place.run_with(&[]).assert_failure(1, "cannot ");
        let circle = [
            "Too many levels of symbolic links",
            "a link probably leads back up",
        ];
        assert!(circle.iter().any(|words| ended.stderr.contains(words)));
        earlier.assert_unchanged();
        place.assert_no_staging_left();
    }
}

#[test]
fn single_file_is_accepted_as_input() {
    let place = Sandbox::with_input();
    place.run("songs", "logs", "plain").assert_success();
    place
        .run("songs/a.json", "logs/a.json", "star")
        .assert_success();
    assert_eq!(
        deterministic_files(&place.path("star")),
        deterministic_files(&place.path("plain"))
    );
}

#[test]
fn dangling_symlink_or_socket_fails_the_run() {
    let (place, earlier) = Sandbox::with_dataset();
    place.symlink("logs/gone.json", "nowhere.json");
    place
        .run_with(&[])
        .assert_failure(1, "cannot read logs/gone.json: No such file");
    std::fs::remove_file(place.path("logs/gone.json")).unwrap();
    // A listener's socket: there is no size to plan with, and nothing to read.
    let _socket = std::os::unix::net::UnixListener::bind(place.path("logs/socket.json")).unwrap();
    place
        .run_with(&[])
        .assert_failure(1, "logs/socket.json: it is neither a file nor a folder");
    // Named itself, it must not be waited for either.
    place
        .run("logs/socket.json", "logs", "star")
        .assert_failure(1, "logs/socket.json: it is neither a file nor a folder");
    earlier.assert_unchanged();
    place.assert_no_staging_left();
}

#[test]
fn ignored_files_may_be_unreadable() {
    let place = Sandbox::with_input();
    place.symlink("logs/gone.txt", "nowhere");
    place.write("songs/b.json", song(2));
    place.write("logs/b.json", events(5..9));
    place.run_with(&[]).assert_success();
    assert_eq!(
        read_report(&place.path("star"))["logs"]["ignored_objects"],
        1
    );
}
