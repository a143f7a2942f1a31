package main

import (
	"math"
	"runtime"
	"sort"
)

// metg: the search of bench/workloads/metg.c. Efficiency at a grain is the work done over the time of
// the workers; the grain doubles until it is reached, then the median overhead around the crossing
// gives the smallest task that still reaches it.

const (
	leastGrainNs = 50.0
	mostGrainNs  = 5e6
	around       = 1.25
)

func runMetg(c *cell) {
	wanted := float64(c.number("efficiency", 50)) / 100
	servers := float64(minInt(c.number("workers", 1), runtime.NumCPU()))
	end := now() + c.warmup + c.measure
	taskNs := 0.0
	efficiency := func(grain float64) float64 {
		each := math.Max(taskNs, grain/servers)
		n := minInt(int(math.Max(float64(c.measure/16)/each, 2*servers)), epochMax)
		used, _ := submitEpoch(c, 1, n, c.work.steps(grain))
		taskNs = float64(used.wall) / float64(n)
		c.used, c.tasks = c.used.plus(used), c.tasks+n
		return grain * float64(n) / (servers * float64(used.wall))
	}
	efficiency(leastGrainNs)
	grain, reached := leastGrainNs, 0.0
	for ; grain <= mostGrainNs; grain *= 2 {
		if reached = efficiency(grain); reached >= wanted {
			break
		}
	}
	if reached < wanted {
		c.invalid("efficiency never reached %.0f %%; the last was %.1f %%", wanted*100, reached*100)
		return
	}
	c.used, c.tasks = usage{}, 0
	var overheads []float64
	crossing, middle := grain/math.Sqrt2, 0.0
	for len(overheads) < 6 || now() < end {
		at := math.Max(crossing*[]float64{1, 1 / around, around}[len(overheads)%3], leastGrainNs)
		e := efficiency(at)
		overheads = append(overheads, at*(1-e)/e)
		sorted := append([]float64{}, overheads...)
		sort.Float64s(sorted)
		middle = sorted[len(sorted)/2]
		next := middle * wanted / (1 - wanted)
		crossing = math.Max(math.Min(math.Max(next, crossing/2), crossing*2), leastGrainNs)
	}
	c.values["metg_ns"], c.values["overhead_ns"] = crossing, middle
	if crossing <= leastGrainNs*1.01 {
		c.doubt("METG is at or below the smallest grain, %.0f ns", leastGrainNs)
	}
}
