/**
 * The open loop's schedule, number for number that of bench/measure/arrivals.c: with one seed and one rate
 * every pool gets the same load.
 */
final class Schedule {
    private static final int BURST_SIZE = 16;
    private static final double PARETO_INDEX = 1.5;
    private static final double PARETO_CUT = 1000.0; // times the mean

    /** xoshiro256**, its state filled by splitmix64. */
    private final long[] state;

    Schedule(long seed) {
        state = new long[4];
        long at = seed;
        for (int i = 0; i < state.length; i++) {
            at += 0x9e3779b97f4a7c15L;
            long z = at;
            z = (z ^ (z >>> 30)) * 0xbf58476d1ce4e5b9L;
            z = (z ^ (z >>> 27)) * 0x94d049bb133111ebL;
            state[i] = z ^ (z >>> 31);
        }
    }

    private Schedule(Schedule other) {
        state = other.state.clone();
    }

    private long next() {
        long[] s = state;
        long result = Long.rotateLeft(s[1] * 5, 7) * 9;
        long shifted = s[1] << 17;
        s[2] ^= s[0];
        s[3] ^= s[1];
        s[1] ^= s[2];
        s[0] ^= s[3];
        s[2] ^= shifted;
        s[3] = Long.rotateLeft(s[3], 45);
        return result;
    }

    /** Over (0, 1]. */
    private double unit() {
        return ((next() >>> 11) + 1) * 0x1p-53;
    }

    private double exponential(double mean) {
        return -mean * Math.log(unit());
    }

    private long below(long n) {
        long limit = -1L - Long.remainderUnsigned(-1L, n);
        while (true) {
            long value = next();
            if (Long.compareUnsigned(value, limit) < 0) {
                return Long.remainderUnsigned(value, n);
            }
        }
    }

    private double gapAfter(String kind, int index, double gap) {
        switch (kind) {
            case "poisson":
                return exponential(gap);
            case "burst":
                return index % BURST_SIZE == 0 ? exponential(gap * BURST_SIZE) : 0;
            default:
                return gap;
        }
    }

    /** n moments after the start, in nanoseconds, whose last is n gaps after it. */
    long[] arrivals(String kind, int n, double rate) {
        double gap = 1e9 / rate;
        Schedule again = new Schedule(this);
        double end = 0;
        for (int i = 0; i < n; i++) {
            end += gapAfter(kind, i, gap);
        }
        double scale = end > 0 ? n * gap / end : 1;
        long[] moments = new long[n];
        double at = 0;
        for (int i = 0; i < n; i++) {
            at += again.gapAfter(kind, i, gap);
            moments[i] = (long) (at * scale + 0.5);
        }
        return moments;
    }

    private double serviceOf(String kind, double mean) {
        switch (kind) {
            case "exponential":
                return exponential(mean);
            case "bimodal":
                return below(10) == 0 ? 5.5 * mean : 0.5 * mean;
            case "pareto":
                double least = mean * (PARETO_INDEX - 1) / PARETO_INDEX;
                return Math.min(least * Math.pow(unit(), -1 / PARETO_INDEX), mean * PARETO_CUT);
            default:
                return mean;
        }
    }

    /** Lengths of n tasks in nanoseconds, whose mean is exact. */
    long[] services(String kind, int n, double mean) {
        Schedule again = new Schedule(this);
        double sum = 0;
        for (int i = 0; i < n; i++) {
            sum += serviceOf(kind, mean);
        }
        double scale = sum > 0 ? n * mean / sum : 1;
        long[] lengths = new long[n];
        for (int i = 0; i < n; i++) {
            lengths[i] = (long) (again.serviceOf(kind, mean) * scale + 0.5);
        }
        return lengths;
    }
}
