package layers

import "github.com/gorgonia-s4/s4/internal/par"

// rowLoop is work on each of the rows of a step, spread over the workers where it is
// worth it. It does not allocate once it is made.
type rowLoop struct {
	row  func(b int)
	loop *par.Loop
}

// newRowLoop returns a loop over a function that several goroutines may call, each for
// other rows.
func newRowLoop(row func(b int)) rowLoop {
	return rowLoop{row, par.NewLoop(func(_, b int) { row(b) })}
}

// parallelRows is the number of elements from which rows are spread over the workers.
const parallelRows = 1 << 13

// run does the work on rows of as many elements each.
func (l *rowLoop) run(rows, elements int) {
	if rows*elements >= parallelRows {
		l.loop.Run(rows)
		return
	}
	for b := range rows {
		l.row(b)
	}
}
