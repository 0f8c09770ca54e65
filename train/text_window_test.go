package train

import (
	"testing"

	"github.com/gorgonia-s4/s4/task"
)

// ints is a text of tokens alone.
type ints struct{ task.Ints }

func (ints) Words() int { return 0 }
func (ints) Bytes() int { return 0 }

// A window that is larger than the text is no longer than what there is to score.
func TestTextWindowOfALargeConfig(t *testing.T) {
	for _, mode := range []TextMode{TextWindows, TextSliding, TextCarried} {
		for rows, want := range map[int]int{1: 11, 3: 4} {
			cfg := TextConfig{Mode: mode, Window: 1 << 30, Rows: rows}.withDefaults()
			ds, err := cfg.dataset(ints{make(task.Ints, 12)})
			if err != nil {
				t.Fatal(err)
			}
			if mode != TextCarried {
				want = 11
			}
			for i := range ds.Len() {
				if got := ds.Length(i); got > want {
					t.Errorf("%s, %d rows: example %d: want at most %d tokens, got %d", mode, rows, i, want, got)
				}
			}
		}
	}
}
