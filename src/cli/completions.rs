//! `sparkify completions`: prints a completion script for a shell.

use clap_complete::Shell;

use super::help;
use super::stdout::print;
use crate::error::Result;

/// Print a completion script for a shell
///
/// With the script, the shell completes commands, flags and their values when Tab is pressed. It is for
/// this version of sparkify: print it again after an update. A new shell reads it from (create the folder first):
///
/// bash: ~/.local/share/bash-completion/completions/sparkify, if the package bash-completion is installed;
/// otherwise source the file in ~/.bashrc.
///
/// zsh: a file named _sparkify in a folder of $fpath. With ~/.zfunc, put fpath=(~/.zfunc $fpath) before
/// compinit in ~/.zshrc.
///
/// fish: ~/.config/fish/completions/sparkify.fish
///
/// powershell: the file that $PROFILE names.
///
/// elvish: ~/.config/elvish/rc.elv
#[derive(Debug, clap::Args)]
#[command(after_long_help = help::with_exit_codes(EXAMPLES))]
pub(super) struct CompletionsArgs {
    /// bash, zsh, fish, powershell or elvish
    #[arg(value_name = "SHELL", value_enum, hide_possible_values = true)]
    shell: Shell,
}

const EXAMPLES: &str = r"Examples:
  sparkify completions bash \
    > ~/.local/share/bash-completion/completions/sparkify
  sparkify completions zsh > ~/.zfunc/_sparkify
  sparkify completions fish > ~/.config/fish/completions/sparkify.fish";

/// Prints the script for `command`, which is `sparkify` with all of its commands.
pub(super) fn main(args: &CompletionsArgs, mut command: clap::Command) -> Result<()> {
    let name = command.get_name().to_owned();
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut command, name, &mut script);
    print(&String::from_utf8_lossy(&script))
}
