package experiment

import (
	"bytes"
	"context"
	"errors"
	"io"
	"io/fs"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/gorgonia-s4/s4/report"
	"github.com/gorgonia-s4/s4/train"
)

// rounding bounds, relatively, what another order of sums makes of the metrics of a few
// steps in float32.
const rounding = 1e-4

// resultOf reads what a run has come to.
func resultOf(t *testing.T, dir string) (*report.Run, *report.Test) {
	t.Helper()
	run, err := report.ReadRun(dir)
	if err != nil {
		t.Fatal(err)
	}
	test, err := report.ReadTest(dir)
	if err != nil {
		t.Fatal(err)
	}
	return run, test
}

// sameResult checks that a run has come to what another has, to rounding.
func sameResult(t *testing.T, what, got, want string) {
	t.Helper()
	r, a := resultOf(t, got)
	s, b := resultOf(t, want)
	if r.End.Steps != s.End.Steps || a.Examples != b.Examples || len(a.Samples) != len(b.Samples) || len(a.Confusion) != len(b.Confusion) {
		t.Errorf("%s: got %+v and %+v, want %+v and %+v", what, r.End, a, s.End, b)
		return
	}
	near := func(name string, x, y float64) {
		if !(math.Abs(x-y) <= rounding*math.Abs(y)) {
			t.Errorf("%s: %s: got %v, want %v", what, name, x, y)
		}
	}
	near("best validation loss", r.End.Best.Val.Loss, s.End.Best.Val.Loss)
	near("test loss", a.Metrics.Loss, b.Metrics.Loss)
	near(b.Headline, a.Metrics.Value(b.Headline), b.Metrics.Value(b.Headline))
	for i, x := range a.Samples {
		if y := b.Samples[i]; x.Index != y.Index || x.Prediction != y.Prediction || len(x.Saliency) != len(y.Saliency) {
			t.Errorf("%s: sample %d: got example %d, taken for %d, want %d, taken for %d", what, i, x.Index, x.Prediction, y.Index, y.Prediction)
		}
	}
	for i, row := range a.Confusion {
		for j, n := range row {
			if n != b.Confusion[i][j] {
				t.Errorf("%s: confusion: got %v, want %v", what, a.Confusion, b.Confusion)
			}
		}
	}
}

// Replicas learn what one model learns, and are tested as it is; one of them speaks.
func TestReplicas(t *testing.T) {
	for name, numbers := range map[string][]string{"tokens": {"1", "2", "3"}, "pairs": {"2"}, "forecast": {"3"}, "text": {"3"}} {
		plain := trained(t, "-task", name)
		for _, n := range numbers {
			dir := filepath.Join(t.TempDir(), "run")
			out := must(t, "-task", name, "-replicas", n, "-out", dir, "-report", "-tensorboard")
			sameResult(t, name+" "+n, dir, plain)
			if _, a := resultOf(t, dir); n == "1" {
				if _, b := resultOf(t, plain); a.Metrics.Loss != b.Metrics.Loss {
					t.Errorf("%s, one replica: got a loss of %v, want %v", name, a.Metrics.Loss, b.Metrics.Loss)
				}
			}
			for _, once := range []string{"A note.", "evaluation at step 2 ", "best validation:", "model in ", "page in "} {
				if strings.Count(out, once) != 1 {
					t.Errorf("%s, %s replicas: want %q once in\n%s", name, n, once, out)
				}
			}
		}
	}
}

// With -sync-norm batches are normalised as in one process, also where the last has less
// than a sequence for each rank.
func TestReplicasSyncNorm(t *testing.T) {
	args := []string{"-norm", "batch", "-sync-norm", "-batch", "5"}
	dir := filepath.Join(t.TempDir(), "run")
	const warning = "each normalises over its own rows alone"
	if out := must(t, append(args, "-replicas", "3", "-out", dir)...); strings.Contains(out, warning) {
		t.Errorf("with -sync-norm: got\n%s", out)
	}
	sameResult(t, "-sync-norm", dir, trained(t, args...))
	for norm, want := range map[string]int{"batch": 1, "layer": 0} {
		out := must(t, "-norm", norm, "-replicas", "2", "-out", filepath.Join(t.TempDir(), "run"))
		if strings.Count(out, warning) != want {
			t.Errorf("-norm %s: want %q %d times in\n%s", norm, warning, want, out)
		}
	}
}

