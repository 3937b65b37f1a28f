//! The thread that asks.
//!
//! A connection lives on the runtime that opened it, and stands still when nobody drives that runtime. So every model
//! has a runtime of its own, on a thread of its own: whoever waits for an answer may be a plain thread, a thread of any
//! runtime, or a future of any runtime, and none of them is needed for the others' connections.

use std::future::Future;
use std::io;
use std::sync::mpsc;

use tokio::runtime::{Builder, Handle, Runtime};
use tokio::task::JoinHandle;

/// A runtime with one thread.
#[derive(Debug)]
pub(crate) struct Worker {
    handle: Handle,
    /// Always there until it is dropped.
    runtime: Option<Runtime>,
}

impl Worker {
    pub(crate) fn start() -> io::Result<Self> {
        let runtime = Builder::new_multi_thread().worker_threads(1).thread_name("mnemon-llm").enable_all().build()?;
        Ok(Self { handle: runtime.handle().clone(), runtime: Some(runtime) })
    }

    /// Works on the thread and blocks until it is done; `None` when the work panicked.
    pub(crate) fn block<T: Send + 'static>(&self, work: impl Future<Output = T> + Send + 'static) -> Option<T> {
        // Tokio's own ways to wait refuse to on threads of a runtime.
        let (sender, receiver) = mpsc::sync_channel(1);
        self.handle.spawn(async move {
            let _ = sender.send(work.await);
        });
        receiver.recv().ok()
    }

    /// Works on the thread, and stops where nobody waits any longer; `None` when the work panicked.
    pub(crate) async fn run<T: Send + 'static>(&self, work: impl Future<Output = T> + Send + 'static) -> Option<T> {
        let mut task = Task(self.handle.spawn(work));
        (&mut task.0).await.ok()
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            // Waiting for it is refused on threads of a runtime, and there is nothing to wait for: whoever asks holds
            // the worker.
            runtime.shutdown_background();
        }
    }
}

/// Work that ends when it is dropped.
struct Task<T>(JoinHandle<T>);

impl<T> Drop for Task<T> {
    fn drop(&mut self) {
        self.0.abort();
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicBool, Ordering};
    use std::time::Duration;

    use super::*;

    #[test]
    fn it_works_from_a_thread_and_from_a_runtime() {
        let worker = Worker::start().unwrap();
        let name = async { std::thread::current().name().unwrap_or_default().to_owned() };
        assert_eq!(worker.block(name).unwrap(), "mnemon-llm");
        let runtime = Builder::new_current_thread().build().unwrap();
        runtime.block_on(async {
            // Without a timer of its own: the timer is the worker's.
            let slept = async { tokio::time::sleep(Duration::from_millis(1)).await };
            assert_eq!(worker.block(slept), Some(()));
            let slept = async { tokio::time::sleep(Duration::from_millis(1)).await };
            assert_eq!(worker.run(slept).await, Some(()));
            drop(worker);
        });
    }

    #[test]
    fn a_panic_is_told_to_whoever_waits() {
        let worker = Worker::start().unwrap();
        assert_eq!(worker.block(async { assert_eq!(1, 2) }), None);
        let runtime = Builder::new_current_thread().build().unwrap();
        assert_eq!(runtime.block_on(worker.run(async { assert_eq!(1, 2) })), None);
        assert_eq!(worker.block(async { 3 }), Some(3));
    }

    #[test]
    fn work_that_nobody_waits_for_stops() {
        struct Flag(Arc<AtomicBool>);
        impl Drop for Flag {
            fn drop(&mut self) {
                self.0.store(true, Ordering::SeqCst);
            }
        }
        let worker = Worker::start().unwrap();
        let stopped = Arc::new(AtomicBool::new(false));
        let flag = Flag(Arc::clone(&stopped));
        let runtime = Builder::new_current_thread().enable_time().build().unwrap();
        runtime.block_on(async {
            let work = worker.run(async move {
                let _flag = flag;
                std::future::pending::<()>().await;
            });
            assert!(tokio::time::timeout(Duration::from_millis(20), work).await.is_err());
        });
        // The worker ends it when it next comes to it.
        for _ in 0..1000 {
            worker.block(async {});
            if stopped.load(Ordering::SeqCst) {
                return;
            }
            std::thread::sleep(Duration::from_millis(1));
        }
        panic!("the work goes on");
    }
}
