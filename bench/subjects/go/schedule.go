package main

import (
	"math"
	"math/bits"
)

// The open loop's schedule, number for number that of bench/measure/arrivals.c: with one seed and one
// rate every pool gets the same load.

const (
	burstSize   = 16
	paretoIndex = 1.5
	paretoCut   = 1000.0 // times the mean
)

// xoshiro256**, its state filled by splitmix64.
type random [4]uint64

func newRandom(seed uint64) *random {
	r := new(random)
	for i := range r {
		seed += 0x9e3779b97f4a7c15
		z := seed
		z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9
		z = (z ^ (z >> 27)) * 0x94d049bb133111eb
		r[i] = z ^ (z >> 31)
	}
	return r
}

func (s *random) next() uint64 {
	result := bits.RotateLeft64(s[1]*5, 7) * 9
	shifted := s[1] << 17
	s[2] ^= s[0]
	s[3] ^= s[1]
	s[1] ^= s[2]
	s[0] ^= s[3]
	s[2] ^= shifted
	s[3] = bits.RotateLeft64(s[3], 45)
	return result
}

// unit is over (0, 1].
func (s *random) unit() float64 {
	return float64((s.next()>>11)+1) / (1 << 53)
}

func (s *random) exponential(mean float64) float64 {
	return -mean * math.Log(s.unit())
}

func (s *random) below(n uint64) uint64 {
	limit := math.MaxUint64 - math.MaxUint64%n
	for {
		if value := s.next(); value < limit {
			return value % n
		}
	}
}

func (s *random) gapAfter(kind string, index int, gap float64) float64 {
	switch {
	case kind == "poisson":
		return s.exponential(gap)
	case kind == "burst" && index%burstSize == 0:
		return s.exponential(gap * burstSize)
	case kind == "burst":
		return 0
	}
	return gap
}

// arrivals gives n moments after the start, in nanoseconds, whose last is n gaps after it.
func (s *random) arrivals(kind string, n int, rate float64) []int64 {
	gap, again, end, at, scale := 1e9/rate, *s, 0.0, 0.0, 1.0
	for i := 0; i < n; i++ {
		end += s.gapAfter(kind, i, gap)
	}
	if end > 0 {
		scale = float64(n) * gap / end
	}
	moments := make([]int64, n)
	for i := range moments {
		at += again.gapAfter(kind, i, gap)
		moments[i] = int64(at*scale + 0.5)
	}
	return moments
}

func (s *random) serviceOf(kind string, mean float64) float64 {
	switch kind {
	case "exponential":
		return s.exponential(mean)
	case "bimodal":
		if s.below(10) == 0 {
			return 5.5 * mean
		}
		return 0.5 * mean
	case "pareto":
		least := mean * (paretoIndex - 1) / paretoIndex
		return math.Min(least*math.Pow(s.unit(), -1/paretoIndex), mean*paretoCut)
	}
	return mean
}

// services gives the lengths of n tasks in nanoseconds, whose mean is exact.
func (s *random) services(kind string, n int, mean float64) []int64 {
	again, sum, scale := *s, 0.0, 1.0
	for i := 0; i < n; i++ {
		sum += s.serviceOf(kind, mean)
	}
	if sum > 0 {
		scale = float64(n) * mean / sum
	}
	lengths := make([]int64, n)
	for i := range lengths {
		lengths[i] = int64(again.serviceOf(kind, mean)*scale + 0.5)
	}
	return lengths
}
