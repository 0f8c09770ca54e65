package main

import (
	"encoding/csv"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"slices"
	"strconv"
)

// clock maps the time since a run began to that of the processor, both in seconds.
type clock struct{ elapsed, cpu []float64 }

// readClock reads a file of record. Without one the times are the same.
func readClock(path string) (clock, error) {
	var c clock
	f, err := os.Open(path)
	if errors.Is(err, fs.ErrNotExist) {
		return c, nil
	}
	if err != nil {
		return c, err
	}
	defer f.Close()
	records, err := csv.NewReader(f).ReadAll()
	if err != nil {
		return c, fmt.Errorf("%s: %w", path, err)
	}
	for i, r := range records[min(1, len(records)):] {
		elapsed, err1 := strconv.ParseFloat(r[0], 64)
		cpu, err2 := strconv.ParseFloat(r[len(r)-1], 64)
		if err := errors.Join(err1, err2); err != nil {
			return c, fmt.Errorf("%s: line %d: %w", path, i+2, err)
		}
		c.elapsed, c.cpu = append(c.elapsed, elapsed), append(c.cpu, cpu)
	}
	return c, nil
}

// at is the time of the processor when a run was at elapsed, between two records by the
// line through both.
func (c clock) at(elapsed float64) float64 {
	i, found := slices.BinarySearch(c.elapsed, elapsed)
	switch n := len(c.elapsed); {
	case n == 0:
		return elapsed
	case found:
		return c.cpu[i]
	case i == 0:
		return c.cpu[0] * elapsed / c.elapsed[0]
	case i == n:
		return c.cpu[n-1]
	}
	share := (elapsed - c.elapsed[i-1]) / (c.elapsed[i] - c.elapsed[i-1])
	return c.cpu[i-1] + share*(c.cpu[i]-c.cpu[i-1])
}
