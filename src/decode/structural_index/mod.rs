//! Indexes the structural characters of JSON text: those at which a string can end or needs a closer look.
//!
//! A structural character is a quote that is not escaped, a backslash that begins an escape, or a control
//! character (below U+0020). The index is built 64 bytes at a time, without a branch on the text and ahead
//! of the [scanner](super::scanner), which then jumps from one structural character to the next instead of
//! searching. Whether a quote is escaped depends only on the backslashes directly before it, not on
//! whether it is in a string. So the index is the same wherever the scanner begins.

mod block;
mod index;
mod window;
#[cfg(target_arch = "x86_64")]
mod x86;

pub(super) use index::StructuralIndex;
pub(crate) use index::instruction_set;
