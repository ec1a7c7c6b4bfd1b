//! The built-in model: the star schema of the music streaming company Sparkify.

mod limits;
mod merge_state;
mod model;
mod records;
mod star_tables;
#[cfg(test)]
mod tests;

pub use merge_state::{
    LOAD_HISTORY, SOURCE_OBJECTS, STATE_ARTISTS, STATE_SONGPLAYS, STATE_SONGS, STATE_USERS,
};
pub use model::SPARKIFY;
pub use records::{EVENT_RECORD, SONG_RECORD};
pub use star_tables::{ARTISTS, SONGPLAYS, SONGS, TIME, USERS};
