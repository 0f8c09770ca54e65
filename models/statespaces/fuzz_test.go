package statespaces

import (
	"bytes"
	"os"
	"path/filepath"
	"reflect"
	"testing"

	"github.com/gorgonia-s4/s4/internal/safetensors"
	"github.com/gorgonia-s4/s4/internal/torch"
)

// FuzzRead reads files of all formats, and finds out what model they are of. What is
// read is bounded by the size of the file.
func FuzzRead(f *testing.F) {
	paths, err := filepath.Glob("testdata/checkpoints/*/model.*")
	if err != nil || len(paths) == 0 {
		f.Fatalf("want checkpoints, got none, %v", err)
	}
	for _, p := range paths {
		b, err := os.ReadFile(p)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(b)
		c, err := Read(p)
		if err != nil {
			f.Fatal(err)
		}
		var s bytes.Buffer
		if err := safetensors.Encode(&s, file(c.Tensors, nil)); err != nil {
			f.Fatal(err)
		}
		f.Add(s.Bytes())
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		c, err := decode(bytes.NewReader(b), int64(len(b)))
		if err != nil {
			return
		}
		total := 0
		for _, x := range c.Tensors {
			total += reflect.ValueOf(x.Data).Len()
		}
		if total > torch.Factor*len(b)+1<<20 {
			t.Errorf("%d elements from %d bytes", total, len(b))
		}
		in, err := c.Inspect(PreNorm(true))
		if err != nil {
			return
		}
		if cfg, err := in.Config(); err == nil && cfg.Validate() != nil {
			t.Errorf("a configuration that is not valid: %v", cfg.Validate())
		}
	})
}

// FuzzNames changes names and shapes of a state dict.
func FuzzNames(f *testing.F) {
	paths, err := filepath.Glob("testdata/checkpoints/*/model.*")
	if err != nil || len(paths) == 0 {
		f.Fatalf("want checkpoints, got none, %v", err)
	}
	var cs []*Checkpoint
	for _, p := range paths {
		c, err := Read(p)
		if err != nil {
			f.Fatal(err)
		}
		cs = append(cs, c)
	}
	f.Add(0, 3, "model.norm.norm.weight", 2, 4, 0)
	f.Add(1, 5, "s4_layers.0.layer.kernel.l_kernel", 0, 1, 1)
	f.Add(2, 7, "norms.17.running_mean", 8, 1, 2)
	f.Add(4, 1, "encoder.weight", 1, 1, 7)
	f.Fuzz(func(t *testing.T, which, index int, name string, a, b, count int) {
		if which < 0 || index < 0 || a < 0 || b < 0 || a > 64 || b > 64 || count < 0 || count > 8 {
			return
		}
		c := *cs[which%len(cs)]
		c.Tensors = append([]Tensor{}, c.Tensors...)
		for i := range count {
			c.Tensors = append(c.Tensors, c.Tensors[(index+i)%len(c.Tensors)])
		}
		x := &c.Tensors[index%len(c.Tensors)]
		*x = Tensor{name, "float32", []int{a, b}, make([]float32, a*b)}
		in, err := c.Inspect(PreNorm(true))
		if err != nil {
			return
		}
		if _, err := in.tensors(&c); err != nil {
			return
		}
	})
}
