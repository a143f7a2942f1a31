import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import java.util.concurrent.ExecutorService;

/**
 * metg: the search of bench/workloads/metg.c. Efficiency at a grain is the work done over the time of
 * the workers; the grain doubles until it is reached, then the median overhead around the crossing
 * gives the smallest task that still reaches it.
 */
final class Metg {
    private static final double LEAST_GRAIN_NS = 50;
    private static final double MOST_GRAIN_NS = 5e6;
    private static final double[] AROUND = {1, 1 / 1.25, 1.25};
    private final Cell cell;
    private final ExecutorService pool;
    private final double servers;
    private double taskNs;

    private Metg(Cell cell, ExecutorService pool) {
        this.cell = cell;
        this.pool = pool;
        servers = Math.min(cell.axis("workers", 1), Runtime.getRuntime().availableProcessors());
    }

    private double efficiency(double grainNs) throws Exception {
        double each = Math.max(taskNs, grainNs / servers);
        int n = (int) Math.min(Math.max(cell.measureNs / 16.0 / each, 2 * servers), 1 << 20);
        Ledger ledger = cell.ledger(n, pool);
        long steps = cell.work.steps(grainNs);
        long before = Pools.ended(pool, ledger);
        Instruments.Usage begun = Instruments.Usage.begin();
        for (int i = 0; i < n; i++) {
            Latency.hand(pool, ledger.new Task(i, steps));
        }
        cell.quiesce(pool, before, n, ledger);
        Instruments.Usage used = Instruments.Usage.now().since(begun);
        ledger.check();
        taskNs = (double) used.wallNs / n;
        cell.used = cell.used.plus(used);
        cell.done += n;
        return grainNs * n / (servers * used.wallNs);
    }

    static void measure(Cell cell) throws Exception {
        ExecutorService pool = cell.openPool();
        Metg metg = new Metg(cell, pool);
        double wanted = cell.axis("efficiency", 50) / 100.0;
        for (long warm = System.nanoTime() + 5 * cell.warmupNs; System.nanoTime() < warm;) {
            metg.efficiency(LEAST_GRAIN_NS);
        }
        double grain = LEAST_GRAIN_NS;
        double reached = metg.efficiency(grain);
        while (reached < wanted && grain < MOST_GRAIN_NS) {
            grain *= 2;
            reached = metg.efficiency(grain);
        }
        if (reached < wanted) {
            cell.invalid(String.format("efficiency never reached %.0f %%; the last was %.1f %%",
                    wanted * 100, reached * 100));
            return;
        }
        cell.used = Instruments.Usage.none();
        cell.done = 0;
        List<Double> overheads = new ArrayList<>();
        double crossing = grain / Math.sqrt(2);
        double median = 0;
        for (long end = System.nanoTime() + cell.measureNs; overheads.size() < 6 || System.nanoTime() < end;) {
            double at = Math.max(crossing * AROUND[overheads.size() % 3], LEAST_GRAIN_NS);
            double e = metg.efficiency(at);
            overheads.add(at * (1 - e) / e);
            List<Double> sorted = new ArrayList<>(overheads);
            Collections.sort(sorted);
            median = sorted.get(sorted.size() / 2);
            double next = median * wanted / (1 - wanted);
            crossing = Math.max(Math.min(Math.max(next, crossing / 2), crossing * 2), LEAST_GRAIN_NS);
        }
        pool.shutdown();
        cell.value("metg_ns", crossing);
        cell.value("overhead_ns", median);
        if (crossing <= LEAST_GRAIN_NS * 1.01) {
            cell.doubt("METG is at or below the smallest grain, 50 ns");
        }
    }
}
