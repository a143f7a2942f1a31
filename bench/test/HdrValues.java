import java.io.BufferedReader;
import java.io.IOException;
import java.io.InputStreamReader;
import org.HdrHistogram.Histogram;
import org.HdrHistogram.HistogramIterationValue;

/**
 * Records the whole numbers on stdin, one a line, and prints what the histogram holds, with the
 * quantiles that are asked for; without any, its percentile distribution.
 */
final class HdrValues {
    private HdrValues() {}

    public static void main(String[] args) throws IOException {
        Histogram histogram = new Histogram(1, (1L << 52) - 1, 3);
        BufferedReader in = new BufferedReader(new InputStreamReader(System.in));
        for (String line = in.readLine(); line != null; line = in.readLine()) {
            histogram.recordValue(Long.parseLong(line));
        }
        if (args.length == 0) {
            histogram.outputPercentileDistribution(System.out, 1.0);
            return;
        }
        for (HistogramIterationValue value : histogram.recordedValues()) {
            System.out.printf(
                    "slot %d %d %d%n",
                    histogram.lowestEquivalentValue(value.getValueIteratedTo()),
                    histogram.highestEquivalentValue(value.getValueIteratedTo()),
                    value.getCountAtValueIteratedTo());
        }
        for (String percentile : args) {
            System.out.printf(
                    "quantile %s %d%n",
                    percentile, histogram.getValueAtPercentile(Double.parseDouble(percentile)));
        }
        System.out.printf("mean %.6f%n", histogram.getMean());
    }
}
