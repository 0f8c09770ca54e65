package arm64

import (
	"encoding/binary"
	"strings"
	"testing"

	"golang.org/x/arch/arm64/arm64asm"
)

// TestWords compares what words say they are with a disassembler, for registers that
// have a bit each.
func TestWords(t *testing.T) {
	for name, f := range forms {
		n := strings.Count(f.comment, "%d")
		for _, registers := range [][]int{{0, 0, 0}, {1, 2, 4}, {8, 16, 1}, {31, 30, 29}, {2, 4, 8}, {4, 8, 16}, {16, 1, 2}} {
			bits, want, err := word(name, registers[:n]...)
			if err != nil {
				t.Fatal(err)
			}
			i, err := arm64asm.Decode(binary.LittleEndian.AppendUint32(nil, bits))
			if err != nil {
				t.Errorf("%s: %#08x, %s: %v", name, bits, want, err)
				continue
			}
			if got := arm64asm.GNUSyntax(i); got != want {
				t.Errorf("%s: %#08x: the disassembler says %s, want %s", name, bits, got, want)
			}
		}
	}
}
