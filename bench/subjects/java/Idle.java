import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Semaphore;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.locks.LockSupport;

/** wakeup, sparse, memory and lifecycle: what a pool costs while there is little to do. */
final class Idle {
    private Idle() {}

    private static final class Wakeup implements Cell.Epochs {
        private final Cell cell;
        private final ExecutorService pool;
        private final long gapNs;
        private Histogram start = new Histogram();
        private Histogram roundTrip = new Histogram();
        private long[] starts = new long[1 << 20];
        private int n;
        private double startSum;
        private double tripSum;

        Wakeup(Cell cell, ExecutorService pool) {
            this.cell = cell;
            this.pool = pool;
            gapNs = cell.axis("gap_ns", 1_000_000);
        }

        @Override
        public void forget() {
            start = new Histogram();
            roundTrip = new Histogram();
            n = 0;
            startSum = 0;
            tripSum = 0;
        }

        @Override
        public Instruments.Usage epoch(int trips) throws Exception {
            Ledger ledger = cell.ledger(trips, pool);
            Semaphore done = new Semaphore(0);
            long[] startedNs = new long[1];
            Instruments.Usage begun = Instruments.Usage.begin();
            for (int i = 0; i < trips; i++) {
                Latency.waitUntil(System.nanoTime() + gapNs);
                Ledger.Task task = ledger.new Task(i, 0);
                long submittedNs = System.nanoTime();
                Latency.hand(pool, () -> {
                    startedNs[0] = System.nanoTime();
                    task.run();
                    done.release();
                });
                done.acquire();
                long endedNs = System.nanoTime();
                start.record(startedNs[0] - submittedNs);
                roundTrip.record(endedNs - submittedNs);
                starts[n++ % starts.length] = startedNs[0] - submittedNs;
                startSum += startedNs[0] - submittedNs;
                tripSum += endedNs - submittedNs;
            }
            Instruments.Usage used = Instruments.Usage.now().since(begun);
            ledger.check();
            return used;
        }

        void report() {
            int kept = Math.min(n, starts.length);
            Arrays.sort(starts, 0, kept);
            cell.value("start_p50_ns", starts[kept / 2]);
            cell.value("start_ns", startSum / n);
            cell.value("round_trip_ns", tripSum / n);
            cell.value("csw_per_wakeup", (double) cell.used.switches / n);
            cell.hist("start", start);
            cell.hist("round_trip", roundTrip);
        }
    }

    static void wakeup(Cell cell) throws Exception {
        ExecutorService pool = cell.openPool();
        Wakeup wakeup = new Wakeup(cell, pool);
        cell.measure(wakeup, 1, 20);
        pool.shutdown();
        wakeup.report();
    }

    /** Of the pool's threads alone: neither the submitting thread nor the run-time's own. */
    static void sparse(Cell cell) throws Exception {
        double rate = cell.axis("tasks_per_s", 100);
        int warm = (int) (rate * cell.warmupNs / 1e9);
        int total = warm + (int) (rate * cell.measureNs / 1e9);
        ExecutorService pool = cell.openPool();
        Ledger ledger = cell.ledger(total, pool);
        feed(pool, ledger, 0, warm, rate, cell.warmupNs);
        Instruments.Usage begun = Instruments.Usage.beginOfPool();
        feed(pool, ledger, warm, total, rate, cell.measureNs);
        cell.used = Instruments.Usage.ofPool().since(begun);
        pool.shutdown();
        pool.awaitTermination(10, TimeUnit.SECONDS);
        ledger.check();
        cell.done = total - warm;
        double seconds = cell.used.wallNs / 1e9;
        cell.value("cpu_percent", 100.0 * cell.used.cpuNs / cell.used.wallNs);
        cell.value("wakeups_per_s", cell.used.switches / seconds);
        cell.value("achieved_per_s", cell.done / seconds);
        if (cell.done > 0) {
            cell.value("cpu_ns_per_task", (double) cell.used.cpuNs / cell.done);
        }
    }

    private static void feed(ExecutorService pool, Ledger ledger, int first, int last, double rate, long ns) {
        long begun = System.nanoTime();
        for (int i = first; i < last; i++) {
            sleepUntil(begun + (long) ((i - first + 1) * 1e9 / rate));
            Latency.hand(pool, ledger.new Task(i, 0));
        }
        sleepUntil(begun + ns);
    }

