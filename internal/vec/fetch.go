package vec

import (
	"unsafe"

	"github.com/gorgonia-s4/s4/internal/num"
)

// cacheLine is the size in bytes of what is fetched from memory at a time.
const cacheLine = 64

// Fetch asks for rows of n elements of x, spaced by ld, that will soon be read: into the
// second-level cache. Rows that are some pages apart are what a processor does not foresee.
// Nothing changes, and what is behind the end of x is left out.
func Fetch[T num.Float](x []T, ld, rows, n int) {
	if ld <= 0 || n <= 0 {
		return
	}
	rows = min(rows, (len(x)-n)/ld+1)
	if len(x) < n || rows <= 0 {
		return
	}
	lines := (n*int(unsafe.Sizeof(T(0))) + cacheLine - 1) / cacheLine
	active[T]().fetch(x, ld, rows, lines)
}
