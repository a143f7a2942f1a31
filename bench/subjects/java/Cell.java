import java.util.ArrayList;
import java.util.Collections;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.locks.LockSupport;

/** One cell: its description, the pool that it asks for, and the record in the making. */
final class Cell {
    static final List<String> WORKLOADS = List.of("throughput", "contention", "wait", "latency",
            "wakeup", "forkjoin", "metg", "sparse", "memory", "lifecycle");
    static final List<String> PATTERNS =
            List.of("block", "timed", "poll", "callback", "any", "all", "nested", "signal");
    private static final int EPOCH_MAX = 1 << 20;
    private static final int LEAST_TOLD = 1000; // fewer tell no rate
    private static final int SETTLED_EPOCHS = 3;
    private static final double SETTLED = 1.25; // fastest over slowest of the last epochs

    /** A workload that runs in epochs of a number of tasks or round trips. */
    interface Epochs {
        Instruments.Usage epoch(int n) throws Exception;

        void forget(); // what was gathered while warming up
    }

    final String workload;
    final Pools.Variant variant;
    final long seed;
    final long warmupNs;
    final long measureNs;
    final long deadlineNs;
    final Instruments.Work work;
    Instruments.Usage used = Instruments.Usage.none();
    long done;
    private final Map<String, Object> axes;
    private final Map<String, String> values = new LinkedHashMap<>();
    private final Map<String, String> hists = new LinkedHashMap<>();
    private final List<String> doubts = new ArrayList<>();
    private String status = "ok";
    private String reason = "";
    private int capacity;

    @SuppressWarnings("unchecked")
    Cell(Map<String, Object> description) {
        if (!Long.valueOf(1).equals(description.get("schema"))) {
            throw new IllegalArgumentException("not a cell description of \"schema\" 1");
        }
        if (description.get("options") instanceof List
                && !((List<Object>) description.get("options")).isEmpty()) {
            throw new IllegalArgumentException("unknown option '"
                    + ((List<Object>) description.get("options")).get(0) + "': java has none");
        }
        axes = description.get("cell") instanceof Map
                ? (Map<String, Object>) description.get("cell") : Collections.emptyMap();
        workload = word("workload");
        if (!WORKLOADS.contains(workload)) {
            throw new IllegalArgumentException("unknown workload '" + workload + "'; java has "
                    + String.join(", ", WORKLOADS));
        }
        Object named = description.getOrDefault("variant", "default");
        variant = "default".equals(named) ? Pools.ALL.get(0) : Pools.find(String.valueOf(named));
        if (variant == null) {
            throw new IllegalArgumentException("unknown variant '" + named + "'; see --describe");
        }
        if (axis("workers", 0) < 1 || axis("producers", 1) < 1 || axis("window", 1) < 1
                || axis("service_ns", 1) < 1) {
            throw new IllegalArgumentException("workers, producers, window and service_ns are 1 or more");
        }
        seed = number(description, "seed");
        warmupNs = number(description, "warmup_ns");
        measureNs = number(description, "measure_ns");
        deadlineNs = number(description, "deadline_ns");
        work = new Instruments.Work();
    }

    private static long number(Map<String, Object> from, String name) {
        if (!(from.get(name) instanceof Long)) {
            throw new IllegalArgumentException("\"" + name + "\" is not a whole number");
        }
        return (Long) from.get(name);
    }

    long axis(String name, long otherwise) {
        return axes.containsKey(name) ? number(axes, name) : otherwise;
    }

    String word(String name) {
        return String.valueOf(axes.get(name));
    }

    /** Refuses a word that this program does not know. */
    void only(String name, String... known) throws Ledger.Unsupported {
        if (axes.containsKey(name) && !List.of(known).contains(word(name))) {
            throw new Ledger.Unsupported("no " + name + " '" + word(name) + "' in this program");
        }
    }

    ExecutorService openPool() throws Exception {
        capacity = Pools.capacity(variant, (int) axis("capacity", 0));
        return Pools.open(variant, (int) axis("workers", 1), capacity);
    }

    /** A ledger that counts ends where the pool does not. */
    Ledger ledger(int tasks, ExecutorService pool) {
        return new Ledger(tasks, !(pool instanceof java.util.concurrent.ThreadPoolExecutor));
    }

    /** Returns when the pool, or callers in its place, have ended so many tasks. */
    void quiesce(ExecutorService pool, long before, int tasks, Ledger ledger) throws Ledger.Broken {
        long giveUp = System.nanoTime() + deadlineNs / 2;
        while (true) {
            long ended = Pools.ended(pool, ledger) - before + (ledger.counts ? 0 : ledger.callerRan.sum());
            if (ended >= tasks) {
                return;
            }
            if (System.nanoTime() > giveUp) {
                throw new Ledger.Broken("hang: " + ended + " of " + tasks + " tasks ended in time");
            }
            LockSupport.parkNanos(20_000);
        }
    }

