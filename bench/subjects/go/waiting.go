package main

import (
	"runtime"
	"sync"
	"time"
)

// Go has no callback on a result. A result comes through a channel of its own (block, timed, poll,
// nested), through one that all share (any), or is awaited by a WaitGroup (all); signal is a channel
// that carries nothing, in place of the semaphore that other languages use.
var patterns = []string{"block", "timed", "poll", "any", "all", "nested", "signal"}

type trip struct {
	number int
	begun  int64
	result chan int
}

type waiter struct {
	pool      *pool
	tasks     *ledger
	pattern   string
	roundTrip *histogram
}

func runWait(c *cell) {
	pattern, window := c.word("pattern"), c.number("window", 1)
	known := false
	for _, name := range patterns {
		known = known || name == pattern
	}
	if !known {
		panic(unsupported("no pattern '" + pattern + "'"))
	}
	nested := pattern == "nested"
	if nested && c.variant != "goroutine" && window >= c.number("workers", 1) {
		panic(unsupported("nested waits would use up its workers (needs workers > window)"))
	}
	perTrip := 1
	if nested {
		perTrip = 2
	}
	sum := newHistogram()
	p := c.open()
	c.epochs(1, func(n int, measured bool) usage {
		w := &waiter{p, newLedger(n * perTrip), pattern, newHistogram()}
		if measured {
			w.roundTrip = sum
		}
		before := usageNow()
		switch pattern {
		case "any":
			w.turnAny(n, window)
		case "all":
			w.turnAll(n, window)
		default:
			w.turnOldest(n, window)
		}
		used := usageNow().since(before)
		w.tasks.check()
		return used
	})
	p.close()
	trips := float64(c.tasks)
	c.values["round_trips_per_s"] = trips * 1e9 / float64(c.used.wall)
	c.values["round_trip_ns"] = float64(sum.sum) / float64(sum.count)
	c.values["cpu_ns_per_round_trip"] = float64(c.used.cpu) / trips
	c.values["csw_per_round_trip"] = float64(c.used.csw) / trips
	c.hist["round_trip"] = sum.json()
	c.tasks *= perTrip
}

func (w *waiter) answer(result chan int) func(int) {
	return func(number int) {
		w.tasks.run(number, 0)
		result <- number
	}
}

func (w *waiter) end(begun int64, number, value int) {
	w.roundTrip.record(now() - begun)
	if value != number {
		panic(broken("wrong argument: a channel brought the value of another task"))
	}
}

// turnOldest waits for the oldest, then starts another in its place.
func (w *waiter) turnOldest(n, window int) {
	ring := make([]trip, minInt(window, n))
	for i := 0; i < n+len(ring); i++ {
		oldest := &ring[i%len(ring)]
		if i >= len(ring) {
			w.end(oldest.begun, oldest.number, w.finish(oldest))
		}
		if i < n {
			*oldest = trip{i, now(), make(chan int, 1)}
			w.begin(oldest)
		}
	}
}

func (w *waiter) begin(t *trip) {
	if w.pattern != "nested" {
		w.pool.submit(w.answer(t.result), t.number)
		return
	}
	result := t.result
	w.pool.submit(func(number int) {
		w.tasks.run(number, 0)
		inner := make(chan int, 1)
		w.pool.submit(w.answer(inner), number+1)
		result <- <-inner / 2
	}, 2*t.number)
}

func (w *waiter) finish(t *trip) int {
	switch w.pattern {
	case "timed":
		timer := time.NewTimer(time.Hour)
		defer timer.Stop()
		select {
		case value := <-t.result:
			return value
		case <-timer.C:
			panic(broken("hang: a task did not end within an hour"))
		}
	case "poll":
		for {
			select {
			case value := <-t.result:
				return value
			default:
				runtime.Gosched()
			}
		}
	}
	return <-t.result
}

func (w *waiter) turnAny(n, window int) {
	results := make(chan int, window)
	started := make([]int64, n)
	for begun, ended := 0, 0; ended < n; {
		if begun < n && begun-ended < window {
			started[begun] = now()
			w.pool.submit(w.answer(results), begun)
			begun++
			continue
		}
		number := <-results
		w.end(started[number], number, number)
		ended++
	}
}

func (w *waiter) turnAll(n, window int) {
	for begun := 0; begun < n; {
		var all sync.WaitGroup
		start, first := now(), begun
		for ; begun < n && begun-first < window; begun++ {
			all.Add(1)
			w.pool.submit(func(number int) {
				w.tasks.run(number, 0)
				all.Done()
			}, begun)
		}
		all.Wait()
		for number := first; number < begun; number++ {
			w.end(start, number, number)
		}
	}
}
