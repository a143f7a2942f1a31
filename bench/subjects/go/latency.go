package main

import (
	"math"
	"runtime"
	"sort"
	"time"
)

// latency: open loop. The schedule is fixed by the seed, each latency runs from the intended moment,
// and the figures are refused by the rules of bench/workloads/latency.c.

const (
	spinNs       = 100000 // sleeps until this close to an arrival
	lagAllowedNs = 10000
)

type arrival struct {
	intended, submitted, accepted, started, ended int64
	steps                                         uint64
}

type load struct {
	c       *cell
	servers int
	rate    float64
	first   int // arrival that counts
	all     []arrival
	used    usage
}

func runLatency(c *cell) {
	c.only("arrivals", "poisson", "constant", "burst")
	c.only("service", "constant", "exponential", "bimodal", "pareto")
	c.only("notify", "none")
	l := &load{c: c, servers: minInt(c.number("workers", 1), runtime.NumCPU())}
	service := float64(c.number("service_ns", 20000))
	l.rate = float64(c.number("rate_per_s", 0))
	if l.rate == 0 {
		l.rate = float64(c.number("utilisation", 80)) / 100 * float64(l.servers) * 1e9 / service
	}
	warm := int(math.Ceil(l.rate * float64(c.warmup) / 1e9))
	all := warm + int(math.Ceil(l.rate*float64(c.measure)/1e9))
	n := minInt(all, epochMax)
	l.first = warm
	if all > n {
		l.first = minInt(warm, n/2)
	}
	if n-l.first < 2 {
		c.invalid("fewer than two arrivals in the time given")
		return
	}
	l.all = make([]arrival, n)
	l.schedule(service)
	p := c.open()
	tasks := newLedger(n)
	l.generate(p, tasks)
	tasks.check()
	l.report()
}

// schedule makes two parts, the first of which warms up; each is exact by itself and has a stream of its
// own, as in bench/workloads/latency.c.
func (l *load) schedule(service float64) {
	begin, start, seed := 0, int64(0), uint64(l.c.seed)^2
	for _, end := range []int{l.first, len(l.all)} {
		draw, planned := newRandom(seed), int64(0)
		moments := draw.arrivals(l.c.word("arrivals"), end-begin, l.rate)
		lengths := draw.services(l.c.word("service"), end-begin, service)
		for i, moment := range moments {
			l.all[begin+i].intended = start + moment
			l.all[begin+i].steps = l.c.work.steps(float64(lengths[i]))
			planned += lengths[i]
		}
		if end > 0 {
			l.c.values["schedule_ns"] = float64(l.all[end-1].intended - start)
			l.c.values["schedule_work_ns"] = float64(planned)
			start = l.all[end-1].intended
		}
		begin, seed = end, uint64(l.c.seed)
	}
}

// generate submits every task at its moment, or at once when that has passed.
func (l *load) generate(p *pool, tasks *ledger) {
	run := func(number int) {
		a := &l.all[number]
		a.started = now()
		tasks.run(number, a.steps)
		a.ended = now()
	}
	origin := now() + 1000000
	var from usage
	for i := range l.all {
		a := &l.all[i]
		if i == l.first {
			from = usageNow()
		}
		a.intended += origin
		for left := a.intended - now(); left > 0; left = a.intended - now() {
			if left > spinNs {
				time.Sleep(time.Duration(left - spinNs))
			} else {
				runtime.Gosched()
			}
		}
		a.submitted = now()
		p.submit(run, i)
		a.accepted = now()
	}
	p.close()
	l.used = usageNow().since(from)
}

func (l *load) backlogAt(index int) int {
	backlog := 0
	for i := 0; i <= index; i++ {
		if l.all[i].ended > l.all[index].intended {
			backlog++
		}
	}
	return backlog
}

func (l *load) report() {
	c, counted, last := l.c, len(l.all)-l.first, &l.all[len(l.all)-1]
	names := []string{"total", "queue", "service", "lag"}
	hists := map[string]*histogram{}
	for _, name := range names {
		hists[name] = newHistogram()
	}
	totals, ownLags := make([]int64, 0, counted), make([]int64, 0, counted)
	begin, end, busy := l.all[l.first].intended, last.intended, int64(0)
	for i := l.first; i < len(l.all); i++ {
		a := &l.all[i]
		free := a.intended
		if i > 0 && l.all[i-1].accepted > free {
			free = l.all[i-1].accepted
		}
		totals = append(totals, a.ended-a.intended)
		ownLags = append(ownLags, a.submitted-free)
		hists["total"].record(a.ended - a.intended)
		hists["queue"].record(a.started - a.submitted)
		hists["service"].record(a.ended - a.started)
		hists["lag"].record(a.submitted - a.intended)
		if a.ended > end {
			end = a.ended
		}
		busy += a.ended - a.started
	}
	c.used, c.tasks = l.used, counted
	c.used.wall = end - begin
	c.values["offered_per_s"] = float64(counted-1) * 1e9 / float64(last.intended-begin)
	c.values["achieved_per_s"] = float64(counted) * 1e9 / float64(end-begin)
	c.values["utilisation"] = float64(busy) / float64(end-begin) / float64(l.servers) * 100
	c.values["caller_ran_share"] = 0
	if c.number("workers", 1) >= runtime.NumCPU() {
		c.doubt("the generator shares its CPU with a worker")
	}
	l.judge(totals, ownLags)
	c.hist["lag"] = hists["lag"].json()
	for _, name := range names[:3] {
		if c.status == "ok" {
			c.hist[name] = hists[name].json()
		}
	}
}

func (l *load) judge(totals, ownLags []int64) {
	counted := len(totals)
	before, after := l.backlogAt(l.first), l.backlogAt(len(l.all)-1)
	if float64(after-before) > 4*math.Sqrt(2*float64(counted))+4*float64(l.servers) {
		l.c.invalid("UNSUSTAINED: the backlog grew from %d to %d tasks in %d arrivals", before, after, counted)
		return
	}
	sort.Slice(totals, func(i, j int) bool { return totals[i] < totals[j] })
	sort.Slice(ownLags, func(i, j int) bool { return ownLags[i] < ownLags[j] })
	for _, q := range []float64{0.5, 0.9, 0.99} {
		rank := int(math.Ceil(q*float64(counted))) - 1
		if ownLags[rank] > lagAllowedNs && ownLags[rank] > totals[rank]/10 {
			l.c.invalid("generator lag: %d us at %g %%, where the total is %d us", ownLags[rank]/1000, q*100,
				totals[rank]/1000)
			return
		}
	}
}
