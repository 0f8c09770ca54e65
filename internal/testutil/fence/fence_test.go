package fence

import (
	"fmt"
	"math"
	"testing"
	"unsafe"

	"github.com/gorgonia-s4/s4/internal/num"
)

// recorder is a test that notes that it has failed.
type recorder struct {
	testing.TB
	failure string
}

func (r *recorder) Helper() {}

func (r *recorder) Fatalf(format string, args ...any) {
	if r.failure == "" {
		r.failure = fmt.Sprintf(format, args...)
	}
}

func TestBuffer(t *testing.T) {
	v := []float32{1, float32(math.NaN()), 3}
	for offset := range 16 {
		b := Of(v, offset)
		if at := uintptr(unsafe.Pointer(&b.V[0])) / 4 % (num.Align / 4); int(at) != offset%16 {
			t.Fatalf("offset %d: placed at %d", offset, at)
		}
		for i := range b.whole {
			r := &recorder{TB: t}
			old := b.whole[i]
			b.whole[i] = -5
			b.Check(r, "x")
			inside := i >= b.first && i < b.first+len(v)
			if (r.failure == "") != inside {
				t.Fatalf("offset %d: element %d written: Check says %q", offset, i-b.first, r.failure)
			}
			r.failure = ""
			if b.Unchanged(r, "x"); r.failure == "" {
				t.Fatalf("offset %d: element %d written: Unchanged finds nothing", offset, i-b.first)
			}
			b.whole[i] = old
		}
		b.Unchanged(t, "x")
	}
}
