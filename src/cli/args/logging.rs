//! Arguments about the log, which every command has.

/// What is logged, and how.
#[derive(Debug, clap::Args)]
#[command(next_help_heading = "Logging")]
pub(crate) struct LogArgs {
    /// Log what the command does; -vv logs details
    ///
    /// Log lines go to stderr. -v logs the steps of a command and the requests and transactions that are
    /// retried, -vv also the beginning of SQL statements and timings. RUST_LOG takes precedence;
    /// RUST_LOG=sparkify=trace logs complete SQL.
    #[arg(long, short, global = true, action = clap::ArgAction::Count)]
    pub verbose: u8,
    /// Format of log lines: text or json
    ///
    /// With json, each line on stderr is one object, warnings, errors and summaries too.
    #[arg(
        long,
        value_name = "FORMAT",
        global = true,
        value_enum,
        default_value_t,
        hide_possible_values = true
    )]
    pub log_format: LogFormat,
}

/// The format of log lines.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum LogFormat {
    /// Time of day, level, span and message, for people.
    #[default]
    Text,
    /// One JSON object a line, for programs.
    Json,
}
