//! Runs the requests of an AWS client on threads of their own.

use std::io;

use tokio::runtime::{Handle, Runtime};
use tokio::task::JoinHandle;

/// The threads of a client. Callers on other threads block until their requests are done.
#[derive(Debug)]
pub(crate) struct AwsRuntime {
    handle: Handle,
    /// Stopped when the client is dropped.
    runtime: Option<Runtime>,
}

impl AwsRuntime {
    /// Starts the threads.
    ///
    /// # Errors
    /// Returns an error if they cannot be started.
    pub(crate) fn start(thread_name: &str) -> io::Result<Self> {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(worker_threads())
            .thread_name(thread_name)
            .enable_all()
            .build()?;
        Ok(Self {
            handle: runtime.handle().clone(),
            runtime: Some(runtime),
        })
    }

    /// Runs a future to completion. Must not be called on one of the runtime's own threads.
    pub(crate) fn block_on<F: Future>(&self, work: F) -> F::Output {
        self.handle.block_on(work)
    }

    /// Spawns a future on the threads.
    pub(crate) fn spawn<F>(&self, work: F) -> JoinHandle<F::Output>
    where
        F: Future<Output: Send> + Send + 'static,
    {
        self.handle.spawn(work)
    }
}

impl Drop for AwsRuntime {
    fn drop(&mut self) {
        // The last owner can be a canceled request on one of the runtime's own threads, which must not wait
        // for the runtime to shut down.
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}

/// Returns the number of threads for network I/O. On a fast network TLS keeps them busy.
fn worker_threads() -> usize {
    std::thread::available_parallelism().map_or(2, |n| n.get().div_ceil(2).max(2))
}
