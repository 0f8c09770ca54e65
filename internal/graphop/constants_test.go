package graphop

import (
	"reflect"
	"testing"
	_ "unsafe" // for go:linkname

	G "gorgonia.org/gorgonia"
)

//go:linkname one32 gorgonia.org/gorgonia.onef32
var one32 *G.Node

//go:linkname one64 gorgonia.org/gorgonia.onef64
var one64 *G.Node

//go:linkname zero32 gorgonia.org/gorgonia.zerof32
var zero32 *G.Node

//go:linkname zero64 gorgonia.org/gorgonia.zerof64
var zero64 *G.Node

//go:linkname two32 gorgonia.org/gorgonia.twof32
var two32 *G.Node

//go:linkname two64 gorgonia.org/gorgonia.twof64
var two64 *G.Node

//go:linkname three32 gorgonia.org/gorgonia.threef32
var three32 *G.Node

//go:linkname three64 gorgonia.org/gorgonia.threef64
var three64 *G.Node

//go:linkname ln2of32 gorgonia.org/gorgonia.ln2f32
var ln2of32 *G.Node

//go:linkname ln2of64 gorgonia.org/gorgonia.ln2f64
var ln2of64 *G.Node

// Nothing is left to write in the nodes that all graphs share.
func TestSharedConstantsAreHashed(t *testing.T) {
	for _, n := range []*G.Node{one32, one64, zero32, zero64, two32, two64, three32, three64, ln2of32, ln2of64} {
		if !reflect.ValueOf(n).Elem().FieldByName("hashed").Bool() {
			t.Errorf("constant %v has no hash yet", n)
		}
	}
}
