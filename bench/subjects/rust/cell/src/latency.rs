//! latency: open loop. The schedule is fixed by the seed, each latency runs from the intended moment,
//! and the figures are refused by the rules of bench/workloads/latency.c.

use crate::instruments::{now, End, Histogram, Ledger, Usage};
use crate::schedule::{self, Random};
use crate::{Cell, Pool, EPOCH_MAX};
use std::sync::atomic::{AtomicI64, Ordering::Relaxed};
use std::sync::Arc;
use std::time::Duration;

const SPIN_NS: i64 = 100_000; // sleeps until this close to an arrival
const LAG_ALLOWED_NS: i64 = 10_000;

#[derive(Default)]
struct Arrival {
    intended: i64,
    service: i64,
    submitted: i64,
    accepted: i64,
    steps: u64,
    started: AtomicI64,
    ended: AtomicI64,
}

/// Two parts, the first of which warms up; each is exact by itself and has a stream of its own, as in
/// bench/workloads/latency.c.
fn schedule(cell: &Cell, rate: f64, first: usize, n: usize) -> Vec<Arrival> {
    let mean = cell.number("service_ns", 20_000) as f64;
    let mut arrivals = Vec::with_capacity(n);
    for (part, seed) in [(first, cell.seed ^ 2), (n - first, cell.seed)] {
        let mut random = Random::new(seed);
        let start = arrivals.last().map_or(0, |last: &Arrival| last.intended);
        let moments = schedule::arrivals(cell.word("arrivals"), part, rate, &mut random);
        let services = schedule::services(cell.word("service"), part, mean, &mut random);
        for (at, service) in moments.into_iter().zip(services) {
            let steps = cell.work.steps(service as f64);
            arrivals.push(Arrival { intended: start + at, service, steps, ..Arrival::default() });
        }
    }
    arrivals
}

pub fn run<P: Pool>(cell: &mut Cell) -> Result<(), End> {
    cell.only("arrivals", &["poisson", "constant", "burst"])?;
    cell.only("service", &["constant", "exponential", "bimodal", "pareto"])?;
    cell.only("notify", &["none"])?;
    let workers = cell.number("workers", 1);
    let cpus = std::thread::available_parallelism().map_or(1, usize::from);
    let servers = workers.min(cpus) as f64;
    let service = cell.number("service_ns", 20_000) as f64;
    let rate = match cell.number("rate_per_s", 0) {
        0 => cell.number("utilisation", 80) as f64 / 100.0 * servers * 1e9 / service,
        given => given as f64,
    };
    let warm = (rate * cell.warmup as f64 / 1e9).ceil() as usize;
    let all = warm + (rate * cell.measure as f64 / 1e9).ceil() as usize;
    let n = all.min(EPOCH_MAX);
    let first = if all > n { warm.min(n / 2) } else { warm };
    if n < first + 2 {
        return Err(End::Invalid("fewer than two arrivals in the time given".into()));
    }
    let pool = P::open(workers, &cell.variant);
    let planned = schedule(cell, rate, first, n);
    let start = if first > 0 { planned[first - 1].intended } else { 0 };
    cell.value("schedule_ns", (planned[n - 1].intended - start) as f64);
    cell.value("schedule_work_ns", planned[first..].iter().map(|a| a.service).sum::<i64>() as f64);
    let (arrivals, used) = generate(&pool, cell, planned, first)?;
    if workers >= cpus {
        cell.doubts.push("the generator shares its CPU with a worker".into());
    }
    report(cell, &arrivals, first, servers, used)
}

/// Sleeps until shortly before the moment, then looks at the clock.
pub fn wait_until(moment: i64) {
    loop {
        match moment - now() {
            left if left <= 0 => return,
            left if left > SPIN_NS => std::thread::sleep(Duration::from_nanos((left - SPIN_NS) as u64)),
            _ => std::thread::yield_now(),
        }
    }
}

