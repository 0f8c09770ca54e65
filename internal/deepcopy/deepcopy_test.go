package deepcopy_test

import (
	"math/big"
	"reflect"
	"sync"
	"testing"
	"time"

	"gorgonia.org/tensor"

	"github.com/gorgonia-s4/s4/internal/deepcopy"
	"github.com/gorgonia-s4/s4/internal/testutil"
)

type inner struct {
	Names []string
	Rate  *float64
}

type config struct {
	N      int
	S      string
	Inner  inner
	P      *inner
	PP     **int
	List   []inner
	Arr    [2][]int
	Map    map[string][]int
	Any    any
	Empty  []int
	NilMap map[string]int
	NilAny any
	hidden int
}

func full() config {
	rate, n := 0.5, 3
	p := &n
	return config{
		N: 1, S: "s", Inner: inner{Names: []string{"a"}, Rate: &rate}, P: &inner{Names: []string{"b", "c"}}, PP: &p,
		List: []inner{{Rate: &rate}}, Arr: [2][]int{{1}, {2, 3}}, Map: map[string][]int{"k": {4}}, Any: []int{5},
		Empty: []int{}, hidden: 7,
	}
}

func TestOf(t *testing.T) {
	a := full()
	b := deepcopy.Of(a)
	if !reflect.DeepEqual(a, b) {
		t.Errorf("want %+v, got %+v", a, b)
	}
	if shared := testutil.SharedMemory(a, b); shared != nil {
		t.Errorf("the copy shares memory: %q", shared)
	}
	if n := len(testutil.References(a)); n < 13 {
		t.Errorf("want all references to be looked at, got %q", testutil.References(a))
	}
	if shared := testutil.SharedMemory(a, a.List); len(shared) == 0 {
		t.Error("want memory shared with a part of itself to be found")
	}
	if got := deepcopy.Of[any](nil); got != nil {
		t.Errorf("want nil, got %v", got)
	}
}

// What is known by its address, or guards a state of its own, stays what it is.
func TestOfOpaque(t *testing.T) {
	a := struct {
		Dtype tensor.Dtype
		Type  reflect.Type
		Big   *big.Int
		Mutex *sync.Mutex
		Time  time.Time
		Any   any
	}{tensor.Float32, reflect.TypeFor[int](), big.NewInt(7), new(sync.Mutex), time.Now(), tensor.Int}
	if b := deepcopy.Of(a); b != a || b.Dtype.String() != "float32" {
		t.Errorf("want %v, got %v", a, b)
	}
}
