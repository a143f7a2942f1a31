/** Log-linear, three significant digits: the indices of bench/measure/histogram.h. */
final class Histogram {
    private static final int SLOTS = 44032;
    private static final long TOP_VALUE = (1L << 52) - 1;

    private final long[] slots = new long[SLOTS];
    private long count;
    private long min = Long.MAX_VALUE;
    private long max;

    /** Below 2048 the value itself; above, 1024 equal steps to each power of two. */
    static int index(long value) {
        int shift = 63 - 10 - Long.numberOfLeadingZeros(value | 2047);
        return shift * 1024 + (int) (value >>> shift);
    }

    void record(long measured) {
        long value = Math.min(Math.max(measured, 0), TOP_VALUE);
        slots[index(value)]++;
        count++;
        min = Math.min(min, value);
        max = Math.max(max, value);
    }

    String toJson() {
        StringBuilder out = new StringBuilder("{\"unit\":\"ns\",\"digits\":3,\"count\":");
        out.append(count).append(",\"min\":").append(count == 0 ? 0 : min);
        out.append(",\"max\":").append(max).append(",\"slots\":[");
        String comma = "";
        int last = 0;
        for (int i = 0; i < SLOTS; i++) {
            if (slots[i] != 0) {
                out.append(comma).append(i - last).append(',').append(slots[i]);
                comma = ",";
                last = i;
            }
        }
        return out.append("]}").toString();
    }
}
