package listops

import (
	"context"
	"crypto/sha256"
	"fmt"
	"math/rand/v2"
	"slices"

	"github.com/gorgonia-s4/s4/internal/par"
)

// Trees are drawn in batches, each from a random source of its own, and the
// batches of a round in parallel. The numbers are part of what defines a data
// set (see generatorVersion).
const (
	batchTrees   = 512 // trees drawn in a batch; in the paper's setting 42 of them are kept
	roundBatches = 32
)

// stallTrees is the number of trees in a row without a new example after
// which Generate gives up.
const stallTrees = 1 << 20

// Generate draws the data set of cfg as the published generator does: trees
// are drawn until enough different ones are of the right length, and the
// examples are spread over the splits in the order of drawing. The splits are
// filled in the order test, validation, training, so that changing the size
// of the training set alone leaves the other two as they are.
//
// The result depends on cfg only. progress, if it is not nil, is called from
// this goroutine with the number of examples so far and in the end. Generate
// returns ctx.Err() if ctx ends first, and an error if cfg is not valid or
// allows too few different expressions.
func Generate(ctx context.Context, cfg Config, progress func(done, total int)) (*Data, error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	cfg = cfg.withDefaults()
	d := newData()
	fill := []struct {
		split *Split
		size  int
	}{{d.Test, cfg.Test}, {d.Val, cfg.Val}, {d.Train, cfg.Train}}

	total := cfg.Train + cfg.Val + cfg.Test
	src := newSource(cfg)
	for _, f := range fill {
		for f.split.Len() < f.size {
			e, err := src.next(ctx)
			if err != nil {
				return nil, err
			}
			if e == nil {
				return nil, fmt.Errorf("listops: generate: want %d different examples, got %d: %d more trees gave no new one with %d < length < %d (MaxDepth %d, MaxArgs %d, OperatorP %v)",
					total, src.found, stallTrees, cfg.MinLength, cfg.MaxLength, cfg.MaxDepth, cfg.MaxArgs, cfg.OperatorP)
			}
			f.split.add(e.tokens, e.target)
			if progress != nil && (src.found%1000 == 0 || src.found == total) {
				progress(src.found, total)
			}
		}
	}
	return d, nil
}

// example is an expression and its value.
type example struct {
	tokens []uint8
	target uint8
	sum    [sha256.Size]byte // of tokens; equal sums are taken for equal trees
}

// source yields the different examples of a Config one by one.
type source struct {
	cfg     Config
	seeds   *rand.PCG // seeds of the batches
	seen    map[[sha256.Size]byte]bool
	pending []example // drawn and not yet looked at
	found   int       // examples yielded
}

func newSource(cfg Config) *source {
	return &source{cfg: cfg, seeds: rand.NewPCG(cfg.Seed, 0), seen: make(map[[sha256.Size]byte]bool)}
}

// next returns the next example, or nil if stallTrees trees gave no new one.
func (s *source) next(ctx context.Context) (*example, error) {
	for stall := 0; stall < stallTrees; stall += roundBatches * batchTrees {
		for len(s.pending) > 0 {
			e := &s.pending[0]
			s.pending = s.pending[1:]
			if !s.seen[e.sum] {
				s.seen[e.sum] = true
				s.found++
				return e, nil
			}
		}
		if err := s.draw(ctx); err != nil {
			return nil, err
		}
	}
	return nil, nil
}

// draw fills pending with the examples of one round.
func (s *source) draw(ctx context.Context) error {
	var sources [roundBatches]*rand.Rand
	for i := range sources {
		sources[i] = rand.New(rand.NewPCG(s.seeds.Uint64(), s.seeds.Uint64()))
	}
	var batches [roundBatches][]example
	par.For(roundBatches, func(_, i int) {
		batches[i] = drawBatch(ctx, s.cfg, sources[i])
	})
	s.pending = slices.Concat(batches[:]...)
	return ctx.Err()
}

// drawBatch draws batchTrees trees and returns those of the right length. It
// stops early when ctx ends.
func drawBatch(ctx context.Context, cfg Config, r *rand.Rand) []example {
	var batch []example
	g := generator{cfg: cfg, rand: r}
	for range batchTrees {
		if ctx.Err() != nil {
			break
		}
		g.tokens, g.args = g.tokens[:0], g.args[:0]
		target, ok := g.tree(1)
		if ok && len(g.tokens) > cfg.MinLength {
			batch = append(batch, example{slices.Clone(g.tokens), target, sha256.Sum256(g.tokens)})
		}
	}
	return batch
}

// generator draws trees.
type generator struct {
	cfg    Config
	rand   *rand.Rand
	tokens []uint8 // of the tree being drawn
	args   []uint8 // values of the arguments of the open operators
}

// tree appends a tree whose root is at depth and returns its value. It
// returns false as soon as the whole tree cannot be shorter than MaxLength:
// such trees are thrown away in any case.
func (g *generator) tree(depth int) (uint8, bool) {
	if depth >= g.cfg.MaxDepth || g.rand.Float64() > g.cfg.OperatorP {
		v := uint8(g.rand.IntN(Classes))
		g.tokens = append(g.tokens, digit0+v)
		return v, len(g.tokens) < g.cfg.MaxLength
	}
	op := opMin + uint8(g.rand.IntN(operators))
	g.tokens = append(g.tokens, op)
	if len(g.tokens) >= g.cfg.MaxLength {
		return 0, false
	}
	first := len(g.args)
	for range 2 + g.rand.IntN(g.cfg.MaxArgs-1) {
		v, ok := g.tree(depth + 1)
		if !ok {
			return 0, false
		}
		g.args = append(g.args, v)
	}
	v := apply(op, g.args[first:])
	g.args = g.args[:first]
	g.tokens = append(g.tokens, end)
	return v, len(g.tokens) < g.cfg.MaxLength
}

// apply returns the value of an operator. It may reorder args, which are at
// least one.
func apply(op uint8, args []uint8) uint8 {
	switch op {
	case opMin:
		return slices.Min(args)
	case opMax:
		return slices.Max(args)
	case opMed: // int(np.median(args)): the mean of the middle two is cut
		slices.Sort(args)
		n := len(args)
		return (args[(n-1)/2] + args[n/2]) / 2
	default: // opSum
		sum := 0
		for _, v := range args {
			sum += int(v)
		}
		return uint8(sum % Classes)
	}
}
