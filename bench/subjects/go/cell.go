package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
)

// broken says which promise a pool broke; unsupported which capability it lacks. Both end a cell by
// panic and are caught where it is run.
type broken string
type unsupported string

const epochMax = 1 << 20

// cell is a description, and the record in the making.
type cell struct {
	workload, variant         string
	axes                      map[string]any
	seed                      int64
	warmup, measure, deadline int64
	work                      work
	capacity                  int
	status, reason            string
	used                      usage
	tasks                     int
	values                    map[string]float64
	hist                      map[string]any
	doubts                    []string
}

func readCell(text []byte) (*cell, error) {
	var d struct {
		Schema   *int           `json:"schema"`
		Variant  string         `json:"variant"`
		Cell     map[string]any `json:"cell"`
		Options  []string       `json:"options"`
		Seed     *int64         `json:"seed"`
		Warmup   *int64         `json:"warmup_ns"`
		Measure  *int64         `json:"measure_ns"`
		Deadline *int64         `json:"deadline_ns"`
	}
	if err := json.Unmarshal(text, &d); err != nil {
		return nil, err
	}
	if d.Schema == nil || *d.Schema != 1 {
		return nil, errors.New(`not a cell description of "schema" 1`)
	}
	if len(d.Options) > 0 {
		return nil, fmt.Errorf("unknown option '%s': go has none", d.Options[0])
	}
	if d.Seed == nil || d.Warmup == nil || d.Measure == nil || d.Deadline == nil || *d.Measure < 1 || *d.Warmup < 0 {
		return nil, errors.New(`"seed", "warmup_ns", "measure_ns" and "deadline_ns" are whole numbers`)
	}
	c := &cell{variant: d.Variant, axes: d.Cell, seed: *d.Seed, warmup: *d.Warmup, measure: *d.Measure,
		deadline: *d.Deadline, status: "ok", values: map[string]float64{}, hist: map[string]any{}, doubts: []string{}}
	c.workload = c.word("workload")
	if runs[c.workload] == nil {
		return nil, fmt.Errorf("unknown workload '%s'; go has %s", c.workload, strings.Join(workloads, ", "))
	}
	if c.variant == "" || c.variant == "default" {
		c.variant = variants[0].name
	}
	if c.described() == nil {
		return nil, fmt.Errorf("unknown variant '%s'", c.variant)
	}
	for name, value := range c.axes {
		if n, number := value.(float64); number && (n != float64(int(n)) || n < 0) {
			return nil, fmt.Errorf("cell.%s is not a whole number", name)
		}
	}
	for _, name := range []string{"workers", "producers", "window", "service_ns"} {
		if c.number(name, 1) < 1 {
			return nil, fmt.Errorf("cell.%s is not a positive number", name)
		}
	}
	return c, nil
}

func (c *cell) described() *variant {
	for i := range variants {
		if variants[i].name == c.variant {
			return &variants[i]
		}
	}
	return nil
}

func (c *cell) number(name string, otherwise int) int {
	if value, given := c.axes[name].(float64); given {
		return int(value)
	}
	return otherwise
}

func (c *cell) word(name string) string {
	word, _ := c.axes[name].(string)
	return word
}

// only refuses a word that this program does not know.
func (c *cell) only(name string, known ...string) {
	word := c.word(name)
	for _, each := range known {
		if word == "" || word == each {
			return
		}
	}
	panic(unsupported("no " + name + " '" + word + "' in this program"))
}

func (c *cell) open() *pool {
	p, capacity := openPool(c)
	c.capacity = capacity
	return p
}

func (c *cell) doubt(format string, args ...any) {
	c.doubts = append(c.doubts, fmt.Sprintf(format, args...))
}

func (c *cell) invalid(format string, args ...any) {
	c.status, c.reason = "invalid", fmt.Sprintf(format, args...)
	c.doubts = append(c.doubts, c.reason)
}

// epochs warms up until an epoch is long enough to tell the speed, then measures in four or so.
func (c *cell) epochs(least int, epoch func(n int, measured bool) usage) {
	n, spent := least, int64(0)
	perNs := 1e-3
	for {
		wall := epoch(n, false).wall + 1
		spent += wall
		perNs = float64(n) / float64(wall)
		if spent >= c.warmup && wall > c.warmup/8 || n >= epochMax {
			break
		}
		n = clamp(minInt(4*n, int(perNs*float64(c.warmup)/2)+n), least)
	}
	for c.used.wall < c.measure-c.measure/10 {
		left := float64(c.measure - c.used.wall)
		n = clamp(int(minFloat(left, float64(c.measure)/4)*perNs), least)
		used := epoch(n, true)
		c.used = c.used.plus(used)
		c.tasks += n
		perNs = float64(c.tasks) / float64(c.used.wall)
	}
}

func clamp(n, least int) int {
	if n > epochMax {
		n = epochMax
	}
	if n -= n % least; n < least {
		return least
	}
	return n
}

func minInt(a, b int) int {
	if a < b {
		return a
	}
	return b
}

func minFloat(a, b float64) float64 {
	if a < b {
		return a
	}
	return b
}

// run measures and fills the record in, whatever happens.
func (c *cell) run() {
	defer func() {
		switch end := recover().(type) {
		case nil:
		case broken:
			c.status, c.reason = "failed", string(end)
		case unsupported:
			c.status, c.reason = "unsupported", string(end)
		default:
			panic(end)
		}
	}()
	c.work = calibrate()
	runs[c.workload](c)
}

func (c *cell) record() map[string]any {
	v := c.described()
	return map[string]any{
		"schema": 1, "status": c.status, "reason": c.reason, "subject": identity(),
		"config": map[string]any{"variant": c.variant, "workers": c.number("workers", 1), "capacity": c.capacity,
			"settings": v.notes, "order": v.order, "full": v.full},
		"wall_ns": c.used.wall, "tasks": c.tasks, "cpu_ns": c.used.cpu, "csw": c.used.csw,
		"values": c.values, "hist": c.hist,
		"machine":  map[string]any{"alloc": "go", "work_error": c.work.err, "clock_ns": clockCostNs()},
		"validity": c.doubts,
	}
}
