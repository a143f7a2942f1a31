//! tokio's blocking pool: spawn_blocking, whose handle is awaited with block_on.

use cell::{Pool, Subject, Variant};
use std::sync::Arc;
use std::time::Duration;
use tokio::runtime::{Builder, Handle, Runtime};
use tokio::task::JoinHandle;

#[derive(Clone)]
struct Blocking(Arc<Runtime>);

struct Value {
    handle: JoinHandle<usize>,
    runtime: Handle,
}

impl cell::Result for Value {
    fn wait(self) -> usize {
        self.runtime.block_on(self.handle).expect("the task ended")
    }
    fn wait_timed(self) -> usize {
        let hour = Duration::from_secs(3600);
        let Value { handle, runtime } = self;
        runtime
            .block_on(async { tokio::time::timeout(hour, handle).await })
            .expect("in time")
            .expect("the task ended")
    }
    fn poll(&self) -> bool {
        self.handle.is_finished()
    }
}

impl Pool for Blocking {
    const SUBJECT: Subject = Subject {
        name: "tokio",
        version: env!("CRATE_VERSION"),
        notes: "spawn_blocking: one mutex and queue, unbounded; no spinning; threads on demand, idle ones end \
                after 10 s; a handle each; end: counted",
        patterns: &["block", "timed", "poll", "nested", "signal"],
        variants: &[Variant {
            name: "default",
            notes: "max_blocking_threads = workers",
            full: "grows",
            order: "fifo",
        }],
    };
    type Future = Value;

    fn open(workers: usize, _variant: &str) -> Self {
        let built = Builder::new_current_thread().enable_time().max_blocking_threads(workers).build();
        Blocking(Arc::new(built.expect("a runtime")))
    }

    fn submit<F: FnOnce() + Send + 'static>(&self, task: F) {
        drop(self.0.spawn_blocking(task)); // it runs all the same
    }

    fn call<F: FnOnce() -> usize + Send + 'static>(&self, call: F) -> Value {
        Value { handle: self.0.spawn_blocking(call), runtime: self.0.handle().clone() }
    }

    fn call_inside<F: FnOnce() -> usize + Send + 'static>(call: F) -> usize {
        let runtime = Handle::current();
        runtime.block_on(runtime.spawn_blocking(call)).expect("the task ended")
    }
}

fn main() {
    cell::main::<Blocking>()
}
