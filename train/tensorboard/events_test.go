package tensorboard

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"google.golang.org/protobuf/encoding/protowire"
	G "gorgonia.org/gorgonia"
	"gorgonia.org/tensor"

	"github.com/gorgonia-s4/s4/layers"
	"github.com/gorgonia-s4/s4/models"
	"github.com/gorgonia-s4/s4/task"
	"github.com/gorgonia-s4/s4/train"
)

// fields are those of a message by number; of each the values in order.
type fields map[protowire.Number][]any

// parse reads a message: varints are uint64, fixed ones float32 and float64, and the
// rest []byte.
func parse(t *testing.T, b []byte) fields {
	t.Helper()
	f := fields{}
	for len(b) > 0 {
		number, kind, n := protowire.ConsumeTag(b)
		if n < 0 {
			t.Fatal(protowire.ParseError(n))
		}
		b = b[n:]
		var v any
		switch kind {
		case protowire.VarintType:
			v, n = consumed(protowire.ConsumeVarint(b))
		case protowire.Fixed32Type:
			x, m := protowire.ConsumeFixed32(b)
			v, n = math.Float32frombits(x), m
		case protowire.Fixed64Type:
			x, m := protowire.ConsumeFixed64(b)
			v, n = math.Float64frombits(x), m
		case protowire.BytesType:
			v, n = consumed(protowire.ConsumeBytes(b))
		default:
			t.Fatalf("a field of wire type %v", kind)
		}
		if n < 0 {
			t.Fatal(protowire.ParseError(n))
		}
		f[number], b = append(f[number], v), b[n:]
	}
	return f
}

func consumed[T any](v T, n int) (any, int) { return v, n }

// records returns those of a file, whose checksums are right.
func records(t *testing.T, b []byte) [][]byte {
	t.Helper()
	var rs [][]byte
	for len(b) > 0 {
		if len(b) < 16 {
			t.Fatalf("%d bytes are no record", len(b))
		}
		n := binary.LittleEndian.Uint64(b)
		if n > uint64(len(b)-16) {
			t.Fatalf("a record of %d bytes, %d are left", n, len(b)-16)
		}
		data := b[12 : 12+n]
		if got, want := binary.LittleEndian.Uint32(b[8:]), masked(b[:8]); got != want {
			t.Fatalf("checksum of a length %#x, want %#x", got, want)
		}
		if got, want := binary.LittleEndian.Uint32(b[12+n:]), masked(data); got != want {
			t.Fatalf("checksum of data %#x, want %#x", got, want)
		}
		rs, b = append(rs, data), b[16+n:]
	}
	return rs
}

// point is a scalar at a step.
type point struct {
	step  int
	value float32
}

// readRun returns the scalars of a run as a reader has them in the end: what a later
// file says replaces what earlier ones say of the steps from its start on.
func readRun(t *testing.T, dir string) map[string][]point {
	t.Helper()
	names, err := eventFiles(dir)
	if err != nil {
		t.Fatal(err)
	}
	all := map[string][]point{}
	for i, name := range names {
		b, err := os.ReadFile(filepath.Join(dir, name))
		if err != nil {
			t.Fatal(err)
		}
		for k, r := range records(t, b) {
			e := parse(t, r)
			step := int(e[2][0].(uint64))
			if k == 0 && string(e[3][0].([]byte)) != version || (k == 1 && i > 0) != (e[7] != nil) {
				t.Fatalf("%s: event %d is %v", name, k, e)
			}
			if e[7] != nil { // SessionLog
				for tag, points := range all {
					all[tag] = slices.DeleteFunc(points, func(p point) bool { return p.step >= step })
				}
			}
			for _, s := range e[5] {
				for _, v := range parse(t, s.([]byte))[1] {
					v := parse(t, v.([]byte))
					if tag := string(v[1][0].([]byte)); v[2] != nil {
						all[tag] = append(all[tag], point{step, v[2][0].(float32)})
					}
				}
			}
		}
	}
	return all
}

