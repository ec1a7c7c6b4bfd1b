//! Users, and the sessions in which they move from page to page.
//!
//! All that is kept of a user is one byte. Who they are is worked out from their number when a
//! session begins, and rendered once: a session is the text between the fields that change.

use super::random::Rng;
use super::text::{push, push_number};
use super::vocabulary::{FAMILY, GIVEN, PLATFORMS, REGIONS, TOWNS};

/// Tags of the random streams of a user.
const PERSON: u64 = 16;
const SUBSCRIPTION: u64 = 17;

const PAID: u8 = 1;
const PLAYED: u8 = 2;

/// Everybody, by number from 0.
pub(super) struct UserPool {
    seed: u64,
    marks: Vec<u8>,
}

impl UserPool {
    /// The first `users` people; most of the busiest pay.
    pub fn new(seed: u64, users: u64) -> Self {
        let paying = |user| if user < 1 + users / 8 { 70 } else { 15 };
        let marks = (0..users)
            .map(|user| u8::from(Rng::of(seed, SUBSCRIPTION, user).chance(paying(user))) * PAID)
            .collect();
        Self { seed, marks }
    }

    pub fn count(&self) -> u64 {
        self.marks.len() as u64
    }

    pub fn pays(&self, user: usize) -> bool {
        self.marks.get(user).is_some_and(|mark| mark & PAID != 0)
    }

    /// Begins or ends a user's subscription.
    pub fn subscribe(&mut self, user: usize, pays: bool) {
        if let Some(mark) = self.marks.get_mut(user) {
            *mark = if pays { *mark | PAID } else { *mark & !PAID };
        }
    }

    /// Notes that the user has a play.
    pub fn note_play(&mut self, user: usize) {
        if let Some(mark) = self.marks.get_mut(user) {
            *mark |= PLAYED;
        }
    }

    /// How many users have a play.
    pub fn with_plays(&self) -> u64 {
        self.marks.iter().filter(|mark| *mark & PLAYED != 0).count() as u64
    }
}

/// A page of the site.
#[derive(Clone, Copy, Default, PartialEq, Eq)]
pub(super) enum Page {
    #[default]
    NextSong,
    Home,
    Login,
    Logout,
    Downgrade,
    Settings,
    Help,
    About,
    Upgrade,
    SaveSettings,
    Error,
    SubmitUpgrade,
    SubmitDowngrade,
}

