package recall

import (
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/gorgonia-s4/s4/task"
)

// The sizes that the tests draw.
var configs = map[Task]Config{
	SelectiveCopying: {Task: SelectiveCopying, Length: 9, Tokens: 3, Vocabulary: 6, Seed: 1},
	DelayedRecall:    {Task: DelayedRecall, Length: 9, Tokens: 3, Vocabulary: 6, Seed: 1},
	InductionHeads:   {Task: InductionHeads, Length: 9, Vocabulary: 6, Seed: 1},
	Adding:           {Task: Adding, Length: 9, Seed: 1},
}

// batch returns n examples of a task.
func batch(t *testing.T, c Config, n int) (x, target task.Array) {
	t.Helper()
	d, err := NewDataset(c, 0, n)
	if err != nil {
		t.Fatal(err)
	}
	b := task.NewBatch(d)
	if err := b.Load(numbered(n), n, c.Steps()); err != nil {
		t.Fatal(err)
	}
	if x, err = b.Array(task.X); err != nil {
		t.Fatal(err)
	}
	if target, err = b.Array(task.Target); err != nil {
		t.Fatal(err)
	}
	return x, target
}

func numbered(n int) []int {
	all := make([]int, n)
	for i := range all {
		all[i] = i
	}
	return all
}

// rows calls f with the tokens of each example, and what is to be told at each step.
func rows(t *testing.T, c Config, n int, f func(x, target []int)) {
	t.Helper()
	x, target := batch(t, c, n)
	for l := c.Steps(); len(x.Ints) > 0; x.Ints, target.Ints = x.Ints[l:], target.Ints[l:] {
		f(x.Ints[:l], target.Ints[:l])
	}
}

// The tokens that are no rest are those to be told, in their order, at the markers.
func TestCopying(t *testing.T) {
	const n = 4000
	for _, of := range []Task{SelectiveCopying, DelayedRecall} {
		c := configs[of]
		at, tokens := make([]float64, c.Length), make([]float64, c.Vocabulary)
		rows(t, c, n, func(x, target []int) {
			var kept []int
			for l, id := range x[:c.Length] {
				if id != rest {
					kept = append(kept, id)
					at[l]++
					tokens[id]++
				}
			}
			markers := []int{5, 5, 5}
			if len(kept) != 3 || !slices.Equal(x[c.Length:], markers) || !slices.Equal(target[c.Length:], kept) {
				t.Fatalf("%s: tell %v of %v", of, target, x)
			}
			if i := slices.IndexFunc(target[:c.Length], func(y int) bool { return y != task.Ignore }); i >= 0 {
				t.Fatalf("%s: something is to be told at step %d, before the markers", of, i)
			}
		})
		for l, count := range at {
			want := 1. / 3
			if of == DelayedRecall {
				want = 0
				if l < c.Tokens {
					want = 1
				}
			}
			if math.Abs(count/n-want) > 0.03 {
				t.Errorf("%s: step %d has a token in the part %.3f of the examples, want %.3f", of, l, count/n, want)
			}
		}
		for id, count := range tokens {
			want := 0.25
			if id == rest || id == c.Vocabulary-1 {
				want = 0
			}
			if math.Abs(count/(3*n)-want) > 0.02 {
				t.Errorf("%s: token %d is the part %.3f, want %.3f", of, id, count/(3*n), want)
			}
		}
	}
}

// What followed the last token where it was before is to be told, at the last step.
func TestInduction(t *testing.T) {
	c, at := configs[InductionHeads], map[int]int{}
	rows(t, c, 2000, func(x, target []int) {
		first, last := slices.Index(x, 5), len(x)-1
		if x[last] != 5 || first >= last-1 || slices.Contains(x[first+1:last], 5) || target[last] != x[first+1] {
			t.Fatalf("tell %v of %v", target, x)
		}
		if slices.ContainsFunc(target[:last], func(y int) bool { return y != task.Ignore }) {
			t.Fatalf("tell %v before the end", target)
		}
		at[first]++
	})
	for l := range c.Length - 2 {
		if part := float64(at[l]) / 2000; math.Abs(part-1./7) > 0.04 {
			t.Errorf("the sign is at step %d in the part %.3f of the examples, want 1/7", l, part)
		}
	}
}

// One step of each half is marked, and the sum of those is to be told, which has a mean of
// 1 and a variance of 1/6.
func TestAdding(t *testing.T) {
	const n = 4000
	c := configs[Adding]
	x, target := batch(t, c, n)
	mean, square := 0., 0.
	for i := range n {
		var sum float32
		marks := []int{}
		for l := range c.Length {
			v, mark := x.Float32s[2*(i*c.Length+l)], x.Float32s[2*(i*c.Length+l)+1]
			if v < 0 || v >= 1 || mark != 0 && mark != 1 {
				t.Fatalf("step %d: got %g marked %g", l, v, mark)
			}
			if mark == 1 {
				marks = append(marks, l)
				sum += v
			}
		}
		y := target.Float32s[i]
		if len(marks) != 2 || marks[0] >= c.Length/2 || marks[1] < c.Length/2 || y != sum {
			t.Fatalf("example %d: marked at %v, tell %g, want %g", i, marks, y, sum)
		}
		mean, square = mean+float64(y)/n, square+float64(y-1)*float64(y-1)/n
	}
	if math.Abs(mean-1) > 0.03 || math.Abs(square-c.Chance()) > 0.02 {
		t.Errorf("the sums have a mean of %.3f and a variance of %.4f, want 1 and 1/6", mean, square)
	}
}

