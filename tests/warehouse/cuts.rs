//! Loads that are cut short between any two statements, in the middle of one, or when nobody knows whether it was
//! carried out: the warehouse holds all or nothing, and loading again ends right.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use rustix::process::{Pid, Signal, kill_process};

use crate::house::{Ended, House};
use crate::redshift::{Mode, When, Which};
use crate::rows::{Tables, assert_same, loads};

/// A warehouse with one star loaded, and another to be loaded.
fn with_two_stars(mode: Mode) -> (House, Tables) {
    let house = House::new(mode);
    for (seed, out) in [("5", "first"), ("6", "second")] {
        let sizes = [
            "--events", "300", "--songs", "40", "--users", "9", "--files", "3", "--seed", seed,
        ];
        house.generate(out, &sizes);
        house.make(
            &format!("{out}/song_data"),
            &format!("{out}/log_data"),
            &format!("star-{out}"),
        );
    }
    house.load("star-first").succeeds();
    let before = house.tables();
    (house, before)
}

/// The tables when both stars are loaded.
fn after_both(mode: Mode) -> Tables {
    let (house, _) = with_two_stars(mode);
    house.load("star-second").succeeds();
    house.tables()
}

/// The statements of a load, as the warehouse sees them.
fn statements(house: &House) -> usize {
    let before = house.faults().seen().len();
    house.load("star-second").succeeds();
    house.faults().seen().len() - before
}

/// Puts the warehouse back to where the first star alone is loaded.
fn back_to_first(house: &House, before: &Tables) {
    house.faults().clear();
    let from = house.out("star-first");
    house
        .job(&["load", "--quiet", "--full-refresh", "--from", &from])
        .succeeds();
    assert_same(&house.tables(), before);
}

fn killed_at_any_statement(mode: Mode) {
    let (house, before) = with_two_stars(mode);
    let both = after_both(mode);
    let count = statements(&house);
    assert!(count > 40, "{count}");
    back_to_first(&house, &before);
    for number in 1..=count {
        let pid = Arc::new(AtomicU32::new(0));
        let victim = pid.clone();
        // The process is known when the first statement comes, or a moment later.
        let which = Which::any().nth(number);
        house.faults().call(When::Before, which, move |_| {
            while victim.load(Ordering::SeqCst) == 0 {
                std::thread::yield_now();
            }
            let pid = victim.load(Ordering::SeqCst).cast_signed();
            kill_process(Pid::from_raw(pid).unwrap(), Signal::KILL).unwrap();
        });
        let from = house.out("star-second");
        let mut command = house.command(&["load", "--quiet", "--from", &from]);
        let mut child = command.spawn().unwrap();
        pid.store(child.id(), Ordering::SeqCst);
        assert!(!child.wait().unwrap().success(), "{number}");
        house.settle();
        house.faults().clear();
        // The last statement may be carried out though nobody waits for it.
        if number < count {
            assert_same(&house.tables(), &before);
        } else if house.tables() != before {
            assert_same(&house.tables(), &both);
        }
        // Now and then, for it takes its time.
        if number % 9 == 0 || number == count {
            house.load("star-second").succeeds();
            assert_same(&house.tables(), &both);
            back_to_first(&house, &before);
        }
    }
}

