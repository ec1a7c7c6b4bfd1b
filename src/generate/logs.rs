//! Writes the log input: newline-delimited events, as PHP's `json_encode` writes them.

use std::io;
use std::mem;
use std::ops::Range;
use std::path::Path;

use super::calendar::{LogFile, LogFiles, share, share_until};
use super::edge_cases::{self, EdgeCaseCycle, Outcome, WrittenCase};
use super::file_writer::{OutputFile, ProgressMeter, create_folder};
use super::random::Rng;
use super::song_catalog::{PHP_SLASH, SongCatalog};
use super::text::{push, push_number};
use super::users::{Page, UserPool, UserSession};
use super::{GenerateOptions, LogSummary};

const STREAM: u64 = 48;

/// How long a user stays on a page, and the most sessions that go on at once.
const STAY: u64 = 230_000;
const MOST_SESSIONS: u64 = 2_048;

/// Writes the folder `root`.
pub(super) fn write(
    root: &Path,
    options: &GenerateOptions,
    catalogue: &SongCatalog,
    meter: &mut ProgressMeter,
) -> io::Result<LogSummary> {
    let calendar = LogFiles::new(options.files, options.events);
    let mut site = EventSimulator::new(options, catalogue, calendar.events_within(STAY));
    let mut cases = options.awkward.then(EdgeCaseCycle::of_events);
    let pieces = cases
        .as_ref()
        .map_or(0, |cases| cases.needed_for(options.events));
    let mut text = Vec::new();
    for number in 0..options.files {
        let file = calendar.file(number)?;
        let path = root.join(&file.path);
        create_folder(path.parent().unwrap_or(root))?;
        let mut output = OutputFile::create(path, mem::take(&mut text))?;
        match &mut cases {
            None => site.write_events(&file, 0..file.events, &mut output, meter)?,
            Some(cases) => {
                site.begin_awkwardly(number, cases, &mut output.text);
                let pieces = share(pieces, number, options.files);
                site.write_events_and_cases(&file, cases, pieces, &mut output, meter)?;
                site.end_awkwardly(number, &file, &mut output.text);
            }
        }
        let (bytes, buffer) = output.finish(meter)?;
        site.summary.input.add_object(bytes);
        text = buffer;
    }
    if options.awkward {
        edge_cases::write_strays(root, &mut site.summary.input, meter)?;
    }
    site.summary.users = site.listeners.with_plays();
    Ok(site.summary)
}

/// The site while it is being used.
struct EventSimulator<'a> {
    random: Rng,
    listeners: UserPool,
    known: &'a SongCatalog,
    unknown: SongCatalog,
    /// The sessions that are going on; each event belongs to one of them.
    sessions: Vec<UserSession>,
    /// Sessions begun, and so the last session's id.
    begun: u64,
    summary: LogSummary,
}

/// What the counts depend on in a play.
#[derive(Clone, Copy)]
struct Play {
    user: usize,
    known: bool,
}

impl<'a> EventSimulator<'a> {
    fn new(options: &GenerateOptions, known: &'a SongCatalog, busy: u64) -> Self {
        let listeners = UserPool::new(options.seed, options.users);
        let at_once = busy.clamp(1, listeners.count().clamp(1, MOST_SESSIONS));
        Self {
            random: Rng::of(options.seed, STREAM, 0),
            listeners,
            known,
            unknown: SongCatalog::unknown(options.seed),
            sessions: (0..at_once).map(|_| UserSession::default()).collect(),
            begun: 0,
            summary: LogSummary::default(),
        }
    }

    /// Some of the ordinary events of a file.
    fn write_events(
        &mut self,
        file: &LogFile,
        numbers: Range<u64>,
        output: &mut OutputFile,
        meter: &mut ProgressMeter,
    ) -> io::Result<()> {
        for nth in numbers {
            self.push_event(&mut output.text, file, nth);
            meter.events += 1;
            output.spill(meter)?;
        }
        Ok(())
    }

    /// All ordinary events of a file, with the next `count` cases spread evenly between them.
    fn write_events_and_cases(
        &mut self,
        file: &LogFile,
        cases: &mut EdgeCaseCycle,
        count: u64,
        output: &mut OutputFile,
        meter: &mut ProgressMeter,
    ) -> io::Result<()> {
        let mut written = 0;
        for case in 0..count {
            let due = share_until(file.events, case, count);
            self.write_events(file, written..due, output, meter)?;
            written = due;
            let piece = cases.write(&mut output.text, |record| self.push_play(record, file, due));
            self.count(&piece);
            output.spill(meter)?;
        }
        self.write_events(file, written..file.events, output, meter)
    }

    /// Some files begin with a byte order mark, and some with an event that was in an earlier file.
    fn begin_awkwardly(&mut self, number: u64, cases: &mut EdgeCaseCycle, text: &mut Vec<u8>) {
        if number.is_multiple_of(3) {
            push(text, "\u{feff}");
        }
        if number % 4 == 1 && cases.push_again(text) {
            self.summary.input.records += 1;
            self.summary.duplicates += 1;
        }
    }

    /// Files end in half a record, without a newline, or with blank lines. Only files of some size
    /// end in half a record, lest many small ones have many rejects; and the first, so that there
    /// is one.
    fn end_awkwardly(&mut self, number: u64, file: &LogFile, text: &mut Vec<u8>) {
        match number % 3 {
            0 if number == 0 || file.events >= 1000 => {
                let mut record = Vec::new();
                self.push_play(&mut record, file, file.events);
                text.extend(record.iter().take(record.len() / 2));
                self.summary.input.reject("syntax");
            }
            1 => {
                let play = self.push_play(text, file, file.events);
                self.count_kept(play);
            }
            _ => push(text, "\n \t\r\n"),
        }
    }

