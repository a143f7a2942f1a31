import java.util.Arrays;
import java.util.concurrent.ForkJoinPool;
import java.util.concurrent.RecursiveTask;
import java.util.function.LongSupplier;

/** forkjoin: the kernels of bench/kernels.h as RecursiveTasks: fork all children but one, compute that, join. */
final class Kernels {
    private static final int QUEENS_LEAF = 7;
    private static final int UTS_MOST = 8;

    private Kernels() {}

    /** A node whose children are computed below it; a leaf has a value of its own. */
    private abstract static class Node extends RecursiveTask<Long> {
        private static final long serialVersionUID = 1;

        abstract Node[] children(); // null: a leaf

        abstract long own(); // what the node itself adds

        @Override
        protected final Long compute() {
            Node[] children = children();
            long sum = own();
            if (children == null || children.length == 0) {
                return sum;
            }
            for (int i = 0; i + 1 < children.length; i++) {
                children[i].fork();
            }
            sum += children[children.length - 1].compute();
            for (int i = children.length - 2; i >= 0; i--) {
                sum += children[i].join();
            }
            return sum;
        }

        /** What the rule of spawning makes of the tree. */
        final long spawns() {
            Node[] children = children();
            long spawns = children == null || children.length == 0 ? 0 : children.length - 1;
            for (int i = 0; children != null && i < children.length; i++) {
                spawns += children[i].spawns();
            }
            return spawns;
        }
    }

    private static final class Fib extends Node {
        private static final long serialVersionUID = 1;
        private final int n;

        Fib(int n) {
            this.n = n;
        }

        @Override
        Node[] children() {
            return n < 2 ? null : new Node[] {new Fib(n - 1), new Fib(n - 2)};
        }

        @Override
        long own() {
            return n < 2 ? n : 0;
        }

        static long serial(int n) {
            return n < 2 ? n : serial(n - 1) + serial(n - 2);
        }
    }

    private static final class Queens extends Node {
        private static final long serialVersionUID = 1;
        private final int left;
        private final int all;
        private final int columns;
        private final int rising;
        private final int falling;

        Queens(int left, int all, int columns, int rising, int falling) {
            this.left = left;
            this.all = all;
            this.columns = columns;
            this.rising = rising;
            this.falling = falling;
        }

        @Override
        Node[] children() {
            int free = all & ~(columns | rising | falling);
            if (left <= QUEENS_LEAF) {
                return null;
            }
            Node[] children = new Node[Integer.bitCount(free)];
            for (int i = 0; free != 0; free &= free - 1) {
                int bit = free & -free;
                children[i++] = new Queens(left - 1, all, columns | bit, (rising | bit) << 1,
                        (falling | bit) >>> 1);
            }
            return children;
        }

        @Override
        long own() {
            return left <= QUEENS_LEAF ? count(left, all, columns, rising, falling) : 0;
        }

        static long count(int left, int all, int columns, int rising, int falling) {
            if (left == 0) {
                return 1;
            }
            long sum = 0;
            for (int free = all & ~(columns | rising | falling); free != 0; free &= free - 1) {
                int bit = free & -free;
                sum += count(left - 1, all, columns | bit, (rising | bit) << 1, (falling | bit) >>> 1);
            }
            return sum;
        }
    }

    private static final class Uts extends Node {
        private static final long serialVersionUID = 1;
        private final long state;
        private final int trunk;
        private final int children;

        Uts(long state, int trunk, int children) {
            this.state = state;
            this.trunk = trunk;
            this.children = children;
        }

        static Uts root(int n) {
            return new Uts(0x77656972L, n, Math.min(n, UTS_MOST));
        }

        private Uts child(int index) {
            long x = state + index + 1;
            for (int i = 0; i < 24; i++) {
                x ^= x >>> 32;
                x *= 0xd6e8feb86659fd93L;
            }
            x ^= x >>> 32;
            int below = trunk > 1 ? trunk / children + (index < trunk % children ? 1 : 0) : 0;
            if (below > 1) {
                return new Uts(x, below, Math.min(below, UTS_MOST));
            }
            return new Uts(x, 0, (x >>> 11) * 0x1p-53 < 0.12 ? UTS_MOST : 0);
        }

        @Override
        Node[] children() {
            Node[] made = new Node[children];
            for (int i = 0; i < children; i++) {
                made[i] = child(i);
            }
            return made;
        }

        @Override
        long own() {
            return 1;
        }

        static long serial(Uts node) {
            long nodes = 1;
            for (int i = 0; i < node.children; i++) {
                nodes += serial(node.child(i));
            }
            return nodes;
        }
    }

