package main

import (
	"math"
	"os"
	"runtime"
	"sort"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// wakeup, sparse, memory and lifecycle: what the ways of Go cost while there is little to do.

func quantile(values []int64, q float64) float64 {
	sort.Slice(values, func(i, j int) bool { return values[i] < values[j] })
	return float64(values[int(math.Ceil(q*float64(len(values))))-1])
}

// runWakeup submits one task at a time, after a gap without any.
func runWakeup(c *cell) {
	gap := int64(c.number("gap_ns", 1000000))
	p := c.open()
	starts, trips := newHistogram(), newHistogram()
	var all []int64
	c.epochs(1, func(n int, measured bool) usage {
		tasks := newLedger(n)
		before := usageNow()
		for i := 0; i < n; i++ {
			sleepUntil(now() + gap)
			var started int64
			done := make(chan struct{}, 1)
			submitted := now()
			p.submit(func(number int) {
				started = now()
				tasks.run(number, 0)
				done <- struct{}{}
			}, i)
			<-done
			ended := now()
			if measured {
				starts.record(started - submitted)
				trips.record(ended - submitted)
				all = append(all, started-submitted)
			}
		}
		used := usageNow().since(before)
		tasks.check()
		return used
	})
	p.close()
	c.values["start_p50_ns"] = quantile(all, 0.5)
	c.values["start_ns"] = float64(starts.sum) / float64(starts.count)
	c.values["round_trip_ns"] = float64(trips.sum) / float64(trips.count)
	c.values["csw_per_wakeup"] = float64(c.used.csw) / float64(c.tasks)
	c.hist["start"], c.hist["round_trip"] = starts.json(), trips.json()
}

// sleepUntil sleeps until shortly before the moment, then looks at the clock.
func sleepUntil(moment int64) {
	for left := moment - now(); left > 0; left = moment - now() {
		if left > spinNs {
			time.Sleep(time.Duration(left - spinNs))
		} else {
			runtime.Gosched()
		}
	}
}

// poolUsage is the process without the calling thread, which is locked to its goroutine.
func poolUsage() usage {
	var own syscall.Rusage
	const thread = 1
	syscall.Getrusage(thread, &own)
	all := usageNow()
	all.cpu -= own.Utime.Nano() + own.Stime.Nano()
	all.csw -= own.Nvcsw + own.Nivcsw
	return all
}

// runSparse submits empty tasks at a low rate from a thread of its own, which sleeps in the kernel.
func runSparse(c *cell) {
	runtime.LockOSThread()
	rate := float64(c.number("tasks_per_s", 100))
	total := int(rate*float64(c.warmup)/1e9) + int(rate*float64(c.measure)/1e9)
	tasks, p, submitted := newLedger(total), c.open(), 0
	run := func(number int) { tasks.run(number, 0) }
	during := func(length int64) {
		begun := now()
		for i := 0; i < int(rate*float64(length)/1e9); i++ {
			sleepInKernel(begun + int64(float64(i+1)*1e9/rate))
			p.submit(run, submitted)
			submitted++
		}
		sleepInKernel(begun + length)
	}
	during(c.warmup)
	before, first := poolUsage(), submitted
	during(c.measure)
	c.used = poolUsage().since(before)
	c.tasks = submitted - first
	p.close()
	tasks.check()
	seconds := float64(c.used.wall) / 1e9
	c.values["cpu_percent"] = math.Max(0, float64(c.used.cpu)/float64(c.used.wall)*100)
	c.values["wakeups_per_s"] = math.Max(0, float64(c.used.csw)/seconds)
	c.values["achieved_per_s"] = float64(c.tasks) / seconds
	if c.tasks > 0 {
		c.values["cpu_ns_per_task"] = math.Max(0, float64(c.used.cpu)/float64(c.tasks))
	}
}

func sleepInKernel(moment int64) {
	for left := moment - now(); left > 0; left = moment - now() {
		length := syscall.NsecToTimespec(left)
		syscall.Nanosleep(&length, nil)
	}
}

func residentBytes() float64 {
	text, _ := os.ReadFile("/proc/self/smaps_rollup")
	for _, line := range strings.Split(string(text), "\n") {
		if fields := strings.Fields(line); len(fields) > 1 && fields[0] == "Rss:" {
			kilobytes, _ := strconv.ParseFloat(fields[1], 64)
			return kilobytes * 1024
		}
	}
	return math.NaN()
}

// runMemory queues tasks behind workers that are held; a goroutine for each task is held itself.
func runMemory(c *cell) {
	if c.described().full != "grows" {
		panic(unsupported("no queue that grows: the sender waits"))
	}
	queued := c.number("queued", 100000)
	tasks := newLedger(queued)
	runtime.GC()
	none := residentBytes()
	begun := usageNow()
	p := c.open()
	idle := residentBytes()
	gate := make(chan struct{})
	for i := 0; i < queued; i++ {
		p.submit(func(number int) {
			<-gate
			tasks.run(number, 0)
		}, i)
	}
	after := residentBytes()
	close(gate)
	p.close()
	tasks.check()
	c.used, c.tasks = usageNow().since(begun), queued
	c.values["idle_rss_bytes"] = idle - none
	c.values["bytes_per_task"] = (after - idle) / float64(queued)
	c.values["retained_rss_bytes"] = residentBytes() - idle
}

func runLifecycle(c *cell) {
	n := c.number("tasks", 0)
	create, destroy, life := newHistogram(), newHistogram(), newHistogram()
	c.epochs(1, func(lives int, measured bool) usage {
		before := usageNow()
		for i := 0; i < lives; i++ {
			tasks := newLedger(n)
			run := func(number int) { tasks.run(number, 0) }
			begun := now()
			p := c.open()
			opened := now()
			for number := 0; number < n; number++ {
				p.submit(run, number)
			}
			closing := now()
			p.close()
			closed := now()
			tasks.check()
			if measured {
				create.record(opened - begun)
				destroy.record(closed - closing)
				life.record(closed - begun)
			}
		}
		return usageNow().since(before)
	})
	c.values["create_ns"] = float64(create.sum) / float64(create.count)
	c.values["destroy_ns"] = float64(destroy.sum) / float64(destroy.count)
	c.values["life_ns"] = float64(c.used.wall) / float64(c.tasks)
	c.values["lives_per_s"] = float64(c.tasks) * 1e9 / float64(c.used.wall)
	c.hist["create"], c.hist["destroy"], c.hist["life"] = create.json(), destroy.json(), life.json()
}
