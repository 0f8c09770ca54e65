package main

import (
	"encoding/csv"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
)

// The kinds of a sample.
const (
	reduceKind = "sum"      // of all gradients of a model
	voteKind   = "exchange" // of short messages
	stepKind   = "step"     // of training
)

// Transports that are no names of -measure's own.
const (
	alone   = "alone"   // one rank
	process = "process" // ranks are goroutines
	shared  = "shared memory"
	tcp     = "TCP"
)

// sample is a measurement.
type sample struct {
	kind       string
	model      string // of a step
	transport  string
	ranks      int
	threads    int    // of a rank
	wire       string // float32 or bfloat16
	parameters int
	rows       int     // of all ranks, of a step
	seconds    float64 // median
}

func (o options) samplesFile() string { return filepath.Join(o.out, "samples.csv") }

var header = []string{"kind", "model", "transport", "ranks", "threads", "wire", "parameters", "rows", "seconds"}

// add adds samples to a file.
func add(path string, samples []sample) (err error) {
	_, stat := os.Stat(path)
	f, err := os.OpenFile(path, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	var records [][]string
	if errors.Is(stat, fs.ErrNotExist) {
		records = append(records, header)
	}
	for _, s := range samples {
		records = append(records, []string{s.kind, s.model, s.transport, strconv.Itoa(s.ranks), strconv.Itoa(s.threads), s.wire,
			strconv.Itoa(s.parameters), strconv.Itoa(s.rows), strconv.FormatFloat(s.seconds, 'g', 6, 64)})
	}
	return csv.NewWriter(f).WriteAll(records)
}

// readSamples reads a file of add.
func readSamples(path string) ([]sample, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	r := csv.NewReader(f)
	r.FieldsPerRecord = len(header)
	records, err := r.ReadAll()
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	var samples []sample
	for i, rec := range records[min(1, len(records)):] {
		s := sample{kind: rec[0], model: rec[1], transport: rec[2], wire: rec[5]}
		var errs []error
		for column, n := range map[int]*int{3: &s.ranks, 4: &s.threads, 6: &s.parameters, 7: &s.rows} {
			v, err := strconv.Atoi(rec[column])
			*n = v
			errs = append(errs, err)
		}
		v, err := strconv.ParseFloat(rec[8], 64)
		s.seconds = v
		if err := errors.Join(append(errs, err)...); err != nil {
			return nil, fmt.Errorf("%s: line %d: %w", path, i+2, err)
		}
		samples = append(samples, s)
	}
	return samples, nil
}
