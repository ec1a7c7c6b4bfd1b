//! A nightly job over a month: logs that arrive in time, late or incomplete, new songs, rejects that are edited and
//! replayed, and loads that are killed. The warehouse is that of one run over all of the input, and each night reads and
//! loads only what is new.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;
use testkit::cli::output::CommandOutput;
use testkit::dir_contents::list_files;
use testkit::redshift_simulator::{FaultPoint, StatementMatcher, WarehouseKind};

use crate::support::on_both_warehouses;
use crate::support::table_rows::assert_tables_eq;
use crate::support::test_warehouse::TestWarehouse;

const NIGHTS: usize = 30;

/// The nights on which logs of earlier days arrive, by the day.
const LATE_LOGS: [(usize, usize); 4] = [(5, 8), (12, 13), (20, 27), (29, 30)];

/// The nights on which logs that were published too early are replaced by the complete ones, by the day.
const COMPLETED_LOGS: [(usize, usize); 2] = [(4, 10), (15, 16)];

/// The nights on which rejects of earlier nights are edited and replayed, by the night of the rejects.
const REPLAYS: [(usize, usize); 3] = [(7, 9), (14, 15), (18, 22)];

/// The nights on which the first load is killed, by the statement after which that happens.
const KILLED: [(usize, &str); 4] = [
    (6, "INSERT INTO songplays"),
    (17, "BEGIN"),
    (22, "COPY staged_time"),
    (25, "INSERT INTO load_history"),
];

/// The input of the job: what has arrived so far, of what there will be in the end.
struct Input<'a> {
    warehouse: &'a TestWarehouse,
    /// The names of the logs, in order of the days.
    logs: Vec<String>,
    /// The names of the songs.
    songs: Vec<String>,
    /// The correct text of each record that is published with an error.
    corrections: BTreeMap<String, String>,
}

impl<'a> Input<'a> {
    fn new(warehouse: &'a TestWarehouse) -> Self {
        let sizes = [
            "--events", "3000", "--songs", "120", "--users", "40", "--files", "30", "--seed", "11",
        ];
        warehouse.generate_input("all", &sizes);
        Self {
            warehouse,
            logs: list_files(&warehouse.path("all/log_data"))
                .into_iter()
                .collect(),
            songs: list_files(&warehouse.path("all/song_data"))
                .into_iter()
                .collect(),
            corrections: BTreeMap::new(),
        }
    }

    fn read(&self, kind: &str, name: &str) -> String {
        std::fs::read_to_string(self.warehouse.path(&format!("all/{kind}/{name}"))).unwrap()
    }

    fn publish(&self, kind: &str, name: &str, text: &str, arrival: &mut Arrival) {
        arrival.bytes += text.len() as u64;
        self.warehouse
            .write_file(&format!("live/{kind}/{name}"), text);
    }

    /// Publishes what arrives in a night. Returns the number of songs and logs, the number of these that replace others,
    /// and the number of rejects.
    fn arrive(&mut self, night: usize) -> Arrival {
        let mut arrival = Arrival::default();
        for day in 1..=NIGHTS {
            let name = self.logs[day - 1].clone();
            let late = LATE_LOGS.iter().find(|(of, _)| *of == day);
            let completed = COMPLETED_LOGS.iter().find(|(of, _)| *of == day);
            let text = self.read("log_data", &name);
            let is_first = late.map_or(day, |(_, until)| *until) == night;
            if is_first && completed.is_some() {
                let half: Vec<&str> = text.lines().take(text.lines().count() / 2).collect();
                self.publish("log_data", &name, &half.join("\n"), &mut arrival);
                arrival.logs += 1;
            } else if is_first {
                let text = match REPLAYS.iter().any(|(of, _)| *of == night && night != 14) {
                    true => self.with_errors(&text, &mut arrival.rejects),
                    false => text,
                };
                self.publish("log_data", &name, &text, &mut arrival);
                arrival.logs += 1;
            } else if completed.is_some_and(|(_, until)| *until == night) {
                self.publish("log_data", &name, &text, &mut arrival);
                arrival.logs += 1;
                arrival.changed += 1;
            }
        }
        let per_night = self.songs.len() / NIGHTS;
        for number in (night - 1) * per_night..night * per_night {
            // In an order that is not that of the names.
            let name = self.songs[number * 37 % self.songs.len()].clone();
            let mut text = self.read("song_data", &name);
            if night == 14 && arrival.songs == 0 {
                let wrong = text.replacen("\"duration\":", "\"duration\":[1],\"x\":", 1);
                assert_ne!(wrong, text);
                self.corrections
                    .insert(wrong.trim_end().to_owned(), text.trim_end().to_owned());
                text = wrong;
                arrival.rejects += 1;
            }
            self.publish("song_data", &name, &text, &mut arrival);
            arrival.songs += 1;
        }
        arrival
    }

