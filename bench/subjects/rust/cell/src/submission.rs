//! throughput and contention: producers hand over tasks as fast as they are taken, and the clock
//! runs from the first until the pool has ended all of them.

use crate::instruments::{now, End, Ledger, Usage};
use crate::{Cell, Pool};
use std::sync::{Arc, Barrier};

pub fn run<P: Pool>(cell: &mut Cell) -> Result<(), End> {
    let producers = cell.number("producers", 1);
    let steps = cell.work.steps(cell.number("grain_ns", 0) as f64);
    let pool = P::open(cell.number("workers", 1), &cell.variant);
    let (mut submitting, mut jain) = (0, 0.0);
    cell.epochs(producers, |cell, n, measured| {
        let (used, spent) = epoch(&pool, cell, producers, n, steps)?;
        if measured {
            let rates = || spent.iter().map(|ns| n as f64 / (ns + 1) as f64);
            let sum: f64 = rates().sum();
            jain += sum * sum / (rates().map(|r| r * r).sum::<f64>() * producers as f64) * n as f64;
            submitting += spent.iter().sum::<i64>();
        }
        Ok(used)
    })?;
    let tasks = cell.tasks as f64;
    cell.value("tasks_per_s", tasks * 1e9 / cell.used.wall as f64);
    cell.value("ns_per_task", cell.used.wall as f64 / tasks);
    cell.value("submit_ns", submitting as f64 / tasks);
    cell.value("cpu_ns_per_task", cell.used.cpu as f64 / tasks);
    cell.value("csw_per_task", cell.used.csw as f64 / tasks);
    cell.value("caller_ran_share", 0.0); // none of these pools runs a task on a thread outside
    if cell.workload == "contention" {
        cell.value("jain", jain / tasks);
        cell.value("retries", 0.0);
    }
    Ok(())
}

pub fn epoch<P: Pool>(
    pool: &P,
    cell: &Cell,
    producers: usize,
    n: usize,
    steps: u64,
) -> Result<(Usage, Vec<i64>), End> {
    let ledger = Arc::new(Ledger::new(n));
    let gate = Barrier::new(producers + 1);
    let share = n / producers;
    let (used, spent) = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..producers)
            .map(|p| {
                let (ledger, gate, pool) = (&ledger, &gate, pool.clone());
                scope.spawn(move || {
                    gate.wait();
                    let start = now();
                    for number in share * p..share * (p + 1) {
                        let ledger = ledger.clone();
                        pool.submit(move || ledger.run(number, steps));
                    }
                    now() - start
                })
            })
            .collect();
        let before = Usage::now();
        gate.wait();
        let spent = threads.into_iter().map(|thread| thread.join().unwrap()).collect();
        if pool.quiesce().is_none() {
            ledger.wait_for(n as u64, now() + cell.deadline / 2)?;
        }
        Ok((Usage::now().since(before), spent))
    })?;
    ledger.check()?;
    Ok((used, spent))
}
