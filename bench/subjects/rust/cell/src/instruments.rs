//! Clock, usage, histogram, calibrated work and the exactly-once ledger.

use std::cell::Cell as Own;
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU32, AtomicU64, AtomicUsize, Ordering};

use crate::json::Json;

// ---- Clock and usage ----------------------------------------------------------------------------

#[repr(C)]
struct Timespec {
    seconds: i64,
    nanoseconds: i64,
}

/// The monotonic clock in nanoseconds.
pub fn now() -> i64 {
    const MONOTONIC: i32 = 1;
    let mut t = Timespec { seconds: 0, nanoseconds: 0 };
    // SAFETY: the call fills in the whole struct and keeps no hold of it.
    unsafe { clock_gettime(MONOTONIC, &mut t) };
    t.seconds * 1_000_000_000 + t.nanoseconds
}

pub fn clock_cost_ns() -> f64 {
    const CALLS: i64 = 20_000;
    let start = now();
    for _ in 0..CALLS {
        now();
    }
    (now() - start) as f64 / CALLS as f64
}

/// Wall time, CPU time and context switches of the process.
#[derive(Clone, Copy, Default)]
pub struct Usage {
    pub wall: i64,
    pub cpu: i64,
    pub csw: i64,
}

/// The layout of the C library's struct rusage on 64-bit Linux.
#[repr(C)]
#[derive(Default)]
struct Rusage {
    user: [i64; 2],
    system: [i64; 2],
    before_switches: [i64; 12],
    voluntary: i64,
    involuntary: i64,
}

extern "C" {
    fn clock_gettime(clock: i32, time: *mut Timespec) -> i32;
    fn getrusage(who: i32, usage: *mut Rusage) -> i32;
}

/// Of the calling thread alone.
pub fn thread_usage() -> Usage {
    Usage::of(1)
}

pub fn quantile(values: &mut [i64], q: f64) -> f64 {
    values.sort_unstable();
    values[(q * values.len() as f64).ceil() as usize - 1] as f64
}

impl Usage {
    pub fn now() -> Usage {
        Usage::of(0)
    }

    fn of(who: i32) -> Usage {
        let mut r = Rusage::default();
        // SAFETY: the call fills in the whole struct and keeps no hold of it.
        unsafe { getrusage(who, &mut r) };
        let cpu = (r.user[0] + r.system[0]) * 1_000_000_000 + (r.user[1] + r.system[1]) * 1000;
        Usage { wall: now(), cpu, csw: r.voluntary + r.involuntary }
    }

    /// Never negative: what is left after taking a thread's own share off two readings may be.
    pub fn since(self, before: Usage) -> Usage {
        Usage {
            wall: self.wall - before.wall,
            cpu: (self.cpu - before.cpu).max(0),
            csw: (self.csw - before.csw).max(0),
        }
    }

    /// The same moment without what a part of it has used.
    pub fn without(self, part: Usage) -> Usage {
        Usage { wall: self.wall, cpu: self.cpu - part.cpu, csw: self.csw - part.csw }
    }

    pub fn plus(self, more: Usage) -> Usage {
        Usage { wall: self.wall + more.wall, cpu: self.cpu + more.cpu, csw: self.csw + more.csw }
    }
}

// ---- Histogram: the indices of bench/measure/histogram.h ----------------------------------------

#[derive(Default)]
pub struct Histogram {
    slots: BTreeMap<u64, u64>,
    pub count: u64,
    pub sum: u64,
    min: u64,
    max: u64,
}

impl Histogram {
    pub fn record(&mut self, value: i64) {
        let value = (value.max(0) as u64).min((1 << 52) - 1);
        let shift = (64 - value.leading_zeros()).saturating_sub(11) as u64;
        *self.slots.entry(shift * 1024 + (value >> shift)).or_insert(0) += 1;
        self.min = if self.count == 0 { value } else { self.min.min(value) };
        self.max = self.max.max(value);
        self.sum += value;
        self.count += 1;
    }

    pub fn mean(&self) -> f64 {
        self.sum as f64 / self.count as f64
    }

    pub fn json(&self) -> Json {
        let mut slots = Vec::new();
        let mut last = 0;
        for (index, count) in &self.slots {
            slots.push(Json::from((index - last) as f64));
            slots.push(Json::from(*count as f64));
            last = *index;
        }
        Json::object([
            ("unit", Json::from("ns")),
            ("digits", Json::from(3.0)),
            ("count", Json::from(self.count as f64)),
            ("min", Json::from(self.min as f64)),
            ("max", Json::from(self.max as f64)),
            ("slots", Json::List(slots)),
        ])
    }
}

