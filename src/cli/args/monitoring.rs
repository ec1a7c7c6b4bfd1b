//! Arguments about who is told how a run or a load went.

use std::env;
use std::ffi::OsString;
use std::path::PathBuf;

use secrecy::{ExposeSecret, SecretString};

use crate::error::{Error, Result};
use crate::monitoring::{HttpTarget, LineageOptions, LineageTarget, MonitoringOptions, ParentRun};
use crate::observer::Observer;

/// Where the end of a run or a load is reported. A dry run reports nothing.
#[derive(Debug, Default, clap::Args)]
#[command(next_help_heading = "Monitoring")]
pub(crate) struct MonitoringArgs {
    /// Write metrics in the format of Prometheus
    ///
    /// For the textfile collector of node_exporter, which reads files that end in .prom. The file is
    /// replaced in one step when the command ends, also after a failure.
    #[arg(long, value_name = "FILE")]
    metrics: Option<PathBuf>,
    /// Report the run as OpenLineage events
    ///
    /// Appends a line for each event to a file, or posts each event to a server; a URL without a path gets
    /// /api/v1/lineage. A server that cannot be reached is a warning. OPENLINEAGE_API_KEY,
    /// OPENLINEAGE_NAMESPACE and OPENLINEAGE_PARENT_ID apply.
    #[arg(long, value_name = "FILE|URL")]
    openlineage: Option<OsString>,
    /// URL to post a message to after a failure
    ///
    /// Posts JSON with a text, as Slack and Mattermost take it, if the command fails or too much is
    /// rejected, but not if a signal stops it. Messages show only the host of the URL.
    ///
    /// [default: SPARKIFY_WEBHOOK, which process lists do not show]
    // Not parsed here, because the argument parser would repeat an invalid URL, which is a secret.
    #[arg(long, value_name = "URL")]
    webhook: Option<SecretString>,
}

impl MonitoringArgs {
    /// Returns the options, with what the environment adds. A parent run that cannot be used is a warning.
    ///
    /// # Errors
    /// Returns an error if a URL or a variable is not valid.
    pub(crate) fn to_options(&self, observer: &dyn Observer) -> Result<MonitoringOptions> {
        Ok(MonitoringOptions {
            metrics: self.metrics.clone(),
            lineage: match &self.openlineage {
                Some(target) => Some(lineage_options(target, observer)?),
                None => None,
            },
            webhook: self.webhook()?,
        })
    }

    fn webhook(&self) -> Result<Option<HttpTarget>> {
        const VARIABLE: &str = "SPARKIFY_WEBHOOK";
        let (source, url) = match &self.webhook {
            Some(url) => ("--webhook", url.clone()),
            None => match variable(VARIABLE)? {
                Some(url) => (VARIABLE, url.into()),
                None => return Ok(None),
            },
        };
        let target = HttpTarget::parse(url.expose_secret());
        target.map(Some).map_err(|reason| invalid(source, reason))
    }
}

fn lineage_options(target: &OsString, observer: &dyn Observer) -> Result<LineageOptions> {
    const KEY: &str = "OPENLINEAGE_API_KEY";
    let url = target.to_str().filter(|text| text.contains("://"));
    let target = match url {
        None => LineageTarget::File(target.into()),
        Some(url) => {
            let target = HttpTarget::parse(url).map_err(|reason| {
                invalid("--openlineage", reason).with_hint("or give the path of a file")
            })?;
            let target = target.with_default_path("/api/v1/lineage");
            LineageTarget::Http(match variable(KEY)? {
                Some(key) => target
                    .with_bearer_token(key.trim().into())
                    .map_err(|reason| invalid(KEY, reason))?,
                None => target,
            })
        }
    };
    let namespace = variable("OPENLINEAGE_NAMESPACE")?;
    Ok(LineageOptions {
        target,
        namespace: namespace.unwrap_or_else(|| "sparkify".to_owned()),
        parent: parent_run(observer)?,
    })
}

/// Returns the run that started this one. Schedulers set the variable for all their tasks, so that a value in another form
/// is ignored as other programs ignore it.
fn parent_run(observer: &dyn Observer) -> Result<Option<ParentRun>> {
    const VARIABLE: &str = "OPENLINEAGE_PARENT_ID";
    let Some(text) = variable(VARIABLE)? else {
        return Ok(None);
    };
    let parent = ParentRun::parse(&text);
    if parent.is_none() {
        observer.warn(&format!(
            "{VARIABLE} is ignored: expected NAMESPACE/JOB/RUN, with a UUID as RUN"
        ));
    }
    Ok(parent)
}

/// Returns the value of a variable, unless it is empty.
fn variable(name: &str) -> Result<Option<String>> {
    let value = env::var_os(name).filter(|value| !value.is_empty());
    let value = value.map(OsString::into_string).transpose();
    value.map_err(|_| invalid(name, "its value is not UTF-8 text"))
}

/// Returns the error for a flag or a variable. It does not show the value, which may be a secret.
fn invalid(source: &str, reason: &str) -> Error {
    Error::usage(format!("cannot use {source}")).with_reason(reason)
}
