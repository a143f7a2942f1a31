import java.util.Arrays;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.locks.LockSupport;

/**
 * latency: open loop. The schedule is fixed by the seed, each latency runs from the intended
 * moment, and the figures are refused by the rules of bench/workloads/latency.c.
 */
final class Latency {
    private static final long SPIN_NS = 100_000; // sleeps until this close to an arrival
    private static final long LAG_ALLOWED_NS = 10_000;
    private final Cell cell;
    private final int servers;
    private final double ratePerS;
    private int first;
    private int n;
    private long[] intended;
    private long[] submitted;
    private long[] accepted;
    private long[] started;
    private long[] ended;
    private Instruments.Usage used;

    private Latency(Cell cell) {
        this.cell = cell;
        servers = (int) Math.min(cell.axis("workers", 1), Runtime.getRuntime().availableProcessors());
        double serviceNs = cell.axis("service_ns", 20_000);
        double given = cell.axis("rate_per_s", 0);
        ratePerS = given > 0 ? given : cell.axis("utilisation", 80) / 100.0 * servers * 1e9 / serviceNs;
    }

    static void measure(Cell cell) throws Exception {
        cell.only("arrivals", "poisson", "constant", "burst");
        cell.only("service", "constant", "exponential", "bimodal", "pareto");
        cell.only("notify", "none");
        Latency latency = new Latency(cell);
        ExecutorService pool = cell.openPool();
        // The run-time compiles during this part, at the same load and with another seed.
        latency.load(pool, 0, cell.warmupNs * 5, cell.seed + 1);
        latency.load(pool, cell.warmupNs, cell.measureNs, cell.seed);
        pool.shutdown();
        latency.report();
    }

    private void load(ExecutorService pool, long warmupNs, long measureNs, long seed)
            throws Exception {
        int warm = (int) Math.ceil(ratePerS * warmupNs / 1e9);
        double all = warm + Math.ceil(ratePerS * measureNs / 1e9);
        n = (int) Math.min(all, 1 << 20);
        first = all > n ? Math.min(warm, n / 2) : warm;
        if (n - first < 2) {
            cell.invalid("fewer than two arrivals in the time given");
        }
        intended = new long[n];
        submitted = new long[n];
        accepted = new long[n];
        started = new long[n];
        ended = new long[n];
        long[] steps = schedule(seed);
        Ledger ledger = cell.ledger(n, pool);
        long before = Pools.ended(pool, ledger);
        Instruments.Usage begun = null;
        long origin = System.nanoTime() + 1_000_000;
        for (int i = 0; i < n; i++) {
            if (i == first) {
                begun = Instruments.Usage.begin();
            }
            intended[i] += origin;
            waitUntil(intended[i]);
            submitted[i] = System.nanoTime();
            int number = i;
            Ledger.Task task = ledger.new Task(i, steps[i]);
            hand(pool, () -> {
                started[number] = System.nanoTime();
                task.run();
                ended[number] = System.nanoTime();
            });
            accepted[i] = System.nanoTime();
        }
        cell.quiesce(pool, before, n, ledger);
        used = Instruments.Usage.now().since(begun);
        ledger.check();
    }

    /** A pool that refuses is asked again; the latency runs on. */
    static void hand(ExecutorService pool, Runnable task) {
        while (true) {
            try {
                pool.execute(task);
                return;
            } catch (java.util.concurrent.RejectedExecutionException e) {
                Thread.yield();
            }
        }
    }

    /**
     * Writes the arrivals, from 0, and gives the steps of each task. Two parts, the first of which warms up;
     * each is exact by itself and has a stream of its own, as in bench/workloads/latency.c.
     */
    private long[] schedule(long seed) {
        long[] steps = new long[n];
        long start = 0;
        int begin = 0;
        for (int end : new int[] {first, n}) {
            Schedule draw = new Schedule(end == n ? seed : seed ^ 2);
            long planned = 0;
            long[] moments = draw.arrivals(cell.word("arrivals"), end - begin, ratePerS);
            long[] lengths = draw.services(cell.word("service"), end - begin, cell.axis("service_ns", 20_000));
            for (int i = begin; i < end; i++) {
                intended[i] = start + moments[i - begin];
                steps[i] = cell.work.steps(lengths[i - begin]);
                planned += lengths[i - begin];
            }
            long last = end > 0 ? intended[end - 1] : 0;
            cell.value("schedule_ns", (double) (last - start));
            cell.value("schedule_work_ns", (double) planned);
            start = last;
            begin = end;
        }
        return steps;
    }

    static void waitUntil(long momentNs) {
        for (long left = momentNs - System.nanoTime(); left > 0; left = momentNs - System.nanoTime()) {
            if (left > SPIN_NS) {
                LockSupport.parkNanos(left - SPIN_NS);
            } else {
                Thread.yield();
            }
        }
    }

    private int backlogAt(int index) {
        int backlog = 0;
        for (int i = 0; i <= index; i++) {
            backlog += ended[i] > intended[index] ? 1 : 0;
        }
        return backlog;
    }

    private void judge(long[] total, long[] ownLag) {
        int before = backlogAt(first);
        int after = backlogAt(n - 1);
        int counted = n - first;
        if (after - before > 4 * Math.sqrt(2.0 * counted) + 4.0 * servers) {
            cell.invalid(String.format("UNSUSTAINED: the backlog grew from %d to %d tasks in %d arrivals",
                    before, after, counted));
            return;
        }
        Arrays.sort(total);
        Arrays.sort(ownLag);
        for (double q : new double[] {0.5, 0.9, 0.99}) {
            int rank = (int) Math.ceil(q * counted) - 1;
            if (ownLag[rank] > LAG_ALLOWED_NS && ownLag[rank] > total[rank] / 10) {
                cell.invalid(String.format("generator lag: %d us at %.0f %%, where the total is %d us",
                        ownLag[rank] / 1000, q * 100, total[rank] / 1000));
                return;
            }
        }
    }

    private void report() {
        int counted = n - first;
        Histogram[] hists = {new Histogram(), new Histogram(), new Histogram(), new Histogram()};
        long[] totals = new long[counted];
        long[] ownLags = new long[counted];
        long endNs = intended[n - 1];
        long busyNs = 0;
        for (int i = first; i < n; i++) {
            long freeNs = i > 0 ? Math.max(accepted[i - 1], intended[i]) : intended[i];
            totals[i - first] = ended[i] - intended[i];
            ownLags[i - first] = Math.max(submitted[i] - freeNs, 0);
            hists[0].record(ended[i] - intended[i]);
            hists[1].record(started[i] - submitted[i]);
            hists[2].record(ended[i] - started[i]);
            hists[3].record(submitted[i] - intended[i]);
            endNs = Math.max(endNs, ended[i]);
            busyNs += ended[i] - started[i];
        }
        double wallNs = endNs - intended[first];
        cell.used = used;
        cell.done = counted;
        cell.value("offered_per_s", (counted - 1) * 1e9 / (intended[n - 1] - intended[first]));
        cell.value("achieved_per_s", counted * 1e9 / wallNs);
        cell.value("utilisation", busyNs / wallNs / servers * 100);
        if (cell.axis("workers", 1) >= Runtime.getRuntime().availableProcessors()) {
            cell.doubt("the generator shares its CPU with a worker");
        }
        judge(totals, ownLags);
        if (cell.isValid()) {
            cell.hist("total", hists[0]);
            cell.hist("queue", hists[1]);
            cell.hist("service", hists[2]);
        }
        cell.hist("lag", hists[3]);
    }
}
