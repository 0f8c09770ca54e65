package statespaces

import (
	"cmp"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"

	"github.com/gorgonia-s4/s4/internal/safetensors"
	"github.com/gorgonia-s4/s4/internal/torch"
)

// Tensor is a named array of a checkpoint.
type Tensor struct {
	Name  string
	Dtype string // as PyTorch names it: "float32", "bfloat16", ...
	Shape []int  // that of a complex tensor has a last axis of 2
	// Data are the elements in row-major order: a []float32 (of halves too),
	// []float64, []int64, []int32, []uint8 or []bool. Complex numbers are pairs of
	// real ones.
	Data any
}

// The formats of a checkpoint.
const (
	FormatZip         = "zip"         // torch.save since version 1.6
	FormatLegacy      = "legacy"      // torch.save before that
	FormatSafetensors = "safetensors" // safetensors
)

// Checkpoint is what a file holds: a state dict, and the options of its training.
type Checkpoint struct {
	Tensors []Tensor // in the order of their names
	// HyperParameters are the options of the training script where the file has them
	// under hyper_parameters, hparams, config or args: nested maps, slices, numbers,
	// strings and bools. Objects of argparse, omegaconf and Lightning are maps of
	// what they hold; others are left out.
	HyperParameters map[string]any
	Format          string   // FormatZip, FormatLegacy or FormatSafetensors
	Others          []string // what is in the state dict and is no tensor
	Unread          []string // what is in the file beside the state dict, such as that of an optimiser
}

// Read reads a checkpoint, in the format that its contents show. No code in it is
// run: a pickle that names a class or function other than those of containers,
// tensors and options is an error that names it. What is read takes at most 16 times
// the size of the file, and a mebibyte more, and a file that is damaged is an error.
func Read(path string) (*Checkpoint, error) {
	c, err := read(path)
	if err != nil {
		return nil, fmt.Errorf("statespaces: %s: %w", path, err)
	}
	return c, nil
}

func read(path string) (*Checkpoint, error) {
	r, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer r.Close()
	info, err := r.Stat()
	if err != nil {
		return nil, err
	}
	if !info.Mode().IsRegular() {
		return nil, errors.New("not a regular file")
	}
	return decode(r, info.Size())
}

// decode is Read of a file of size bytes.
func decode(r io.ReaderAt, size int64) (*Checkpoint, error) {
	head := make([]byte, min(size, 9))
	if _, err := r.ReadAt(head, 0); err != nil && !errors.Is(err, io.EOF) {
		return nil, err
	}
	var c *Checkpoint
	var err error
	switch {
	case torch.IsZip(head) || torch.IsLegacy(head):
		c, err = fromTorch(r, size)
	case len(head) == 9 && head[8] == '{' && binary.LittleEndian.Uint64(head) < uint64(size):
		c, err = fromSafetensors(r, size)
	default:
		return nil, fmt.Errorf("want a file of torch.save or of safetensors, got one that begins with %q", head)
	}
	if err != nil {
		return nil, err
	}
	slices.SortFunc(c.Tensors, func(a, b Tensor) int { return cmp.Compare(a.Name, b.Name) })
	for i := range c.Tensors[1:] {
		if c.Tensors[i].Name == c.Tensors[i+1].Name {
			return nil, fmt.Errorf("state dict: want names once, got %q twice", c.Tensors[i].Name)
		}
	}
	return c, nil
}

// torchNames are the names in PyTorch of the types of safetensors.
var torchNames = map[string]string{"[]float32": "float32", "[]float64": "float64", "[]int64": "int64", "[]int32": "int32", "[]uint8": "uint8", "[]bool": "bool"}

func fromSafetensors(r io.ReaderAt, size int64) (*Checkpoint, error) {
	f, err := safetensors.Decode(io.NewSectionReader(r, 0, size), size)
	if err != nil {
		return nil, err
	}
	if len(f.Tensors) == 0 {
		return nil, errNoTensors
	}
	c := &Checkpoint{Format: FormatSafetensors}
	for _, t := range f.Tensors {
		c.Tensors = append(c.Tensors, Tensor{t.Name, torchNames[fmt.Sprintf("%T", t.Data)], t.Shape, t.Data})
	}
	return c, nil
}

var errNoTensors = errors.New("want a state dict with tensors, got none")

func fromTorch(r io.ReaderAt, size int64) (*Checkpoint, error) {
	f, err := torch.Read(r, size)
	if err != nil {
		return nil, err
	}
	dict, c, err := find(f.Root)
	if err != nil {
		return nil, err
	}
	names, ts, others := dict.Tensors()
	if err := f.Load(ts...); err != nil {
		return nil, err
	}
	for i, t := range ts {
		c.Tensors = append(c.Tensors, Tensor{names[i], t.Dtype(), t.Shape(), t.Data})
	}
	c.Format, c.Others = f.Format, others
	return c, nil
}

// Where a file may have a state dict, and the options of its training.
var (
	stateKeys = []string{"state_dict", "model_state_dict", "model", "net", "module", "weights"}
	hyperKeys = []string{"hyper_parameters", "hparams", "hyperparameters", "config", "args"}
)

// find returns the state dict of what a file holds, and a checkpoint with all that
// there is beside it.
func find(root any) (torch.Dict, *Checkpoint, error) {
	d, ok := asDict(root)
	if !ok {
		return nil, nil, fmt.Errorf("want a state dict, or a dict with one, got %s", kindOf(root))
	}
	c := &Checkpoint{}
	if hasTensors(d) {
		return d, c, nil
	}
	var state torch.Dict
	var under string
	for _, k := range stateKeys {
		v, _ := d.Get(k)
		if s, ok := asDict(v); ok && hasTensors(s) {
			state, under = s, k
			break
		}
	}
	var hyper any
	var keys []string
	for _, e := range d {
		k, _ := e.Key.(string)
		keys = append(keys, k)
		switch {
		case k == under && under != "":
		case slices.Contains(hyperKeys, k) && hyper == nil:
			hyper = e.Value
		default:
			c.Unread = append(c.Unread, k)
		}
	}
	if state == nil {
		return nil, nil, fmt.Errorf("want a state dict of tensors, or one under %s, got a dict of %q", strings.Join(stateKeys, ", "), short(keys))
	}
	budget := maxHyper
	if m, ok := simple(hyper, &budget).(map[string]any); ok {
		c.HyperParameters = m
	}
	return state, c, nil
}

// hasTensors says whether d has a tensor with a name, as a state dict does.
func hasTensors(d torch.Dict) bool {
	return slices.ContainsFunc(d, func(e torch.Entry) bool {
		_, named := e.Key.(string)
		_, ok := e.Value.(*torch.Tensor)
		return named && ok
	})
}

// short returns the first of many names.
func short(names []string) []string {
	if len(names) > maxListed {
		return append(names[:maxListed:maxListed], fmt.Sprintf("and %d more", len(names)-maxListed))
	}
	return names
}

// maxListed is how many names an error lists.
const maxListed = 12

// kindOf says what something in a pickle is.
func kindOf(v any) string {
	switch v := v.(type) {
	case *torch.Tensor:
		return "one tensor"
	case *torch.Object:
		return "an object of " + v.Class
	case []any:
		return "a list"
	case nil:
		return "None"
	}
	return fmt.Sprintf("a %T", v)
}

// asDict returns what is like a dict: one, or an object that has been filled as one.
func asDict(v any) (torch.Dict, bool) {
	switch v := v.(type) {
	case torch.Dict:
		return v, true
	case *torch.Object:
		if len(v.Items) > 0 {
			return v.Items, true
		}
	}
	return nil, false
}