    fn count(&mut self, piece: &WrittenCase<Play>) {
        if let Some(plain) = piece.plain {
            self.count_kept(plain);
        }
        match (piece.case.outcome, piece.fresh) {
            (Outcome::Kept, Some(play)) => {
                self.count_kept(Play {
                    known: play.known && !piece.case.changes_any(&["artist", "song", "length"]),
                    ..play
                });
            }
            (Outcome::Kept | Outcome::Duplicate, _) => {
                self.summary.input.records += 1;
                self.summary.duplicates += 1;
            }
            (Outcome::Filtered, _) => {
                self.summary.input.records += 1;
                self.summary.filtered += 1;
            }
            (Outcome::Rejected(reason), _) => self.summary.input.reject(reason),
        }
    }

    fn count_kept(&mut self, play: Play) {
        self.summary.input.records += 1;
        self.summary.kept += 1;
        self.summary.matched += u64::from(play.known);
        self.listeners.note_play(play.user);
    }

    /// Appends the next ordinary event, as a line.
    fn push_event(&mut self, text: &mut Vec<u8>, file: &LogFile, nth: u64) {
        let moment = file.moment(nth, &mut self.random);
        let place = self.random.below(self.sessions.len() as u64) as usize;
        let Some(mut session) = self.sessions.get_mut(place).map(mem::take) else {
            return; // there is at least one session, and place is below their number
        };
        if session.is_over() {
            self.begin(&mut session);
        }
        if session.page == Page::NextSong {
            let play = self.push_session_play(text, &session, moment);
            self.count_kept(play);
        } else {
            push_visit(text, &session, self.listeners.pays(session.user), moment);
            self.summary.input.records += 1;
            self.summary.filtered += 1;
        }
        text.push(b'\n');
        session.advance(&mut self.random, &mut self.listeners);
        if let Some(taken) = self.sessions.get_mut(place) {
            *taken = session;
        }
    }

    /// Appends a play that shares neither session nor item with any other, so that changing one of
    /// the two cannot make it a duplicate; without a newline.
    fn push_play(&mut self, text: &mut Vec<u8>, file: &LogFile, nth: u64) -> Play {
        let moment = file.moment(nth, &mut self.random);
        let mut session = UserSession::default();
        self.begin(&mut session);
        session.item = session.id;
        self.push_session_play(text, &session, moment)
    }

    fn begin(&mut self, session: &mut UserSession) {
        let user = self.random.skewed(self.listeners.count());
        self.begun += 1;
        session.begin(&mut self.random, &self.listeners, user, self.begun);
    }

    /// Appends a play of some song: one in four is in the catalogue.
    fn push_session_play(
        &mut self,
        text: &mut Vec<u8>,
        session: &UserSession,
        moment: u64,
    ) -> Play {
        let known = self.random.chance(25) && self.known.songs > 0;
        let catalogue = if known { self.known } else { &self.unknown };
        let song = self.random.skewed(catalogue.songs);

        push(text, r#"{"artist":""#);
        catalogue.push_artist_name(text, catalogue.artist(song));
        text.push(b'"');
        text.extend_from_slice(&session.person);
        push_number(text, session.item);
        text.extend_from_slice(&session.family);
        catalogue.push_length(text, song);
        push_level(text, self.listeners.pays(session.user));
        text.extend_from_slice(&session.place);
        let (page, status) = Page::NextSong.text();
        push(text, page);
        text.extend_from_slice(&session.visit);
        text.push(b'"');
        catalogue.push_title(text, song, PHP_SLASH);
        text.push(b'"');
        push_status(text, status, moment);
        text.extend_from_slice(&session.agent);
        Play {
            user: session.user,
            known,
        }
    }
}

/// Appends an event that is not a play, of a user who is logged in or of nobody.
fn push_visit(text: &mut Vec<u8>, session: &UserSession, pays: bool, moment: u64) {
    let (page, status) = session.page.text();
    push(text, r#"{"artist":null"#);
    if session.logged_in {
        text.extend_from_slice(&session.person);
        push_number(text, session.item);
        text.extend_from_slice(&session.family);
        push(text, "null");
        push_level(text, pays);
        text.extend_from_slice(&session.place);
        push(text, page);
        text.extend_from_slice(&session.visit);
        push(text, "null");
        push_status(text, status, moment);
        text.extend_from_slice(&session.agent);
    } else {
        push(
            text,
            r#","auth":"Logged Out","firstName":null,"gender":null,"itemInSession":"#,
        );
        push_number(text, session.item);
        push(text, r#","lastName":null,"length":null"#);
        push_level(text, pays);
        push(text, r#","location":null,"method":"#);
        push(text, page);
        push(text, r#","registration":null,"sessionId":"#);
        push_number(text, session.id);
        push(text, r#","song":null"#);
        push_status(text, status, moment);
        push(text, r#","userAgent":null,"userId":""}"#);
    }
}

fn push_level(text: &mut Vec<u8>, pays: bool) {
    push(
        text,
        if pays {
            r#","level":"paid""#
        } else {
            r#","level":"free""#
        },
    );
}

fn push_status(text: &mut Vec<u8>, status: &str, moment: u64) {
    push(text, r#","status":"#);
    push(text, status);
    push(text, r#","ts":"#);
    push_number(text, moment);
}