    /// Returns a log with two records that are rejected.
    fn with_errors(&mut self, text: &str, rejects: &mut u64) -> String {
        let mut lines: Vec<String> = text.lines().map(str::to_owned).collect();
        let plays: Vec<usize> = (0..lines.len())
            .filter(|&line| lines[line].contains("NextSong"))
            .collect();
        for (play, is_cut) in [(plays[1], false), (plays[3], true)] {
            let correct = lines[play].clone();
            let wrong = match is_cut {
                true => correct[..correct.len() - 9].to_owned(),
                false => correct.replacen("\"ts\":", "\"ts\":true,\"t\":", 1),
            };
            assert_ne!(wrong, correct);
            self.corrections.insert(wrong.clone(), correct);
            lines[play] = wrong;
            *rejects += 1;
        }
        lines.join("\n")
    }

    /// Writes the rejects of a run to `edited.jsonl`, with the correct texts. Returns how many there are.
    fn edit_rejects(&self, run: &Path) -> usize {
        let mut edited = Vec::new();
        for file in std::fs::read_dir(run.join("_rejects")).unwrap() {
            let text = std::fs::read_to_string(file.unwrap().path()).unwrap();
            for line in text.lines() {
                let mut reject: Value = serde_json::from_str(line).unwrap();
                let wrong = reject["text"].as_str().unwrap().trim_end().to_owned();
                reject["text"] = self.corrections[&wrong].as_str().into();
                edited.push(reject.to_string());
            }
        }
        self.warehouse
            .write_file("edited.jsonl", &edited.join("\n"));
        edited.len()
    }
}

/// What arrives in a night.
#[derive(Debug, Default)]
struct Arrival {
    /// The size of all objects.
    bytes: u64,
    songs: u64,
    logs: u64,
    /// Logs that replace others.
    changed: u64,
    rejects: u64,
}

/// Runs a command that is killed during its load.
fn kill_during_load(warehouse: &TestWarehouse, arguments: &[&str], statement: &str) {
    let pid = Arc::new(AtomicU32::new(0));
    let victim = pid.clone();
    let matcher = StatementMatcher::containing(statement);
    warehouse
        .faults()
        .on_statement(FaultPoint::After, matcher, move |_| {
            let pid = victim.load(Ordering::SeqCst).cast_signed();
            kill_process(Pid::from_raw(pid).unwrap(), Signal::KILL).unwrap();
        });
    let mut child = warehouse.warehouse_command(arguments).spawn().unwrap();
    pid.store(child.id(), Ordering::SeqCst);
    assert!(!child.wait().unwrap().success());
    warehouse.wait_until_idle();
    warehouse.faults().clear();
}

