package listops

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"strings"
	"sync"
	"testing"

	"github.com/gorgonia-s4/s4/task"

	"github.com/gorgonia-s4/s4/train/data"
)

// small is a data set that takes milliseconds to draw.
var small = Config{Train: 300, Val: 40, Test: 60, MinLength: 10, MaxLength: 120, Seed: 7}

func generate(t testing.TB, cfg Config) *Data {
	t.Helper()
	d, err := Generate(context.Background(), cfg, nil)
	if err != nil {
		t.Fatal(err)
	}
	return d
}

// equal reports whether two splits hold the same examples.
func (s *Split) equal(o *Split) bool {
	if s.Len() != o.Len() || !bytes.Equal(s.tokens, o.tokens) || !bytes.Equal(s.targets, o.targets) {
		return false
	}
	for i, e := range s.ends {
		if e != o.ends[i] {
			return false
		}
	}
	return true
}

func TestEval(t *testing.T) {
	for _, c := range []struct {
		source string
		want   int
	}{
		{"7", 7},
		{"( ( ( [MAX 2 ) 9 ) ] )", 9},
		{"( ( ( [MIN 2 ) 9 ) ] )", 2},
		{"( ( ( ( [MED 2 ) 9 ) 3 ) ] )", 3},
		{"( ( ( [MED 2 ) 9 ) ] )", 5}, // the median 5.5 is cut
		{"( ( ( ( ( [MED 8 ) 1 ) 3 ) 4 ) ] )", 3},
		{"( ( ( ( [SM 8 ) 9 ) 9 ) ] )", 6},
		{"( ( ( [SM 8 ) ( ( ( [MIN 5 ) 4 ) ] ) ) ] )", 2},
		{"( ( ( [SM ( ( ( [MAX 0 ) 1 ) ] ) ) ( ( ( [MED 7 ) 2 ) ] ) ) ] )", 5},
	} {
		got, err := Eval(c.source)
		if err != nil || got != c.want {
			t.Errorf("Eval(%q) = %d, %v, want %d", c.source, got, err, c.want)
		}
	}
}

func TestEvalErrors(t *testing.T) {
	for _, source := range []string{
		"", "12", "x", "]", "(", ")", "( 1 )", "1 2", "( 1 2 )", "( [MAX 1 )", "( [MAX ] )", "[MAX 1 2 ]",
		"( ( [FIRST 1 ) ] )", "( ( ( [MAX 1 ) 2 ) ] ) )", "( ( ( ( [MAX 1 ) 2 ) ] )", "( ( ( [MAX 1 ) ) ] )",
		strings.Repeat("( ", 100000),
	} {
		if v, err := Eval(source); err == nil {
			t.Errorf("Eval(%.40q) = %d, want an error", source, v)
		}
	}
}

func TestGeneratedExamples(t *testing.T) {
	paper := Config{Train: 200, Val: 50, Test: 50} // lengths, depth and arguments of the paper
	for _, cfg := range []Config{small, paper, {Train: 100, Val: 1, Test: 1, MinLength: 2, MaxLength: 30, MaxDepth: 3, MaxArgs: 4, OperatorP: 0.8, Seed: 1}} {
		d := generate(t, cfg)
		full := cfg.withDefaults()
		if d.Train.Len() != cfg.Train || d.Val.Len() != cfg.Val || d.Test.Len() != cfg.Test {
			t.Errorf("got %d, %d, %d examples, want %d, %d, %d", d.Train.Len(), d.Val.Len(), d.Test.Len(), cfg.Train, cfg.Val, cfg.Test)
		}
		seen := make(map[string]bool)
		for _, s := range d.All() {
			for i := range s.Len() {
				source := s.Source(i)
				if seen[source] {
					t.Errorf("%q is there twice", source)
				}
				seen[source] = true
				if got, err := Eval(source); err != nil || got != s.Target(i) {
					t.Errorf("target %d, Eval gives %d, %v for %q", s.Target(i), got, err, source)
				}
				if n := s.Symbols(i); n <= full.MinLength || n >= full.MaxLength {
					t.Errorf("length %d, want %d < length < %d", n, full.MinLength, full.MaxLength)
				}
				depth, args := shape(s.at(i))
				if depth > full.MaxDepth || args > full.MaxArgs {
					t.Errorf("depth %d and %d arguments, want at most %d and %d", depth, args, full.MaxDepth, full.MaxArgs)
				}
			}
		}
	}
}

