//! Writes the log input: newline-delimited events in the format of PHP's `json_encode`.

use std::io;
use std::mem;
use std::ops::Range;
use std::path::Path;

use super::edge_cases::{self, EdgeCaseCycle, ExpectedOutcome, WrittenCase};
use super::file_writer::{OutputFile, ProgressMeter, create_dir};
use super::json_text::{push, push_number};
use super::log_file_plan::{LogFilePlan, PlannedLogFile, even_share, even_share_before};
use super::options::GenerateOptions;
use super::random::Rng;
use super::song_catalog::{PHP_SLASH, SongCatalog};
use super::summary::LogSummary;
use super::users::{SitePage, UserPool, UserSession};

const EVENT_STREAM: u64 = 48;

/// Average time that a user stays on a page.
const PAGE_STAY_MS: u64 = 230_000;
/// Maximum number of concurrent sessions.
const MAX_SESSIONS: u64 = 2_048;

/// Writes the log files into the directory `root`.
pub(super) fn write(
    root: &Path,
    options: &GenerateOptions,
    catalog: &SongCatalog,
    meter: &mut ProgressMeter,
) -> io::Result<LogSummary> {
    let log_files = LogFilePlan::new(options.files, options.events);
    let mut simulator =
        EventSimulator::new(options, catalog, log_files.events_within(PAGE_STAY_MS));
    let mut cases = options.edge_cases.then(EdgeCaseCycle::for_events);
    let case_count = cases
        .as_ref()
        .map_or(0, |cases| cases.count_for(options.events));
    let mut reused_buffer = Vec::new();
    for number in 0..options.files {
        let file = log_files.get(number)?;
        let path = root.join(&file.path);
        create_dir(path.parent().unwrap_or(root))?;
        let mut output = OutputFile::create(path, mem::take(&mut reused_buffer))?;
        match &mut cases {
            None => simulator.write_events(&file, 0..file.events, &mut output, meter)?,
            Some(cases) => {
                simulator.push_file_prefix(number, cases, &mut output.buffer);
                let file_case_count = even_share(case_count, number, options.files);
                simulator.write_events_and_cases(
                    &file,
                    cases,
                    file_case_count,
                    &mut output,
                    meter,
                )?;
                simulator.push_file_suffix(number, &file, &mut output.buffer);
            }
        }
        let (bytes, buffer) = output.finish(meter)?;
        simulator.summary.input.add_object(bytes);
        reused_buffer = buffer;
    }
    if options.edge_cases {
        edge_cases::write_files_without_records(root, &mut simulator.summary.input, meter)?;
    }
    simulator.summary.users = simulator.users.count_with_plays();
    Ok(simulator.summary)
}

/// Simulates the events of a site that users visit.
struct EventSimulator<'a> {
    rng: Rng,
    users: UserPool,
    known_catalog: &'a SongCatalog,
    unknown_catalog: SongCatalog,
    /// The concurrent sessions. Each event belongs to one of them.
    sessions: Vec<UserSession>,
    /// Number of sessions started so far, which is also the id of the last one.
    sessions_started: u64,
    summary: LogSummary,
}

/// Properties of a play that the expected counts depend on.
#[derive(Clone, Copy)]
struct GeneratedPlay {
    user: usize,
    has_known_song: bool,
}

impl<'a> EventSimulator<'a> {
    fn new(options: &GenerateOptions, known: &'a SongCatalog, concurrent_sessions: u64) -> Self {
        let users = UserPool::new(options.seed, options.users);
        let session_count = concurrent_sessions.clamp(1, users.count().clamp(1, MAX_SESSIONS));
        Self {
            rng: Rng::new(options.seed, EVENT_STREAM, 0),
            users,
            known_catalog: known,
            unknown_catalog: SongCatalog::unknown(options.seed),
            sessions: (0..session_count).map(|_| UserSession::default()).collect(),
            sessions_started: 0,
            summary: LogSummary::default(),
        }
    }

