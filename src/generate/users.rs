//! Simulates users and the sessions in which they move from page to page.
//!
//! The state of a user is one byte. The profile is derived from the number of the user when a session begins, and
//! rendered once: a session stores the JSON text between the fields that change.

use super::json_text::{push, push_number};
use super::random::Rng;
use super::vocabulary::{CITIES, FIRST_NAMES, LAST_NAMES, PLATFORMS, REGIONS};

/// Tags of the random streams of a user.
const PROFILE_STREAM: u64 = 16;
const SUBSCRIPTION_STREAM: u64 = 17;

const PAID_FLAG: u8 = 1;
const PLAYED_FLAG: u8 = 2;

/// All users, by number from 0.
pub(super) struct UserPool {
    seed: u64,
    flags: Vec<u8>,
}

impl UserPool {
    /// Creates `users` users, of whom most of the busiest have a subscription.
    pub(super) fn new(seed: u64, users: u64) -> Self {
        let paid_percent = |user| if user < 1 + users / 8 { 70 } else { 15 };
        let flags = (0..users)
            .map(|user| {
                u8::from(Rng::new(seed, SUBSCRIPTION_STREAM, user).chance(paid_percent(user)))
                    * PAID_FLAG
            })
            .collect();
        Self { seed, flags }
    }

    pub(super) fn count(&self) -> u64 {
        self.flags.len() as u64
    }

    pub(super) fn is_paid(&self, user: usize) -> bool {
        self.flags
            .get(user)
            .is_some_and(|flags| flags & PAID_FLAG != 0)
    }

    /// Begins or ends a user's subscription.
    pub(super) fn set_paid(&mut self, user: usize, is_paid: bool) {
        if let Some(flags) = self.flags.get_mut(user) {
            *flags = if is_paid {
                *flags | PAID_FLAG
            } else {
                *flags & !PAID_FLAG
            };
        }
    }

    /// Marks the user as having a play.
    pub(super) fn mark_played(&mut self, user: usize) {
        if let Some(flags) = self.flags.get_mut(user) {
            *flags |= PLAYED_FLAG;
        }
    }

    /// Returns the number of users with a play.
    pub(super) fn count_with_plays(&self) -> u64 {
        self.flags
            .iter()
            .filter(|flags| *flags & PLAYED_FLAG != 0)
            .count() as u64
    }
}

/// A page of the site.
#[derive(Clone, Copy, Default, PartialEq, Eq)]
pub(super) enum SitePage {
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

impl SitePage {
    /// Returns the JSON of `method` and `page` in a record, and the HTTP status.
    pub(super) fn json_and_status(self) -> (&'static str, &'static str) {
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

    /// Returns the page that the user visits next. A user who is logged out sees only Login, Home, Help and About.
    fn next(self, rng: &mut Rng, logged_in: bool, is_paid: bool) -> Self {
        match self {
            Self::Upgrade if rng.chance(40) => Self::SubmitUpgrade,
            Self::Downgrade if rng.chance(4) => Self::SubmitDowngrade,
            Self::Settings if rng.chance(20) => Self::SaveSettings,
            Self::SubmitUpgrade | Self::SubmitDowngrade | Self::Logout | Self::Login => Self::Home,
            _ if logged_in => match rng.below(1000) {
                0..924 => Self::NextSong,
                924..966 => Self::Home,
                966..976 => Self::Logout,
                976..984 if is_paid => Self::Downgrade,
                976..984 => Self::Upgrade,
                984..990 => Self::Settings,
                990..995 => Self::Help,
                995..999 => Self::About,
                _ => Self::Error,
            },
            _ => match rng.below(100) {
                0..45 => Self::Login,
                45..90 => Self::Home,
                90..95 => Self::Help,
                _ => Self::About,
            },
        }
    }
}

/// One session of a user.
#[derive(Default)]
pub(super) struct UserSession {
    /// Session id, counted from 1.
    pub id: u64,
    pub user: usize,
    pub item_in_session: u64,
    pub page: SitePage,
    pub is_logged_in: bool,
    /// Number of events until the session is over.
    events_left: u64,
    /// JSON between the values of `artist` and `itemInSession`.
    pub name_json: Vec<u8>,
    /// JSON between the values of `itemInSession` and `length`.
    pub last_name_json: Vec<u8>,
    /// JSON between the values of `level` and `method`.
    pub location_json: Vec<u8>,
    /// JSON between the values of `page` and `song`.
    pub registration_json: Vec<u8>,
    /// JSON from the value of `ts` to the end of the record.
    pub user_agent_json: Vec<u8>,
}

impl UserSession {
    pub(super) fn is_over(&self) -> bool {
        self.events_left == 0
    }

