package experiment

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/gorgonia-s4/s4/models"
	"github.com/gorgonia-s4/s4/report"
	"github.com/gorgonia-s4/s4/task"
	"github.com/gorgonia-s4/s4/train"
	"github.com/gorgonia-s4/s4/train/data"
)

// toy is a task of any kind that is made in no time: classes of sequences by their
// first step.
type toy struct {
	Examples int `json:"examples"`
	Longest  int `json:"longest"`
	Classes  int `json:"classes"`
	Features int `json:"features,omitempty"` // of a step; 0: tokens
	kind     string
}

func (o *toy) Flags(fs *flag.FlagSet) {
	fs.IntVar(&o.Examples, "examples", o.Examples, "number of examples")
	fs.IntVar(&o.Longest, "longest", o.Longest, "most steps")
	fs.IntVar(&o.Classes, "classes", o.Classes, "number of classes")
}

func (o *toy) Validate() error {
	if o.Examples < 3 {
		return fmt.Errorf("-examples: want >= 3, got %d", o.Examples)
	}
	return nil
}

func (o *toy) Shape() Shape {
	s := Shape{Kind: o.kind, Classes: o.Classes, Length: o.Longest}
	switch {
	case o.kind == LanguageModel:
		s.Vocab, s.Classes = 6, 0
	case o.kind == Forecaster:
		s.Features, s.Horizon, s.Classes = 2, 3, 0
	case o.Features > 0:
		s.Features = o.Features
	default:
		s.Vocab = 6
	}
	return s
}

func (o *toy) Load(ctx context.Context, src Source) (*Data, error) {
	if src.Path == "bad" {
		return nil, errors.New("bad: no such data")
	}
	if c, ok := src.Codec.(*toyCodec); ok && c.Shape.Length == 0 {
		return nil, errors.New("want no codec, or that of a model, got an empty one")
	}
	d := &Data{Title: "toy", Model: o.Shape(), Codec: &toyCodec{Shape: o.Shape()}, Notes: []string{"A note."}}
	rng := rand.New(rand.NewPCG(src.Seed, 1))
	part := func() task.Dataset {
		ds := &examples{shape: o.Shape()}
		for range o.Examples {
			ds.list = append(ds.list, o.draw(rng))
		}
		return ds
	}
	d.Splits = data.Splits[task.Dataset]{Train: part(), Val: part(), Test: part()}
	if src.Path == "broken" {
		d.Train = broken{d.Train}
	}
	switch o.kind {
	case Forecaster:
		d.Metrics = []train.Metric{train.MSE()}
	case LanguageModel:
		d.Metrics = []train.Metric{train.Perplexity()}
		d.Samples = func(_ context.Context, m models.Model, out io.Writer) ([]report.Sample, error) {
			fmt.Fprintln(out, "a sample of a", m.Kind())
			return []report.Sample{{Picture: toyText([]int{1, 2, 3})}}, nil
		}
	}
	if src.Progress != nil {
		src.Progress("making toys", int64(o.Examples), int64(o.Examples))
	}
	return d, ctx.Err()
}

// broken is a data set with an example that cannot be read.
type broken struct{ task.Dataset }

var errBroken = errors.New("a toy is broken")

func (b broken) Example(i int, row *task.Row) error {
	if i == 7 {
		return errBroken
	}
	return b.Dataset.Example(i, row)
}

func (o *toy) draw(rng *rand.Rand) Example {
	s, n := o.Shape(), 1+rng.IntN(o.Longest)
	if o.kind == LanguageModel {
		n++ // the first is not told
	}
	var e Example
	for range n {
		e.Tokens = append(e.Tokens, rng.IntN(6))
		e.Tokens2 = append(e.Tokens2, rng.IntN(6))
		for range s.Features {
			e.Features = append(e.Features, rng.Float32())
		}
	}
	if o.kind == LanguageModel {
		e.Features, e.Tokens2 = nil, nil
		return e
	}
	if s.Vocab == 0 {
		e.Tokens, e.Tokens2 = nil, nil
	} else {
		e.Target = e.Tokens[0] % max(s.Classes, 1)
		e.Features = nil
	}
	if o.kind != Retrieval {
		e.Tokens2 = nil
	}
	return e
}

