package main

import "sync"

// runSubmission is throughput and contention: producers hand over tasks as fast as they are taken,
// and the clock runs from the first until the pool has ended all of them.
func runSubmission(c *cell) {
	if c.number("batch", 1) > 1 {
		panic(unsupported("no batch submission"))
	}
	producers := c.number("producers", 1)
	steps := c.work.steps(float64(c.number("grain_ns", 0)))
	var submitting int64
	var jain float64
	c.epochs(producers, func(n int, measured bool) usage {
		used, spent := submitEpoch(c, producers, n, steps)
		if measured {
			var sum, squares float64
			for _, ns := range spent {
				submitting += ns
				rate := float64(n) / float64(ns+1)
				sum += rate
				squares += rate * rate
			}
			jain += sum * sum / (squares * float64(producers)) * float64(n)
		}
		return used
	})
	tasks := float64(c.tasks)
	c.values["tasks_per_s"] = tasks * 1e9 / float64(c.used.wall)
	c.values["ns_per_task"] = float64(c.used.wall) / tasks
	c.values["submit_ns"] = float64(submitting) / tasks
	c.values["cpu_ns_per_task"] = float64(c.used.cpu) / tasks
	c.values["csw_per_task"] = float64(c.used.csw) / tasks
	c.values["caller_ran_share"] = 0 // a goroutine never runs on the one that starts it
	if c.workload == "contention" {
		c.values["jain"] = jain / tasks
		c.values["retries"] = 0
	}
}

func submitEpoch(c *cell, producers, n int, steps uint64) (usage, []int64) {
	tasks := newLedger(n)
	p := c.open()
	run := func(number int) { tasks.run(number, steps) }
	spent := make([]int64, producers)
	var ready, ended sync.WaitGroup
	gate := make(chan struct{})
	ready.Add(producers)
	ended.Add(producers)
	for i := 0; i < producers; i++ {
		go func(self, first, last int) {
			ready.Done()
			<-gate
			start := now()
			for number := first; number < last; number++ {
				p.submit(run, number)
			}
			spent[self] = now() - start
			ended.Done()
		}(i, n/producers*i, n/producers*(i+1))
	}
	ready.Wait()
	before := usageNow()
	close(gate)
	ended.Wait()
	p.close()
	used := usageNow().since(before)
	tasks.check()
	return used, spent
}
