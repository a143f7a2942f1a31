package main

import (
	"fmt"
	"math/bits"
	"sort"
	"sync/atomic"
	"syscall"
	"time"
)

// ---- Clock and usage ------------------------------------------------------------------------

var begun = time.Now()

// now is the monotonic clock in nanoseconds.
func now() int64 {
	return int64(time.Since(begun))
}

func clockCostNs() float64 {
	const calls = 20000
	start := now()
	for i := 0; i < calls; i++ {
		now()
	}
	return float64(now()-start) / calls
}

// usage is wall time, CPU time and context switches of the process.
type usage struct {
	wall, cpu, csw int64
}

func usageNow() usage {
	var r syscall.Rusage
	syscall.Getrusage(syscall.RUSAGE_SELF, &r)
	return usage{now(), r.Utime.Nano() + r.Stime.Nano(), r.Nvcsw + r.Nivcsw}
}

// Never negative: what is left after taking a thread's own share off two readings may be.
func (u usage) since(before usage) usage {
	return usage{u.wall - before.wall, max(u.cpu-before.cpu, 0), max(u.csw-before.csw, 0)}
}

func max(a, b int64) int64 {
	if a > b {
		return a
	}
	return b
}

func (u usage) plus(more usage) usage {
	return usage{u.wall + more.wall, u.cpu + more.cpu, u.csw + more.csw}
}

// ---- Histogram: the indices of bench/measure/histogram.h ------------------------------------

type histogram struct {
	slots         map[int]int64
	count         int64
	min, max, sum int64
}

func newHistogram() *histogram {
	return &histogram{slots: map[int]int64{}}
}

func (h *histogram) record(value int64) {
	if value < 0 {
		value = 0
	} else if value >= 1<<52 {
		value = 1<<52 - 1
	}
	shift := bits.Len64(uint64(value)) - 11
	if shift < 0 {
		shift = 0
	}
	h.slots[shift*1024+int(value>>shift)]++
	if h.count == 0 || value < h.min {
		h.min = value
	}
	if value > h.max {
		h.max = value
	}
	h.sum += value
	h.count++
}

func (h *histogram) json() map[string]any {
	indices := make([]int, 0, len(h.slots))
	for index := range h.slots {
		indices = append(indices, index)
	}
	sort.Ints(indices)
	slots := make([]int64, 0, 2*len(indices))
	last := 0
	for _, index := range indices {
		slots = append(slots, int64(index-last), h.slots[index])
		last = index
	}
	return map[string]any{"unit": "ns", "digits": 3, "count": h.count, "min": h.min, "max": h.max, "slots": slots}
}

// ---- Calibrated work: the loop of bench/measure/work.c --------------------------------------

type work struct {
	stepNs float64
	err    float64
}

//go:noinline
func spin(steps uint64) uint64 {
	x := steps | 1
	for i := uint64(0); i < steps; i++ {
		x = x*6364136223846793005 + i
	}
	return x
}

var sink uint64

func timeOf(steps uint64) float64 {
	samples := make([]float64, 15)
	for i := range samples {
		start := now()
		atomic.StoreUint64(&sink, spin(steps))
		samples[i] = float64(now() - start)
	}
	sort.Float64s(samples)
	return samples[len(samples)/2]
}

func calibrate() work {
	for ramped := now() + 1000000; now() < ramped; {
		spin(8192)
	}
	const wanted = 200000
	w := work{stepNs: (timeOf(32768) - timeOf(16)) / (32768 - 16)}
	miss := timeOf(w.steps(wanted))/wanted - 1
	if miss < 0 {
		miss = -miss
	}
	w.err = miss
	return w
}

func (w work) steps(ns float64) uint64 {
	return uint64(ns/w.stepNs + 0.5)
}

// ---- Ledger: every task has a slot of its own and counts itself there -----------------------

const key = 0x5EED5EED

type slot struct {
	runs  atomic.Uint32
	check uint32
	_     [14]uint32 // a cache line each
}

type ledger struct {
	slots []slot
	wrong atomic.Int64
}

func newLedger(tasks int) *ledger {
	l := &ledger{slots: make([]slot, tasks)}
	for i := range l.slots {
		l.slots[i].check = uint32(i) ^ key
	}
	return l
}

// run is what every task does: checks its number, works, and counts itself.
func (l *ledger) run(number int, steps uint64) {
	if number < 0 || number >= len(l.slots) || l.slots[number].check != uint32(number)^key {
		l.wrong.Add(1)
		return
	}
	if steps > 0 {
		spin(steps)
	}
	l.slots[number].runs.Add(1)
}

// check panics with broken when a task did not run exactly once.
func (l *ledger) check() {
	if wrong := l.wrong.Load(); wrong > 0 {
		panic(broken(fmt.Sprintf("wrong argument: %d tasks", wrong)))
	}
	lost, twice := 0, 0
	for i := range l.slots {
		switch runs := l.slots[i].runs.Load(); {
		case runs == 0:
			lost++
		case runs > 1:
			twice++
		}
	}
	if lost > 0 {
		panic(broken(fmt.Sprintf("lost task: %d of %d never ran", lost, len(l.slots))))
	}
	if twice > 0 {
		panic(broken(fmt.Sprintf("double run: %d of %d ran more than once", twice, len(l.slots))))
	}
}
