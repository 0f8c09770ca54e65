package graphop

import (
	"encoding/binary"
	"fmt"
	"hash/fnv"
	"slices"

	"github.com/chewxy/hm"
	G "gorgonia.org/gorgonia"
)

// number gives an op on children, of which comes a node of type t, a number of its
// own, by which its node has a hash that no other of the graph has. A TapeMachine
// takes two nodes with one hash, of 32 bits, for one expression, whatever they are:
// of a thousand nodes some two would be in one graph of ten thousand.
func (b *base) number(t hm.Type, children []*G.Node) {
	for b.id = ids.Add(1); isTaken(b.nodeHash(t, children), children[0].Graph()); b.id = ids.Add(1) {
	}
}

// isTaken says whether a node of the graph has the hash.
func isTaken(hash uint32, g *G.ExprGraph) bool {
	return g != nil && slices.ContainsFunc(g.AllNodes(), func(n *G.Node) bool { return n.Hashcode() == hash })
}

// nodeHash is what Node.Hashcode returns for the node of the op.
func (b *base) nodeHash(t hm.Type, children []*G.Node) uint32 {
	h := fnv.New32a()
	fmt.Fprintf(h, "%v%v", t, b.shape)
	b.WriteHash(h)
	tail := []byte{byte(len(children))}
	for _, c := range children {
		tail = binary.LittleEndian.AppendUint32(tail, c.Hashcode())
	}
	_, _ = h.Write(tail) // a hash does not fail
	return h.Sum32()
}
