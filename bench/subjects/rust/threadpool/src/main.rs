//! The crate threadpool: execute and join.

use cell::{None_, Pool, Subject, Variant};
use threadpool::ThreadPool;

#[derive(Clone)]
struct Threads(ThreadPool);

impl Pool for Threads {
    const SUBJECT: Subject = Subject {
        name: "rust-threadpool",
        version: env!("CRATE_VERSION"),
        notes: "a channel, unbounded, whose receiver is behind a mutex; no spinning; a boxed closure each; no futures",
        patterns: &["signal"],
        variants: &[Variant { name: "default", notes: "execute; join waits", full: "grows", order: "fifo" }],
    };
    type Future = None_;

    fn open(workers: usize, _variant: &str) -> Self {
        Threads(ThreadPool::new(workers))
    }

    fn submit<F: FnOnce() + Send + 'static>(&self, task: F) {
        self.0.execute(task)
    }

    fn quiesce(&self) -> Option<()> {
        self.0.join();
        Some(())
    }
}

fn main() {
    cell::main::<Threads>()
}
