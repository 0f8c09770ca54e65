package train

import (
	"bufio"
	"encoding/csv"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/gorgonia-s4/s4/internal/atomicfile"
)

// MetricsFile is a Hook that writes what a run does to two files: JSON lines,
// one object per step and per evaluation, and a table, CSV, with one row per
// evaluation. A resumed run goes on with the files of the run it resumes, from
// which it removes what came after the checkpoint. A new run, and in the
// directory of checkpoints one that comes from another, refuses to replace files
// with something in them unless Config.Overwrite is set or they are of a run
// that had not come to its first checkpoint.
type MetricsFile struct {
	BaseHook
	path string // of the JSON lines
	file *os.File
	csv  *os.File
}

// NewMetricsFile returns a MetricsFile that writes JSON lines to path and the
// table to the same path with the extension .csv. The directory is made if it
// does not exist.
func NewMetricsFile(path string) *MetricsFile { return &MetricsFile{path: path} }

// MetricsLine is a line of a [MetricsFile]: a step or an evaluation. The two kinds
// have the fields that apply.
type MetricsLine struct {
	Kind      string   `json:"kind"` // StepLine or EvalLine
	Step      int      `json:"step"`
	Epoch     float64  `json:"epoch"`
	Batch     *Metrics `json:"batch,omitempty"` // of the step
	GradNorm  *float64 `json:"grad_norm,omitempty"`
	Sequences int      `json:"sequences,omitempty"`
	Train     *Metrics `json:"train,omitempty"` // since the last evaluation
	Val       *Metrics `json:"val,omitempty"`
	LR        float64  `json:"lr"`
	Seconds   float64  `json:"seconds"` // of this step or evaluation
	Elapsed   float64  `json:"elapsed"` // seconds since the run began
}

// The kinds of a MetricsLine.
const (
	StepLine = "step"
	EvalLine = "eval"
)

// csvHeader returns the names of the columns of the table.
func csvHeader(metrics []Metric) []string {
	header := []string{"step", "epoch"}
	for _, of := range []string{"train_", "val_"} {
		header = append(header, of+Loss)
		for _, m := range metrics {
			header = append(header, of+m.Name())
		}
	}
	return append(header, "lr", "elapsed_s")
}

// OnStart implements Hook.
func (m *MetricsFile) OnStart(e StartEvent) error {
	table := strings.TrimSuffix(m.path, filepath.Ext(m.path)) + ".csv"
	if table == m.path {
		return fmt.Errorf("metrics file %s: want another extension than that of the table, .csv", m.path)
	}
	if err := os.MkdirAll(filepath.Dir(m.path), 0o755); err != nil {
		return err
	}
	home := sameDir(filepath.Dir(m.path), e.Config.CheckpointDir)
	own := e.Resumed && !(home && e.Moved)
	header, err := csvLine(csvHeader(e.Metrics))
	if err != nil {
		return err
	}
	if !own && !e.Config.Overwrite && !(home && e.Replaces) {
		if err := refuseContent(m.path, ""); err != nil {
			return err
		}
		if err := refuseContent(table, header); err != nil {
			return err
		}
	}
	if m.file, err = openKept(m.path, "", func(line []byte) bool { return own && keepLine(line, e) }); err != nil {
		return err
	}
	m.csv, err = openKept(table, header, func(line []byte) bool {
		step, err := strconv.Atoi(strings.SplitN(string(line), ",", 2)[0])
		return err == nil && own && step <= e.Evaluated
	})
	return err
}

// refuseContent returns an error if a file holds more than its header.
func refuseContent(path, header string) error {
	info, err := os.Stat(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err == nil && info.Size() > int64(len(header)) {
		err = fmt.Errorf("metrics file %s exists: resume its run, choose another name, or set Overwrite", path)
	}
	return err
}

// keepLine says whether a line is of the part of the run that a resumed run
// does not repeat.
func keepLine(line []byte, e StartEvent) bool {
	var l MetricsLine
	if json.Unmarshal(line, &l) != nil {
		return false // cut off when the run was killed
	}
	if l.Kind == EvalLine {
		return l.Step <= e.Evaluated
	}
	return l.Step <= e.Step
}

// openKept opens a file for appending after it has removed all lines but the
// header and those to keep.
func openKept(path, header string, keep func(line []byte) bool) (*os.File, error) {
	old, err := os.Open(path)
	if errors.Is(err, fs.ErrNotExist) {
		old, err = nil, nil
	}
	if err != nil {
		return nil, err
	}
	err = atomicfile.Write(path, 0o644, func(w io.Writer) error {
		if _, err := io.WriteString(w, header); err != nil || old == nil {
			return err
		}
		return copyLines(w, old, keep)
	})
	if old != nil {
		err = errors.Join(err, old.Close())
	}
	if err != nil {
		return nil, err
	}
	return os.OpenFile(path, os.O_WRONLY|os.O_APPEND, 0)
}

// copyLines copies the whole lines that keep selects.
func copyLines(w io.Writer, r io.Reader, keep func(line []byte) bool) error {
	br := bufio.NewReader(r)
	for {
		line, err := br.ReadBytes('\n')
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		if !keep(line) {
			continue
		}
		if _, err := w.Write(line); err != nil {
			return err
		}
	}
}

// OnStep implements Hook.
func (m *MetricsFile) OnStep(e StepEvent) error {
	return m.write(MetricsLine{
		Kind: StepLine, Step: e.Step, Epoch: e.Epoch,
		Batch: &e.Batch, GradNorm: &e.GradNorm, Sequences: e.Sequences,
		LR: e.LR, Seconds: e.Duration.Seconds(), Elapsed: e.Elapsed.Seconds(),
	})
}

// OnEval implements Hook.
func (m *MetricsFile) OnEval(e EvalEvent) error {
	elapsed := e.Elapsed.seconds()
	err := m.write(MetricsLine{
		Kind: EvalLine, Step: e.Step, Epoch: e.Epoch, Train: &e.Train, Val: &e.Val,
		LR: e.LR, Seconds: e.Duration.Seconds(), Elapsed: elapsed,
	})
	if err != nil {
		return err
	}
	row := []string{strconv.Itoa(e.Step), number(e.Epoch)}
	for _, of := range []Metrics{e.Train, e.Val} {
		row = append(row, number(of.Loss))
		for _, s := range of.Scores {
			row = append(row, number(s.Value))
		}
	}
	line, err := csvLine(append(row, number(e.LR), number(elapsed)))
	if err != nil {
		return err
	}
	_, err = io.WriteString(m.csv, line)
	return err
}

func number(x float64) string { return strconv.FormatFloat(x, 'g', -1, 64) }

// csvLine returns a row of the table.
func csvLine(row []string) (string, error) {
	var b strings.Builder
	w := csv.NewWriter(&b)
	if err := w.Write(row); err != nil {
		return "", err
	}
	w.Flush()
	return b.String(), w.Error()
}

// write appends a line; it is in the file, as far as the program is concerned,
// before the step that follows.
func (m *MetricsFile) write(l MetricsLine) error {
	b, err := json.Marshal(l)
	if err != nil {
		return err
	}
	_, err = m.file.Write(append(b, '\n'))
	return err
}

// OnEnd implements Hook.
func (m *MetricsFile) OnEnd(EndEvent) error {
	var err error
	for _, f := range []*os.File{m.file, m.csv} {
		if f != nil {
			err = errors.Join(err, f.Close())
		}
	}
	m.file, m.csv = nil, nil
	return err
}
