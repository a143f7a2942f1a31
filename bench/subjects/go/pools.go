package main

import (
	"runtime"
	"sync"
)

// What a pool carries: a function and the number of its task, by value.
type job struct {
	run    func(number int)
	number int
}

// pool is one of Go's two ways: workers that range over a channel, or a goroutine for each task.
type pool struct {
	jobs    chan job // nil: a goroutine for each task
	pending sync.WaitGroup
}

// Capacity of the channel where the cell names none.
const buffered = 1024

var variants = []variant{
	{"channel", "goroutines that range over a channel of 1024 jobs; a full one makes the sender wait", "waits", "fifo"},
	{"unbuffered", "the same over a channel without a buffer: each job is handed to a waiting worker", "waits", "fifo"},
	{"goroutine", "a goroutine for each task and a WaitGroup; no bound", "grows", "any"},
}

type variant struct {
	name  string
	notes string
	full  string
	order string
}

func openPool(c *cell) (*pool, int) {
	capacity := c.number("capacity", 0)
	if c.variant == "goroutine" {
		if capacity > 0 {
			panic(unsupported("no bounded queue"))
		}
		return &pool{}, 0
	}
	if capacity > 0 && c.variant == "unbuffered" {
		panic(unsupported("no buffer in this configuration"))
	}
	if capacity == 0 && c.variant == "channel" {
		capacity = buffered
	}
	p := &pool{jobs: make(chan job, capacity)}
	workers := c.number("workers", 1)
	p.pending.Add(workers)
	for i := 0; i < workers; i++ {
		go p.work()
	}
	return p, capacity
}

func (p *pool) work() {
	defer p.pending.Done()
	for j := range p.jobs {
		j.run(j.number)
	}
}

func (p *pool) submit(run func(number int), number int) {
	if p.jobs != nil {
		p.jobs <- job{run, number}
		return
	}
	p.pending.Add(1)
	go func() {
		defer p.pending.Done()
		run(number)
	}()
}

// close lets the workers run what is queued and waits for them, or for every goroutine.
func (p *pool) close() {
	if p.jobs != nil {
		close(p.jobs)
	}
	p.pending.Wait()
}

func version() string {
	return runtime.Version()
}
