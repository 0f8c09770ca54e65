package train

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"io"
	"math"
	"os"
	"runtime/debug"
	"slices"
	"strings"
	"sync"

	"github.com/gorgonia-s4/s4/internal/safetensors"
)

// description is what has to be the same on all ranks of a run.
type description struct {
	Program string          `json:"program"`
	Train   Config          `json:"train"`
	Model   json.RawMessage `json:"model"`
	// Tensors are the parameters and buffers, with types and shapes.
	Tensors   map[string]string `json:"tensors"`
	Data      Data              `json:"data"`
	Metrics   []string          `json:"metrics"`
	Optimizer string            `json:"optimizer"`
	// Settings are those of AdamW, also for each parameter.
	Settings map[string]string `json:"settings"`
	Group    GroupConfig       `json:"group"`
}

// describe returns what this rank is made of. Where it saves is its own affair.
func (t *Trainer) describe() ([]byte, error) {
	d := description{Train: t.cfg, Metrics: t.metricNames(), Optimizer: optimizerName(t.opt), Group: t.groupConfig,
		Tensors: make(map[string]string)}
	d.Train.CheckpointDir, d.Train.Overwrite = "", false
	if info, ok := debug.ReadBuildInfo(); ok {
		d.Program = program(info, executable)
	}
	var err error
	if d.Model, err = json.Marshal(t.model.Config()); err != nil {
		return nil, fmt.Errorf("the model's configuration: %w", err)
	}
	for _, v := range modelVars(t.model) {
		d.Tensors[v.Name] = fmt.Sprintf("%v %v", v.Value.Dtype(), v.Value.Shape())
	}
	if o, ok := t.opt.(*AdamW); ok {
		d.Settings = o.settings()
	}
	if err := guarded(func() error { d.Data = t.identify(); return nil }); err != nil {
		return nil, err
	}
	d.Data.Train.Chosen = nil // it explains a difference, and is none
	if d.Data.Val != nil {
		val := *d.Data.Val
		val.Chosen = nil
		d.Data.Val = &val
	}
	return json.Marshal(d)
}

// program says what a program was built of: its version, and those of its modules. Where
// no version says of which source it is, it says which file it is, by a sum.
func program(info *debug.BuildInfo, file func() string) string {
	s := fmt.Sprintf("%s %s of %s, %s", info.Path, info.Main.Version, info.Main.Path, info.GoVersion)
	revision, modified := false, false
	for _, v := range info.Settings {
		if v.Key == "vcs.revision" || v.Key == "vcs.modified" && v.Value == "true" {
			s += ", " + v.Key + " " + v.Value
			revision, modified = true, modified || v.Key == "vcs.modified"
		}
	}
	sum := sha256.New()
	for _, m := range info.Deps {
		fmt.Fprintln(sum, m.Path, m.Version, m.Sum)
	}
	s = fmt.Sprintf("%s, modules %x", s, sum.Sum(nil)[:4])
	if modified || !revision && info.Main.Version == "(devel)" {
		s += ", file " + file()
	}
	return s
}

// executable is a sum of the file of this program; "" where that cannot be read.
var executable = sync.OnceValue(func() string {
	path, err := os.Executable()
	if err != nil {
		return ""
	}
	f, err := os.Open(path)
	if err != nil {
		return ""
	}
	defer f.Close()
	sum := sha256.New()
	if _, err := io.Copy(sum, f); err != nil {
		return ""
	}
	return fmt.Sprintf("%x", sum.Sum(nil)[:4])
})

// compare reports where the ranks are not made of the same: the error, on all of them,
// names the rank and the field.
func (t *Trainer) compare() error {
	own, err := t.describe()
	letters, err := t.ranks.exchange(onStart, 0, err, func(b []byte) []byte { return appendBytes(b, own) })
	if err != nil {
		return err
	}
	first := letters[0].bytes()
	errs := make([]error, len(letters))
	for rank := 1; rank < len(letters); rank++ {
		b := letters[rank].bytes()
		if string(b) == string(first) {
			continue
		}
		d, err := differences(first, b, compared{"on rank 0", fmt.Sprintf("on rank %d", rank)})
		if err == nil {
			err = fmt.Errorf("want the same on all ranks: %s", strings.Join(mostTelling(d), "; "))
		}
		errs[rank] = err
	}
	if err := rankErrors(errs); err != nil {
		t.ranks.err = err
		return err
	}
	return nil
}

