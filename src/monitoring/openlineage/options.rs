//! Defines where OpenLineage events go, and what they say about the surroundings of the job.

use std::path::PathBuf;

use uuid::Uuid;

use crate::monitoring::http::HttpTarget;

/// Where OpenLineage events go, and what they say about the surroundings of the job.
#[derive(Debug)]
pub(crate) struct LineageOptions {
    /// Where the events go.
    pub target: LineageTarget,
    /// The namespace of the job.
    pub namespace: String,
    /// The run that started this one, such as a task of a scheduler.
    pub parent: Option<ParentRun>,
}

/// Where OpenLineage events go.
#[derive(Debug)]
pub(crate) enum LineageTarget {
    /// A file, which gets a line for each event.
    File(PathBuf),
    /// A server, which gets a request for each event.
    Http(HttpTarget),
}

/// A run of another program.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ParentRun {
    pub(super) namespace: String,
    pub(super) job: String,
    pub(super) run: Uuid,
}

impl ParentRun {
    /// Parses `NAMESPACE/JOB/RUN`, the form in which schedulers pass it on. `RUN` is a UUID.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let mut parts = text.rsplitn(3, '/');
        let run = Uuid::try_parse(parts.next()?).ok()?;
        let job = parts.next()?.to_owned();
        let namespace = parts.next()?.to_owned();
        let is_complete = !job.is_empty() && !namespace.is_empty();
        is_complete.then_some(Self {
            namespace,
            job,
            run,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parents_have_three_parts() {
        let run = "01890c5b-6b9c-7a43-9c5d-0d3f4b1f8a11";
        let parent = ParentRun::parse(&format!("s3://lake/dag.task/{run}")).unwrap();
        assert_eq!(parent.namespace, "s3://lake");
        assert_eq!(
            (parent.job.as_str(), parent.run.to_string()),
            ("dag.task", run.to_owned())
        );
        for text in [
            "",
            run,
            &format!("job/{run}"),
            &format!("//{run}"),
            "namespace/job/7",
            "namespace/job/",
        ] {
            assert_eq!(ParentRun::parse(text), None, "{text}");
        }
    }
}