// toyCodec reads lines of JSON numbers: [[1, 2, 3], [2, 4], class], the lists being
// tokens, or features.
type toyCodec struct {
	Shape Shape `json:"shape"`
}

func (c *toyCodec) Read(r io.Reader, name string, f func(Example) error) error {
	lines := bufio.NewScanner(r)
	for n := 1; lines.Scan(); n++ {
		e := Example{Origin: name + ":" + strconv.Itoa(n), Target: task.Ignore}
		var v struct {
			X, X2    []int
			Features []float32
			Target   *int
		}
		if err := json.Unmarshal(lines.Bytes(), &v); err != nil {
			return fmt.Errorf("%s: %w", e.Origin, err)
		}
		e.Tokens, e.Tokens2, e.Features = v.X, v.X2, v.Features
		if v.Target != nil {
			e.Target = *v.Target
		}
		if err := f(e); err != nil {
			return err
		}
	}
	return lines.Err()
}

func (c *toyCodec) Classes() []string {
	if !c.Shape.classifies() {
		return nil
	}
	return []string{"zero", "one", "two"}[:min(3, c.Shape.Classes)]
}

func (c *toyCodec) Show(e Example) report.Picture {
	if c.Shape.Kind == Forecaster {
		return report.Picture{Kind: report.Lines, Series: []report.Series{{Name: "v", Past: e.Features, Future: e.Future}}}
	}
	if c.Shape.Vocab == 0 {
		return report.Picture{Kind: report.Wave, Samples: e.Features, Rate: 1}
	}
	p := toyText(e.Tokens)
	if c.Shape.Kind == Retrieval {
		second := toyText(e.Tokens2)
		p.Second = &second
	}
	return p
}

func toyText(tokens []int) report.Picture {
	p := report.Picture{Kind: report.Text}
	for _, t := range tokens {
		p.Pieces = append(p.Pieces, strconv.Itoa(t))
	}
	return p
}

// toyPreset is a preset of all toys.
const toyPreset = `{
  "task": %q,
  "data": {"examples": 12, "longest": 9, "classes": 3%s},
  "model": {"layers": 2, "norm": "layer", "pool": "mean", "mixer": {"kind": "s4d", "d_model": 4, "d_state": 4, "init": "legs", "lr": 0.001, "activation": "gelu"}},
  "train": {"steps": 4, "batch_size": 4, "buckets": [4, 12], "lr": 0.01, "weight_decay": 0.1, "schedule": {"kind": "cosine", "warm_up": 1}, "eval_every": 2, "seed": 3, "dtype": "float32"}
}`

// toys is a program of a toy of each kind.
func toys() Program {
	p := Program{Name: "toys", About: "Train a toy.", Task: "tokens", Preset: "smoke"}
	files := fstest.MapFS{}
	for _, t := range []struct {
		name string
		of   toy
	}{{"tokens", toy{}}, {"real", toy{Features: 2}}, {"colours", toy{Features: 3}}, {"pairs", toy{kind: Retrieval}}, {"forecast", toy{kind: Forecaster}}, {"text", toy{kind: LanguageModel}}} {
		p.Tasks = append(p.Tasks, Task{
			Name: t.name, About: "a toy", Options: func() Options { o := t.of; return &o }, Codec: func() Codec { return new(toyCodec) },
		})
		features := ""
		if t.of.Features > 0 {
			features = fmt.Sprintf(`, "features": %d`, t.of.Features)
		}
		files["presets/"+t.name+"-smoke.json"] = &fstest.MapFile{Data: fmt.Appendf(nil, toyPreset, t.name, features)}
	}
	p.Presets = files
	return p
}

// try runs a command line of the toys.
func try(t *testing.T, in string, args ...string) (string, error) {
	t.Helper()
	var out bytes.Buffer
	err := toys().Run(context.Background(), args, strings.NewReader(in), &out)
	return out.String(), err
}

func must(t *testing.T, args ...string) string {
	t.Helper()
	out, err := try(t, "", args...)
	if err != nil {
		t.Fatalf("toys %s: %v\n%s", strings.Join(args, " "), err, out)
	}
	return out
}

// trained trains a toy and returns the directory of the run.
func trained(t *testing.T, args ...string) string {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "run")
	must(t, append([]string{"-out", dir, "-cache", filepath.Dir(dir)}, args...)...)
	return dir
}

func write(t *testing.T, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}
