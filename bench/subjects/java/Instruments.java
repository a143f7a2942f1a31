import java.io.IOException;
import java.nio.file.DirectoryStream;
import java.nio.file.Files;
import java.nio.file.Path;

/** Wall time, CPU time and context switches of this process, and work calibrated on the clock. */
final class Instruments {
    private static final Path THREADS = Path.of("/proc/self/task");

    private Instruments() {}

    /** What the process has used: all threads that are alive, the run-time's own among them. */
    static final class Usage {
        final long wallNs;
        final long cpuNs;
        final long switches;

        private Usage(long wallNs, long cpuNs, long switches) {
            this.wallNs = wallNs;
            this.cpuNs = cpuNs;
            this.switches = switches;
        }

        /** Reads the clock last, so that an epoch that starts now does not pay for the reading. */
        static Usage begin() throws IOException {
            Usage read = now();
            return new Usage(System.nanoTime(), read.cpuNs, read.switches);
        }

        /** Reads the clock first. */
        static Usage now() throws IOException {
            return of("");
        }

        static Usage beginOfPool() throws IOException {
            Usage read = ofPool();
            return new Usage(System.nanoTime(), read.cpuNs, read.switches);
        }

        /** Of the threads of pools alone, by the names that the class library gives them. */
        static Usage ofPool() throws IOException {
            return of("(?:pool-|ForkJoinPool).*");
        }

        /** Sums over the threads whose name matches; all for "". */
        private static Usage of(String name) throws IOException {
            long wallNs = System.nanoTime();
            long cpuNs = 0;
            long switches = 0;
            try (DirectoryStream<Path> threads = Files.newDirectoryStream(THREADS)) {
                for (Path thread : threads) {
                    try {
                        if (name.isEmpty() || Files.readString(thread.resolve("comm")).trim().matches(name)) {
                            String stat = Files.readString(thread.resolve("schedstat"));
                            cpuNs += Long.parseLong(stat.substring(0, stat.indexOf(' ')));
                            switches += switchesOf(thread);
                        }
                    } catch (IOException e) {
                        continue; // it has just ended
                    }
                }
            }
            return new Usage(wallNs, cpuNs, switches);
        }

        Usage since(Usage before) {
            return new Usage(wallNs - before.wallNs, Math.max(cpuNs - before.cpuNs, 0),
                    Math.max(switches - before.switches, 0));
        }

        Usage plus(Usage more) {
            return new Usage(wallNs + more.wallNs, cpuNs + more.cpuNs, switches + more.switches);
        }

        static Usage none() {
            return new Usage(0, 0, 0);
        }

        private static long switchesOf(Path thread) throws IOException {
            long sum = 0;
            for (String line : Files.readAllLines(thread.resolve("status"))) {
                if (line.contains("ctxt_switches:")) {
                    sum += Long.parseLong(line.substring(line.indexOf(':') + 1).trim());
                }
            }
            return sum;
        }
    }

    /** A loop whose steps are calibrated against the clock; error is its relative miss. */
    static final class Work {
        private static final int TRIES = 15;
        private static final long WANTED_NS = 200_000;
        private static long sink; // keeps the loop alive; a race on it does no harm
        final double stepsPerNs;
        final double error;

        Work() {
            long warm = System.nanoTime() + 20_000_000; // long enough for the optimising compiler
            while (System.nanoTime() < warm) {
                spin(10_000);
            }
            long steps = 100_000;
            long best = Long.MAX_VALUE;
            for (int i = 0; i < TRIES; i++) {
                best = Math.min(best, time(steps));
            }
            stepsPerNs = (double) steps / best;
            double[] misses = new double[TRIES];
            for (int i = 0; i < TRIES; i++) {
                misses[i] = (double) time(steps(WANTED_NS)) / WANTED_NS - 1;
            }
            java.util.Arrays.sort(misses);
            error = Math.abs(misses[TRIES / 2]);
        }

        static void spin(long steps) {
            long x = steps;
            for (long i = 0; i < steps; i++) {
                x = x * 6364136223846793005L + 1442695040888963407L;
            }
            sink = x;
        }

        private static long time(long steps) {
            long start = System.nanoTime();
            spin(steps);
            return Math.max(System.nanoTime() - start, 1);
        }

        long steps(double ns) {
            return Math.round(ns * stepsPerNs);
        }
    }

    static double clockCostNs() {
        int calls = 20_000;
        long start = System.nanoTime();
        for (int i = 0; i < calls; i++) {
            System.nanoTime();
        }
        return (double) (System.nanoTime() - start) / calls;
    }
}