    /**
     * Warms up until the rates of three epochs lie within 25 %, or for five warm-ups or the length of
     * the measured part, whichever is longer; then measures, in four epochs or so.
     */
    void measure(Epochs epochs, long least) throws Exception {
        measure(epochs, least, LEAST_TOLD);
    }

    /** leastTold: epochs with fewer tell no rate. */
    void measure(Epochs epochs, long least, int leastTold) throws Exception {
        long n = least;
        long spentNs = 0;
        List<Double> rates = new ArrayList<>();
        while (spentNs < Math.max(5 * warmupNs, measureNs) && !settled(rates)) {
            long wallNs = Math.max(epochs.epoch((int) n).wallNs, 1);
            spentNs += wallNs;
            boolean grows = n < clamp(n * warmupNs / (4 * wallNs), least);
            if (!grows && n >= leastTold) { // the cost of an epoch itself no longer shows
                rates.add((double) n / wallNs);
            }
            n = clamp(Math.max(Math.min(n * 4, n * warmupNs / (2 * wallNs)), Math.min(n * 2, leastTold)),
                    least);
        }
        if (!settled(rates)) {
            doubt("NOISY: the warm-up did not settle: its last epochs differ by more than 25 %");
        }
        epochs.forget();
        while (used.wallNs < measureNs - measureNs / 10) {
            double perNs = used.wallNs > 0 ? (double) done / used.wallNs
                    : rates.isEmpty() ? 1e-3 : rates.get(rates.size() - 1);
            n = clamp((long) (Math.min(measureNs - used.wallNs, measureNs / 4) * perNs), least);
            used = used.plus(epochs.epoch((int) n));
            done += n;
        }
    }

    private static long clamp(long n, long least) {
        return Math.max(least, Math.min(n, EPOCH_MAX) / least * least);
    }

    private static boolean settled(List<Double> rates) {
        if (rates.size() < SETTLED_EPOCHS) {
            return false;
        }
        List<Double> last = rates.subList(rates.size() - SETTLED_EPOCHS, rates.size());
        return Collections.max(last) <= SETTLED * Collections.min(last);
    }

    void value(String name, double value) {
        values.put(name, Double.toString(value));
    }

    void hist(String name, Histogram histogram) {
        hists.put(name, histogram.toJson());
    }

    void doubt(String words) {
        doubts.add(words);
    }

    void end(String how, String why) {
        status = how;
        reason = why;
        values.clear();
        hists.clear();
    }

    void invalid(String why) {
        status = "invalid";
        reason = why;
        doubts.add(why);
    }

    boolean isValid() {
        return status.equals("ok");
    }

    /** What must not be overlooked, in the words of bench/cell.c. */
    private void markFairness() {
        double callerRan = Double.parseDouble(values.getOrDefault("caller_ran_share", "0"));
        double retries = Double.parseDouble(values.getOrDefault("retries", "0"));
        if (callerRan >= 0.005) {
            doubt(String.format("%.0f %% of the tasks ran on the thread that submits", callerRan * 100));
        }
        if (retries >= 1) {
            doubt(String.format("refused %.0f submissions, which were tried again", retries));
        }
    }

    String record() {
        markFairness();
        List<String> marks = new ArrayList<>();
        for (String doubt : doubts) {
            marks.add(Pool.quote(doubt));
        }
        return "{\"schema\":1,\"status\":" + Pool.quote(status) + ",\"reason\":" + Pool.quote(reason)
                + ",\"subject\":{" + Pool.identity() + "},\"config\":{\"variant\":" + Pool.quote(variant.name)
                + ",\"workers\":" + axis("workers", 1) + ",\"capacity\":" + capacity
                + ",\"settings\":" + Pool.quote(variant.notes) + ",\"order\":" + Pool.quote(variant.order)
                + ",\"full\":" + Pool.quote(variant.full) + "},\"wall_ns\":"
                + used.wallNs + ",\"tasks\":" + done + ",\"cpu_ns\":" + used.cpuNs + ",\"csw\":"
                + used.switches + ",\"values\":" + object(values) + ",\"hist\":" + object(hists)
                + ",\"machine\":{\"alloc\":\"java\",\"work_error\":" + work.error + ",\"clock_ns\":"
                + Instruments.clockCostNs() + "},\"validity\":[" + String.join(",", marks) + "]}";
    }

    private static String object(Map<String, String> members) {
        StringBuilder out = new StringBuilder("{");
        members.forEach((name, json) -> out.append(out.length() > 1 ? "," : "").append(Pool.quote(name))
                .append(':').append(json));
        return out.append('}').toString();
    }
}
