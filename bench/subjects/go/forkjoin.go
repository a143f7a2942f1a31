package main

import (
	"math/bits"
	"runtime"
	"sort"
	"sync"
)

// forkjoin: the kernels of bench/kernels.h. Go's idiom is a goroutine for each spawned child and a
// WaitGroup at each node; there is no number of workers but GOMAXPROCS, which is set for the cell.

const (
	queensLeaf = 7
	utsSeed    = 0x77656972
	utsRounds  = 24
	utsMost    = 8
)

// children computes f(0) … f(n-1), all but the last as goroutines, and gives the sum.
func children(n int, f func(i int) uint64) uint64 {
	if n == 0 {
		return 0
	}
	answers := make([]uint64, n-1)
	var pending sync.WaitGroup
	pending.Add(n - 1)
	for i := range answers {
		go func(i int) {
			answers[i] = f(i)
			pending.Done()
		}(i)
	}
	sum := f(n - 1)
	pending.Wait()
	for _, answer := range answers {
		sum += answer
	}
	return sum
}

//go:noinline
func serialFib(n int) uint64 {
	if n < 2 {
		return uint64(n)
	}
	return serialFib(n-1) + serialFib(n-2)
}

func fib(n int) uint64 {
	if n < 2 {
		return uint64(n)
	}
	return children(2, func(i int) uint64 { return fib(n - 1 - i) })
}

type board struct{ left, all, columns, rising, falling uint32 }

func (b board) put(bit uint32) board {
	return board{b.left - 1, b.all, b.columns | bit, (b.rising | bit) << 1, (b.falling | bit) >> 1}
}

func (b board) count() uint64 {
	if b.left == 0 {
		return 1
	}
	sum := uint64(0)
	for free := b.all &^ (b.columns | b.rising | b.falling); free != 0; free &= free - 1 {
		sum += b.put(free & -free).count()
	}
	return sum
}

func (b board) solve() uint64 {
	if b.left <= queensLeaf {
		return b.count()
	}
	var each [32]uint32
	n := 0
	for free := b.all &^ (b.columns | b.rising | b.falling); free != 0; free &= free - 1 {
		each[n] = free & -free
		n++
	}
	return children(n, func(i int) uint64 { return b.put(each[i]).solve() })
}

type node struct {
	state           uint64
	trunk, children int
}

func utsRoot(n int) node { return node{utsSeed, n, minInt(n, utsMost)} }

func (parent node) child(index int) node {
	x := parent.state + uint64(index) + 1
	for i := 0; i < utsRounds; i++ {
		x ^= x >> 32
		x *= 0xd6e8feb86659fd93
	}
	c := node{state: x ^ x>>32}
	if parent.trunk > 1 {
		c.trunk = parent.trunk / parent.children
		if index < parent.trunk%parent.children {
			c.trunk++
		}
		c.children = minInt(c.trunk, utsMost)
	}
	if c.trunk <= 1 {
		c.trunk, c.children = 0, 0
		if float64(c.state>>11)*0x1p-53 < 0.12 {
			c.children = utsMost
		}
	}
	return c
}

//go:noinline
func (n node) serialVisit() uint64 {
	nodes := uint64(1)
	for i := 0; i < n.children; i++ {
		nodes += n.child(i).serialVisit()
	}
	return nodes
}

func (n node) visit() uint64 {
	return 1 + children(n.children, func(i int) uint64 { return n.child(i).visit() })
}

func stride(n int) uint64 {
	leaves := uint64(1)
	for ; n > 1; n-- {
		leaves *= 10
	}
	return leaves
}

//go:noinline
func serialSkynet(n int, first uint64) uint64 {
	if n == 0 {
		return first
	}
	sum, leaves := uint64(0), stride(n)
	for i := uint64(0); i < 10; i++ {
		sum += serialSkynet(n-1, first+i*leaves)
	}
	return sum
}

func skynet(n int, first uint64) uint64 {
	if n == 0 {
		return first
	}
	leaves := stride(n)
	return children(10, func(i int) uint64 { return skynet(n-1, first+uint64(i)*leaves) })
}

// Spawns by the rule: all children of a node but one.
func spawnsOf(name string, n int) float64 {
	switch name {
	case "fib":
		spawns, before := 0.0, 0.0
		for i := 2; i <= n; i++ {
			spawns, before = spawns+before+1, spawns
		}
		return spawns
	case "skynet":
		inner := 0.0
		for i := 0; i < n; i++ {
			inner = inner*10 + 1
		}
		return inner * 9
	case "uts":
		return utsRoot(n).spawns()
	}
	return board{uint32(n), 1<<uint(n) - 1, 0, 0, 0}.spawns()
}

func (n node) spawns() float64 {
	spawns := 0.0
	for i := 0; i < n.children; i++ {
		spawns += n.child(i).spawns()
	}
	if n.children > 0 {
		spawns += float64(n.children - 1)
	}
	return spawns
}

func (b board) spawns() float64 {
	free := b.all &^ (b.columns | b.rising | b.falling)
	if b.left <= queensLeaf || free == 0 {
		return 0
	}
	spawns := float64(bits.OnesCount32(free) - 1)
	for ; free != 0; free &= free - 1 {
		spawns += b.put(free & -free).spawns()
	}
	return spawns
}

func runForkjoin(c *cell) {
	if c.variant != "goroutine" {
		panic(unsupported("fork-join is a goroutine for each spawn, not a channel"))
	}
	name, n := c.word("kernel"), c.number("n", 0)
	if n == 0 {
		n = map[string]int{"fib": 24, "nqueens": 11, "uts": 1024, "skynet": 4}[name]
	}
	empty := board{uint32(n), 1<<uint(n) - 1, 0, 0, 0}
	kernels := map[string][2]func() uint64{
		"fib":     {func() uint64 { return serialFib(n) }, func() uint64 { return fib(n) }},
		"nqueens": {empty.count, empty.solve},
		"uts":     {func() uint64 { return utsRoot(n).serialVisit() }, func() uint64 { return utsRoot(n).visit() }},
		"skynet":  {func() uint64 { return serialSkynet(n, 0) }, func() uint64 { return skynet(n, 0) }},
	}
	kernel, known := kernels[name]
	if !known {
		panic(unsupported("no kernel '" + name + "'"))
	}
	answer := kernel[0]()
	runs := 0
	time := func(f func() uint64, length int64) float64 {
		var ns []float64
		for begun := now(); len(ns) < 3 || now()-begun < length; {
			before := now()
			got := f()
			ns = append(ns, float64(now()-before))
			if got != answer {
				panic(broken("wrong argument: " + name + " gives a wrong answer"))
			}
		}
		runs = len(ns)
		sort.Float64s(ns)
		return ns[len(ns)/2]
	}
	serial := time(kernel[0], c.measure/2)
	workers := c.number("workers", 1)
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(1))
	time(kernel[1], c.warmup)
	one := time(kernel[1], c.measure)
	before := usageNow()
	all := one
	if workers > 1 {
		runtime.GOMAXPROCS(workers)
		time(kernel[1], c.warmup)
		before = usageNow()
		all = time(kernel[1], c.measure)
	}
	c.used = usageNow().since(before)
	spawns := spawnsOf(name, n)
	c.tasks = int(spawns) * runs
	c.values["serial_ns"], c.values["one_worker_ns"], c.values["kernel_ns"] = serial, one, all
	c.values["spawns"], c.values["runs"] = spawns, float64(runs)
	c.values["overhead"], c.values["speedup"] = one/serial, serial/all
	c.values["ns_per_spawn"] = (one - serial) / spawns
}
