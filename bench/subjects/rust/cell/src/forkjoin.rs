//! forkjoin: the kernels of bench/kernels.h. The recursion is here, the idiom of spawning and joining
//! is the pool's (`Pool::children`).

use crate::instruments::{now, End, Usage};
use crate::{Cell, Pool};

const QUEENS_LEAF: u32 = 7;
const UTS_MOST: usize = 8;

#[inline(never)]
fn serial_fib(n: usize) -> u64 {
    if n < 2 {
        n as u64
    } else {
        serial_fib(n - 1) + serial_fib(n - 2)
    }
}

fn fib<P: Pool>(n: usize) -> u64 {
    if n < 2 {
        n as u64
    } else {
        P::children(2, &|i| fib::<P>(n - 1 - i))
    }
}

#[derive(Clone, Copy)]
struct Board {
    left: u32,
    all: u32,
    columns: u32,
    rising: u32,
    falling: u32,
}

impl Board {
    fn empty(n: usize) -> Board {
        Board { left: n as u32, all: ((1u64 << n) - 1) as u32, columns: 0, rising: 0, falling: 0 }
    }

    fn free(&self) -> u32 {
        self.all & !(self.columns | self.rising | self.falling)
    }

    fn put(&self, bit: u32) -> Board {
        Board {
            left: self.left - 1,
            all: self.all,
            columns: self.columns | bit,
            rising: (self.rising | bit) << 1,
            falling: (self.falling | bit) >> 1,
        }
    }

    fn bits(&self) -> ([u32; 32], usize) {
        let (mut bits, mut n, mut free) = ([0; 32], 0, self.free());
        while free != 0 {
            bits[n] = free & free.wrapping_neg();
            free &= free - 1;
            n += 1;
        }
        (bits, n)
    }

    #[inline(never)]
    fn count(&self) -> u64 {
        if self.left == 0 {
            return 1;
        }
        let (mut sum, mut free) = (0, self.free());
        while free != 0 {
            sum += self.put(free & free.wrapping_neg()).count();
            free &= free - 1;
        }
        sum
    }

    fn solve<P: Pool>(&self) -> u64 {
        if self.left <= QUEENS_LEAF {
            return self.count();
        }
        let (bits, n) = self.bits();
        P::children(n, &|i| self.put(bits[i]).solve::<P>())
    }

    fn spawns(&self) -> u64 {
        let (bits, n) = self.bits();
        if self.left <= QUEENS_LEAF || n == 0 {
            return 0;
        }
        n as u64 - 1 + bits[..n].iter().map(|bit| self.put(*bit).spawns()).sum::<u64>()
    }
}

#[derive(Clone, Copy)]
struct Node {
    state: u64,
    trunk: usize,
    children: usize,
}

impl Node {
    fn root(n: usize) -> Node {
        Node { state: 0x77656972, trunk: n, children: n.min(UTS_MOST) }
    }

    fn child(&self, index: usize) -> Node {
        let mut x = self.state.wrapping_add(index as u64 + 1);
        for _ in 0..24 {
            x ^= x >> 32;
            x = x.wrapping_mul(0xd6e8feb86659fd93);
        }
        x ^= x >> 32;
        if self.trunk > 1 {
            let trunk = self.trunk / self.children + (index < self.trunk % self.children) as usize;
            if trunk > 1 {
                return Node { state: x, trunk, children: trunk.min(UTS_MOST) };
            }
        }
        let grows = ((x >> 11) as f64 / (1u64 << 53) as f64) < 0.12;
        Node { state: x, trunk: 0, children: if grows { UTS_MOST } else { 0 } }
    }

    #[inline(never)]
    fn serial(&self) -> u64 {
        1 + (0..self.children).map(|i| self.child(i).serial()).sum::<u64>()
    }

    fn visit<P: Pool>(&self) -> u64 {
        1 + P::children(self.children, &|i| self.child(i).visit::<P>())
    }