// A rank by itself is told that it is: mpirun may have been told to start one.
func TestOneRank(t *testing.T) {
	outs, errs := apart(t, []string{"-out", filepath.Join(t.TempDir(), "run")})
	if errs[0] != nil || !strings.Contains(outs[0], "\none rank (-mpi), which trains by itself\n") {
		t.Errorf("got %v\n%s", errs[0], outs[0])
	}
}

// A run goes on with another number of ranks.
func TestResumeOnOtherRanks(t *testing.T) {
	plain := trained(t)
	for _, n := range [][2]string{{"2", "1"}, {"1", "3"}, {"3", "2"}} {
		dir := filepath.Join(t.TempDir(), "run")
		ctx, cancel := context.WithCancel(t.Context())
		args := []string{"-out", dir, "-replicas"}
		err := toys().Run(ctx, append(args, n[0]), nil, &stopper{at: "evaluation at step 2 ", stop: cancel})
		var stop *train.InterruptedError
		if !errors.As(err, &stop) || stop.Step < 2 || strings.Count(err.Error(), "interrupted") != 1 || !strings.Contains(err.Error(), "go on with the same options and -resume") {
			t.Errorf("%s replicas: got error %v", n[0], err)
		}
		must(t, append(args, n[1], "-resume")...)
		sameResult(t, "from "+n[0]+" to "+n[1]+" replicas", dir, plain)
	}
}

// stopper calls stop when it is told of something.
type stopper struct {
	at   string
	stop func()
}

func (s *stopper) Write(p []byte) (int, error) {
	if bytes.Contains(p, []byte(s.at)) {
		s.stop()
	}
	return len(p), nil
}