// mostTelling returns some of the differences: the settings of parameters are others
// where something else is.
func mostTelling(d []string) []string {
	others := slices.DeleteFunc(slices.Clone(d), func(s string) bool { return strings.HasPrefix(s, "settings.") })
	if len(others) > 0 {
		d = others
	}
	const most = 8
	if more := len(d) - most; more > 0 {
		d = append(d[:most], fmt.Sprintf("and %d more", more))
	}
	return d
}

// share makes the state of rank 0, as New or Resume has left it, that of all ranks.
func (t *Trainer) share() error {
	r := t.ranks
	if !r.fresh {
		r.streams = nil
	}
	var c *Checkpoint
	var err error
	if t.leads() {
		c, err = t.checkpoint()
	}
	saves := t.leads() && t.cfg.CheckpointDir != ""
	c, letters, err := r.shareCheckpoint(onState, c, err, func(b []byte) []byte {
		return appendInt(appendString(appendBool(b, saves), t.safe.path), t.safe.step)
	})
	if err != nil {
		return err
	}
	fresh := r.fresh
	r.fresh = false
	if t.leads() {
		r.saves = saves
		if fresh {
			t.carries, err = t.ownStreams(r.streams)
		}
		return err
	}
	r.saves = letters.bool()
	t.safe = safetyNet{letters.string(), letters.int()}
	return t.adopt(c)
}

// adopt makes a checkpoint of rank 0 the state of this rank.
func (t *Trainer) adopt(c *Checkpoint) error {
	window, err := t.readWindow(c)
	if err != nil {
		return err
	}
	if ts := c.own(stateTensor); len(ts) > 0 {
		whole, err := readCarries(ts, t.cfg.BatchSize/t.cfg.micro())
		if err != nil {
			return err
		}
		if t.carries, err = t.ownStreams(whole); err != nil {
			return err
		}
	}
	schedule, err := NewScheduler(t.cfg.Schedule, t.cfg.planned(t.train.Batches(), c.State.Limit))
	if err != nil {
		return err
	}
	if err := t.load(c); err != nil {
		return err
	}
	schedule.SetState(c.State.Schedule)
	t.state, t.schedule, t.window = c.State, schedule, window
	return nil
}

// loadBestTogether is LoadBest of all ranks.
func (t *Trainer) loadBestTogether() error {
	r := t.ranks
	r.begin(inLoadBest, nil)
	var c *Checkpoint
	var err error
	if t.leads() {
		if c, err = t.best(); err == nil {
			err = c.LoadModel(t.model)
			c = c.ofModel()
		}
	}
	c, _, err = r.shareCheckpoint(onBest, c, err, nil)
	if err == nil && !t.leads() {
		err = c.LoadModel(t.model)
	}
	if r.err == nil {
		_, err = r.exchange(onBest, 0, err, nil)
	}
	return t.ofAll(err)
}

// shareCheckpoint brings all ranks the checkpoint of rank 0, and what it writes
// besides; err is why it has none.
func (r *ranks) shareCheckpoint(about topic, c *Checkpoint, err error, write func(b []byte) []byte) (*Checkpoint, *letter, error) {
	var head []byte
	if err == nil && r.Rank() == 0 {
		if err = checkTypes(c.tensors); err == nil {
			head, err = json.Marshal(c)
		}
	}
	letters, err := r.exchange(about, 0, err, func(b []byte) []byte {
		if r.Rank() > 0 {
			return b
		}
		b = appendOutline(appendBytes(b, head), c.tensors)
		if write != nil {
			b = write(b)
		}
		return b
	})
	if err != nil {
		return nil, nil, err
	}
	l := letters[0] // its bytes are valid until the next call
	l.b = slices.Clone(l.b)
	head = l.bytes()
	tensors := l.outline()
	if r.Rank() > 0 {
		c = &Checkpoint{tensors: tensors, path: "of rank 0"}
		err = json.Unmarshal(head, c)
	}
	// An error is told when the tensors, which are on their way, have come.
	if e := r.broadcastAll(c.tensors, about); e != nil {
		return nil, nil, e
	}
	return c, &l, err
}

