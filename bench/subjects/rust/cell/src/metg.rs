//! metg: the search of bench/workloads/metg.c. Efficiency at a grain is the work done over the time of
//! the workers; the grain doubles until it is reached, then the median overhead around the crossing
//! gives the smallest task that still reaches it.

use crate::instruments::{now, End, Usage};
use crate::submission::epoch;
use crate::{Cell, Pool, EPOCH_MAX};

const LEAST_GRAIN_NS: f64 = 50.0;
const MOST_GRAIN_NS: f64 = 5e6;
const AROUND: [f64; 3] = [1.0, 1.0 / 1.25, 1.25];

struct Search<'a, P: Pool> {
    cell: &'a mut Cell,
    pool: P,
    servers: f64,
    task_ns: f64,
}

impl<P: Pool> Search<'_, P> {
    fn efficiency(&mut self, grain: f64) -> Result<f64, End> {
        let each = self.task_ns.max(grain / self.servers);
        let wanted = (self.cell.measure as f64 / 16.0 / each).max(2.0 * self.servers);
        let n = (wanted as usize).min(EPOCH_MAX);
        let (used, _) = epoch(&self.pool, self.cell, 1, n, self.cell.work.steps(grain))?;
        self.task_ns = used.wall as f64 / n as f64;
        self.cell.used = self.cell.used.plus(used);
        self.cell.tasks += n;
        Ok(grain * n as f64 / (self.servers * used.wall as f64))
    }
}

pub fn run<P: Pool>(cell: &mut Cell) -> Result<(), End> {
    let wanted = cell.number("efficiency", 50) as f64 / 100.0;
    let end = now() + cell.warmup + cell.measure;
    let workers = cell.number("workers", 1);
    let cpus = std::thread::available_parallelism().map_or(1, usize::from);
    let pool = P::open(workers, &cell.variant);
    let mut search = Search { cell, pool, servers: workers.min(cpus) as f64, task_ns: 0.0 };
    search.efficiency(LEAST_GRAIN_NS)?;
    let mut grain = LEAST_GRAIN_NS;
    let mut reached = search.efficiency(grain)?;
    while reached < wanted && grain < MOST_GRAIN_NS {
        grain *= 2.0;
        reached = search.efficiency(grain)?;
    }
    if reached < wanted {
        let (wanted, last) = (wanted * 100.0, reached * 100.0);
        return Err(End::Invalid(format!("efficiency never reached {wanted} %; the last was {last:.1} %")));
    }
    search.cell.used = Usage::default();
    search.cell.tasks = 0;
    let mut overheads: Vec<f64> = Vec::new();
    let mut crossing = grain / 2f64.sqrt();
    while overheads.len() < 6 || now() < end {
        let at = (crossing * AROUND[overheads.len() % 3]).max(LEAST_GRAIN_NS);
        let e = search.efficiency(at)?;
        overheads.push(at * (1.0 - e) / e);
        overheads.sort_by(f64::total_cmp);
        let next = overheads[overheads.len() / 2] * wanted / (1.0 - wanted);
        crossing = next.max(crossing / 2.0).min(crossing * 2.0).max(LEAST_GRAIN_NS);
    }
    cell.value("metg_ns", crossing);
    cell.value("overhead_ns", overheads[overheads.len() / 2]);
    if crossing <= LEAST_GRAIN_NS * 1.01 {
        cell.doubts.push(format!("METG is at or below the smallest grain, {LEAST_GRAIN_NS} ns"));
    }
    Ok(())
}
