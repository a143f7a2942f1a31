//! A cell of weir-bench for a pool in Rust: reads its description on standard input, measures, and
//! prints its record on standard output. A pool implements `Pool` and calls `main`.

mod forkjoin;
mod idle;
pub mod instruments;
pub mod json;
mod latency;
mod metg;
mod schedule;
mod submission;
mod waiting;

use instruments::{clock_cost_ns, End, Usage, Work};
use json::Json;
use std::collections::BTreeMap;
use std::io::Read;

/// What a pool says of itself.
pub struct Subject {
    pub name: &'static str,
    pub version: &'static str,
    pub notes: &'static str,
    pub patterns: &'static [&'static str],
    pub variants: &'static [Variant],
}

pub struct Variant {
    pub name: &'static str,
    pub notes: &'static str,
    pub full: &'static str,
    pub order: &'static str,
}

/// A result that will come, for pools that bring one.
pub trait Result {
    fn wait(self) -> usize;
    fn wait_timed(self) -> usize;
    fn poll(&self) -> bool;
}

/// A handle of the pool under test; every thread has one of its own. What the pool does not offer it
/// need not implement.
pub trait Pool: Clone + Send + 'static {
    const SUBJECT: Subject;
    type Future: Result;
    /// A call waits for its value, so that there is one at a time.
    const SYNCHRONOUS: bool = false;

    fn open(workers: usize, variant: &str) -> Self;
    fn submit<F: FnOnce() + Send + 'static>(&self, task: F);
    /// Its own wait for all tasks; None: they are counted for it.
    fn quiesce(&self) -> Option<()> {
        None
    }
    /// A call whose value comes back.
    fn call<F: FnOnce() -> usize + Send + 'static>(&self, _call: F) -> Self::Future {
        unreachable!("patterns name none that needs futures")
    }
    /// Fork-join kernels are its idiom.
    const FORKS: bool = false;
    /// f(0) + … + f(n-1): all but the last as tasks, that one itself; on a thread of the pool.
    fn children<F: Fn(usize) -> u64 + Sync>(_n: usize, _f: &F) -> u64 {
        unreachable!("FORKS says that there are none")
    }
    /// Runs f on a thread of the pool and waits for it.
    fn enter<F: FnOnce() -> u64 + Send>(&self, f: F) -> u64 {
        f()
    }
    /// From inside a task: another task of the pool, and its value.
    fn call_inside<F: FnOnce() -> usize + Send + 'static>(_call: F) -> usize {
        unreachable!("patterns do not name nested")
    }
}

/// No futures.
pub enum None_ {}

impl Result for None_ {
    fn wait(self) -> usize {
        match self {}
    }
    fn wait_timed(self) -> usize {
        match self {}
    }
    fn poll(&self) -> bool {
        match *self {}
    }
}

pub(crate) const EPOCH_MAX: usize = 1 << 20;

/// The description, and the record in the making.
pub struct Cell {
    pub workload: String,
    pub variant: String,
    axes: Json,
    pub seed: u64,
    pub warmup: i64,
    pub measure: i64,
    pub deadline: i64,
    pub work: Work,
    pub used: Usage,
    pub tasks: usize,
    pub values: BTreeMap<String, Json>,
    pub hist: BTreeMap<String, Json>,
    pub doubts: Vec<String>,
}

const WORKLOADS: [&str; 10] = [
    "throughput",
    "contention",
    "wait",
    "latency",
    "wakeup",
    "forkjoin",
    "metg",
    "sparse",
    "memory",
    "lifecycle",
];

