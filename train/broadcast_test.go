package train

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	G "gorgonia.org/gorgonia"
	"gorgonia.org/tensor"

	"github.com/gorgonia-s4/s4/param"
)

// begun is the parameters and the buffer of a rank.
func begun(rank int) ([]param.Param, param.Buffer) {
	g, v := G.NewGraph(), float64(rank+1)
	w := G.NewMatrix(g, G.Float64, G.WithName("w"), G.WithShape(2, 3), G.WithInit(G.ValuesOf(v)))
	b := G.NewVector(g, G.Float32, G.WithName("b"), G.WithShape(4), G.WithInit(G.ValuesOf(float32(v))))
	counter := tensor.New(tensor.WithShape(2), tensor.WithBacking([]int64{int64(rank), 7}))
	return []param.Param{{Name: "w", Node: w}, {Name: "b", Node: b}}, param.Buffer{Name: "counter", Value: counter}
}

func showBegun(params []param.Param, b param.Buffer) string {
	s := fmt.Sprint(b.Value.Data())
	for _, p := range params {
		s += fmt.Sprint(p.Node.Value().Data())
	}
	return s
}

func TestBroadcastParams(t *testing.T) {
	want := showBegun(begun(0))
	for n := 1; n <= 3; n++ {
		for rank, err := range onRanks(t, n, func(g Group) error {
			params, b := begun(g.Rank())
			if err := BroadcastParams(g, params, b); err != nil {
				return err
			}
			if got := showBegun(params, b); got != want {
				return fmt.Errorf("got %s, want %s", got, want)
			}
			return nil
		}) {
			if err != nil {
				t.Errorf("rank %d of %d: %v", rank, n, err)
			}
		}
	}
}

// Where a rank has others, or none, all have the error, and keep theirs.
func TestBroadcastParamsRejects(t *testing.T) {
	g := G.NewGraph()
	for want, change := range map[string]func(p []param.Param) []param.Param{
		"rank 1: want the parameters and buffers of rank 0":         func(p []param.Param) []param.Param { return p[:1] },
		"rank 1: want the parameters and buffers of rank 0: names":  func(p []param.Param) []param.Param { slices.Reverse(p); return p },
		`rank 1: parameter "w": want a node with a value, got none`: func(p []param.Param) []param.Param { p[0].Node = nil; return p },
		`rank 1: "w": want a value, got none`:                       func(p []param.Param) []param.Param { p[0].Node = G.NewVector(g, G.Float32, G.WithName("v")); return p },
		`rank 1: i: want float32, float64 or int64, got []int`: func(p []param.Param) []param.Param {
			return append(p, param.Param{Name: "i", Node: G.NewVector(g, G.Int, G.WithName("i"), G.WithShape(1), G.WithInit(G.Zeroes()))})
		},
		"rank 1: no more": nil,
	} {
		for rank, err := range onRanks(t, 2, func(g Group) error {
			params, b := begun(g.Rank())
			before := showBegun(params, b)
			if g.Rank() == 1 {
				if change == nil {
					return Agree(g, errors.New("no more"))
				}
				return BroadcastParams(g, change(params), b)
			}
			err := BroadcastParams(g, params, b)
			if got := showBegun(params, b); got != before {
				t.Errorf("got %s, want %s", got, before)
			}
			return err
		}) {
			if e := new(RankError); !errors.As(err, &e) || !strings.Contains(err.Error(), want) {
				t.Errorf("rank %d: got error %v, want %q", rank, err, want)
			}
		}
	}
	if err := BroadcastParams(nil, nil); err == nil {
		t.Error("no error without a group")
	}
}
