package arm64

import (
	"fmt"
	"slices"
	"strings"

	"github.com/mmcloughlin/avo/ir"
	"github.com/mmcloughlin/avo/operand"
	"github.com/mmcloughlin/avo/reg"
)

// tableName is the symbol of the table of a file's constants.
const tableName = "constants"

// constants is the table: the static data of a file, one after the other.
type constants struct {
	text   strings.Builder
	size   int
	offset map[string]int // by the name of the symbol
}

// collect takes the static data out of a file.
func collect(f *ir.File) *constants {
	c := &constants{offset: map[string]int{}}
	rest := f.Sections[:0]
	for _, s := range f.Sections {
		g, ok := s.(*ir.Global)
		if !ok {
			rest = append(rest, s)
			continue
		}
		c.offset[g.Symbol.Name] = c.size
		for _, d := range g.Data {
			fmt.Fprintf(&c.text, "DATA %s<>+%d(SB)/%d, %s\n", tableName, c.size+d.Offset, d.Value.Bytes(), d.Value.Asm())
		}
		c.size += (g.Size + 15) / 16 * 16
	}
	f.Sections = rest
	return c
}

// tableBase returns the register that has the address of the table.
func (l *lowering) tableBase() reg.Register {
	if l.table == nil {
		l.table = l.regs.GP64()
	}
	return l.table
}

// repeated returns the names of the constants that the loops of fn load, those that
// are loaded at most places first.
func repeated(fn *ir.Function) []string {
	uses := map[string]int{}
	for i, n := range fn.Nodes {
		in, ok := n.(*ir.Instruction)
		if !ok || !inLoop(fn.Nodes, i) {
			continue
		}
		for _, op := range in.Operands {
			if m, ok := op.(operand.Mem); ok && m.Symbol.Static {
				uses[m.Symbol.Name]++
			}
		}
	}
	names := make([]string, 0, len(uses))
	for name := range uses {
		names = append(names, name)
	}
	slices.SortFunc(names, func(a, b string) int {
		if uses[a] != uses[b] {
			return uses[b] - uses[a]
		}
		return strings.Compare(a, b)
	})
	return names
}

// inLoop reports whether a jump behind node i goes back to before it.
func inLoop(nodes []ir.Node, i int) bool {
	before := map[ir.Label]bool{}
	for _, n := range nodes[:i] {
		if label, ok := n.(ir.Label); ok {
			before[label] = true
		}
	}
	for _, n := range nodes[i:] {
		if in, ok := n.(*ir.Instruction); ok {
			if to := in.TargetLabel(); to != nil && before[*to] {
				return true
			}
		}
	}
	return false
}