// shape returns the number of levels of a tree and the largest number of
// arguments.
func shape(tokens []uint8) (levels, args int) {
	depth := 0
	for i, n := range arities(tokens) {
		switch {
		case isOperator(tokens[i]):
			depth++
			args = max(args, n)
		case isDigit(tokens[i]):
			levels = max(levels, depth+1)
		default:
			depth--
		}
	}
	return levels, args
}

// TestTreeDistribution compares trees that are not selected by length with
// the probabilities of the published generator.
func TestTreeDistribution(t *testing.T) {
	const trees = 50000
	cfg := Config{MaxLength: maxLength, MaxDepth: 3}.withDefaults()
	g := generator{cfg: cfg, rand: rand.New(rand.NewPCG(1, 2))}
	var leaves, total int
	var digits [Classes]int
	var ops [operators]int
	args := make([]int, cfg.MaxArgs+1)
	for range trees {
		g.tokens, g.args = g.tokens[:0], g.args[:0]
		if _, ok := g.tree(1); !ok {
			t.Fatal("tree too long")
		}
		total++
		if len(g.tokens) == 1 {
			leaves++
			digits[g.tokens[0]-digit0]++
			continue
		}
		ops[g.tokens[0]-opMin]++
		args[arities(g.tokens)[0]]++
	}
	// near checks a count of n draws of probability p to within 5 standard
	// deviations.
	near := func(what string, count, n int, p float64) {
		t.Helper()
		mean, dev := p*float64(n), math.Sqrt(p*(1-p)*float64(n))
		if math.Abs(float64(count)-mean) > 5*dev {
			t.Errorf("%s: %d of %d, want %.0f +- %.0f", what, count, n, mean, 5*dev)
		}
	}
	near("roots that are digits", leaves, total, 0.75)
	for d, n := range digits {
		near(fmt.Sprint("digit ", d), n, leaves, 1./Classes)
	}
	for op, n := range ops {
		near("operator "+symbols[int(opMin)+op], n, total-leaves, 1./operators)
	}
	for n, count := range args {
		p := 1. / 9
		if n < 2 {
			p = 0
		}
		near(fmt.Sprint(n, " arguments"), count, total-leaves, p)
	}
}

// TestLabelDistribution checks that in the paper's setting every class occurs
// and none is much commoner than 0 and 9 should be, at 17 % each.
func TestLabelDistribution(t *testing.T) {
	s := generate(t, Config{Train: 2000, Val: 1, Test: 1}).Train
	sum := 0
	for class, n := range s.ClassCounts() {
		sum += n
		if share := float64(n) / float64(s.Len()); share < 0.05 || share > 0.22 {
			t.Errorf("class %d: share %.3f, want 0.05 to 0.22", class, share)
		}
	}
	if sum != s.Len() {
		t.Errorf("counts add up to %d, want %d", sum, s.Len())
	}
}

func TestGenerateIsDeterministic(t *testing.T) {
	// The data set of small when the generator was written.
	const golden = "ff35fa15f9098b498b85903115d2ef55463e61559e29d51eb604cd19e8fe228b"
	h := sha256.New()
	d := generate(t, small)
	for _, s := range d.All() {
		for i := range s.Len() {
			fmt.Fprintf(h, "%s\t%d\n", s.Source(i), s.Target(i))
		}
	}
	if got := hex.EncodeToString(h.Sum(nil)); got != golden {
		t.Errorf("hash %s, want %s: raise generatorVersion if the change is meant", got, golden)
	}

	other := small
	other.Seed++
	if generate(t, other).Train.equal(d.Train) {
		t.Error("another seed gives the same examples")
	}
	again := generate(t, small)
	for i, s := range again.All() {
		if !s.equal(d.All()[i]) {
			t.Errorf("%s: the same configuration gives other examples", data.SplitNames[i])
		}
	}
}

