//! Says what a command leaves on AWS if it is stopped or loses the connection.

use std::cell::RefCell;

use crate::error::{ErrorKind, Result};
use crate::interrupt::{CanStop, set_leftovers};

/// What is left at the moment, in a sentence that also says what to do.
#[derive(Debug)]
pub(super) struct Leftovers {
    text: RefCell<String>,
}

impl Leftovers {
    /// Begins with a command that has changed nothing.
    pub(super) fn nothing() -> Self {
        let leftovers = Self {
            text: RefCell::default(),
        };
        leftovers.set("nothing was changed".to_owned());
        leftovers
    }

    /// Sets what is left from now on. Must come before the request that changes something.
    pub(super) fn set(&self, text: String) {
        set_leftovers(text.clone(), CanStop::Yes);
        *self.text.borrow_mut() = text;
    }

    /// Adds what is left to the error of a command that was stopped, or that failed for a reason that passes.
    pub(super) fn describe<T>(&self, result: Result<T>) -> Result<T> {
        result.map_err(|error| {
            let text = self.text.borrow().clone();
            match error.kind() {
                ErrorKind::Temporary => error.add_hint(text),
                _ => error.describe_stop(text),
            }
        })
    }
}