// The checksum of RFC 3720, B.4, of 32 bytes 0, and the mask of crc32c.h.
func TestRecord(t *testing.T) {
	const crc = 0x8a9136aa
	want := uint32((crc>>15 | crc<<17) & 0xffffffff)
	want += 0xa282ead8
	if got := masked(make([]byte, 32)); got != want {
		t.Errorf("masked checksum %#x, want %#x", got, want)
	}
	b := appendRecord(appendRecord(nil, []byte("one")), nil)
	if rs := records(t, b); len(rs) != 2 || string(rs[0]) != "one" || len(rs[1]) != 0 {
		t.Errorf("got records %q", rs)
	}
}

func TestHistogram(t *testing.T) {
	v := parse(t, histogram("p", []float64{-1, 0, 0.5, 3, math.NaN(), math.Inf(1)}))
	h := parse(t, v[5][0].([]byte))
	for field, want := range map[protowire.Number]float64{1: -1, 2: 3, 3: 4, 4: 2.5, 5: 10.25} {
		if got := h[field][0].(float64); got != want {
			t.Errorf("field %d is %g, want %g", field, got, want)
		}
	}
	limits, counts := doubles(h[6][0].([]byte)), doubles(h[7][0].([]byte))
	if len(limits) != buckets || len(counts) != buckets || limits[buckets-1] != 3 || counts[0] != 1 || counts[buckets-1] != 1 || counts[buckets/4] != 1 {
		t.Errorf("limits %g, counts %g", limits, counts)
	}
	if h := histogram("p", []float32{float32(math.NaN())}); h != nil {
		t.Errorf("a histogram of nothing: %x", h)
	}
	one := parse(t, parse(t, histogram("p", []float32{2, 2}))[5][0].([]byte))
	if counts := doubles(one[7][0].([]byte)); counts[0] != 2 {
		t.Errorf("of one value twice: counts %g", counts)
	}
}

func doubles(b []byte) []float64 {
	var v []float64
	for ; len(b) >= 8; b = b[8:] {
		v = append(v, math.Float64frombits(binary.LittleEndian.Uint64(b)))
	}
	return v
}

// noise is a data set.
type noise struct{}

func (noise) Len() int       { return 8 }
func (noise) Length(int) int { return 4 }
func (noise) Fields() []task.Field {
	return []task.Field{task.Features(task.X, 1), task.Label(task.Target)}
}
func (noise) Example(i int, row *task.Row) error {
	row.Floats(task.X, 1, 2, float32(i), 4)
	row.Ints(task.Target, i%2)
	return nil
}

// killer is a hook that stands for the end of the process after a step.
type killer struct {
	train.BaseHook
	after int
}

var errKilled = errors.New("killed")

func (k killer) OnStep(e train.StepEvent) error {
	if e.Step == k.after {
		return errKilled
	}
	return nil
}

// run trains a small model in a directory, from a checkpoint unless it is "", and may
// be killed after a step. What is written after the last checkpoint stays.
func run(t *testing.T, dir, from string, kill int, change func(*train.Config), opts ...Option) error {
	t.Helper()
	mixer := layers.S4DConfig{DModel: 2, DState: 2}
	m, err := models.NewClassifier(G.NewGraph(), tensor.Float32, models.ClassifierConfig{Features: 1, Classes: 2,
		Stack: layers.StackConfig{Blocks: []layers.BlockConfig{{Mixer: mixer}}}}, 1)
	if err != nil {
		t.Fatal(err)
	}
	cfg := train.Config{Steps: 12, BatchSize: 4, LR: 0.01, EvalEvery: 4, CheckpointEvery: 3, CheckpointDir: dir}
	if change != nil {
		change(&cfg)
	}
	hooks := []train.Hook{New(filepath.Join(dir, "tensorboard"), opts...), train.NewMetricsFile(filepath.Join(dir, "metrics.jsonl")), killer{after: kill}}
	tr, err := train.New(cfg, m, noise{}, noise{}, train.WithMetrics(train.Accuracy()), train.WithHooks(hooks...))
	if err != nil {
		t.Fatal(err)
	}
	defer tr.Close()
	if from != "" {
		c, err := train.ReadCheckpoint(from)
		if err != nil {
			t.Fatal(err)
		}
		if err := tr.Resume(c); err != nil {
			t.Fatal(err)
		}
	}
	_, err = tr.Fit(context.Background())
	return err
}

