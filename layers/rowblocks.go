package layers

import "github.com/gorgonia-s4/s4/internal/par"

// rowBlocks is a step of all rows, of which every worker takes a block through the whole
// layer. It does not allocate once it is made.
type rowBlocks struct {
	loop       *par.Loop
	rows, size int // of the step under way, and of a block
}

// newRowBlocks returns a step whose rows [lo, hi) a function computes, that several
// goroutines may call for other rows, as so many workers.
func newRowBlocks(block func(worker, lo, hi int)) *rowBlocks {
	l := &rowBlocks{}
	l.loop = par.NewLoop(func(worker, i int) { block(worker, i*l.size, min((i+1)*l.size, l.rows)) })
	return l
}

// parallelProducts is the number of multiplications from which a step is worth to be
// spread, and blockStep what the rows of a block are a multiple of: fewer leave the tiles
// of products empty for the most part.
const parallelProducts, blockStep = 1 << 17, 4

// worth says that there are blocks for several workers, of rows of so many
// multiplications each.
func (l *rowBlocks) worth(rows, products int) bool {
	return rows > blockStep && rows*products >= parallelProducts && par.Workers() > 1
}

// run takes all rows through the step.
func (l *rowBlocks) run(rows int) {
	l.rows, l.size = rows, par.Share(rows, blockStep)
	l.loop.Run((rows + l.size - 1) / l.size)
}
