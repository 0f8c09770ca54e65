package train

import (
	"fmt"
	"maps"
	"os"
	"path/filepath"
)

// identify returns what the data of the run are. It reads them at the first
// call.
func (t *Trainer) identify() Data {
	if t.data == nil {
		t.data = &Data{Train: identify(t.train.ds)}
		if t.val != nil {
			val := identify(t.val.ds)
			if maps.Equal(val.Chosen, t.data.Train.Chosen) {
				val.Chosen = nil // once is enough
			}
			t.data.Val = &val
		}
	}
	return *t.data
}

// open makes the checkpoint directory this run's, with checkpoints of where it
// starts: from then on it can be resumed.
func (t *Trainer) open() error {
	if err := os.MkdirAll(t.dir.dir, 0o755); err != nil {
		return err
	}
	var err error
	if t.from != "" && sameDir(t.from, t.dir.dir) {
		err = t.openOwn()
	} else {
		err = t.openOther()
	}
	if err != nil {
		return err
	}
	t.opened = true
	return t.dir.sweep(t.fromTensors)
}

// openOwn opens the directory that the run goes on from.
func (t *Trainer) openOwn() error {
	best, step := t.state.Best, t.state.Step
	if best == nil || t.hasBest(t.dir.dir) {
		return nil
	}
	if best.Step == step { // killed before it was saved
		return t.write(BestCheckpoint)
	}
	return t.noBest(t.dir.dir)
}

// openOther opens a directory that the run does not come from. What it needs is
// written before what it replaces is deleted.
func (t *Trainer) openOther() error {
	keep, begun := t.dir.holds(t.state.Best)
	if keep != "" && !t.cfg.Overwrite {
		return fmt.Errorf("%s is a checkpoint of an earlier run: resume it, choose another directory, or set Overwrite", keep)
	}
	t.replaces = begun
	best := t.state.Best
	switch {
	case best == nil:
	case best.Step == t.state.Step:
		if err := t.write(BestCheckpoint); err != nil {
			return err
		}
	case !t.hasBest(t.from):
		return t.noBest(t.from)
	default:
		c, err := ReadCheckpoint(filepath.Join(t.from, BestCheckpoint))
		if err != nil {
			return err
		}
		if err := t.dir.save(BestCheckpoint, c); err != nil {
			return err
		}
	}
	if err := t.write(LastCheckpoint); err != nil {
		return err
	}
	if best == nil {
		return t.dir.dropBest()
	}
	return nil
}

// hasBest says whether a directory has the best checkpoint of the run.
func (t *Trainer) hasBest(dir string) bool {
	c, err := readHead(filepath.Join(dir, BestCheckpoint))
	return err == nil && c.isBest(t.state.Best)
}

func (t *Trainer) noBest(dir string) error {
	return fmt.Errorf("want the best checkpoint of the run, of step %d, beside the one that it goes on from: %s is not there or is another",
		t.state.Best.Step, filepath.Join(dir, BestCheckpoint))
}