// interrupted runs until a kill, goes back to an earlier checkpoint, and goes on.
func interrupted(t *testing.T) (dir string) {
	t.Helper()
	dir = t.TempDir()
	opts := []Option{Text("command", "lra -task x\n"), Histograms()}
	if err := run(t, dir, "", 5, nil, opts...); !errors.Is(err, errKilled) {
		t.Fatalf("got error %v", err)
	}
	last := filepath.Join(dir, train.LastCheckpoint)
	// What the run wrote after step 5's checkpoint does not exist for the one that goes on.
	for _, name := range []string{StepsDir, ValidationDir, TrainDir} {
		f, err := create(filepath.Join(dir, "tensorboard", name), time.Now(), 100)
		if err != nil {
			t.Fatal(err)
		}
		for step := 6; step < 9; step++ {
			f.add(event(0, step).summary(scalar("loss", -1)))
		}
		if err := f.close(); err != nil {
			t.Fatal(err)
		}
	}
	if err := run(t, dir, last, 0, nil, opts...); err != nil {
		t.Fatal(err)
	}
	return dir
}

// The scalars are those of metrics.jsonl, each step once, also of a run that was
// resumed.
func TestEventsAreThoseOfTheMetricsFile(t *testing.T) {
	dir := interrupted(t)
	want := map[string]map[string][]point{StepsDir: {}, TrainDir: {}, ValidationDir: {}}
	add := func(run string, step int, m *train.Metrics) {
		want[run]["loss"] = append(want[run]["loss"], point{step, float32(m.Loss)})
		want[run]["accuracy"] = append(want[run]["accuracy"], point{step, float32(m.Value("accuracy"))})
	}
	f, err := os.Open(filepath.Join(dir, "metrics.jsonl"))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if err := train.ReadMetrics(f, func(l train.MetricsLine) error {
		if l.Kind == train.EvalLine {
			add(TrainDir, l.Step, l.Train)
			add(ValidationDir, l.Step, l.Val)
			return nil
		}
		add(StepsDir, l.Step, l.Batch)
		for tag, v := range map[string]float64{LearningRate: l.LR, GradientNorm: *l.GradNorm, Epoch: l.Epoch} {
			want[StepsDir][tag] = append(want[StepsDir][tag], point{l.Step, float32(v)})
		}
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	for run, tags := range want {
		got := readRun(t, filepath.Join(dir, "tensorboard", run))
		if run == StepsDir {
			if n := len(got[Pace]); n != 12 {
				t.Errorf("the pace of %d steps, want 12", n)
			}
			delete(got, Pace)
		}
		if !reflect.DeepEqual(got, tags) {
			t.Errorf("%s: got %v\nwant %v", run, got, tags)
		}
	}
}

// What is there when a run is killed can be read: files grow by whole records.
func TestFilesCanBeReadAtEveryMoment(t *testing.T) {
	dir := t.TempDir()
	e := New(dir)
	if err := e.open(train.StartEvent{}); err != nil {
		t.Fatal(err)
	}
	defer e.close()
	for step := 1; step <= 1000; step++ {
		if err := e.OnStep(train.StepEvent{Step: step, Sequences: 1, Duration: time.Second, Elapsed: time.Duration(step) * time.Second}); err != nil {
			t.Fatal(err)
		}
		if step%37 != 0 {
			continue
		}
		if n := len(readRun(t, filepath.Join(dir, StepsDir))["loss"]); n < step-int(flushEvery/time.Second) || n > step {
			t.Fatalf("after step %d there are %d", step, n)
		}
	}
	if err := e.OnEval(train.EvalEvent{Record: train.Record{Step: 1000}}); err != nil {
		t.Fatal(err)
	}
	if n := len(readRun(t, filepath.Join(dir, StepsDir))["loss"]); n != 1000 {
		t.Errorf("after an evaluation there are %d steps of 1000", n)
	}
}

func TestEvery(t *testing.T) {
	dir := t.TempDir()
	if err := run(t, dir, "", 0, nil, Every(5)); err != nil {
		t.Fatal(err)
	}
	var steps []int
	for _, p := range readRun(t, filepath.Join(dir, "tensorboard", StepsDir))["loss"] {
		steps = append(steps, p.step)
	}
	if !slices.Equal(steps, []int{1, 5, 10}) {
		t.Errorf("got steps %d", steps)
	}
	if err := run(t, t.TempDir(), "", 0, nil, Every(0)); err == nil || !strings.Contains(err.Error(), "want Every >= 1, got 0") {
		t.Errorf("got error %v", err)
	}
}

// Another run's files are not added to, and not deleted unless that is asked for.
func TestDirectoryOfAnotherRun(t *testing.T) {
	dir := t.TempDir()
	if err := run(t, dir, "", 0, nil); err != nil {
		t.Fatal(err)
	}
	events := filepath.Join(dir, "tensorboard")
	before := readRun(t, filepath.Join(events, StepsDir))
	other := t.TempDir()
	elsewhere := func(c *train.Config) { c.CheckpointDir = other }
	hook := New(events)
	err := hook.OnStart(train.StartEvent{Config: train.Config{CheckpointDir: other}})
	if err == nil || !strings.Contains(err.Error(), "exists: resume its run, choose another directory, or set Overwrite") {
		t.Errorf("got error %v", err)
	}
	if after := readRun(t, filepath.Join(events, StepsDir)); !reflect.DeepEqual(after, before) {
		t.Error("the files of another run have changed")
	}
	if err := os.Remove(filepath.Join(dir, "metrics.jsonl")); err != nil {
		t.Fatal(err)
	}
	if err := run(t, dir, "", 0, func(c *train.Config) { elsewhere(c); c.Overwrite, c.Steps = true, 3 }); err != nil {
		t.Fatal(err)
	}
	if n := len(readRun(t, filepath.Join(events, StepsDir))["loss"]); n != 3 {
		t.Errorf("got %d steps, want those of the new run, 3", n)
	}
}

// Files are in the order in which they were begun, whatever the clock says.
func TestOrderOfFiles(t *testing.T) {
	dir := t.TempDir()
	for i, now := range []int64{2000000000, 2000000000, 1000} {
		f, err := create(dir, time.Unix(now, 0), 1)
		if err != nil {
			t.Fatal(err)
		}
		f.add(event(0, 1).summary(scalar("file", float64(i))))
		if err := f.close(); err != nil {
			t.Fatal(err)
		}
	}
	if got := readRun(t, dir)["file"]; !slices.Equal(got, []point{{1, 2}}) {
		t.Errorf("got %v, want what the last file says", got)
	}
}

func TestErrorsNameTheDirectory(t *testing.T) {
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	e := New(filepath.Join(file, "events"))
	if err := e.OnStart(train.StartEvent{Resumed: true}); err == nil || !strings.Contains(err.Error(), file) {
		t.Errorf("got error %v, want one that names the directory", err)
	}
	if err := e.OnEnd(train.EndEvent{}); err != nil {
		t.Errorf("the end after that: %v", err)
	}
}

// TensorBoard itself reads the files; TENSORBOARD_PYTHON is a Python that has it.
func TestTensorBoardReadsThem(t *testing.T) {
	python := os.Getenv("TENSORBOARD_PYTHON")
	if python == "" {
		t.Skip("TENSORBOARD_PYTHON is not set")
	}
	dir := interrupted(t)
	out, err := exec.Command(python, filepath.Join("testdata", "read.py"), filepath.Join(dir, "tensorboard"), filepath.Join(dir, "metrics.jsonl")).CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	fmt.Print(string(out))
}