    private static void sleepUntil(long momentNs) {
        for (long left = momentNs - System.nanoTime(); left > 0; left = momentNs - System.nanoTime()) {
            LockSupport.parkNanos(left);
        }
    }

    private static double residentBytes() throws Exception {
        for (String line : Files.readAllLines(Path.of("/proc/self/smaps_rollup"))) {
            if (line.startsWith("Rss:")) {
                return Double.parseDouble(line.replaceAll("[^0-9]", "")) * 1024;
            }
        }
        return Double.NaN;
    }

    /** Bytes of the heap after a collection: the resident set of a heap of fixed size does not tell. */
    private static double heapBytes() {
        System.gc();
        return Runtime.getRuntime().totalMemory() - (double) Runtime.getRuntime().freeMemory();
    }

    static void memory(Cell cell) throws Exception {
        if (!cell.variant.full.equals("grows")) {
            throw new Ledger.Unsupported("no queue that grows");
        }
        int workers = (int) cell.axis("workers", 1);
        int queued = (int) cell.axis("queued", 100_000);
        double none = residentBytes();
        ExecutorService pool = cell.openPool();
        Ledger ledger = cell.ledger(queued, pool);
        CountDownLatch gate = new CountDownLatch(1);
        CountDownLatch held = new CountDownLatch(workers);
        Instruments.Usage begun = Instruments.Usage.begin();
        for (int i = 0; i < workers; i++) {
            pool.execute(() -> {
                held.countDown();
                try {
                    gate.await();
                } catch (InterruptedException e) {
                    Thread.currentThread().interrupt();
                }
            });
        }
        held.await(10, TimeUnit.SECONDS);
        double idle = residentBytes();
        Ledger.Task[] tasks = new Ledger.Task[queued]; // the harness's own
        for (int i = 0; i < queued; i++) {
            tasks[i] = ledger.new Task(i, 0);
        }
        double before = heapBytes();
        for (Ledger.Task task : tasks) {
            pool.execute(task);
        }
        double after = heapBytes();
        gate.countDown();
        pool.shutdown();
        pool.awaitTermination(10, TimeUnit.SECONDS);
        ledger.check();
        cell.used = Instruments.Usage.now().since(begun);
        cell.done = queued;
        cell.value("idle_rss_bytes", idle - none);
        cell.value("bytes_per_task", (after - before) / queued);
        cell.value("retained_rss_bytes", heapBytes() - before);
        cell.doubt("bytes are those of the collected heap, not of the resident set");
    }

    static void lifecycle(Cell cell) throws Exception {
        int n = (int) cell.axis("tasks", 0);
        Histogram[] hists = new Histogram[3];
        double[] sums = new double[2];
        cell.measure(new Cell.Epochs() {
            @Override
            public void forget() {
                for (int i = 0; i < hists.length; i++) {
                    hists[i] = new Histogram();
                }
                Arrays.fill(sums, 0);
            }

            @Override
            public Instruments.Usage epoch(int lives) throws Exception {
                if (hists[0] == null) {
                    forget();
                }
                Instruments.Usage begun = Instruments.Usage.begin();
                for (int life = 0; life < lives; life++) {
                    long begunNs = System.nanoTime();
                    ExecutorService pool = cell.openPool();
                    long openNs = System.nanoTime();
                    Ledger ledger = cell.ledger(n, pool);
                    for (int i = 0; i < n; i++) {
                        Latency.hand(pool, ledger.new Task(i, 0));
                    }
                    long closingNs = System.nanoTime();
                    pool.shutdown();
                    pool.awaitTermination(10, TimeUnit.SECONDS);
                    long closedNs = System.nanoTime();
                    ledger.check();
                    hists[0].record(openNs - begunNs);
                    hists[1].record(closedNs - closingNs);
                    hists[2].record(closedNs - begunNs);
                    sums[0] += openNs - begunNs;
                    sums[1] += closedNs - closingNs;
                }
                return Instruments.Usage.now().since(begun);
            }
        }, 1, 20);
        cell.value("create_ns", sums[0] / cell.done);
        cell.value("destroy_ns", sums[1] / cell.done);
        cell.value("life_ns", (double) cell.used.wallNs / cell.done);
        cell.value("lives_per_s", cell.done * 1e9 / cell.used.wallNs);
        cell.hist("create", hists[0]);
        cell.hist("destroy", hists[1]);
        cell.hist("life", hists[2]);
    }
}