fn a_month_of_nights_gives_the_warehouse_of_one_run(kind: WarehouseKind) {
    let warehouse = TestWarehouse::new(kind);
    let mut input = Input::new(&warehouse);
    let out = warehouse.out_location("star");
    let run = [
        "run",
        "--json",
        "--max-rejects",
        "50%",
        "--songs",
        "live/song_data",
        "--logs",
        "live/log_data",
        "--out",
        &out,
    ];
    // The runs of the nights with rejects.
    let mut runs: BTreeMap<usize, String> = BTreeMap::new();
    let mut merged_plays = 0;
    for night in 1..=NIGHTS {
        let arrival = input.arrive(night);
        if let Some((_, statement)) = KILLED.iter().find(|(on, _)| *on == night) {
            kill_during_load(&warehouse, &run, statement);
        }
        let output = warehouse.run_command(&run);
        assert_eq!(output.code, Some(0), "night {night}: {output:?}");
        let report = output.json();
        let (songs, logs) = (&report["songs"], &report["logs"]);
        assert_eq!(songs["objects"], arrival.songs, "night {night}");
        assert_eq!(logs["objects"], arrival.logs, "night {night}");
        assert_eq!(logs["changed_objects"], arrival.changed, "night {night}");
        let rejected = songs["rejected"].as_u64().unwrap() + logs["rejected"].as_u64().unwrap();
        assert_eq!(rejected, arrival.rejects, "night {night}: {output:?}");
        // The load stages the rows of the new objects, and changes no others but plays that match new songs.
        let table = |table: &str, key: &str| {
            let count = &report["load"]["tables"][table][key];
            count
                .as_u64()
                .unwrap_or_else(|| panic!("night {night}: {table} {key}: {count}"))
        };
        assert_eq!(table("songplays", "rows"), logs["kept"], "night {night}");
        assert!(table("songs", "added") + table("songs", "changed") <= arrival.songs);
        assert!(table("time", "added") <= table("time", "rows"));
        merged_plays += table("songplays", "rows");
        let read = &report["total"]["bytes"];
        assert_eq!(read.as_u64(), Some(arrival.bytes), "night {night}");
        runs.insert(night, report["run"].as_str().unwrap().to_owned());

        let replayed = REPLAYS.iter().find(|(_, on)| *on == night);
        if let Some((of, _)) = replayed {
            let from = format!("{out}/{}", runs[of]);
            let edited = input.edit_rejects(&warehouse.run_dir("star", &runs[of]));
            for _ in 0..2 {
                let replay = [
                    "replay",
                    "--json",
                    "--from",
                    &from,
                    "--edited",
                    "edited.jsonl",
                    "--out",
                    &out,
                ];
                let output = warehouse.run_command(&replay);
                assert_eq!(output.code, Some(0), "night {night}: {output:?}");
                let report = output.json();
                let kept = report["logs"]["kept"].as_u64().unwrap()
                    + report["load"]["tables"]["songs"]["rows"].as_u64().unwrap();
                assert_eq!(kept as usize, edited, "night {night}: {output:?}");
            }
        }
    }
    let idle = warehouse.run_command(&run);
    assert_eq!(idle.code, Some(0), "{idle:?}");
    assert_eq!(idle.json()["status"], "nothing_new");
    warehouse.build_dataset("all/song_data", "all/log_data", "once");
    let once = warehouse.dataset_tables("once");
    assert_tables_eq(&warehouse.warehouse_tables(), &once);
    // The logs that were completed are merged twice in part, and the replays add the rejected events.
    let all_plays = once["songplays"].len() as u64;
    assert!(
        merged_plays < all_plays + all_plays / 10,
        "{merged_plays} of {all_plays}"
    );
    let loads = CommandOutput::run(
        &mut warehouse.warehouse_command(&["history", "--json", "--limit", "100"]),
    );
    let loads = loads.assert_success().json();
    assert_eq!(
        loads["runs"].as_array().unwrap().len(),
        NIGHTS + 2 * REPLAYS.len()
    );
}

on_both_warehouses! {
    a_month_of_nights_gives_the_warehouse_of_one_run
}
