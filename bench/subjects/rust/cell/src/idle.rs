//! wakeup, sparse, memory and lifecycle: what a pool costs while there is little to do.

use crate::instruments::{now, quantile, thread_usage, End, Histogram, Ledger, Usage};
use crate::latency::wait_until;
use crate::{Cell, Pool};
use std::sync::atomic::{AtomicI64, AtomicUsize, Ordering};
use std::sync::mpsc::channel;
use std::sync::{Arc, Condvar, Mutex};
use std::time::Duration;

/// One task at a time, after a gap without any.
pub fn wakeup<P: Pool>(cell: &mut Cell) -> Result<(), End> {
    let gap = cell.number("gap_ns", 1_000_000) as i64;
    let pool = P::open(cell.number("workers", 1), &cell.variant);
    let (mut starts, mut trips, mut all) = (Histogram::default(), Histogram::default(), Vec::new());
    cell.epochs(1, |_, n, measured| {
        let ledger = Arc::new(Ledger::new(n));
        let before = Usage::now();
        for i in 0..n {
            wait_until(now() + gap);
            let started = Arc::new(AtomicI64::new(0));
            let (sender, receiver) = channel();
            let (own, stamp) = (ledger.clone(), started.clone());
            let submitted = now();
            pool.submit(move || {
                stamp.store(now(), Ordering::Relaxed);
                own.run(i, 0);
                let _ = sender.send(());
            });
            receiver.recv().unwrap();
            let ended = now();
            if measured {
                let start = started.load(Ordering::Relaxed) - submitted;
                starts.record(start);
                trips.record(ended - submitted);
                all.push(start);
            }
        }
        let used = Usage::now().since(before);
        ledger.check()?;
        Ok(used)
    })?;
    cell.value("start_p50_ns", quantile(&mut all, 0.5));
    cell.value("start_ns", starts.mean());
    cell.value("round_trip_ns", trips.mean());
    cell.value("csw_per_wakeup", cell.used.csw as f64 / cell.tasks as f64);
    cell.hist.insert("start".into(), starts.json());
    cell.hist.insert("round_trip".into(), trips.json());
    Ok(())
}

/// Empty tasks at a low rate; what is told is the process without this thread.
pub fn sparse<P: Pool>(cell: &mut Cell) -> Result<(), End> {
    let rate = cell.number("tasks_per_s", 100) as f64;
    let count = |ns: i64| (rate * ns as f64 / 1e9) as usize;
    let ledger = Arc::new(Ledger::new(count(cell.warmup) + count(cell.measure)));
    let pool = P::open(cell.number("workers", 1), &cell.variant);
    let mut submitted = 0;
    let mut during = |length: i64| {
        let begun = now();
        for i in 0..count(length) {
            sleep_until(begun + ((i + 1) as f64 * 1e9 / rate) as i64);
            let (own, number) = (ledger.clone(), submitted);
            pool.submit(move || own.run(number, 0));
            submitted += 1;
        }
        sleep_until(begun + length);
    };
    during(cell.warmup);
    let before = Usage::now().without(thread_usage());
    during(cell.measure);
    cell.used = Usage::now().without(thread_usage()).since(before);
    ledger.wait_for(submitted as u64, now() + cell.deadline / 2)?;
    ledger.check()?;
    cell.tasks = count(cell.measure);
    let (wall, cpu) = (cell.used.wall as f64, cell.used.cpu.max(0) as f64);
    cell.value("cpu_percent", cpu / wall * 100.0);
    cell.value("wakeups_per_s", cell.used.csw.max(0) as f64 * 1e9 / wall);
    cell.value("achieved_per_s", cell.tasks as f64 * 1e9 / wall);
    if cell.tasks > 0 {
        cell.value("cpu_ns_per_task", cpu / cell.tasks as f64);
    }
    Ok(())
}

fn sleep_until(moment: i64) {
    while let left @ 1.. = moment - now() {
        std::thread::sleep(Duration::from_nanos(left as u64));
    }
}

fn resident_bytes() -> f64 {
    let text = std::fs::read_to_string("/proc/self/smaps_rollup").unwrap_or_default();
    let line = text.lines().find(|line| line.starts_with("Rss:")).unwrap_or("");
    let kilobytes = line.split_whitespace().nth(1).and_then(|word| word.parse::<f64>().ok());
    kilobytes.map_or(f64::NAN, |n| n * 1024.0)
}

/// Tasks queued behind workers that are held.
pub fn memory<P: Pool>(cell: &mut Cell) -> Result<(), End> {
    let (workers, queued) = (cell.number("workers", 1), cell.number("queued", 100_000));
    let ledger = Arc::new(Ledger::new(queued));
    let none = resident_bytes();
    let begun = Usage::now();
    let pool = P::open(workers, &cell.variant);
    let gate = Arc::new((Mutex::new(false), Condvar::new()));
    let held = Arc::new(AtomicUsize::new(0));
    for _ in 0..workers {
        let (gate, held) = (gate.clone(), held.clone());
        pool.submit(move || {
            held.fetch_add(1, Ordering::Release);
            let mut open = gate.0.lock().unwrap();
            while !*open {
                open = gate.1.wait(open).unwrap();
            }
        });
    }
    let patience = now() + 1_000_000_000;
    while held.load(Ordering::Acquire) < workers && now() < patience {
        std::thread::sleep(Duration::from_millis(1));
    }
    let idle = resident_bytes();
    for i in 0..queued {
        let own = ledger.clone();
        pool.submit(move || own.run(i, 0));
    }
    let after = resident_bytes();
    *gate.0.lock().unwrap() = true;
    gate.1.notify_all();
    ledger.wait_for(queued as u64, now() + cell.deadline / 2)?;
    ledger.check()?;
    cell.used = Usage::now().since(begun);
    cell.tasks = queued;
    cell.value("idle_rss_bytes", idle - none);
    cell.value("bytes_per_task", (after - idle) / queued as f64);
    cell.value("retained_rss_bytes", resident_bytes() - idle);
    Ok(())
}

pub fn lifecycle<P: Pool>(cell: &mut Cell) -> Result<(), End> {
    let (workers, n) = (cell.number("workers", 1), cell.number("tasks", 0));
    let mut hists = [(); 3].map(|_| Histogram::default());
    cell.epochs(1, |cell, lives, measured| {
        let before = Usage::now();
        for _ in 0..lives {
            let ledger = Arc::new(Ledger::new(n));
            let begun = now();
            let pool = P::open(workers, &cell.variant);
            let opened = now();
            for i in 0..n {
                let own = ledger.clone();
                pool.submit(move || own.run(i, 0));
            }
            if pool.quiesce().is_none() {
                ledger.wait_for(n as u64, now() + cell.deadline / 2)?;
            }
            let closing = now();
            drop(pool);
            let closed = now();
            ledger.check()?;
            for (hist, span) in hists.iter_mut().zip([opened - begun, closed - closing, closed - begun]) {
                if measured {
                    hist.record(span);
                }
            }
        }
        Ok(Usage::now().since(before))
    })?;
    cell.value("create_ns", hists[0].mean());
    cell.value("destroy_ns", hists[1].mean());
    cell.value("life_ns", cell.used.wall as f64 / cell.tasks as f64);
    cell.value("lives_per_s", cell.tasks as f64 * 1e9 / cell.used.wall as f64);
    for (name, hist) in ["create", "destroy", "life"].iter().zip(&hists) {
        cell.hist.insert(name.to_string(), hist.json());
    }
    Ok(())
}
