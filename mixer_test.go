package s4_test

import (
	"context"
	"fmt"
	"math"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	G "gorgonia.org/gorgonia"
	"gorgonia.org/tensor"

	"github.com/gorgonia-s4/s4/layers"
	"github.com/gorgonia-s4/s4/models"
	"github.com/gorgonia-s4/s4/ops"
	"github.com/gorgonia-s4/s4/task"
	"github.com/gorgonia-s4/s4/train"
)

// walks returns a data set of random walks, seen with noise, and whether each ends
// above 0.
func walks(count int, seed uint64) *task.Table {
	const steps = 24
	rng := rand.New(rand.NewPCG(seed, 0))
	xs, ys := make([][]float32, count), make([]int, count)
	for i := range xs {
		level, x := 0.0, make([]float32, steps)
		for t := range x {
			level = 0.8*level + 0.2*rng.NormFloat64()
			x[t] = float32(level + 0.1*rng.NormFloat64())
		}
		xs[i] = x
		if level > 0 {
			ys[i] = 1
		}
	}
	ds, err := task.NewTable(task.Col(task.Features(task.X, 1), xs), task.Col(task.Label(task.Target), ys))
	check(err)
	return ds
}

// mixed is a classifier whose blocks are the mixer of our own and S4.
func mixed() models.ClassifierConfig {
	return models.ClassifierConfig{
		Features: 1, Classes: 2, Pool: ops.PoolLast,
		Stack: layers.StackConfig{Blocks: []layers.BlockConfig{
			{Mixer: LeakyConfig{DModel: 8}, PreNorm: true},
			{Mixer: layers.S4Config{DModel: 8, DState: 8, LMax: 24}, PreNorm: true},
		}},
	}
}

// A mixer of our own, leaky_test.go, is trained beside S4 by the trainer, saved,
// loaded, and stepped: nothing in the library knows of it.
func Example_mixer() {
	dir, err := os.MkdirTemp("", "mixer")
	check(err)
	defer os.RemoveAll(dir)

	model, err := models.NewClassifier(G.NewGraph(), tensor.Float64, mixed(), 1)
	check(err)
	cfg := train.Config{Epochs: 12, BatchSize: 32, LR: 0.02, DType: train.Float64, CheckpointDir: filepath.Join(dir, "run")}
	trainer, err := train.New(cfg, model, walks(400, 1), walks(200, 2), train.WithMetrics(train.Accuracy()))
	check(err)
	defer trainer.Close()
	result, err := trainer.Fit(context.Background())
	check(err)
	fmt.Println("learned:", result.Best.Val.Value("accuracy") > 0.85)

	check(model.Save(dir))
	loaded, err := models.LoadClassifier(G.NewGraph(), dir)
	check(err)
	session, err := layers.NewRecurrence(loaded.Blocks()[0], 1)
	check(err)
	y, err := session.Step(tensor.New(tensor.WithShape(1, 8), tensor.WithBacking(make([]float64, 8))))
	check(err)
	fmt.Println("one step:", y.Shape(), "state:", session.State()[0].Name)
	// Output:
	// learned: true
	// one step: (1, 8) state: y
}

// The recurrence of the mixer is its convolution.
func TestLeakyStepsAsItConvolves(t *testing.T) {
	g := G.NewGraph()
	l, err := layers.New(g, tensor.Float64, LeakyConfig{DModel: 3})
	check(err)
	const steps = 20
	x := make([]float64, 3*steps)
	for i := range x {
		x[i] = math.Sin(float64(i * i))
	}
	y, err := l.Fwd(G.NewTensor(g, tensor.Float64, 3, G.WithShape(1, 3, steps), G.WithName("x"),
		G.WithValue(tensor.New(tensor.WithShape(1, 3, steps), tensor.WithBacking(x)))))
	check(err)
	var v G.Value
	G.Read(y, &v)
	vm := G.NewTapeMachine(g)
	defer vm.Close()
	check(vm.RunAll())
	r, err := layers.NewRecurrence(l.(layers.Stepper), 1)
	check(err)
	for s := range steps {
		out, err := r.Step(tensor.New(tensor.WithShape(1, 3), tensor.WithBacking([]float64{x[s], x[steps+s], x[2*steps+s]})))
		check(err)
		for h, got := range out.Float64s() {
			if want := v.Data().([]float64)[h*steps+s]; math.Abs(got-want) > 1e-13 {
				t.Errorf("feature %d, step %d: got %g, want %g", h, s, got, want)
			}
		}
	}
}

// A model with a mixer of another package is saved by one process and computes the
// same in another, to the bit.
func TestMixerInAnotherProcess(t *testing.T) {
	const variable = "S4_TEST_MODEL"
	scores := func(m *models.Classifier) string {
		r, err := layers.NewRecurrence(layers.Chain{m.Blocks()[0], m.Blocks()[1]}, 2)
		check(err)
		var out string
		for s := range 5 {
			u := make([]float64, 16)
			for i := range u {
				u[i] = math.Cos(float64(3*i + s))
			}
			y, err := r.Step(tensor.New(tensor.WithShape(2, 8), tensor.WithBacking(u)))
			check(err)
			out += fmt.Sprintf("%x\n", y.Float64s())
		}
		return out
	}
	if dir := os.Getenv(variable); dir != "" { // the other process
		m, err := models.LoadClassifier(G.NewGraph(), dir)
		check(err, os.WriteFile(filepath.Join(dir, "scores"), []byte(scores(m)), 0o600))
		return
	}
	dir := t.TempDir()
	m, err := models.NewClassifier(G.NewGraph(), tensor.Float64, mixed(), 3)
	check(err, m.Save(dir))
	other := exec.Command(os.Args[0], "-test.run", "^"+t.Name()+"$")
	other.Env = append(os.Environ(), variable+"="+dir)
	if out, err := other.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	got, err := os.ReadFile(filepath.Join(dir, "scores"))
	check(err)
	if want := scores(m); string(got) != want {
		t.Errorf("got\n%swant\n%s", got, want)
	}
}