// An example follows from the seed, the part and its number; every pass of the training
// has others.
func TestExamplesFollowFromTheirNumbers(t *testing.T) {
	for of, c := range configs {
		x := func(d task.Dataset, examples ...int) task.Array {
			b := task.NewBatch(d)
			if err := b.Load(examples, len(examples), c.Steps()); err != nil {
				t.Fatal(err)
			}
			a, err := b.Array(task.X)
			if err != nil {
				t.Fatal(err)
			}
			return a
		}
		equal := func(a, b task.Array) bool {
			return slices.Equal(a.Ints, b.Ints) && slices.Equal(a.Float32s, b.Float32s)
		}
		s, err := Splits(c, 20, 20, 20)
		if err != nil {
			t.Fatal(err)
		}
		first := x(s.Train.(task.Epochs).Epoch(0), 3, 4, 5)
		c.Seed++
		other, err := Splits(c, 20, 20, 20)
		if err != nil {
			t.Fatal(err)
		}
		for what, a := range map[string]task.Array{
			"another example": x(s.Train.(task.Epochs).Epoch(0), 4, 5, 6), "another pass": x(s.Train.(task.Epochs).Epoch(1), 3, 4, 5),
			"validation": x(s.Val, 3, 4, 5), "test": x(s.Test, 3, 4, 5), "another seed": x(other.Train.(task.Epochs).Epoch(0), 3, 4, 5),
		} {
			if equal(a, first) {
				t.Errorf("%s: %s is the same", of, what)
			}
		}
		if !equal(x(s.Train.(task.Epochs).Epoch(0), 3, 4, 5), first) || equal(x(s.Val, 3, 4, 5), x(s.Test, 3, 4, 5)) {
			t.Errorf("%s: the same examples differ, or validation and test are the same", of)
		}
	}
}

// All choices of places are equally likely.
func TestScattered(t *testing.T) {
	const n = 6000
	r, counts := rand.New(rand.NewPCG(0, 0)), map[string]float64{}
	for range n {
		word := ""
		for l, token := range scattered(r, 2, 4) {
			if token {
				word += string(rune('0' + l))
			}
		}
		counts[word]++
	}
	if len(counts) != 6 {
		t.Fatalf("got %d choices, want 6", len(counts))
	}
	for word, count := range counts {
		if math.Abs(count/n-1./6) > 0.025 {
			t.Errorf("%s: the part %.3f, want 1/6", word, count/n)
		}
	}
}

func TestErrors(t *testing.T) {
	change := func(of Task, f func(*Config)) Config {
		c := configs[of]
		f(&c)
		return c
	}
	for want, c := range map[string]Config{
		`Config.Task: want one of [selective-copying delay induction adding], got "x"`: {Task: "x"},
		"Config.Tokens: want >= 1, got 0":                                              change(DelayedRecall, func(c *Config) { c.Tokens = 0 }),
		"Config.Tokens: want 0 for the task induction, got 3":                          change(InductionHeads, func(c *Config) { c.Tokens = 3 }),
		"Config.Length: want 3 to 1048576, got 2":                                      change(SelectiveCopying, func(c *Config) { c.Length = 2 }),
		"Config.Length: want 4 to 1048576, got 3":                                      change(Adding, func(c *Config) { c.Length = 3 }),
		"Config.Vocabulary: want 0 for the task adding":                                change(Adding, func(c *Config) { c.Vocabulary = 4 }),
		"Config.Vocabulary: want 4 to 65536, got 3":                                    change(InductionHeads, func(c *Config) { c.Vocabulary = 3 }),
	} {
		if err := c.Validate(); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got error %v, want %q", err, want)
		}
		if _, err := Splits(c, 1, 1, 1); err == nil {
			t.Errorf("%q: Splits has no error", want)
		}
	}
	if _, err := NewDataset(configs[Adding], 0, 0); err == nil || !strings.Contains(err.Error(), "want 1 to 1073741824 examples, got 0") {
		t.Errorf("got error %v", err)
	}
	// The smallest are drawn.
	for _, c := range []Config{
		{Task: SelectiveCopying, Length: 1, Tokens: 1, Vocabulary: 4}, {Task: DelayedRecall, Length: 2, Tokens: 2, Vocabulary: 4},
		{Task: InductionHeads, Length: 4, Vocabulary: 4}, {Task: Adding, Length: 4},
	} {
		batch(t, c, 5)
	}
}
