//! rayon: spawn into a pool of its own, install for a value, a scope for a value inside a task.

use cell::{Pool, Subject, Variant};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::Arc;

#[derive(Clone)]
struct Rayon(Arc<rayon::ThreadPool>);

static FIFO: AtomicBool = AtomicBool::new(false);

/// install waits until the value is there.
struct Value(usize);

impl cell::Result for Value {
    fn wait(self) -> usize {
        self.0
    }
    fn wait_timed(self) -> usize {
        unreachable!("install waits for ever")
    }
    fn poll(&self) -> bool {
        true
    }
}

impl Pool for Rayon {
    const SUBJECT: Subject = Subject {
        name: "rayon",
        version: env!("CRATE_VERSION"),
        notes:
            "ThreadPool of its own; spawn allocates a job; spins, then sleeps; install waits for a value; \
                end: counted",
        patterns: &["block", "nested", "signal"],
        variants: &[
            Variant {
                name: "default",
                notes: "spawn: the newest task of a worker first",
                full: "grows",
                order: "any",
            },
            Variant { name: "fifo", notes: "spawn_fifo: the oldest first", full: "grows", order: "any" },
        ],
    };
    type Future = Value;
    const SYNCHRONOUS: bool = true;

    fn open(workers: usize, variant: &str) -> Self {
        FIFO.store(variant == "fifo", Ordering::Relaxed);
        let built = rayon::ThreadPoolBuilder::new().num_threads(workers).build();
        Rayon(Arc::new(built.expect("threads")))
    }

    fn submit<F: FnOnce() + Send + 'static>(&self, task: F) {
        if FIFO.load(Ordering::Relaxed) {
            self.0.spawn_fifo(task)
        } else {
            self.0.spawn(task)
        }
    }

    fn call<F: FnOnce() -> usize + Send + 'static>(&self, call: F) -> Value {
        Value(self.0.install(call))
    }

    const FORKS: bool = true;

    /// Two are a join, more a scope.
    fn children<F: Fn(usize) -> u64 + Sync>(n: usize, f: &F) -> u64 {
        match n {
            0 => 0,
            1 => f(0),
            2 => {
                let (a, b) = rayon::join(|| f(1), || f(0));
                a + b
            }
            _ => {
                let mut answers = [0; 32];
                let (last, spawned) = answers[..n].split_last_mut().unwrap();
                rayon::scope(|scope| {
                    for (i, answer) in spawned.iter_mut().enumerate() {
                        scope.spawn(move |_| *answer = f(i));
                    }
                    *last = f(n - 1);
                });
                answers[..n].iter().sum()
            }
        }
    }

    fn enter<F: FnOnce() -> u64 + Send>(&self, f: F) -> u64 {
        self.0.install(f)
    }

    fn call_inside<F: FnOnce() -> usize + Send + 'static>(call: F) -> usize {
        let mut value = 0;
        rayon::scope(|scope| scope.spawn(|_| value = call()));
        value
    }
}

fn main() {
    cell::main::<Rayon>()
}
