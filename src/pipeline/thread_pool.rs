//! Creates pools of worker threads.

use crate::error::{Error, Result};

/// Creates a pool of worker threads.
pub(super) fn build_thread_pool(threads: usize) -> Result<rayon::ThreadPool> {
    rayon::ThreadPoolBuilder::new()
        .num_threads(threads)
        .thread_name(|index| format!("worker-{index}"))
        .build()
        .map_err(|e| Error::failed(format!("cannot start {threads} threads")).with_source(e))
}