    private static final class Skynet extends Node {
        private static final long serialVersionUID = 1;
        private final int n;
        private final long first;

        Skynet(int n, long first) {
            this.n = n;
            this.first = first;
        }

        private static long stride(int n) {
            long stride = 1;
            for (int i = 1; i < n; i++) {
                stride *= 10;
            }
            return stride;
        }

        @Override
        Node[] children() {
            Node[] children = new Node[n == 0 ? 0 : 10];
            long stride = stride(n);
            for (int i = 0; i < children.length; i++) {
                children[i] = new Skynet(n - 1, first + i * stride);
            }
            return children;
        }

        @Override
        long own() {
            return n == 0 ? first : 0;
        }

        static long serial(int n, long first) {
            if (n == 0) {
                return first;
            }
            long sum = 0;
            long stride = stride(n);
            for (int i = 0; i < 10; i++) {
                sum += serial(n - 1, first + i * stride);
            }
            return sum;
        }
    }

    private static Node root(String name, int n) throws Ledger.Unsupported {
        switch (name) {
            case "fib":
                return new Fib(n);
            case "nqueens":
                return new Queens(n, (1 << n) - 1, 0, 0, 0);
            case "uts":
                return Uts.root(n);
            case "skynet":
                return new Skynet(n, 0);
            default:
                throw new Ledger.Unsupported("no kernel '" + name + "'");
        }
    }

    private static long serial(String name, int n) {
        switch (name) {
            case "fib":
                return Fib.serial(n);
            case "nqueens":
                return Queens.count(n, (1 << n) - 1, 0, 0, 0);
            case "uts":
                return Uts.serial(Uts.root(n));
            default:
                return Skynet.serial(n, 0);
        }
    }

    /** Runs again and again for so long, at least three times: the median in nanoseconds. */
    private static double time(LongSupplier kernel, long answer, long ns, int[] runs) throws Ledger.Broken {
        double[] each = new double[4096];
        int n = 0;
        for (long begun = System.nanoTime(); n < each.length && (n < 3 || System.nanoTime() - begun < ns);) {
            long before = System.nanoTime();
            long got = kernel.getAsLong();
            each[n++] = System.nanoTime() - before;
            if (got != answer) {
                throw new Ledger.Broken("wrong argument: the kernel answers " + got + ", the truth is " + answer);
            }
        }
        runs[0] = n;
        Arrays.sort(each, 0, n);
        return each[n / 2];
    }

    static void measure(Cell cell) throws Exception {
        if (!cell.variant.isForkJoin()) {
            throw new Ledger.Unsupported("no fork-join kernels: tasks that wait would use up the threads");
        }
        String name = cell.word("kernel");
        int asked = (int) cell.axis("n", 0);
        int n = asked > 0 ? asked : name.equals("fib") ? 24 : name.equals("nqueens") ? 11
                : name.equals("uts") ? 1024 : 4;
        long spawns = root(name, n).spawns();
        long answer = serial(name, n);
        int[] runs = new int[1];
        time(() -> serial(name, n), answer, Math.max(cell.warmupNs, 50_000_000), runs);
        double serialNs = time(() -> serial(name, n), answer, cell.measureNs / 2, runs);
        int workers = (int) cell.axis("workers", 1);
        double[] ns = new double[2];
        Instruments.Usage begun = null;
        for (int i = 0; i < (workers > 1 ? 2 : 1); i++) {
            ForkJoinPool pool = (ForkJoinPool) Pools.open(cell.variant, i == 0 ? 1 : workers, 0);
            LongSupplier kernel = () -> {
                try {
                    return pool.invoke(root(name, n));
                } catch (Ledger.Unsupported e) {
                    throw new IllegalStateException(e);
                }
            };
            time(kernel, answer, Math.max(cell.warmupNs, 50_000_000), runs);
            begun = Instruments.Usage.begin();
            ns[i] = time(kernel, answer, cell.measureNs, runs);
            pool.shutdown();
        }
        double allNs = workers > 1 ? ns[1] : ns[0];
        cell.used = Instruments.Usage.now().since(begun);
        cell.done = spawns * runs[0];
        cell.value("serial_ns", serialNs);
        cell.value("one_worker_ns", ns[0]);
        cell.value("kernel_ns", allNs);
        cell.value("spawns", spawns);
        cell.value("overhead", ns[0] / serialNs);
        cell.value("ns_per_spawn", (ns[0] - serialNs) / spawns);
        cell.value("speedup", serialNs / allNs);
        cell.value("runs", runs[0]);
    }
}