// TestBatchesAreIndependent draws with one goroutine what Generate draws with
// the worker pool.
func TestBatchesAreIndependent(t *testing.T) {
	want := generate(t, small)
	cfg := small.withDefaults()
	seeds := rand.NewPCG(cfg.Seed, 0)
	seen := make(map[string]bool)
	var all Split
	for all.Len() < cfg.Train+cfg.Val+cfg.Test {
		r := rand.New(rand.NewPCG(seeds.Uint64(), seeds.Uint64()))
		for _, e := range drawBatch(context.Background(), cfg, r) {
			if !seen[string(e.tokens)] {
				seen[string(e.tokens)] = true
				all.add(e.tokens, e.target)
			}
		}
	}
	i := 0
	for _, s := range []*Split{want.Test, want.Val, want.Train} {
		for j := range s.Len() {
			if !bytes.Equal(s.at(j), all.at(i)) || s.Target(j) != all.Target(i) {
				t.Fatalf("example %d differs", i)
			}
			i++
		}
	}
}

func TestTrainSizeLeavesTestAlone(t *testing.T) {
	d, cfg := generate(t, small), small
	cfg.Train *= 3
	large := generate(t, cfg)
	if !large.Test.equal(d.Test) || !large.Val.equal(d.Val) {
		t.Error("a larger training set changes the test or validation set")
	}
}

func TestProgress(t *testing.T) {
	var calls [][2]int
	cfg := Config{Train: 2500, Val: 10, Test: 10, MinLength: 3, MaxLength: 30}
	_, err := Generate(context.Background(), cfg, func(done, total int) { calls = append(calls, [2]int{done, total}) })
	if err != nil {
		t.Fatal(err)
	}
	if want := "[[1000 2520] [2000 2520] [2520 2520]]"; fmt.Sprint(calls) != want {
		t.Errorf("got %v, want %s", calls, want)
	}
}

func TestCancel(t *testing.T) {
	ctx, cancel := context.WithCancel(context.Background())
	_, err := Generate(ctx, Config{}, func(done, total int) {
		if done == 2000 {
			cancel()
		}
		if done > 20000 {
			t.Fatal("not cancelled")
		}
	})
	if !errors.Is(err, context.Canceled) {
		t.Errorf("error %v, want %v", err, context.Canceled)
	}
}

func TestTooFewExpressions(t *testing.T) {
	// One operator and two digits: 400 expressions of 4 symbols.
	cfg := Config{Train: 398, Val: 1, Test: 1, MinLength: 3, MaxLength: 5, MaxDepth: 2, MaxArgs: 2}
	generate(t, cfg)
	cfg.Train++
	_, err := Generate(context.Background(), cfg, nil)
	if err == nil || !strings.Contains(err.Error(), "want 401 different examples, got 400") {
		t.Errorf("error %v, want one about 400 examples", err)
	}
}

// TestDeepConfig has trees that would never end without the limit on length.
func TestDeepConfig(t *testing.T) {
	cfg := Config{MaxDepth: math.MaxInt, OperatorP: 1, MaxLength: 1000}.withDefaults()
	g := generator{cfg: cfg, rand: rand.New(rand.NewPCG(1, 2))}
	if _, ok := g.tree(1); ok || len(g.tokens) > 1000 {
		t.Errorf("got a tree of %d symbols, want none", len(g.tokens))
	}
}

func TestConfigValidate(t *testing.T) {
	if err := (Config{}).Validate(); err != nil {
		t.Errorf("the zero Config: %v", err)
	}
	want := Config{Train: 96000, Val: 2000, Test: 2000, MinLength: 500, MaxLength: 2000, MaxDepth: 10, MaxArgs: 10, OperatorP: 0.25}
	if got := (Config{}).withDefaults(); got != want {
		t.Errorf("defaults %+v, want %+v", got, want)
	}
	for _, c := range []struct {
		cfg  Config
		want string
	}{
		{Config{Train: -1}, "Config.Train: want >= 1, got -1"},
		{Config{Val: -1}, "Config.Val"},
		{Config{Test: -1}, "Config.Test"},
		{Config{MinLength: -1}, "Config.MinLength"},
		{Config{MaxLength: -1}, "Config.MaxLength"},
		{Config{MaxLength: 501}, "Config.MaxLength: want >= MinLength + 2 = 502"},
		{Config{MaxLength: 1 << 30}, "Config.MaxLength: want <="},
		{Config{MaxDepth: 1}, "Config.MaxDepth"},
		{Config{MaxArgs: 1}, "Config.MaxArgs"},
		{Config{OperatorP: 1.1}, "Config.OperatorP: want in (0, 1], got 1.1"},
		{Config{OperatorP: -0.1}, "Config.OperatorP"},
		{Config{OperatorP: math.NaN()}, "Config.OperatorP"},
	} {
		err := c.cfg.Validate()
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%+v: error %v, want %q in it", c.cfg, err, c.want)
		}
		if _, err := Generate(context.Background(), c.cfg, nil); err == nil {
			t.Errorf("Generate(%+v): no error", c.cfg)
		}
	}
}

