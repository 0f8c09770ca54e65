package experiment

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/gorgonia-s4/s4/internal/strictjson"
	"github.com/gorgonia-s4/s4/report"
	"github.com/gorgonia-s4/s4/train"
)

// beginning is what all ranks have to know of an earlier run in -out and of the model of
// -init-from, of which the first of them has the files.
type beginning struct {
	Initial bool            // the parameters are those of -init-from
	Starts  bool            // the data are for the model of -init-from
	Codec   json.RawMessage `json:",omitempty"` // of that model; nil: none, which is another than null
}

// begin finds what the run goes on from, or starts from.
func (r *training) begin() error {
	var b beginning
	var err error
	if r.first() {
		b, err = r.readBeginning()
	}
	if err := r.agree(err); err != nil {
		return err
	}
	all, err := gather(&r.ranks, b)
	if err != nil || r.first() {
		return r.agree(err)
	}
	b = all[0]
	r.initial, r.starts = b.Initial, b.Starts
	if b.Codec != nil {
		r.codec = r.t.Codec()
		err = strictjson.Decode(b.Codec, r.codec)
	}
	return r.agree(err)
}

// readBeginning reads the checkpoint of -resume, and the model of -init-from.
func (r *training) readBeginning() (b beginning, err error) {
	if r.from, err = r.earlier(); err != nil {
		return b, err
	}
	if err := r.findStart(); err != nil {
		return b, fmt.Errorf("-init-from: %w", err)
	}
	b.Initial, b.Starts = r.initial, r.starts
	if r.codec != nil {
		b.Codec, err = json.Marshal(r.codec)
	}
	return b, err
}

// earlier looks at what an earlier run has left in -out. It returns the checkpoint that
// -resume goes on from, nil to begin at the start: also if the run was killed before
// there was one.
func (r *training) earlier() (*train.Checkpoint, error) {
	dir := r.options.out
	path := filepath.Join(dir, train.LastCheckpoint)
	_, missing := os.Lstat(path)
	none := errors.Is(missing, fs.ErrNotExist)
	if !r.resume {
		if none || r.overwrite {
			return nil, nil
		}
		if c, err := train.ReadCheckpoint(path); err == nil && c.State.Step > 0 {
			return nil, fmt.Errorf("-out: %s is a checkpoint of an earlier run: resume it with -resume, choose another directory, or set -overwrite", path)
		}
		return nil, nil
	}
	if _, err := os.Stat(dir); err != nil {
		return nil, fmt.Errorf("-resume: there is no run in -out: %w", err)
	}
	if old, err := report.ReadRun(dir); err == nil && old.Task != r.Task {
		return nil, fmt.Errorf("-resume: the run in %s is of -task %s, want that, got -task %s", dir, old.Task, r.Task)
	}
	if none {
		fmt.Fprintf(r.out, "there is no checkpoint in %s: starting from the beginning\n", dir)
		return nil, nil
	}
	return train.ReadCheckpoint(path)
}