    /// Writes a range of the ordinary events of a file.
    fn write_events(
        &mut self,
        file: &PlannedLogFile,
        numbers: Range<u64>,
        output: &mut OutputFile,
        meter: &mut ProgressMeter,
    ) -> io::Result<()> {
        for nth in numbers {
            self.push_event(&mut output.buffer, file, nth);
            meter.events += 1;
            output.flush_if_full(meter)?;
        }
        Ok(())
    }

    /// Writes all ordinary events of a file, with the next `count` edge cases spread evenly between them.
    fn write_events_and_cases(
        &mut self,
        file: &PlannedLogFile,
        cases: &mut EdgeCaseCycle,
        count: u64,
        output: &mut OutputFile,
        meter: &mut ProgressMeter,
    ) -> io::Result<()> {
        let mut written = 0;
        for case in 0..count {
            let due = even_share_before(file.events, case, count);
            self.write_events(file, written..due, output, meter)?;
            written = due;
            let written_case = cases.write_next(&mut output.buffer, |record| {
                self.push_unique_play(record, file, due)
            });
            self.count_case(&written_case);
            output.flush_if_full(meter)?;
        }
        self.write_events(file, written..file.events, output, meter)
    }

    /// Begins some files with a byte order mark, and some with an event of an earlier file.
    fn push_file_prefix(&mut self, number: u64, cases: &mut EdgeCaseCycle, text: &mut Vec<u8>) {
        if number.is_multiple_of(3) {
            push(text, "\u{feff}");
        }
        if number % 4 == 1 && cases.push_duplicate(text) {
            self.summary.input.records += 1;
            self.summary.duplicates += 1;
        }
    }

    /// Ends a file with half a record, without a newline, or with blank lines. Half a record is written only at the end
    /// of large files, to keep the number of rejects low, and always at the end of the first file.
    fn push_file_suffix(&mut self, number: u64, file: &PlannedLogFile, text: &mut Vec<u8>) {
        match number % 3 {
            0 if number == 0 || file.events >= 1000 => {
                let mut record = Vec::new();
                self.push_unique_play(&mut record, file, file.events);
                text.extend(record.iter().take(record.len() / 2));
                self.summary.input.count_reject("syntax");
            }
            1 => {
                let play = self.push_unique_play(text, file, file.events);
                self.count_kept(play);
            }
            _ => push(text, "\n \t\r\n"),
        }
    }

    fn count_case(&mut self, written_case: &WrittenCase<GeneratedPlay>) {
        if let Some(plain) = written_case.clean_record {
            self.count_kept(plain);
        }
        match (written_case.case.outcome, written_case.fresh_record) {
            (ExpectedOutcome::Kept, Some(play)) => {
                self.count_kept(GeneratedPlay {
                    has_known_song: play.has_known_song
                        && !written_case.case.changes_any(&["artist", "song", "length"]),
                    ..play
                });
            }
            (ExpectedOutcome::Kept | ExpectedOutcome::Duplicate, _) => {
                self.summary.input.records += 1;
                self.summary.duplicates += 1;
            }
            (ExpectedOutcome::Filtered, _) => {
                self.summary.input.records += 1;
                self.summary.filtered += 1;
            }
            (ExpectedOutcome::Rejected(reason), _) => self.summary.input.count_reject(reason),
        }
    }

    fn count_kept(&mut self, play: GeneratedPlay) {
        self.summary.input.records += 1;
        self.summary.kept += 1;
        self.summary.matched += u64::from(play.has_known_song);
        self.users.mark_played(play.user);
    }

    /// Appends the next ordinary event, as a line.
    fn push_event(&mut self, text: &mut Vec<u8>, file: &PlannedLogFile, nth: u64) {
        let timestamp_ms = file.timestamp_ms(nth, &mut self.rng);
        let index = self.rng.below(self.sessions.len() as u64) as usize;
        let Some(mut session) = self.sessions.get_mut(index).map(mem::take) else {
            return; // not reached: there is at least one session, and index is below their number
        };
        if session.is_over() {
            self.start_session(&mut session);
        }
        if session.page == SitePage::NextSong {
            let play = self.push_session_play(text, &session, timestamp_ms);
            self.count_kept(play);
        } else {
            push_page_view(
                text,
                &session,
                self.users.is_paid(session.user),
                timestamp_ms,
            );
            self.summary.input.records += 1;
            self.summary.filtered += 1;
        }
        text.push(b'\n');
        session.advance(&mut self.rng, &mut self.users);
        if let Some(slot) = self.sessions.get_mut(index) {
            *slot = session;
        }
    }