    fn spawns(&self) -> u64 {
        let below: u64 = (0..self.children).map(|i| self.child(i).spawns()).sum();
        below + self.children.saturating_sub(1) as u64
    }
}

#[inline(never)]
fn serial_skynet(n: u32, first: u64) -> u64 {
    if n == 0 {
        return first;
    }
    (0..10).map(|i| serial_skynet(n - 1, first + i * 10u64.pow(n - 1))).sum()
}

fn skynet<P: Pool>(n: u32, first: u64) -> u64 {
    if n == 0 {
        return first;
    }
    P::children(10, &|i| skynet::<P>(n - 1, first + i as u64 * 10u64.pow(n - 1)))
}

fn serial(name: &str, n: usize) -> u64 {
    match name {
        "fib" => serial_fib(n),
        "nqueens" => Board::empty(n).count(),
        "uts" => Node::root(n).serial(),
        _ => serial_skynet(n as u32, 0),
    }
}

fn kernel<P: Pool>(name: &str, n: usize) -> u64 {
    match name {
        "fib" => fib::<P>(n),
        "nqueens" => Board::empty(n).solve::<P>(),
        "uts" => Node::root(n).visit::<P>(),
        _ => skynet::<P>(n as u32, 0),
    }
}

fn spawns(name: &str, n: usize) -> u64 {
    match name {
        "fib" => (2..=n).fold((0, 0), |(spawns, before), _| (spawns + before + 1, spawns)).0,
        "nqueens" => Board::empty(n).spawns(),
        "uts" => Node::root(n).spawns(),
        _ => (0..n).fold(0, |inner, _| inner * 10 + 1) * 9,
    }
}

/// Runs again and again for so long, at least three times: the median, and how often.
fn time(f: impl Fn() -> u64, answer: u64, length: i64) -> Result<(f64, usize), End> {
    let mut ns = Vec::new();
    let begun = now();
    while ns.len() < 3 || now() - begun < length {
        let before = now();
        let got = f();
        ns.push(now() - before);
        if got != answer {
            return Err(End::Broken(format!("wrong argument: it answers {got}, the truth is {answer}")));
        }
    }
    ns.sort_unstable();
    Ok((ns[ns.len() / 2] as f64, ns.len()))
}

pub fn run<P: Pool>(cell: &mut Cell) -> Result<(), End> {
    if !P::FORKS {
        return Err(End::Unsupported("no fork-join kernels".into()));
    }
    cell.only("kernel", &["fib", "nqueens", "uts", "skynet"])?;
    let name = cell.word("kernel").to_string();
    let n = match (cell.number("n", 0), name.as_str()) {
        (0, "fib") => 24,
        (0, "nqueens") => 11,
        (0, "uts") => 1024,
        (0, _) => 4,
        (given, _) => given,
    };
    let answer = serial(&name, n);
    let workers = cell.number("workers", 1);
    let (serial_ns, _) = time(|| serial(&name, n), answer, cell.measure / 2)?;
    let mut all = (0.0, 0);
    let mut one_ns = 0.0;
    let mut before = Usage::default();
    for size in if workers > 1 { vec![1, workers] } else { vec![1] } {
        let pool = P::open(size, &cell.variant);
        let f = || pool.enter(|| kernel::<P>(&name, n));
        time(f, answer, cell.warmup)?;
        before = Usage::now();
        all = time(f, answer, cell.measure)?;
        one_ns = if size == 1 { all.0 } else { one_ns };
    }
    cell.used = Usage::now().since(before);
    let spawns = spawns(&name, n);
    cell.tasks = spawns as usize * all.1;
    cell.value("serial_ns", serial_ns);
    cell.value("one_worker_ns", one_ns);
    cell.value("kernel_ns", all.0);
    cell.value("spawns", spawns as f64);
    cell.value("overhead", one_ns / serial_ns);
    cell.value("ns_per_spawn", (one_ns - serial_ns) / spawns as f64);
    cell.value("speedup", serial_ns / all.0);
    cell.value("runs", all.1 as f64);
    Ok(())
}
