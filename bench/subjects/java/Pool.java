import java.nio.charset.StandardCharsets;
import java.util.Map;
import java.util.concurrent.atomic.AtomicReference;

/**
 * Java's ThreadPoolExecutor as a subject of weir-bench: reads one cell description on standard
 * input, prints one record on standard output; --describe prints what it can run. Exit codes: 0 a
 * record was printed; 2 the description cannot be used (one line on standard error says why).
 */
final class Pool {
    private static final String NOTES =
            "java.util.concurrent; no spinning, but for a scan in forkjoin; the run-time compiles "
            + "during the warm-up; CPU time includes collector and compiler; virtual threads from JDK 21 on";

    private Pool() {}

    static String quote(String words) {
        StringBuilder out = new StringBuilder("\"");
        for (char c : words.toCharArray()) {
            if (c == '"' || c == '\\') {
                out.append('\\').append(c);
            } else if (c < 0x20) {
                out.append(String.format("\\u%04x", (int) c));
            } else {
                out.append(c);
            }
        }
        return out.append('"').toString();
    }

    static String identity() {
        return "\"name\":\"java\",\"version\":" + quote("JDK " + System.getProperty("java.version"))
                + ",\"notes\":" + quote(NOTES);
    }

    private static String describe() {
        String variants = Pools.ALL.stream().map(v -> "{\"name\":" + quote(v.name) + ",\"notes\":"
                + quote(v.notes) + ",\"full\":" + quote(v.full) + ",\"order\":" + quote(v.order) + "}")
                .collect(java.util.stream.Collectors.joining(","));
        return "{" + identity() + ",\"variants\":[" + variants + "],\"warmup_ms\":60,\"workloads\":"
                + list(Cell.WORKLOADS) + ",\"patterns\":" + list(Cell.PATTERNS) + "}";
    }

    private static String list(java.util.List<String> names) {
        return "[\"" + String.join("\",\"", names) + "\"]";
    }

    private static void run(Cell cell) throws Exception {
        try {
            switch (cell.workload) {
                case "wait":
                    Waiting.measure(cell);
                    break;
                case "latency":
                    Latency.measure(cell);
                    break;
                case "wakeup":
                    Idle.wakeup(cell);
                    break;
                case "forkjoin":
                    Kernels.measure(cell);
                    break;
                case "metg":
                    Metg.measure(cell);
                    break;
                case "sparse":
                    Idle.sparse(cell);
                    break;
                case "memory":
                    Idle.memory(cell);
                    break;
                case "lifecycle":
                    Idle.lifecycle(cell);
                    break;
                default:
                    Submission.measure(cell);
            }
        } catch (Ledger.Unsupported e) {
            cell.end("unsupported", e.getMessage());
        } catch (Ledger.Broken e) {
            cell.end("failed", e.getMessage());
        }
    }

    @SuppressWarnings("unchecked")
    private static Cell read() throws Exception {
        byte[] input = System.in.readAllBytes();
        Object description = Json.parse(new String(input, StandardCharsets.UTF_8));
        if (!(description instanceof Map)) {
            throw new IllegalArgumentException("the description is not a JSON object");
        }
        return new Cell((Map<String, Object>) description);
    }

    public static void main(String[] args) throws Exception {
        if (args.length == 1 && args[0].equals("--describe")) {
            System.out.println(describe());
            return;
        }
        if (args.length > 0) {
            System.err.println("Pool: unknown argument '" + args[0] + "'; try --describe");
            System.exit(2);
        }
        Cell cell = null;
        try {
            cell = read();
        } catch (IllegalArgumentException e) {
            System.err.println("Pool: " + e.getMessage());
            System.exit(2);
        }
        runAsSubmitter(cell);
        System.out.println(cell.record());
        System.out.flush();
        Runtime.getRuntime().halt(0); // a pool that does not end must not keep the record back
    }

    /** On a thread that the ledger knows as a caller, as the producers are. */
    private static void runAsSubmitter(Cell cell) throws Exception {
        AtomicReference<Exception> failure = new AtomicReference<>();
        Thread thread = new Ledger.Submitter(() -> {
            try {
                run(cell);
            } catch (Exception e) {
                failure.set(e);
            }
        });
        thread.start();
        thread.join();
        if (failure.get() != null) {
            throw failure.get();
        }
    }
}