    /// Appends a play without a newline. It shares neither session nor item with any other play, so that an edit of one
    /// of the two cannot make it a duplicate.
    fn push_unique_play(
        &mut self,
        text: &mut Vec<u8>,
        file: &PlannedLogFile,
        nth: u64,
    ) -> GeneratedPlay {
        let timestamp_ms = file.timestamp_ms(nth, &mut self.rng);
        let mut session = UserSession::default();
        self.start_session(&mut session);
        session.item_in_session = session.id;
        self.push_session_play(text, &session, timestamp_ms)
    }

    fn start_session(&mut self, session: &mut UserSession) {
        let user = self.rng.zipf(self.users.count());
        self.sessions_started += 1;
        session.start(&mut self.rng, &self.users, user, self.sessions_started);
    }

    /// Appends a play of a random song, which is in the catalog one time in four.
    fn push_session_play(
        &mut self,
        text: &mut Vec<u8>,
        session: &UserSession,
        timestamp_ms: u64,
    ) -> GeneratedPlay {
        let is_known = self.rng.chance(25) && self.known_catalog.songs > 0;
        let catalog = if is_known {
            self.known_catalog
        } else {
            &self.unknown_catalog
        };
        let song = self.rng.zipf(catalog.songs);

        push(text, r#"{"artist":""#);
        catalog.push_artist_name(text, catalog.artist_of(song));
        text.push(b'"');
        text.extend_from_slice(&session.name_json);
        push_number(text, session.item_in_session);
        text.extend_from_slice(&session.last_name_json);
        catalog.push_duration(text, song);
        push_level(text, self.users.is_paid(session.user));
        text.extend_from_slice(&session.location_json);
        let (page, status) = SitePage::NextSong.json_and_status();
        push(text, page);
        text.extend_from_slice(&session.registration_json);
        text.push(b'"');
        catalog.push_title(text, song, PHP_SLASH);
        text.push(b'"');
        push_status(text, status, timestamp_ms);
        text.extend_from_slice(&session.user_agent_json);
        GeneratedPlay {
            user: session.user,
            has_known_song: is_known,
        }
    }
}

/// Appends an event that is not a play. The user may be logged out.
fn push_page_view(text: &mut Vec<u8>, session: &UserSession, is_paid: bool, timestamp_ms: u64) {
    let (page, status) = session.page.json_and_status();
    push(text, r#"{"artist":null"#);
    if session.is_logged_in {
        text.extend_from_slice(&session.name_json);
        push_number(text, session.item_in_session);
        text.extend_from_slice(&session.last_name_json);
        push(text, "null");
        push_level(text, is_paid);
        text.extend_from_slice(&session.location_json);
        push(text, page);
        text.extend_from_slice(&session.registration_json);
        push(text, "null");
        push_status(text, status, timestamp_ms);
        text.extend_from_slice(&session.user_agent_json);
    } else {
        push(
            text,
            r#","auth":"Logged Out","firstName":null,"gender":null,"itemInSession":"#,
        );
        push_number(text, session.item_in_session);
        push(text, r#","lastName":null,"length":null"#);
        push_level(text, is_paid);
        push(text, r#","location":null,"method":"#);
        push(text, page);
        push(text, r#","registration":null,"sessionId":"#);
        push_number(text, session.id);
        push(text, r#","song":null"#);
        push_status(text, status, timestamp_ms);
        push(text, r#","userAgent":null,"userId":""}"#);
    }
}

fn push_level(text: &mut Vec<u8>, is_paid: bool) {
    push(
        text,
        if is_paid {
            r#","level":"paid""#
        } else {
            r#","level":"free""#
        },
    );
}

fn push_status(text: &mut Vec<u8>, status: &str, timestamp_ms: u64) {
    push(text, r#","status":"#);
    push(text, status);
    push(text, r#","ts":"#);
    push_number(text, timestamp_ms);
}
