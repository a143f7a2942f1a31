// Go's ways to run many tasks as a subject of weir-bench: reads one cell description on standard
// input, prints one record on standard output; --describe prints what it can run. Exit codes: 0 a
// record was printed; 2 the description cannot be used (one line on standard error says why).
package main

import (
	"encoding/json"
	"fmt"
	"io"
	"os"
	"strings"
)

const notes = "no pool of its own: goroutines, which the run-time places on as many threads as CPUs; " +
	"these spin before they sleep; results come back through channels"

var workloads = []string{"throughput", "contention", "wait", "latency", "wakeup", "forkjoin", "metg", "sparse",
	"memory", "lifecycle"}

var runs map[string]func(*cell)

func init() {
	runs = map[string]func(*cell){"throughput": runSubmission, "contention": runSubmission, "wait": runWait,
		"latency": runLatency, "wakeup": runWakeup, "forkjoin": runForkjoin, "metg": runMetg, "sparse": runSparse,
		"memory": runMemory, "lifecycle": runLifecycle}
}

func identity() map[string]string {
	return map[string]string{"name": "go", "version": version(), "notes": notes}
}

func describe() map[string]any {
	list := []map[string]any{}
	for _, v := range variants {
		list = append(list, map[string]any{"name": v.name, "notes": v.notes, "full": v.full, "order": v.order})
	}
	return map[string]any{"name": "go", "version": version(), "notes": notes, "variants": list,
		"workloads": workloads, "patterns": patterns}
}

func print(value any) {
	line, err := json.Marshal(value)
	if err != nil {
		fmt.Fprintln(os.Stderr, "go:", err)
		os.Exit(1)
	}
	os.Stdout.Write(append(line, '\n'))
}

func main() {
	if len(os.Args) == 2 && os.Args[1] == "--describe" {
		print(describe())
		return
	}
	if len(os.Args) > 1 {
		fmt.Fprintf(os.Stderr, "go: unknown argument '%s'; try --describe\n", os.Args[1])
		os.Exit(2)
	}
	text, err := io.ReadAll(os.Stdin)
	var c *cell
	if err == nil {
		c, err = readCell(text)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "go:", strings.ReplaceAll(err.Error(), "\n", " "))
		os.Exit(2)
	}
	c.run()
	print(c.record())
}
