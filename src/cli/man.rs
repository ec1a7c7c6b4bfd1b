//! `sparkify man`: writes the manual pages.

use std::fs;
use std::path::{Path, PathBuf};

use clap::Command;

use super::args::location::dir_parser;
use super::help;
use super::render::man_page::man_page;
use super::render::numbers::pluralize;
use super::stdout::print;
use crate::error::{Error, Result};

/// Write the manual pages
///
/// Writes sparkify.1, and a page such as sparkify-run.1 for each command, into DIR, which is created if it
/// does not exist. Pages of these names are replaced. Without DIR, prints the page of sparkify itself.
#[derive(Debug, clap::Args)]
#[command(after_long_help = help::with_exit_codes(EXAMPLES))]
pub(super) struct ManArgs {
    /// Folder for the pages
    #[arg(value_name = "DIR", value_parser = dir_parser())]
    dir: Option<PathBuf>,
}

const EXAMPLES: &str = r"Examples:
  sparkify man ~/.local/share/man/man1
  sparkify man /usr/local/share/man/man1
  sparkify man | man -l -";

/// Writes the pages of `root`, which is `sparkify` with all of its commands.
pub(super) fn main(args: &ManArgs, root: Command) -> Result<()> {
    let mut root = root.disable_help_subcommand(true);
    root.build();
    match &args.dir {
        None => print(&man_page(&root, None)),
        Some(dir) => {
            fs::create_dir_all(dir).map_err(|e| Error::io("cannot create", dir, e))?;
            let pages = write_pages(dir, &root, None)?;
            let pages = pluralize(pages, "manual page");
            print(&format!("{pages} written to {}\n", dir.display()))
        }
    }
}

/// Writes the page of a command and those of its subcommands, and returns their number.
fn write_pages(dir: &Path, command: &Command, parent: Option<&Command>) -> Result<usize> {
    let name = command.get_display_name().unwrap_or(command.get_name());
    let path = dir.join(format!("{name}.1"));
    fs::write(&path, man_page(command, parent)).map_err(|e| Error::io("cannot write", &path, e))?;
    let below = command.get_subcommands();
    let below = below.map(|subcommand| write_pages(dir, subcommand, Some(command)));
    Ok(1 + below.sum::<Result<usize>>()?)
}
