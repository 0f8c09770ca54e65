package main

import (
	"os"
	"strings"
	"testing"
)

// TestTable recounts the table of docs/machines.md, but for the column of portable Go,
// which depends on the compiler.
func TestTable(t *testing.T) {
	const root, document = "../../..", "docs/machines.md"
	text, err := os.ReadFile(root + "/" + document)
	if err != nil {
		t.Fatal(err)
	}
	_, table, ok := strings.Cut(string(text), heading+"\n"+alignment+"\n")
	if !ok {
		t.Fatalf("%s: want a table with the head %s", document, heading)
	}
	lines := strings.Split(table, "\n")
	columns := strings.Split(heading, " | ")
	for i, p := range passes {
		got := strings.Split(strings.TrimSuffix(lines[i], " |"), " | ")
		if got[0] != "| "+p.title || len(got) != len(columns) {
			t.Fatalf("%s: want a row of %d columns for %q, got %q", document, len(columns), p.title, lines[i])
		}
		want, err := p.row(root, instructions{})
		if err != nil {
			t.Fatal(err)
		}
		for c, w := range want.cells {
			if isGeneric := strings.HasSuffix(columns[c+1], "generic"); !isGeneric && got[c+1] != w {
				t.Errorf("%s: %q, column %d: want %s, got %s (go run ./internal/asm/count prints the table)", document, p.title, c+1, w, got[c+1])
			}
		}
	}
	if strings.HasPrefix(lines[len(passes)], "|") {
		t.Errorf("%s: want no row more, got %q", document, lines[len(passes)])
	}
}

const twoLoops = `
TEXT ·otherNEONF32(SB), NOSPLIT, $0-0
loop1:
	RET
TEXT ·passNEONF32(SB), NOSPLIT, $0-48
	MOVD x+0(FP), R0
	CBZ R1, done3

blocks1:
	MOVD R2, R3

loop2:
	FMOVQ (R0), F2
	VFMLA V1.S4, V2.S4, V3.S4
	WORD $0x4f801358 // fmla v24.4s, v26.4s, v0.s[0]
	FMOVQ F3, (R0)
	ADDS $16, R0, R0
	SUBS $4, R1, R1
	BGE loop2
	BNE blocks1

done3:
	FMOVQ F1, (R0)
	RET
`

func TestMainLoop(t *testing.T) {
	loop, err := mainLoop(twoLoops, "passNEONF32")
	if err != nil {
		t.Fatal(err)
	}
	if len(loop) != 7 || fused(loop) != 2 || stored(1)(loop) != 1 || onVectors(loop) != 2 {
		t.Errorf("want 7 instructions, 2 fused, 1 store, 2 on vectors, got %d, %d, %d, %d of\n%s",
			len(loop), fused(loop), stored(1)(loop), onVectors(loop), strings.Join(loop, "\n"))
	}
	for _, name := range []string{"otherNEONF32", "absentNEONF32"} {
		if _, err := mainLoop(twoLoops, name); err == nil || !strings.Contains(err.Error(), name) {
			t.Errorf("want an error that names %s, got %v", name, err)
		}
	}
}
