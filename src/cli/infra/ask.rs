//! Asks the user on the terminal before something is created, removed or replaced.

use std::io::{BufRead, IsTerminal, Write};

use super::render;
use crate::cli::console::print_info;
use crate::error::{Error, Result};
use crate::jobs::{Answer, InfraQuestion};

/// Whether the user is asked.
#[derive(Debug, Clone, Copy)]
pub(super) struct Consent {
    /// `--yes`: consents to the plan that is shown.
    pub(super) yes: bool,
    /// Whether plans are not shown.
    pub(super) quiet: bool,
}

impl Consent {
    /// Shows what is going to happen, and asks unless `--yes` consents.
    ///
    /// # Errors
    /// Returns an error if there is nobody to ask.
    pub(super) fn ask(self, question: &InfraQuestion<'_>) -> Result<Answer> {
        let is_terminal = std::io::stdin().is_terminal();
        let plan = match question {
            InfraQuestion::Up(plan) => Some(render::up_plan(plan)),
            InfraQuestion::Down(plan) => Some(render::down_plan(plan)),
            _ => None,
        };
        if let Some(plan) = &plan
            && !self.quiet
        {
            print_info(plan);
        }
        match question {
            InfraQuestion::Up(_) | InfraQuestion::Down(_) if self.yes => Ok(Answer::Yes),
            InfraQuestion::Up(_) | InfraQuestion::Down(_) if !is_terminal => {
                Err(Error::failed("nothing was changed")
                    .with_reason("stdin is not a terminal, so that nobody can be asked")
                    .with_hint("look at the plan, and use --yes to go on without confirmation"))
            }
            InfraQuestion::Up(_) => prompt("go on?"),
            InfraQuestion::Down(_) => prompt("remove all of this?"),
            // What --yes consents to is the plan, and neither of these is in it.
            _ if !is_terminal => Ok(Answer::No),
            InfraQuestion::RollBack { stack, reason } => {
                print_info(&format!("stack '{stack}' failed: {reason}"));
                prompt("remove what was created?")
            }
            InfraQuestion::ReplaceConfig(path) => prompt(&format!(
                "replace {}, which has other content?",
                path.display()
            )),
        }
    }
}

fn prompt(question: &str) -> Result<Answer> {
    let _ = write!(std::io::stderr(), "{question} [y/N] ");
    let mut answer = String::new();
    let read = std::io::stdin().lock().read_line(&mut answer);
    Ok(match (read, answer.trim()) {
        (Ok(_), "y" | "Y" | "yes") => Answer::Yes,
        _ => Answer::No,
    })
}
