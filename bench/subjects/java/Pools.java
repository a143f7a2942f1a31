import java.util.List;
import java.util.concurrent.ArrayBlockingQueue;
import java.util.concurrent.BlockingQueue;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.ForkJoinPool;
import java.util.concurrent.LinkedBlockingQueue;
import java.util.concurrent.SynchronousQueue;
import java.util.concurrent.ThreadPoolExecutor;
import java.util.concurrent.TimeUnit;
import java.util.stream.Collectors;
import java.util.stream.Stream;

/** The pools of the class library under test, by the name of the configuration. */
final class Pools {
    /** What the tables say of one: settings, what a full queue does, and the order of starting. */
    static final class Variant {
        final String name;
        final String notes;
        final String full;
        final String order;

        Variant(String name, String notes, String full, String order) {
            this.name = name;
            this.notes = notes;
            this.full = full;
            this.order = order;
        }

        boolean isForkJoin() {
            return name.startsWith("forkjoin");
        }

        /** A task that waits for another on the same pool never uses up its threads. */
        boolean nestedIsSafe() {
            return isForkJoin() || name.equals("virtual") || name.equals("cached");
        }
    }

    private static final int BOUND = 1024; // of bounded-callerruns, where the cell names none
    private static final int CACHED_MAX = 256; // threads: a flood would make thousands

    static final List<Variant> ALL = Stream.of(
            new Variant("fixed", "ThreadPoolExecutor, LinkedBlockingQueue; unbounded, or as the cell "
                    + "bounds it with AbortPolicy, and the producer tries again", "grows", "fifo"),
            new Variant("forkjoin", "ForkJoinPool, asyncMode false: a worker's newest task first; end: "
                    + "counted", "grows", "any"),
            new Variant("cached", "SynchronousQueue, threads on demand; up to " + CACHED_MAX
                    + ", then AbortPolicy, and the producer tries again", "rejects", "any"),
            new Variant("bounded-callerruns", "ThreadPoolExecutor, ArrayBlockingQueue of " + BOUND
                    + " unless the cell bounds it; CallerRunsPolicy", "caller runs", "fifo"),
            new Variant("forkjoin-async", "ForkJoinPool, asyncMode true: for tasks that nobody joins; "
                    + "end: counted", "grows", "any"),
            new Variant("virtual", "a virtual thread for each task; end: counted", "grows", "any"))
            .filter(v -> !v.name.equals("virtual") || Runtime.version().feature() >= 21)
            .collect(Collectors.toUnmodifiableList());

    private Pools() {}

    static Variant find(String name) {
        return ALL.stream().filter(v -> v.name.equals(name)).findFirst().orElse(null);
    }

    /** The bound that the pool gets; 0: none. */
    static int capacity(Variant variant, int asked) throws Ledger.Unsupported {
        if (variant.name.equals("bounded-callerruns")) {
            return asked == 0 ? BOUND : asked;
        }
        if (asked > 0 && !variant.name.equals("fixed")) {
            throw new Ledger.Unsupported("no bounded queue");
        }
        return asked;
    }

    /** A pool whose threads all run, where it has a number of them. */
    static ExecutorService open(Variant variant, int workers, int capacity) throws Exception {
        switch (variant.name) {
            case "forkjoin":
            case "forkjoin-async":
                return new ForkJoinPool(workers, ForkJoinPool.defaultForkJoinWorkerThreadFactory, null,
                        variant.name.equals("forkjoin-async"));
            case "virtual":
                return (ExecutorService) Executors.class.getMethod("newVirtualThreadPerTaskExecutor")
                        .invoke(null);
            case "cached":
                return new ThreadPoolExecutor(0, CACHED_MAX, 60, TimeUnit.SECONDS,
                        new SynchronousQueue<>());
            default:
                return fixed(variant, workers, capacity);
        }
    }

    private static ThreadPoolExecutor fixed(Variant variant, int workers, int capacity) {
        boolean callerRuns = variant.name.equals("bounded-callerruns");
        BlockingQueue<Runnable> queue = callerRuns ? new ArrayBlockingQueue<>(capacity)
                : capacity > 0 ? new LinkedBlockingQueue<>(capacity) : new LinkedBlockingQueue<>();
        ThreadPoolExecutor pool = new ThreadPoolExecutor(workers, workers, 0, TimeUnit.SECONDS, queue,
                callerRuns ? new ThreadPoolExecutor.CallerRunsPolicy()
                        : new ThreadPoolExecutor.AbortPolicy());
        pool.prestartAllCoreThreads();
        return pool;
    }

    /** How many tasks the pool says it has ended, or those that the ledger has counted for it. */
    static long ended(ExecutorService pool, Ledger ledger) {
        return pool instanceof ThreadPoolExecutor
                ? ((ThreadPoolExecutor) pool).getCompletedTaskCount() : ledger.ended.sum();
    }
}
