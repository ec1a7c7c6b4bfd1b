//! Manual pages: the long help of a command in the format of man(7).

use std::io;

use clap::Command;
use clap_mangen::Man;
use clap_mangen::roff::{Roff, roman};

/// Returns the manual page of a command, which must be built; `parent` is the command that it belongs to.
pub(crate) fn man_page(command: &Command, parent: Option<&Command>) -> String {
    let mut page = Vec::new();
    // Writing to a Vec does not fail.
    let _ = write_page(&mut page, command, parent);
    let page = String::from_utf8_lossy(&page);
    // Each section begins with the same definitions, which are needed once.
    let (definitions, _) = page.split_once(".TH").unwrap_or_default();
    let page = definitions.to_owned() + &page.replace(definitions, "");
    // Paragraphs of an option are separated by an empty line, which is not portable.
    page.replace("\n\n", "\n.sp\n")
}

fn write_page(to: &mut Vec<u8>, command: &Command, parent: Option<&Command>) -> io::Result<()> {
    let usage = command.clone().render_usage().to_string();
    let usage = usage.trim_start_matches("Usage: ").to_owned();
    let name = command.get_display_name().unwrap_or(command.get_name());
    let man = Man::new(command.clone().override_usage(usage))
        .title(name.to_uppercase())
        // Without a date, a page is the same whenever it is written. The argument must not be missing.
        .date("\"\"")
        .source(concat!("sparkify ", env!("CARGO_PKG_VERSION")))
        .manual("sparkify manual");
    man.render_title(to)?;
    man.render_name_section(to)?;
    man.render_synopsis_section(to)?;
    man.render_description_section(to)?;
    if command.get_subcommands().next().is_some() {
        man.render_subcommands_section(to)?;
    }
    man.render_options_section(to)?;
    let end = command.get_after_long_help();
    let end = end.map(ToString::to_string).unwrap_or_default();
    for block in end.split("\n\n") {
        write_block(to, block)?;
    }
    if let Some(parent) = parent {
        let name = parent.get_display_name().unwrap_or(parent.get_name());
        let mut section = Roff::new();
        section.control("SH", ["SEE ALSO"]);
        section.text([roman(format!("{name}(1)"))]);
        section.to_writer(to)?;
    }
    Ok(())
}

/// Writes a section with a block of lines from the end of the help, whose line breaks it keeps.
fn write_block(to: &mut Vec<u8>, block: &str) -> io::Result<()> {
    let (heading, lines) = match block.split_once(':') {
        Some(("Examples", lines)) => ("EXAMPLES", lines),
        Some(("Exit codes", lines)) => ("EXIT STATUS", lines),
        _ => ("NOTES", block),
    };
    let mut section = Roff::new();
    section.control("SH", [heading]);
    section.control("nf", []);
    for line in lines.trim_start_matches([' ', '\n']).lines() {
        let line = line.strip_prefix("  ").unwrap_or(line);
        section.text([roman(line.trim_end())]);
    }
    section.control("fi", []);
    section.to_writer(to)
}
