//! Says what is not known of a run that ends while it publishes.

/// What is not known if the process ends while it waits for the publication.
pub(crate) const UNKNOWN_PUBLICATION: &str =
    "it is unknown whether the dataset was published: run again, which is safe";