/// The program itself tries again: the connection is lost before and after each statement, in the middle of
/// rows, and after COMMIT is carried out but not answered.
fn a_lost_connection_is_made_again(mode: Mode) {
    let (house, before) = with_two_stars(mode);
    let both = after_both(mode);
    let count = statements(&house);
    for when in [When::Before, When::After] {
        // Every third statement, and the last ones all.
        let numbers = (4..=count).filter(|number| number % 3 == 0 || number + 3 > count);
        for number in numbers {
            back_to_first(&house, &before);
            house.faults().cut(when, Which::any().nth(number));
            let ended = house.load("star-second");
            assert_eq!(ended.code, Some(0), "{number} {when:?}: {ended:?}");
            assert!(ended.stderr.contains("warning"), "{ended:?}");
            assert_same(&house.tables(), &both);
        }
    }
    back_to_first(&house, &before);
    house
        .faults()
        .cut(When::During, Which::with("COPY staged_songplays"));
    assert_eq!(house.load("star-second").code, Some(0));
    assert_same(&house.tables(), &both);
    // COMMIT was carried out, and it is known what it did.
    back_to_first(&house, &before);
    house.faults().cut(When::After, Which::with("COMMIT"));
    let from = house.out("star-second");
    let ended = house.job(&["load", "--quiet", "--json", "--from", &from]);
    assert_eq!(ended.code, Some(0));
    let told = ended.json();
    assert_eq!(told["tries"], 2);
    let added = both["songplays"].len() - before["songplays"].len();
    assert_eq!(told["tables"]["songplays"]["added"], added);
    // Nor does a server that takes a while to be there again end it.
    back_to_first(&house, &before);
    house
        .faults()
        .cut(When::Before, Which::with("INSERT INTO songplays"));
    house.faults().cut(
        When::Before,
        Which::with("SELECT version()").nth(2).times(2),
    );
    assert_eq!(house.load("star-second").code, Some(0));
    assert_same(&house.tables(), &both);
    // Each object of each run is noted once, however often its load was begun.
    let noted = loads(&mut house.client());
    let mut once = noted.clone();
    once.dedup();
    assert_eq!((noted.len(), once.len()), (6, 6));
}

/// It does not try for ever.
fn a_connection_that_is_always_lost_ends_in_one_line(mode: Mode) {
    let (house, before) = with_two_stars(mode);
    house
        .faults()
        .cut(When::Before, Which::with("INSERT INTO loads").times(99));
    let ended = house.load("star-second");
    let last = ended.stderr.lines().last().unwrap_or_default().to_owned();
    assert_eq!(ended.code, Some(1));
    assert!(last.contains("load again"), "{last}");
    house.faults().clear();
    assert_same(&house.tables(), &before);
}

fn conflicts_are_tried_again(mode: Mode) {
    let (house, _) = with_two_stars(mode);
    let both = after_both(mode);
    let isolation = "1023\nDETAIL: Serializable isolation violation on table - 105, transactions forming the cycle are: 1, 2";
    let snapshot = "could not complete because of conflict with concurrent transaction";
    for (code, message) in [
        ("XX000", isolation),
        ("XX000", snapshot),
        ("40001", "conflict"),
        ("40P01", "deadlock detected"),
    ] {
        house.faults().clear();
        house
            .faults()
            .fail(Which::with("INSERT INTO songplays").times(2), code, message);
        let from = house.out("star-second");
        let ended = house.job(&[
            "load",
            "--quiet",
            "--json",
            "--full-refresh",
            "--from",
            &from,
        ]);
        assert_eq!(ended.code, Some(0), "{ended:?}");
        assert_eq!(ended.json()["tries"], 3);
    }
    house.load("star-first").succeeds();
    assert_same(&house.tables(), &both);
}

/// What others have loaded since the star was made would be lost.
fn a_refresh_does_not_drop_what_came_meanwhile(mode: Mode) {
    let (house, before) = with_two_stars(mode);
    let client = std::sync::Mutex::new(house.client());
    let other = "INSERT INTO loads VALUES ('other', 'o', 'e', 1, '2018-11-01')";
    house
        .faults()
        .call(When::Before, Which::with("LOCK"), move |_| {
            client.lock().unwrap().batch_execute(other).unwrap();
        });
    let from = house.out("star-second");
    let arguments = ["load", "--full-refresh", "--from", &from];
    house
        .job(&arguments)
        .fails(1, &["run other was loaded meanwhile", "do the same again"]);
    assert_same(&house.tables(), &before);
    house.faults().clear();
    house
        .job(&["load", "--quiet", "--full-refresh", "--from", &from])
        .succeeds();
    assert_same(&house.tables(), &house.star("star-second"));
}

fn other_failures_are_not(mode: Mode) {
    let (house, before) = with_two_stars(mode);
    house.faults().fail(
        Which::with("INSERT INTO songplays"),
        "53100",
        "could not extend file: No space left on device",
    );
    house
        .load("star-second")
        .fails(1, &["No space left on device", "cannot load"]);
    assert_same(&house.tables(), &before);
    house.load("star-second").succeeds();
    assert_eq!(house.faults().fired(), 1);
}