    /// Replaces this session by a new one of `user`, on its first page.
    pub(super) fn start(&mut self, rng: &mut Rng, users: &UserPool, user: u64, id: u64) {
        self.id = id;
        self.user = user as usize; // below the length of a Vec
        self.item_in_session = 0;
        self.events_left = 1 + rng.zipf(40) + rng.below(3) * 2;
        self.is_logged_in = !rng.chance(8);
        self.page = if rng.chance(if self.is_logged_in { 45 } else { 75 }) {
            SitePage::Home
        } else {
            SitePage::Login
        };
        if self.is_logged_in && self.page == SitePage::Login {
            self.page = SitePage::NextSong;
        }
        self.render_json(users.seed, user, id);
    }

    /// Applies the effect of the current page, such as a login, and moves on to the next page.
    pub(super) fn advance(&mut self, rng: &mut Rng, users: &mut UserPool) {
        match self.page {
            SitePage::Login => self.is_logged_in = true,
            SitePage::Logout => self.is_logged_in = false,
            SitePage::SubmitUpgrade => users.set_paid(self.user, true),
            SitePage::SubmitDowngrade => users.set_paid(self.user, false),
            _ => {}
        }
        self.item_in_session += 1;
        self.events_left = self.events_left.saturating_sub(1);
        self.page = self
            .page
            .next(rng, self.is_logged_in, users.is_paid(self.user));
    }

    fn render_json(&mut self, seed: u64, user: u64, id: u64) {
        let mut rng = Rng::new(seed, PROFILE_STREAM, user);

        self.name_json.clear();
        push(&mut self.name_json, r#","auth":"Logged In","firstName":""#);
        push(&mut self.name_json, rng.choose(FIRST_NAMES));
        push(&mut self.name_json, r#"","gender":""#);
        push(&mut self.name_json, rng.choose(&["F", "M"]));
        push(&mut self.name_json, r#"","itemInSession":"#);

        self.last_name_json.clear();
        push(&mut self.last_name_json, r#","lastName":""#);
        push(&mut self.last_name_json, rng.choose(LAST_NAMES));
        push(&mut self.last_name_json, r#"","length":"#);

        self.location_json.clear();
        push(&mut self.location_json, r#","location":""#);
        push(&mut self.location_json, rng.choose(CITIES));
        if rng.chance(60) {
            self.location_json.push(b'-');
            push(&mut self.location_json, rng.choose(CITIES));
        }
        push(&mut self.location_json, ", ");
        push(&mut self.location_json, rng.choose(REGIONS));
        push(&mut self.location_json, r#"","method":"#);

        self.registration_json.clear();
        push(&mut self.registration_json, r#","registration":"#);
        push_number(
            &mut self.registration_json,
            1_536_000_000_000 + rng.below(5_000_000_000),
        );
        push(&mut self.registration_json, r#".0,"sessionId":"#);
        push_number(&mut self.registration_json, id);
        push(&mut self.registration_json, r#","song":"#);

        self.user_agent_json.clear();
        push(
            &mut self.user_agent_json,
            r#","userAgent":"\"Mozilla\/5.0 ("#,
        );
        push(&mut self.user_agent_json, rng.choose(PLATFORMS));
        push(
            &mut self.user_agent_json,
            r") AppleWebKit\/537.36 (KHTML, like Gecko) Chrome\/",
        );
        push_number(&mut self.user_agent_json, 58 + rng.below(13));
        push(&mut self.user_agent_json, ".0.");
        push_number(&mut self.user_agent_json, 3000 + rng.below(540));
        push(
            &mut self.user_agent_json,
            r#" Safari\/537.36\"","userId":""#,
        );
        push_number(&mut self.user_agent_json, user + 1);
        push(&mut self.user_agent_json, r#""}"#);
    }
}
