import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.IdentityHashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ExecutorCompletionService;
import java.util.concurrent.Future;
import java.util.concurrent.Semaphore;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.TimeUnit;

/**
 * wait: round trips, with a window of them outstanding. any is an ExecutorCompletionService, all is
 * invokeAll, callback is a CompletableFuture: the class library's own means for each.
 */
final class Waiting implements Cell.Epochs {
    /** One round trip under way. */
    private static final class Trip {
        final int number;
        final long begunNs = System.nanoTime();
        Future<Integer> future;
        Semaphore done;

        Trip(int number) {
            this.number = number;
        }
    }

    private final Cell cell;
    private final ExecutorService pool;
    private final String pattern;
    private final int window;
    private Histogram roundTrip = new Histogram();
    private double sumNs;
    private Ledger ledger;

    private Waiting(Cell cell, ExecutorService pool) {
        this.cell = cell;
        this.pool = pool;
        pattern = cell.word("pattern");
        window = (int) cell.axis("window", 1);
    }

    static void measure(Cell cell) throws Exception {
        if (!Cell.PATTERNS.contains(cell.word("pattern"))) {
            throw new Ledger.Unsupported("no pattern '" + cell.word("pattern") + "'");
        }
        boolean nested = cell.word("pattern").equals("nested");
        if (nested && !cell.variant.nestedIsSafe() && cell.axis("window", 1) >= cell.axis("workers", 1)) {
            throw new Ledger.Unsupported(
                    "nested waits would use up its workers (needs workers > window)");
        }
        ExecutorService pool = cell.openPool();
        Waiting waiting = new Waiting(cell, pool);
        cell.measure(waiting, 1);
        pool.shutdown();
        double trips = cell.done;
        cell.value("round_trips_per_s", trips * 1e9 / cell.used.wallNs);
        cell.value("round_trip_ns", waiting.sumNs / trips);
        cell.value("cpu_ns_per_round_trip", cell.used.cpuNs / trips);
        cell.value("csw_per_round_trip", cell.used.switches / trips);
        cell.hist("round_trip", waiting.roundTrip);
        cell.done *= nested ? 2 : 1;
    }

    @Override
    public void forget() {
        roundTrip = new Histogram();
        sumNs = 0;
    }

    @Override
    public Instruments.Usage epoch(int trips) throws Exception {
        boolean nested = pattern.equals("nested");
        ledger = cell.ledger(nested ? 2 * trips : trips, pool);
        Instruments.Usage begun = Instruments.Usage.begin();
        if (pattern.equals("any")) {
            turnAny(trips);
        } else if (pattern.equals("all")) {
            turnAll(trips);
        } else {
            turnOldest(trips);
        }
        Instruments.Usage used = Instruments.Usage.now().since(begun);
        ledger.check();
        return used;
    }

    private Ledger.Task task(int number) {
        return ledger.new Task(number, 0);
    }

    private void ended(int number, long begunNs, int value) throws Ledger.Broken {
        long ns = System.nanoTime() - begunNs;
        roundTrip.record(ns);
        sumNs += ns;
        if (value != number) {
            throw new Ledger.Broken("wrong argument: task " + number + " brought back " + value);
        }
    }

    private Trip begin(int number) {
        Trip trip = new Trip(number);
        switch (pattern) {
            case "callback":
                trip.done = new Semaphore(0);
                CompletableFuture<Integer> future =
                        CompletableFuture.supplyAsync(task(number)::call, pool);
                trip.future = future;
                future.whenComplete((value, error) -> trip.done.release());
                break;
            case "signal":
                trip.done = new Semaphore(0);
                Ledger.Task signalled = task(number);
                pool.execute(() -> {
                    signalled.run();
                    trip.done.release();
                });
                break;
            case "nested":
                Ledger.Task outer = task(2 * number);
                Ledger.Task inner = task(2 * number + 1);
                trip.future = pool.submit(() -> {
                    outer.run();
                    return pool.submit((java.util.concurrent.Callable<Integer>) inner).get() / 2;
                });
                break;
            default:
                trip.future = pool.submit((java.util.concurrent.Callable<Integer>) task(number));
        }
        return trip;
    }

    private int finish(Trip trip) throws Exception {
        switch (pattern) {
            case "timed":
                return trip.future.get(1, TimeUnit.HOURS);
            case "poll":
                while (!trip.future.isDone()) {
                    Thread.yield();
                }
                return trip.future.get();
            case "callback":
                trip.done.acquire();
                return trip.future.get();
            case "signal":
                trip.done.acquire();
                return trip.number;
            default:
                return trip.future.get();
        }
    }

    private void turnOldest(int trips) throws Exception {
        ArrayDeque<Trip> ring = new ArrayDeque<>();
        for (int begun = 0; begun < trips || !ring.isEmpty();) {
            if (begun < trips && ring.size() < window) {
                ring.add(begin(begun++));
            } else {
                Trip oldest = ring.remove();
                int value = finish(oldest);
                ended(oldest.number, oldest.begunNs, value);
            }
        }
    }

    private void turnAny(int trips) throws Exception {
        ExecutorCompletionService<Integer> service = new ExecutorCompletionService<>(pool);
        Map<Future<Integer>, Trip> live = new IdentityHashMap<>();
        for (int begun = 0; begun < trips || !live.isEmpty();) {
            if (begun < trips && live.size() < window) {
                Trip trip = new Trip(begun);
                live.put(service.submit(task(begun++)), trip);
            } else {
                Future<Integer> future = service.take();
                Trip trip = live.remove(future);
                ended(trip.number, trip.begunNs, future.get());
            }
        }
    }

    private void turnAll(int trips) throws Exception {
        for (int begun = 0; begun < trips;) {
            List<Ledger.Task> batch = new ArrayList<>();
            int first = begun;
            while (batch.size() < window && begun < trips) {
                batch.add(task(begun++));
            }
            long begunNs = System.nanoTime();
            int number = first;
            for (Future<Integer> future : pool.invokeAll(batch)) {
                ended(number++, begunNs, future.get());
            }
        }
    }
}
