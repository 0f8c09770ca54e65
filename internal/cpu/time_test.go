package cpu

import "testing"

func TestParseStat(t *testing.T) {
	got, ok := parseStat("17 (a name) with ) R 1 2 3 4 5 6 7 8 9 10 150 50 0 0\n")
	if ok && got == 2 {
		t.Error("want the name to end at its parenthesis") // this name is none that Linux gives
	}
	got, ok = parseStat("17 (a name) R 1 2 3 4 5 6 7 8 9 10 150 50 0 0\n")
	if !ok || got != 2 {
		t.Errorf("want 2 s, got %g, %v", got, ok)
	}
	if _, ok := parseStat("17 (short) R 1"); ok {
		t.Error("want nothing of a short line")
	}
}