// apart runs a training whose ranks are as apart as processes are: each has a command
// line of its own, and loads its data. It returns what each printed and ended with.
func apart(t *testing.T, args ...[]string) (outs []string, errs []error) {
	t.Helper()
	p, buffers := toys(), make([]bytes.Buffer, len(args))
	outs, errs = make([]string, len(args)), make([]error, len(args))
	if err := train.RunGroup(len(args), func(g train.Group) error {
		i := g.Rank()
		o, err := p.parse(args[i], io.Discard)
		r := &training{options: o, ranks: ranks{g: g, what: "-mpi"}, out: &buffers[i]}
		errs[i] = r.process(t.Context(), err)
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	for i := range buffers {
		outs[i] = buffers[i].String()
	}
	return outs, errs
}

// Processes share what one process shares: the first one's files alone are read.
func TestProcesses(t *testing.T) {
	start := trained(t, "-steps", "2", "-seed", "9")
	plain := filepath.Join(t.TempDir(), "run")
	must(t, "-out", plain, "-init-from", start)
	dir := filepath.Join(t.TempDir(), "run")
	none := filepath.Join(t.TempDir(), "none")
	first := []string{"-out", dir, "-init-from", start}
	other := []string{"-out", none, "-init-from", start}
	outs, errs := apart(t, first, other)
	if err := errors.Join(errs...); err != nil {
		t.Fatal(err)
	}
	if outs[1] != "" || !strings.Contains(outs[0], "parameters from ") {
		t.Errorf("got %q and %q", outs[0], outs[1])
	}
	sameResult(t, "two processes", dir, plain)
	outs, errs = apart(t, append(first, "-resume"), append(other, "-resume"), append(other, "-resume"))
	if err := errors.Join(errs...); err != nil || !strings.Contains(outs[0], "model in ") {
		t.Errorf("resumed: got %v\n%s", err, outs[0])
	}
	if _, err := os.Stat(none); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("the second process has made -out: %v", err)
	}
	sameResult(t, "three processes", dir, plain)
	outs, errs = apart(t, []string{"-out", dir, "-overwrite"}, []string{"-out", none}) // for data of no model
	if err := errors.Join(errs...); err != nil {
		t.Errorf("without -init-from: got %v\n%s", err, outs[0])
	}
	sameResult(t, "two processes without -init-from", dir, trained(t))
}

// What is wrong on one rank ends all of them, and is told once.
func TestRanksFailTogether(t *testing.T) {
	for _, c := range []struct {
		want  string
		ranks [][]string
	}{
		{"rank 1: models: want -layers", [][]string{{}, {"-layers", "-1"}, {}}},
		{"models: want -layers", [][]string{{"-layers", "-1"}, {"-layers", "-1"}}},
		{"rank 2: bad: no such data", [][]string{{}, {}, {"-data", "bad"}}},
		{"bad: no such data", [][]string{{"-data", "bad"}, {}}},
		{"there is no run in -out", [][]string{{"-resume"}, {"-resume"}}},
		{"rank 1: ", [][]string{{}, {"-seed", "7"}}},
		{"want no more ranks than the 4 sequences of -batch, got 5", [][]string{{}, {}, {}, {}, {}}},
	} {
		for i := range c.ranks {
			c.ranks[i] = append(c.ranks[i], "-out", filepath.Join(t.TempDir(), "run"))
		}
		outs, errs := apart(t, c.ranks...)
		for i, err := range errs {
			if i > 0 && (err != nil || outs[i] != "") {
				t.Errorf("%q: rank %d says %v and %q too", c.want, i, err, outs[i])
			}
		}
		if errs[0] == nil || !strings.Contains(errs[0].Error(), c.want) {
			t.Errorf("got error %v, want %q", errs[0], c.want)
		}
	}
}

// An example that cannot be read is of one rank, and ends the run of all.
func TestReplicaFails(t *testing.T) {
	for _, n := range []string{"1", "2", "3"} {
		dir := filepath.Join(t.TempDir(), "run")
		_, err := try(t, "", "-replicas", n, "-data", "broken", "-out", dir)
		if err == nil || strings.Count(err.Error(), errBroken.Error()) != 1 {
			t.Errorf("%s replicas: got error %v", n, err)
		}
		run, err := report.ReadRun(dir)
		if err != nil || run.End == nil || !strings.Contains(run.End.Reason, errBroken.Error()) {
			t.Errorf("%s replicas: got %+v, %v", n, run, err)
		}
	}
}

func TestOptionsOfRanks(t *testing.T) {
	for want, args := range map[string][]string{
		"-replicas: want >= 1, got 0":                                    {"-replicas", "0"},
		"-replicas: want no more ranks than the 4 sequences of -batch, ": {"-replicas", "1000000000000000000"},
		"want one of them":                                               {"-replicas", "2", "-mpi"},
		"-mpi-bucket, -mpi-bfloat16 and -mpi-timeout are about -mpi":     {"-mpi-bfloat16"},
		"-mpi-bucket: want 0 to":                                         {"-mpi", "-mpi-bucket=-1"},
		"want -layers":                                                   {"-layers", "-1", "-mpi"},
		"mpi":                                                            {"-mpi"},
	} {
		if _, err := try(t, "", append(args, "-out", t.TempDir())...); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: got error %v, want %q", args, err, want)
		}
	}
	if text := must(t, "-replicas", "1000000000000000000", "-print-config"); text != must(t, "-print-config") {
		t.Errorf("the number of replicas is part of a recipe:\n%s", text)
	}
	for line, want := range map[string]bool{
		"-mpi": true, "--mpi -seed 1": true, "-mpi=false": false, "-seed 1 -- -mpi": false, "-mpi-bucket 3": false, "-mpi=true": true,
	} {
		if got := given(strings.Fields(line), "mpi"); got != want {
			t.Errorf("given(%q): got %t", line, got)
		}
	}
	if _, err := try(t, "", "-mpi", "-h"); err == nil || err.Error() != "flag: help requested" {
		t.Errorf("-mpi -h: got error %v", err)
	}
}
