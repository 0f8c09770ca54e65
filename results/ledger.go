package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"github.com/gorgonia-s4/s4/internal/atomicfile"
	"github.com/gorgonia-s4/s4/internal/cpu"
	"github.com/gorgonia-s4/s4/internal/strictjson"
)

// ledgerFile is the name of a ledger in the directory of a run.
const ledgerFile = "ledger.json"

// ledger says which processes have worked on a run.
type ledger struct {
	dir      string
	Sessions []session `json:"sessions"`
}

// session is one process.
type session struct {
	Start time.Time `json:"start"`
	// Wall is the time of the process, CPU that of all processors, in seconds; of one that
	// was cut off with the runner as they were when they were last noted; CPU 0 of one that
	// was adopted.
	Wall float64 `json:"wall_s"`
	CPU  float64 `json:"cpu_s"`
	// Commit is that of the program; "" is not known.
	Commit string `json:"commit"`
	Dirty  bool   `json:"dirty,omitempty"`
	// Processor is the model, Cores those that Go uses.
	Processor string   `json:"processor"`
	Cores     int      `json:"cores"`
	Command   []string `json:"command"`
	// Exit is how it ended: finished, interrupted, or the state of the process; "" is
	// not known.
	Exit string `json:"exit"`
	// PID and Runner are the numbers of the process and of the one that started it.
	PID     int  `json:"pid,omitempty"`
	Runner  int  `json:"runner,omitempty"`
	Adopted bool `json:"adopted,omitempty"`
}

// Ends of a session.
const (
	finished    = "finished"
	interrupted = "interrupted"
)

// readLedger reads the ledger of a run; that of a new one is empty.
func readLedger(dir string) (*ledger, error) {
	l := &ledger{dir: dir}
	path := filepath.Join(dir, ledgerFile)
	text, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return l, nil
	}
	if err != nil {
		return nil, err
	}
	if err := strictjson.Decode(text, l); err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return l, nil
}

// save writes the ledger.
func (l *ledger) save() error {
	return writeJSON(filepath.Join(l.dir, ledgerFile), l)
}

// writeJSON writes a value to a file, which it replaces as a whole.
func writeJSON(path string, v any) error {
	return atomicfile.Write(path, 0o666, func(w io.Writer) error {
		e := json.NewEncoder(w)
		e.SetEscapeHTML(false)
		e.SetIndent("", "  ")
		return e.Encode(v)
	})
}

// finished says whether the run has come to its end.
func (l *ledger) finished() bool {
	n := len(l.Sessions)
	return n > 0 && l.Sessions[n-1].Exit == finished
}

// noting is how often the times of a process are noted.
const noting = 20 * time.Second

// note keeps the times of a process that runs in the ledger, every so often, until it is
// stopped.
func (l *ledger) note(s *session, pid int, began time.Time, every time.Duration) (stop func()) {
	quit, done := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(done)
		for {
			select {
			case <-quit:
				return
			case <-time.After(every):
			}
			s.Wall = time.Since(began).Seconds()
			s.CPU, _ = cpu.Time(pid)
			l.save() // again soon, and at the end, where an error is told
		}
	}()
	return func() { close(quit); <-done }
}
