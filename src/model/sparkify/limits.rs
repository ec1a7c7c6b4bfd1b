//! The limits of VARCHAR columns, in bytes. The decoder uses the same limits to reject longer texts.

pub(super) const ID_BYTES: usize = 32;
pub(super) const SHORT_TEXT_BYTES: usize = 16;
pub(super) const NAME_BYTES: usize = 256;
pub(super) const TITLE_BYTES: usize = 1024;
pub(super) const LOCATION_BYTES: usize = 512;
pub(super) const USER_AGENT_BYTES: usize = 1024;
pub(super) const RUN_ID_BYTES: usize = 64;
pub(super) const OBJECT_KIND_BYTES: usize = 16;
pub(super) const USER_NAME_BYTES: usize = 128;
pub(super) const OBJECT_NAME_BYTES: usize = 4096;