/// Submits every task at its moment, or at once when that has passed.
fn generate<P: Pool>(
    pool: &P,
    cell: &Cell,
    arrivals: Vec<Arrival>,
    first: usize,
) -> Result<(Arc<Vec<Arrival>>, Usage), End> {
    let ledger = Arc::new(Ledger::new(arrivals.len()));
    let mut stamps = Vec::with_capacity(arrivals.len());
    let shared = Arc::new(arrivals);
    let origin = now() + 1_000_000;
    let mut from = Usage::default();
    for (i, arrival) in shared.iter().enumerate() {
        if i == first {
            from = Usage::now();
        }
        let moment = origin + arrival.intended;
        wait_until(moment);
        let submitted = now();
        let (ledger, all) = (ledger.clone(), shared.clone());
        pool.submit(move || {
            all[i].started.store(now(), Relaxed);
            let steps = all[i].steps;
            crate::instruments::spin(steps);
            all[i].ended.store(now(), Relaxed);
            drop(all);
            ledger.run(i, 0);
        });
        stamps.push((moment, submitted, now()));
    }
    ledger.wait_for(shared.len() as u64, now() + cell.deadline / 2)?;
    let used = Usage::now().since(from);
    ledger.check()?;
    let told = shared.iter().zip(stamps).map(|(a, (intended, submitted, accepted))| Arrival {
        intended,
        submitted,
        accepted,
        service: a.service,
        steps: a.steps,
        started: AtomicI64::new(a.started.load(Relaxed)),
        ended: AtomicI64::new(a.ended.load(Relaxed)),
    });
    Ok((Arc::new(told.collect()), used))
}

fn report(cell: &mut Cell, all: &[Arrival], first: usize, servers: f64, used: Usage) -> Result<(), End> {
    let counted = &all[first..];
    let names = ["total", "queue", "service", "lag"];
    let mut hists = names.map(|_| Histogram::default());
    let (mut totals, mut own_lags) = (Vec::new(), Vec::new());
    let (begin, last) = (counted[0].intended, all[all.len() - 1].intended);
    let (mut end, mut busy) = (last, 0);
    for (i, a) in all.iter().enumerate().skip(first) {
        let (started, ended) = (a.started.load(Relaxed), a.ended.load(Relaxed));
        let free = if i > 0 { all[i - 1].accepted.max(a.intended) } else { a.intended };
        totals.push(ended - a.intended);
        own_lags.push(a.submitted - free);
        let spans = [ended - a.intended, started - a.submitted, ended - started, a.submitted - a.intended];
        for (hist, span) in hists.iter_mut().zip(spans) {
            hist.record(span);
        }
        end = end.max(ended);
        busy += ended - started;
    }
    cell.tasks = counted.len();
    cell.used = Usage { wall: end - begin, ..used };
    cell.value("offered_per_s", (counted.len() - 1) as f64 * 1e9 / (last - begin) as f64);
    cell.value("achieved_per_s", counted.len() as f64 * 1e9 / (end - begin) as f64);
    cell.value("utilisation", busy as f64 / (end - begin) as f64 / servers * 100.0);
    cell.value("caller_ran_share", 0.0);
    cell.hist.insert("lag".to_string(), hists[3].json());
    judge(all, first, servers, totals, own_lags)?;
    for (name, hist) in names.iter().zip(&hists).take(3) {
        cell.hist.insert(name.to_string(), hist.json());
    }
    Ok(())
}

fn judge(
    all: &[Arrival],
    first: usize,
    servers: f64,
    mut totals: Vec<i64>,
    mut lags: Vec<i64>,
) -> Result<(), End> {
    let backlog_at = |index: usize| {
        all[..=index].iter().filter(|a| a.ended.load(Relaxed) > all[index].intended).count() as f64
    };
    let (before, after) = (backlog_at(first), backlog_at(all.len() - 1));
    let n = totals.len();
    if after - before > 4.0 * (2.0 * n as f64).sqrt() + 4.0 * servers {
        let words = format!("UNSUSTAINED: the backlog grew from {before} to {after} tasks in {n} arrivals");
        return Err(End::Invalid(words));
    }
    totals.sort_unstable();
    lags.sort_unstable();
    for q in [0.5, 0.9, 0.99] {
        let rank = (q * n as f64).ceil() as usize - 1;
        if lags[rank] > LAG_ALLOWED_NS && lags[rank] > totals[rank] / 10 {
            let (lag, total) = (lags[rank] / 1000, totals[rank] / 1000);
            let percent = q * 100.0;
            let words = format!("generator lag: {lag} us at {percent} %, where the total is {total} us");
            return Err(End::Invalid(words));
        }
    }
    Ok(())
}