// ---- Calibrated work: the loop of bench/measure/work.c ------------------------------------------

#[derive(Clone, Copy, Default)]
pub struct Work {
    step_ns: f64,
    pub error: f64,
}

#[inline(never)]
pub fn spin(steps: u64) {
    let mut x = steps | 1;
    for i in 0..steps {
        x = x.wrapping_mul(6364136223846793005).wrapping_add(i);
        // SAFETY: no instruction at all; the compiler must take x for changed.
        unsafe { std::arch::asm!("/* {0} */", inout(reg) x, options(nomem, nostack, preserves_flags)) };
    }
}

fn time_of(steps: u64) -> f64 {
    let mut samples = [0i64; 15];
    for sample in &mut samples {
        let start = now();
        spin(steps);
        *sample = now() - start;
    }
    samples.sort_unstable();
    samples[7] as f64
}

impl Work {
    pub fn calibrate() -> Work {
        let ramped = now() + 1_000_000;
        while now() < ramped {
            spin(8192);
        }
        const WANTED_NS: f64 = 200_000.0;
        let mut work = Work { step_ns: (time_of(32768) - time_of(16)) / (32768.0 - 16.0), error: 0.0 };
        work.error = (time_of(work.steps(WANTED_NS)) / WANTED_NS - 1.0).abs();
        work
    }

    pub fn steps(&self, ns: f64) -> u64 {
        (ns / self.step_ns + 0.5) as u64
    }
}

// ---- Ledger: every task has a slot of its own and counts itself there ---------------------------

/// What ends a cell early.
pub enum End {
    Broken(String),
    Unsupported(String),
    Invalid(String),
}

const KEY: u32 = 0x5EED5EED;
const LINES: usize = 64;

#[repr(align(64))]
struct Slot {
    runs: AtomicU32,
    check: u32,
}

#[repr(align(64))]
#[derive(Default)]
struct Line(AtomicU64);

pub struct Ledger {
    slots: Vec<Slot>,
    wrong: AtomicU64,
    ended: Vec<Line>,
}

static LINES_USED: AtomicUsize = AtomicUsize::new(0);
thread_local! {
    static OWN_LINE: Own<usize> = Own::new(LINES_USED.fetch_add(1, Ordering::Relaxed) % LINES);
}

impl Ledger {
    pub fn new(tasks: usize) -> Ledger {
        let slots = (0..tasks as u32).map(|i| Slot { runs: AtomicU32::new(0), check: i ^ KEY }).collect();
        let ended = (0..LINES).map(|_| Line::default()).collect();
        Ledger { slots, wrong: AtomicU64::new(0), ended }
    }

    /// What every task does: checks its number, works, counts itself, and counts as ended in a line
    /// that its thread has for itself.
    pub fn run(&self, number: usize, steps: u64) {
        match self.slots.get(number) {
            Some(slot) if slot.check == number as u32 ^ KEY => {
                if steps > 0 {
                    spin(steps);
                }
                slot.runs.fetch_add(1, Ordering::Relaxed);
                OWN_LINE.with(|own| self.ended[own.get()].0.fetch_add(1, Ordering::Release));
            }
            _ => {
                self.wrong.fetch_add(1, Ordering::Relaxed);
            }
        }
    }

    /// Returns when so many tasks have ended; for pools that do not tell it.
    pub fn wait_for(&self, tasks: u64, give_up: i64) -> Result<(), End> {
        loop {
            let ended = self.ended.iter().map(|line| line.0.load(Ordering::Acquire)).sum::<u64>();
            if ended >= tasks {
                return Ok(());
            }
            if now() > give_up {
                return Err(End::Broken(format!("hang: {ended} of {tasks} tasks ended in time")));
            }
            std::thread::sleep(std::time::Duration::from_micros(20));
        }
    }

    pub fn check(&self) -> Result<(), End> {
        let wrong = self.wrong.load(Ordering::Acquire);
        if wrong > 0 {
            return Err(End::Broken(format!("wrong argument: {wrong} tasks")));
        }
        let runs = |slot: &Slot| slot.runs.load(Ordering::Acquire);
        let lost = self.slots.iter().filter(|slot| runs(slot) == 0).count();
        let twice = self.slots.iter().filter(|slot| runs(slot) > 1).count();
        let all = self.slots.len();
        if lost > 0 {
            return Err(End::Broken(format!("lost task: {lost} of {all} never ran")));
        }
        if twice > 0 {
            return Err(End::Broken(format!("double run: {twice} of {all} ran more than once")));
        }
        Ok(())
    }
}