impl Page {
    /// The values of `method` and `page` as they stand in a record, and the HTTP status.
    pub fn text(self) -> (&'static str, &'static str) {
        match self {
            Self::NextSong => (r#""PUT","page":"NextSong""#, "200"),
            Self::Home => (r#""GET","page":"Home""#, "200"),
            Self::Login => (r#""PUT","page":"Login""#, "307"),
            Self::Logout => (r#""PUT","page":"Logout""#, "307"),
            Self::Downgrade => (r#""GET","page":"Downgrade""#, "200"),
            Self::Settings => (r#""GET","page":"Settings""#, "200"),
            Self::Help => (r#""GET","page":"Help""#, "200"),
            Self::About => (r#""GET","page":"About""#, "200"),
            Self::Upgrade => (r#""GET","page":"Upgrade""#, "200"),
            Self::SaveSettings => (r#""PUT","page":"Save Settings""#, "307"),
            Self::Error => (r#""GET","page":"Error""#, "404"),
            Self::SubmitUpgrade => (r#""PUT","page":"Submit Upgrade""#, "307"),
            Self::SubmitDowngrade => (r#""PUT","page":"Submit Downgrade""#, "307"),
        }
    }

    /// Where a user goes from here; nobody who is logged out gets further than the front pages.
    fn next(self, random: &mut Rng, logged_in: bool, pays: bool) -> Self {
        match self {
            Self::Upgrade if random.chance(40) => Self::SubmitUpgrade,
            Self::Downgrade if random.chance(4) => Self::SubmitDowngrade,
            Self::Settings if random.chance(20) => Self::SaveSettings,
            Self::SubmitUpgrade | Self::SubmitDowngrade | Self::Logout | Self::Login => Self::Home,
            _ if logged_in => match random.below(1000) {
                0..924 => Self::NextSong,
                924..966 => Self::Home,
                966..976 => Self::Logout,
                976..984 if pays => Self::Downgrade,
                976..984 => Self::Upgrade,
                984..990 => Self::Settings,
                990..995 => Self::Help,
                995..999 => Self::About,
                _ => Self::Error,
            },
            _ => match random.below(100) {
                0..45 => Self::Login,
                45..90 => Self::Home,
                90..95 => Self::Help,
                _ => Self::About,
            },
        }
    }
}

/// One user's visit. Its events have its id and count up from 0.
#[derive(Default)]
pub(super) struct UserSession {
    /// From 1.
    pub id: u64,
    pub user: usize,
    pub item: u64,
    pub page: Page,
    pub logged_in: bool,
    /// Events still to come; at 0 the session is over.
    left: u64,
    /// The parts of a record between the fields that change: from `artist` to `itemInSession`, on
    /// to `length`, from `level` to `method`, from `page` to `song`, and from `ts` to the end.
    pub person: Vec<u8>,
    pub family: Vec<u8>,
    pub place: Vec<u8>,
    pub visit: Vec<u8>,
    pub agent: Vec<u8>,
}

impl UserSession {
    pub fn is_over(&self) -> bool {
        self.left == 0
    }

    /// Turns this into a new session of `user`, on the page the user came in by.
    pub fn begin(&mut self, random: &mut Rng, listeners: &UserPool, user: u64, id: u64) {
        self.id = id;
        self.user = user as usize; // below the length of a Vec
        self.item = 0;
        self.left = 1 + random.skewed(40) + random.below(3) * 2;
        self.logged_in = !random.chance(8);
        self.page = if random.chance(if self.logged_in { 45 } else { 75 }) {
            Page::Home
        } else {
            Page::Login
        };
        if self.logged_in && self.page == Page::Login {
            self.page = Page::NextSong;
        }
        self.render(listeners.seed, user, id);
    }

    /// Goes on to the next page, and lets what happens there count.
    pub fn advance(&mut self, random: &mut Rng, listeners: &mut UserPool) {
        match self.page {
            Page::Login => self.logged_in = true,
            Page::Logout => self.logged_in = false,
            Page::SubmitUpgrade => listeners.subscribe(self.user, true),
            Page::SubmitDowngrade => listeners.subscribe(self.user, false),
            _ => {}
        }
        self.item += 1;
        self.left = self.left.saturating_sub(1);
        self.page = self
            .page
            .next(random, self.logged_in, listeners.pays(self.user));
    }

    fn render(&mut self, seed: u64, user: u64, id: u64) {
        let mut person = Rng::of(seed, PERSON, user);

        self.person.clear();
        push(&mut self.person, r#","auth":"Logged In","firstName":""#);
        push(&mut self.person, person.pick(GIVEN));
        push(&mut self.person, r#"","gender":""#);
        push(&mut self.person, person.pick(&["F", "M"]));
        push(&mut self.person, r#"","itemInSession":"#);

        self.family.clear();
        push(&mut self.family, r#","lastName":""#);
        push(&mut self.family, person.pick(FAMILY));
        push(&mut self.family, r#"","length":"#);

        self.place.clear();
        push(&mut self.place, r#","location":""#);
        push(&mut self.place, person.pick(TOWNS));
        if person.chance(60) {
            self.place.push(b'-');
            push(&mut self.place, person.pick(TOWNS));
        }
        push(&mut self.place, ", ");
        push(&mut self.place, person.pick(REGIONS));
        push(&mut self.place, r#"","method":"#);

        self.visit.clear();
        push(&mut self.visit, r#","registration":"#);
        push_number(
            &mut self.visit,
            1_536_000_000_000 + person.below(5_000_000_000),
        );
        push(&mut self.visit, r#".0,"sessionId":"#);
        push_number(&mut self.visit, id);
        push(&mut self.visit, r#","song":"#);

        self.agent.clear();
        push(&mut self.agent, r#","userAgent":"\"Mozilla\/5.0 ("#);
        push(&mut self.agent, person.pick(PLATFORMS));
        push(
            &mut self.agent,
            r") AppleWebKit\/537.36 (KHTML, like Gecko) Chrome\/",
        );
        push_number(&mut self.agent, 58 + person.below(13));
        push(&mut self.agent, ".0.");
        push_number(&mut self.agent, 3000 + person.below(540));
        push(&mut self.agent, r#" Safari\/537.36\"","userId":""#);
        push_number(&mut self.agent, user + 1);
        push(&mut self.agent, r#""}"#);
    }
}