func TestDataset(t *testing.T) {
	s := &Split{}
	tokens, err := appendTokens(nil, []byte("( ( ( [MAX 2 ) ( ( ( [SM 8 ) 9 ) ] ) ) ] )"))
	if err != nil {
		t.Fatal(err)
	}
	s.add(tokens, 7)
	for _, c := range []struct {
		enc  Encoding
		want []int
	}{
		{Encoding{}, []int{14, 5, 16, 11, 12, 17, 17, 2}},
		{Encoding{OmitEOS: true}, []int{14, 5, 16, 11, 12, 17, 17}},
		{Encoding{LMax: 8}, []int{14, 5, 16, 11, 12, 17, 17, 2}},
		{Encoding{LMax: 7}, []int{14, 5, 16, 11, 12, 17, 2}},
		{Encoding{LMax: 7, OmitEOS: true}, []int{14, 5, 16, 11, 12, 17, 17}},
		{Encoding{LMax: 2}, []int{14, 2}},
	} {
		d, err := s.Dataset(c.enc)
		if err != nil {
			t.Fatal(err)
		}
		tokens, label, err := readExample(d, 0)
		if err != nil {
			t.Fatal(err)
		}
		if fmt.Sprint(tokens) != fmt.Sprint(c.want) || d.Length(0) != len(c.want) || label != 7 {
			t.Errorf("%+v: got %v, %d, length %d, want tokens %v", c.enc, tokens, label, d.Length(0), c.want)
		}
	}
	for _, lmax := range []int{-1, 1} {
		if _, err := s.Dataset(Encoding{LMax: lmax}); err == nil {
			t.Errorf("LMax %d: no error", lmax)
		}
	}
}

// readExample reads an example.
func readExample(d *Dataset, i int) (tokens []int, label int, err error) {
	b := task.NewBatch(d)
	if err := b.Load([]int{i}, 1, d.Length(i)); err != nil {
		return nil, 0, err
	}
	x, err1 := b.Array(task.X)
	y, err2 := b.Array(task.Target)
	if err := errors.Join(err1, err2); err != nil {
		return nil, 0, err
	}
	return x.Ints, y.Ints[0], nil
}

func TestDatasetConcurrently(t *testing.T) {
	s := generate(t, small).Train
	d, err := s.Dataset(Encoding{LMax: 64})
	if err != nil {
		t.Fatal(err)
	}
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			for i := range d.Len() {
				tokens, label, err := readExample(d, i)
				if err != nil || len(tokens) != d.Length(i) || label != s.Target(i) {
					t.Errorf("example %d: %v, %d, %v", i, tokens, label, err)
				}
			}
		})
	}
	wg.Wait()
}

func ExampleEval() {
	v, err := Eval("( ( ( ( [MAX 2 ) 9 ) ( ( ( [SM 4 ) 7 ) ] ) ) ] )")
	fmt.Println(v, err)
	// Output: 9 <nil>
}

func ExampleGenerate() {
	d, err := Generate(context.Background(), Config{Train: 8, Val: 1, Test: 1, MinLength: 3, MaxLength: 12, Seed: 1}, nil)
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(d.Test.Source(0), "=", d.Test.Target(0))
	// Output: ( ( ( ( ( ( [SM 3 ) 5 ) 6 ) 9 ) ( ( ( ( [MED 9 ) 1 ) 3 ) ] ) ) ] ) = 6
}
