import java.util.concurrent.CountDownLatch;
import java.util.concurrent.RejectedExecutionException;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.atomic.LongAdder;

/** throughput and contention: producers outside the pool submit, and all of it is run. */
final class Submission implements Cell.Epochs {
    private final Cell cell;
    private final ExecutorService pool;
    private final int producers;
    private final long steps;
    private final long[] spentNs;
    private final long[] submitted;
    private final LongAdder retries = new LongAdder();
    private long callerRan;

    private Submission(Cell cell, ExecutorService pool) {
        this.cell = cell;
        this.pool = pool;
        producers = (int) cell.axis("producers", 1);
        steps = cell.work.steps(cell.axis("grain_ns", 0));
        spentNs = new long[producers];
        submitted = new long[producers];
    }

    static void measure(Cell cell) throws Exception {
        if (cell.axis("batch", 1) > 1) {
            throw new Ledger.Unsupported("no batch submission");
        }
        ExecutorService pool = cell.openPool();
        Submission submission = new Submission(cell, pool);
        cell.measure(submission, 4L * submission.producers);
        pool.shutdown();
        submission.report();
    }

    @Override
    public void forget() {
        java.util.Arrays.fill(spentNs, 0);
        java.util.Arrays.fill(submitted, 0);
        retries.reset();
        callerRan = 0;
    }

    @Override
    public Instruments.Usage epoch(int tasks) throws Exception {
        Ledger ledger = cell.ledger(tasks, pool);
        CountDownLatch ready = new CountDownLatch(producers);
        CountDownLatch gate = new CountDownLatch(1);
        Thread[] threads = new Thread[producers];
        long before = Pools.ended(pool, ledger);
        for (int p = 0; p < producers; p++) {
            int self = p;
            int first = (int) ((long) tasks * p / producers);
            int last = (int) ((long) tasks * (p + 1) / producers);
            threads[p] = new Ledger.Submitter(() -> produce(ledger, self, first, last, ready, gate));
            threads[p].start();
        }
        ready.await();
        Instruments.Usage begun = Instruments.Usage.begin();
        gate.countDown();
        cell.quiesce(pool, before, tasks, ledger);
        Instruments.Usage used = Instruments.Usage.now().since(begun);
        for (Thread thread : threads) {
            thread.join();
        }
        ledger.check();
        callerRan += ledger.callerRan.sum();
        return used;
    }

    private void produce(Ledger ledger, int self, int first, int last, CountDownLatch ready,
            CountDownLatch gate) {
        ready.countDown();
        try {
            gate.await();
        } catch (InterruptedException e) {
            return;
        }
        long start = System.nanoTime();
        for (int number = first; number < last; number++) {
            submit(ledger.new Task(number, steps));
        }
        spentNs[self] += System.nanoTime() - start;
        submitted[self] += last - first;
    }

    private void submit(Runnable task) {
        while (true) {
            try {
                pool.execute(task);
                return;
            } catch (RejectedExecutionException e) {
                retries.increment();
                Thread.yield();
            }
        }
    }

    private void report() {
        double tasks = cell.done;
        double submitNs = 0;
        double sum = 0;
        double squares = 0;
        for (int p = 0; p < producers; p++) {
            double each = (double) spentNs[p] / Math.max(submitted[p], 1);
            double rate = 1 / Math.max(each, 1e-9);
            submitNs += each / producers;
            sum += rate;
            squares += rate * rate;
        }
        cell.value("tasks_per_s", tasks * 1e9 / cell.used.wallNs);
        cell.value("ns_per_task", cell.used.wallNs / tasks);
        cell.value("submit_ns", submitNs);
        cell.value("cpu_ns_per_task", cell.used.cpuNs / tasks);
        cell.value("csw_per_task", cell.used.switches / tasks);
        cell.value("caller_ran_share", callerRan / tasks);
        cell.value("retries", retries.sum());
        if (cell.workload.equals("contention")) {
            cell.value("jain", sum * sum / (producers * squares));
        }
    }
}