// ofModel returns a checkpoint without the tensors of the run.
func (c *Checkpoint) ofModel() *Checkpoint {
	m := *c
	m.tensors = &safetensors.File{}
	for _, t := range c.tensors.Tensors {
		if !strings.HasPrefix(t.Name, runTensor) {
			m.tensors.Tensors = append(m.tensors.Tensors, t)
		}
	}
	return &m
}

// pieceBytes is how much of a tensor is sent at a time.
const pieceBytes = 1 << 20

// broadcastAll makes tensors, which are alike, those of rank 0.
func (r *ranks) broadcastAll(f *safetensors.File, about topic) error {
	buf := make([]byte, 0, pieceBytes)
	for i := range f.Tensors {
		if err := r.broadcast(f.Tensors[i].Data, buf); err != nil {
			return r.breakOff(about, err)
		}
	}
	return nil
}

// broadcast makes numbers those of rank 0, by way of buf.
func (r *ranks) broadcast(data any, buf []byte) error {
	switch d := data.(type) {
	case []float32:
		return broadcastPieces(r, d, buf, 4, func(b []byte, v float32) { binary.LittleEndian.PutUint32(b, math.Float32bits(v)) },
			func(b []byte) float32 { return math.Float32frombits(binary.LittleEndian.Uint32(b)) })
	case []float64:
		return broadcastPieces(r, d, buf, 8, func(b []byte, v float64) { binary.LittleEndian.PutUint64(b, math.Float64bits(v)) },
			func(b []byte) float64 { return math.Float64frombits(binary.LittleEndian.Uint64(b)) })
	case []int64:
		return broadcastPieces(r, d, buf, 8, func(b []byte, v int64) { binary.LittleEndian.PutUint64(b, uint64(v)) },
			func(b []byte) int64 { return int64(binary.LittleEndian.Uint64(b)) })
	}
	return fmt.Errorf("want float32, float64 or int64, got %T", data)
}

func broadcastPieces[E any](r *ranks, d []E, buf []byte, size int, put func([]byte, E), get func([]byte) E) error {
	for lo := 0; lo < len(d); lo += cap(buf) / size {
		piece := d[lo:min(len(d), lo+cap(buf)/size)]
		b := buf[:len(piece)*size]
		if r.Rank() == 0 {
			for i, v := range piece {
				put(b[i*size:], v)
			}
		}
		if err := r.Broadcast(b); err != nil {
			return err
		}
		if r.Rank() > 0 {
			for i := range piece {
				piece[i] = get(b[i*size:])
			}
		}
	}
	return nil
}

// checkTypes reports a tensor that cannot be sent.
func checkTypes(f *safetensors.File) error {
	for _, t := range f.Tensors {
		switch t.Data.(type) {
		case []float32, []float64, []int64:
		default:
			return fmt.Errorf("%s: want float32, float64 or int64, got %T", t.Name, t.Data)
		}
	}
	return nil
}

// appendOutline writes what tensors there are.
func appendOutline(b []byte, f *safetensors.File) []byte {
	b = appendInt(b, len(f.Tensors))
	for _, t := range f.Tensors {
		b = appendInt(appendString(b, t.Name), len(t.Shape))
		for _, n := range t.Shape {
			b = appendInt(b, n)
		}
		b = appendString(b, fmt.Sprintf("%T", t.Data))
	}
	return b
}

// outline reads them, without their numbers.
func (l *letter) outline() *safetensors.File {
	f := &safetensors.File{}
	for n := l.int(); n > 0 && !l.short; n-- {
		t := safetensors.Tensor{Name: l.string()}
		size := 1
		for dims := l.int(); dims > 0 && !l.short; dims-- {
			t.Shape = append(t.Shape, l.int())
			size *= t.Shape[len(t.Shape)-1]
		}
		switch l.string() {
		case "[]float32":
			t.Data = make([]float32, size)
		case "[]float64":
			t.Data = make([]float64, size)
		default:
			t.Data = make([]int64, size)
		}
		f.Tensors = append(f.Tensors, t)
	}
	return f
}