/// The star is published, the load fails: the next run takes the same logs again.
fn a_run_whose_load_failed_loads_with_the_next(mode: Mode) {
    let (house, before) = with_two_stars(mode);
    let out = house.out("out");
    let run = [
        "run",
        "--quiet",
        "--songs",
        "second/song_data",
        "--logs",
        "second/log_data",
        "--out",
        &out,
    ];
    house.faults().fail(
        Which::with("INSERT INTO loads"),
        "42501",
        "permission denied for table loads",
    );
    house
        .job(&run)
        .fails(1, &["permission denied", "sparkify load --from"]);
    assert_same(&house.tables(), &before);
    house.job(&run).succeeds();
    assert_same(&house.tables(), &after_both(mode));
}

/// Whoever lists processes, reads logs or the output never sees the password, nor do the statements hold it.
fn the_password_is_nowhere(mode: Mode) {
    let (house, _) = with_two_stars(mode);
    let seen = Arc::new(std::sync::Mutex::new(Vec::new()));
    let told = seen.clone();
    house.faults().call(
        When::Before,
        Which::any().times(usize::MAX),
        move |statement| {
            told.lock().unwrap().push(statement.sql.clone());
        },
    );
    let pid = Arc::new(AtomicU32::new(0));
    let looked = Arc::new(AtomicU32::new(0));
    let (victim, count) = (pid.clone(), looked.clone());
    house
        .faults()
        .call(When::Before, Which::with("COPY"), move |_| {
            while victim.load(Ordering::SeqCst) == 0 {
                std::thread::yield_now();
            }
            let pid = victim.load(Ordering::SeqCst);
            let line = std::fs::read(format!("/proc/{pid}/cmdline")).unwrap();
            assert!(!String::from_utf8_lossy(&line).contains(crate::redshift::PASSWORD));
            count.fetch_add(1, Ordering::SeqCst);
        });
    let out = house.out("out");
    let mut command = house.command(&[
        "run",
        "--verbose",
        "--songs",
        "second/song_data",
        "--logs",
        "second/log_data",
        "--out",
        &out,
    ]);
    command
        .env("RUST_LOG", "trace")
        .stdout(std::process::Stdio::piped())
        .stderr(std::process::Stdio::piped());
    let child = command.spawn().unwrap();
    pid.store(child.id(), Ordering::SeqCst);
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success(), "{output:?}");
    assert_eq!(looked.load(Ordering::SeqCst), 1);
    let mut texts = seen.lock().unwrap().clone();
    texts.push(String::from_utf8_lossy(&output.stdout).into_owned());
    texts.push(String::from_utf8_lossy(&output.stderr).into_owned());
    texts.push(std::fs::read_to_string(house.folder_of("out").join("_report.json")).unwrap());
    for dry in [&["create-tables", "--drop"][..], &["load", "--from", &out]] {
        let arguments: Vec<&str> = dry.iter().copied().chain(["--dry-run"]).collect();
        texts.push(house.job(&arguments).succeeds().stdout);
    }
    for text in texts {
        assert!(!text.contains(crate::redshift::PASSWORD), "{text}");
    }
    // Nor does a failure, of whatever kind.
    let mut wrong = house.command(&["load", "--from", &out]);
    Ended::of(wrong.env("PGPASSWORD", "AnotherPasswordThatNobodyMaySee")).fails(1, &["password"]);
}

macro_rules! everywhere {
    ($($test:ident)*) => {
        mod postgres {
            $(#[test] fn $test() { super::$test(super::Mode::Postgres) })*
        }
        mod redshift {
            $(#[test] fn $test() { super::$test(super::Mode::Redshift) })*
        }
    };
}

everywhere! {
    killed_at_any_statement
    a_lost_connection_is_made_again
    a_connection_that_is_always_lost_ends_in_one_line
    conflicts_are_tried_again
    other_failures_are_not
    a_refresh_does_not_drop_what_came_meanwhile
    a_run_whose_load_failed_loads_with_the_next
    the_password_is_nowhere
}
