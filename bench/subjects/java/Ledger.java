import java.lang.invoke.MethodHandles;
import java.lang.invoke.VarHandle;
import java.util.concurrent.Callable;
import java.util.concurrent.atomic.LongAdder;

/** A slot for each task: every run counts up its own and checks its argument. */
final class Ledger {
    /** A thread that submits: a task that runs on one ran in its caller. */
    static class Submitter extends Thread {
        Submitter(Runnable body) {
            super(body);
        }
    }

    private static final VarHandle SLOT = MethodHandles.arrayElementVarHandle(int[].class);
    private static final int KEY = 0x5EED5EED;
    private static final int STRIDE = 16; // ints: a cache line for each task
    private final int[] slots;
    private final int tasks;
    private final LongAdder wrong = new LongAdder();
    final LongAdder callerRan = new LongAdder();
    final LongAdder ended = new LongAdder();
    final boolean counts; // ends, for a pool that does not

    Ledger(int tasks, boolean counts) {
        this.tasks = tasks;
        this.counts = counts;
        slots = new int[tasks * STRIDE];
    }

    /** The number of the task and its copy: what every task is given. */
    final class Task implements Runnable, Callable<Integer> {
        private final int number;
        private final int check;
        private final long steps;

        Task(int number, long steps) {
            this.number = number;
            this.check = number ^ KEY;
            this.steps = steps;
        }

        @Override
        public void run() {
            if (check != (number ^ KEY)) {
                wrong.increment();
                return;
            }
            if (Thread.currentThread() instanceof Submitter) {
                callerRan.increment();
            }
            if (steps > 0) {
                Instruments.Work.spin(steps);
            }
            SLOT.getAndAdd(slots, number * STRIDE, 1);
            if (counts) {
                ended.increment();
            }
        }

        @Override
        public Integer call() {
            run();
            return number;
        }
    }

    void check() throws Broken {
        if (wrong.sum() > 0) {
            throw new Broken("wrong argument: " + wrong.sum() + " tasks");
        }
        int lost = 0;
        int twice = 0;
        for (int i = 0; i < tasks; i++) {
            int runs = (int) SLOT.getVolatile(slots, i * STRIDE);
            lost += runs == 0 ? 1 : 0;
            twice += runs > 1 ? 1 : 0;
        }
        if (lost > 0) {
            throw new Broken("lost task: " + lost + " of " + tasks + " never ran");
        }
        if (twice > 0) {
            throw new Broken("double run: " + twice + " of " + tasks + " ran more than once");
        }
    }

    /** A promise was broken: "lost task", "double run", "wrong argument" or "hang". */
    static final class Broken extends Exception {
        private static final long serialVersionUID = 1;

        Broken(String reason) {
            super(reason);
        }
    }

    /** The pool has no such capability. */
    static final class Unsupported extends Exception {
        private static final long serialVersionUID = 1;

        Unsupported(String reason) {
            super(reason);
        }
    }
}
