//! wait: round trips, with a window of them outstanding. signal is a channel of the standard library,
//! in place of the semaphore that other languages use; the rest are the pool's own futures.

use crate::instruments::{now, End, Histogram, Ledger, Usage};
use crate::{Cell, Pool, Result as Future};
use std::collections::VecDeque;
use std::sync::mpsc::{channel, Receiver};
use std::sync::Arc;

enum Coming<P: Pool> {
    Future(P::Future),
    Signal(Receiver<usize>),
}

pub fn run<P: Pool>(cell: &mut Cell) -> Result<(), End> {
    let pattern = cell.word("pattern").to_string();
    let window = cell.number("window", 1);
    let workers = cell.number("workers", 1);
    if !P::SUBJECT.patterns.contains(&pattern.as_str()) {
        return Err(End::Unsupported(format!("no pattern '{pattern}'")));
    }
    if P::SYNCHRONOUS && pattern != "signal" && window > 1 {
        return Err(End::Unsupported("one result at a time".into()));
    }
    let nested = pattern == "nested";
    if nested && !P::SYNCHRONOUS && window >= workers {
        return Err(End::Unsupported(
            "nested waits would use up its workers (needs workers > window)".into(),
        ));
    }
    let pool = P::open(workers, &cell.variant);
    let per_trip = if nested { 2 } else { 1 };
    let mut trips = Histogram::default();
    cell.epochs(1, |_, n, measured| {
        let mut unmeasured = Histogram::default();
        let ledger = Arc::new(Ledger::new(n * per_trip));
        let before = Usage::now();
        turn(&pool, &ledger, &pattern, n, window, if measured { &mut trips } else { &mut unmeasured })?;
        let used = Usage::now().since(before);
        ledger.check()?;
        Ok(used)
    })?;
    let n = cell.tasks as f64;
    cell.value("round_trips_per_s", n * 1e9 / cell.used.wall as f64);
    cell.value("round_trip_ns", trips.sum as f64 / trips.count as f64);
    cell.value("cpu_ns_per_round_trip", cell.used.cpu as f64 / n);
    cell.value("csw_per_round_trip", cell.used.csw as f64 / n);
    cell.hist.insert("round_trip".to_string(), trips.json());
    cell.tasks *= per_trip;
    Ok(())
}

/// Waits for the oldest, then starts another in its place.
fn turn<P: Pool>(
    pool: &P,
    ledger: &Arc<Ledger>,
    pattern: &str,
    n: usize,
    window: usize,
    trips: &mut Histogram,
) -> Result<(), End> {
    let mut ring: VecDeque<(usize, i64, Coming<P>)> = VecDeque::with_capacity(window);
    let mut begun = 0;
    while begun < n || !ring.is_empty() {
        if begun < n && ring.len() < window {
            let start = now();
            ring.push_back((begun, start, begin(pool, ledger, pattern, begun)));
            begun += 1;
            continue;
        }
        let (number, start, coming) = ring.pop_front().unwrap();
        let value = finish(coming, pattern);
        trips.record(now() - start);
        if value != number {
            return Err(End::Broken("wrong argument: a future brought the value of another call".into()));
        }
    }
    Ok(())
}

fn begin<P: Pool>(pool: &P, ledger: &Arc<Ledger>, pattern: &str, number: usize) -> Coming<P> {
    let ledger = ledger.clone();
    match pattern {
        "signal" => {
            let (sender, receiver) = channel();
            pool.submit(move || {
                ledger.run(number, 0);
                let _ = sender.send(number);
            });
            Coming::Signal(receiver)
        }
        "nested" => Coming::Future(pool.call(move || {
            ledger.run(2 * number, 0);
            P::call_inside(move || {
                ledger.run(2 * number + 1, 0);
                number
            })
        })),
        _ => Coming::Future(pool.call(move || {
            ledger.run(number, 0);
            number
        })),
    }
}

fn finish<P: Pool>(coming: Coming<P>, pattern: &str) -> usize {
    match coming {
        Coming::Signal(receiver) => receiver.recv().unwrap(),
        Coming::Future(future) if pattern == "timed" => future.wait_timed(),
        Coming::Future(future) => {
            while pattern == "poll" && !future.poll() {
                std::thread::yield_now();
            }
            future.wait()
        }
    }
}