impl Cell {
    fn read<P: Pool>(text: &str) -> std::result::Result<Cell, String> {
        let d = json::parse(text)?;
        if d.get("schema").and_then(Json::whole) != Some(1) {
            return Err("not a cell description of \"schema\" 1".to_string());
        }
        let whole =
            |name: &str| d.get(name).and_then(Json::whole).ok_or(format!("\"{name}\" is not a whole number"));
        if let Some(Json::List(options)) = d.get("options") {
            if let Some(option) = options.first() {
                return Err(format!("unknown option {option:?}: {} has none", P::SUBJECT.name));
            }
        }
        let axes = d.get("cell").cloned().unwrap_or(Json::Null);
        let workload = axes.get("workload").and_then(Json::text).unwrap_or("").to_string();
        if !WORKLOADS.contains(&workload.as_str()) {
            return Err(format!("unknown workload '{workload}'; there are {}", WORKLOADS.join(", ")));
        }
        let variant = match d.get("variant").and_then(Json::text).unwrap_or("default") {
            "default" => P::SUBJECT.variants[0].name,
            other => other,
        };
        if !P::SUBJECT.variants.iter().any(|v| v.name == variant) {
            return Err(format!("unknown variant '{variant}'"));
        }
        for name in ["workers", "producers", "window", "service_ns"] {
            if axes.get(name).map_or(false, |value| value.whole().unwrap_or(0) == 0) {
                return Err(format!("cell.{name} is not a positive whole number"));
            }
        }
        Ok(Cell {
            workload,
            variant: variant.to_string(),
            axes,
            seed: whole("seed")?,
            warmup: whole("warmup_ns")? as i64,
            measure: whole("measure_ns")?.max(1) as i64,
            deadline: whole("deadline_ns")? as i64,
            work: Work::default(),
            used: Usage::default(),
            tasks: 0,
            values: BTreeMap::new(),
            hist: BTreeMap::new(),
            doubts: Vec::new(),
        })
    }

    pub fn number(&self, name: &str, otherwise: usize) -> usize {
        self.axes.get(name).and_then(Json::whole).map_or(otherwise, |n| n as usize)
    }

    pub fn word(&self, name: &str) -> &str {
        self.axes.get(name).and_then(Json::text).unwrap_or("")
    }

    /// Refuses a word that this program does not know.
    pub fn only(&self, name: &str, known: &[&str]) -> std::result::Result<(), End> {
        let word = self.word(name);
        if word.is_empty() || known.contains(&word) {
            return Ok(());
        }
        Err(End::Unsupported(format!("no {name} '{word}' in this program")))
    }

    pub fn value(&mut self, name: &str, value: f64) {
        self.values.insert(name.to_string(), Json::from(value));
    }

    /// Warms up until an epoch is long enough to tell the speed, then measures in four or so.
    pub fn epochs(
        &mut self,
        least: usize,
        mut epoch: impl FnMut(&Cell, usize, bool) -> std::result::Result<Usage, End>,
    ) -> std::result::Result<(), End> {
        let clamp = |n: usize| (n.min(EPOCH_MAX) / least * least).max(least);
        let mut n = least;
        let mut spent = 0;
        let mut per_ns;
        loop {
            let wall = epoch(self, n, false)?.wall + 1;
            spent += wall;
            per_ns = n as f64 / wall as f64;
            if spent >= self.warmup && wall > self.warmup / 8 || n >= EPOCH_MAX / least * least {
                break;
            }
            n = clamp((4 * n).min((per_ns * self.warmup as f64 / 2.0) as usize + n));
        }
        while self.used.wall < self.measure - self.measure / 10 {
            let left = (self.measure - self.used.wall).min(self.measure / 4);
            n = clamp((left as f64 * per_ns) as usize);
            let used = epoch(self, n, true)?;
            self.used = self.used.plus(used);
            self.tasks += n;
            per_ns = self.tasks as f64 / self.used.wall as f64;
        }
        Ok(())
    }

