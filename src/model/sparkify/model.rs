//! The model itself.

use super::merge_state::{
    LOAD_HISTORY, SOURCE_OBJECTS, STATE_ARTISTS, STATE_SONGPLAYS, STATE_SONGS, STATE_USERS,
};
use super::records::{EVENT_RECORD, SONG_RECORD};
use super::star_tables::{ARTISTS, SONGPLAYS, SONGS, TIME, USERS};
use crate::model::star::Model;

/// The star schema of Sparkify.
pub static SPARKIFY: Model = Model {
    name: "sparkify",
    records: &[&SONG_RECORD, &EVENT_RECORD],
    star: &[&SONGPLAYS, &USERS, &SONGS, &ARTISTS, &TIME],
    merge_state: &[
        &SOURCE_OBJECTS,
        &STATE_USERS,
        &STATE_ARTISTS,
        &STATE_SONGS,
        &STATE_SONGPLAYS,
    ],
    load_history: &LOAD_HISTORY,
};