    fn record<P: Pool>(&self, status: &str, reason: &str) -> Json {
        let subject = P::SUBJECT;
        let variant = subject.variants.iter().find(|v| v.name == self.variant).unwrap();
        let config = Json::object([
            ("variant", Json::from(self.variant.as_str())),
            ("workers", Json::from(self.number("workers", 1) as f64)),
            ("capacity", Json::from(0.0)),
            ("settings", Json::from(variant.notes)),
            ("order", Json::from(variant.order)),
            ("full", Json::from(variant.full)),
        ]);
        let machine = Json::object([
            ("alloc", Json::from("glibc")),
            ("work_error", Json::from(self.work.error)),
            ("clock_ns", Json::from(clock_cost_ns())),
        ]);
        Json::object([
            ("schema", Json::from(1.0)),
            ("status", Json::from(status)),
            ("reason", Json::from(reason)),
            ("subject", Json::Object(identity::<P>())),
            ("config", config),
            ("wall_ns", Json::from(self.used.wall as f64)),
            ("tasks", Json::from(self.tasks as f64)),
            ("cpu_ns", Json::from(self.used.cpu as f64)),
            ("csw", Json::from(self.used.csw as f64)),
            ("values", Json::Object(self.values.clone())),
            ("hist", Json::Object(self.hist.clone())),
            ("machine", machine),
            ("validity", Json::list(self.doubts.iter().map(String::as_str))),
        ])
    }
}

fn identity<P: Pool>() -> BTreeMap<String, Json> {
    let subject = P::SUBJECT;
    let members = [("name", subject.name), ("version", subject.version), ("notes", subject.notes)];
    members.map(|(name, text)| (name.to_string(), Json::from(text))).into_iter().collect()
}

fn describe<P: Pool>() -> Json {
    let subject = P::SUBJECT;
    let variants = subject.variants.iter().map(|v| {
        Json::object([
            ("name", Json::from(v.name)),
            ("notes", Json::from(v.notes)),
            ("full", Json::from(v.full)),
            ("order", Json::from(v.order)),
        ])
    });
    let mut members = identity::<P>();
    members.insert("variants".to_string(), Json::List(variants.collect()));
    let offered = WORKLOADS.into_iter().filter(|name| P::FORKS || *name != "forkjoin");
    members.insert("workloads".to_string(), Json::list(offered));
    members.insert("patterns".to_string(), Json::list(subject.patterns.iter().copied()));
    Json::Object(members)
}

fn run<P: Pool>(cell: &mut Cell) -> std::result::Result<(), End> {
    if cell.number("batch", 1) > 1 {
        return Err(End::Unsupported("no batch submission".to_string()));
    }
    if cell.number("capacity", 0) > 0 {
        return Err(End::Unsupported("no bounded queue".to_string()));
    }
    match cell.workload.as_str() {
        "wait" => waiting::run::<P>(cell),
        "latency" => latency::run::<P>(cell),
        "wakeup" => idle::wakeup::<P>(cell),
        "forkjoin" => forkjoin::run::<P>(cell),
        "metg" => metg::run::<P>(cell),
        "sparse" => idle::sparse::<P>(cell),
        "memory" => idle::memory::<P>(cell),
        "lifecycle" => idle::lifecycle::<P>(cell),
        _ => submission::run::<P>(cell),
    }
}

/// Exit status 0: a record was printed; 2: the description cannot be used.
pub fn main<P: Pool>() -> ! {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let printed = if arguments == ["--describe"] {
        describe::<P>()
    } else {
        let mut text = String::new();
        let read = if let Some(unknown) = arguments.first() {
            Err(format!("unknown argument '{unknown}'; try --describe"))
        } else {
            match std::io::stdin().read_to_string(&mut text) {
                Ok(_) => Cell::read::<P>(&text),
                Err(error) => Err(error.to_string()),
            }
        };
        let mut cell = read.unwrap_or_else(|error| {
            eprintln!("{}: {}", P::SUBJECT.name, error.replace('\n', " "));
            std::process::exit(2)
        });
        cell.work = Work::calibrate();
        match run::<P>(&mut cell) {
            Ok(()) => cell.record::<P>("ok", ""),
            Err(End::Broken(reason)) => cell.record::<P>("failed", &reason),
            Err(End::Unsupported(reason)) => cell.record::<P>("unsupported", &reason),
            Err(End::Invalid(reason)) => {
                cell.doubts.push(reason.clone());
                cell.record::<P>("invalid", &reason)
            }
        }
    };
    let mut line = String::new();
    printed.write(&mut line);
    println!("{line}");
    std::process::exit(0) // a pool that does not end must not keep the record back
}
