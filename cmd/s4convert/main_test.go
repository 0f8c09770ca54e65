package main

import (
	"bytes"
	"errors"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/gorgonia-s4/s4/models/statespaces"
)

const checkpoints = "../../models/statespaces/testdata/checkpoints/"

// convert runs the command and returns what it wrote.
func convert(args ...string) (out, notes string, err error) {
	var o, n bytes.Buffer
	err = run(args, &o, &n)
	return o.String(), n.String(), err
}

// file returns a file of one of the checkpoints.
func file(name string) string { return filepath.FromSlash(checkpoints + name) }

// sameTensors checks that two checkpoints have the same tensors.
func sameTensors(t *testing.T, got, want string) {
	t.Helper()
	a, err1 := statespaces.Read(got)
	b, err2 := statespaces.Read(want)
	if err := errors.Join(err1, err2); err != nil {
		t.Fatal(err)
	}
	l, err := b.Layout(statespaces.PreNorm(true))
	if err != nil {
		t.Fatal(err)
	}
	if len(a.Tensors) != len(l.Names) {
		t.Errorf("%d tensors, want %d", len(a.Tensors), len(l.Names))
	}
	for i, x := range b.Tensors {
		if a.Tensors[i].Name != x.Name {
			t.Errorf("tensor %s, want %s", a.Tensors[i].Name, x.Name)
		}
	}
}

func TestThereAndBack(t *testing.T) {
	dir := t.TempDir()
	model, back := filepath.Join(dir, "model"), filepath.Join(dir, "back.safetensors")
	x, y := file("s4_dplr/x.npy"), file("s4_dplr/y.npy")
	out, notes, err := convert("-prenorm", "-check", x, y, file("s4_dplr/model.pt"), model)
	if err != nil || !strings.Contains(out, "wrote "+model) || !strings.Contains(out, "the outputs for "+x+" are those of "+y) || !strings.Contains(notes, "assumed") {
		t.Fatalf("got %q, %q, %v", out, notes, err)
	}
	if _, _, err := convert(model, back); err != nil {
		t.Fatal(err)
	}
	sameTensors(t, back, file("s4_dplr/model.pt"))
	if _, _, err := convert("-check", x+","+y, "-prenorm", back); err != nil {
		t.Error(err)
	}
	if _, _, err := convert("-check="+x+","+y, model); err != nil {
		t.Error(err)
	}
	// Straight, and in other types and names.
	straight := filepath.Join(dir, "straight")
	if _, _, err := convert("-to", "safetensors", "-prenorm", file("s4_dplr/model.pt"), straight); err != nil {
		t.Fatal(err)
	}
	sameTensors(t, straight, file("s4_dplr/model.pt"))
	double := filepath.Join(dir, "double.safetensors")
	if _, _, err := convert("-dtype", "float64", "-style", "example", model, double); err != nil {
		t.Fatal(err)
	}
	out, _, err = convert("-inspect", double)
	if err != nil || !strings.Contains(out, "float64") || strings.Contains(out, "float32") {
		t.Errorf("got %s, %v", out, err)
	}
	raw := filepath.Join(dir, "raw.safetensors")
	if _, _, err := convert("-raw", file("s4d_legacy/model.pt"), raw); err != nil {
		t.Fatal(err)
	}
	sameTensors(t, raw, file("s4d_legacy/model.pt"))
	// An example has no norm after its blocks.
	_, _, err = convert("-style", "sequence", model, double)
	if err == nil || !strings.Contains(err.Error(), "want a norm after the blocks if they have PreNorm") {
		t.Errorf("got error %v", err)
	}
}

// What nothing says of a checkpoint is found by its outputs.
func TestCheckFindsOut(t *testing.T) {
	for name, want := range map[string]string{"s4_diag": "prenorm=true, disc=zoh", "s4d_postnorm": "prenorm=false", "s4_fout": "prenorm=false, dt_transform=exp"} {
		_, notes, err := convert("-check", file(name+"/x.npy"), file(name+"/y.npy"), file(name+"/model.pt"))
		if err != nil || !strings.Contains(notes, "the outputs fit with "+want) {
			t.Errorf("%s: got %q, %v", name, notes, err)
		}
	}
	out := filepath.Join(t.TempDir(), "out")
	_, _, err := convert("-prenorm=false", "-check", file("s4_diag/x.npy"), file("s4_diag/y.npy"), file("s4_diag/model.pt"), out)
	if err == nil || !strings.Contains(err.Error(), "at best in 64 ways to read what nothing says of the checkpoint") {
		t.Errorf("got error %v", err)
	}
	if _, err := os.Stat(out); err == nil {
		t.Error("what does not fit has been written")
	}
	if _, notes, err := convert("-hyper", file("s4_diag/meta.json"), "-check", file("s4_diag/x.npy"), file("s4_diag/y.npy"), file("s4_diag/model.pt")); err != nil {
		t.Errorf("-hyper: got %q, %v", notes, err)
	}
}

func TestInspect(t *testing.T) {
	out, _, err := convert("-inspect", file("s4_bidirectional/model.ckpt"))
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{
		"format: zip, 28 tensors\n", "model.s4_layers.1.layer.kernel.l_kernel", "int64", "in the file, and not read:\n  epoch\n  global_step\n", `"lr": 0.01`,
		"assumed, as neither the checkpoint nor an option says it:\n  activation: gelu\n  dt_transform: exp\n", "no configuration: statespaces: prenorm",
	} {
		if !strings.Contains(out, want) {
			t.Errorf("got %s, want %q", out, want)
		}
	}
	out, _, err = convert("-inspect", "-prenorm=false", "-set", "dt_transform=softplus", "-set", "dropout=0.25", file("s4_bidirectional/model.ckpt"))
	if err != nil || !strings.Contains(out, `"dt_transform": "softplus"`) || !strings.Contains(out, `"bidirectional": true`) || !strings.Contains(out, `"dropout": 0.25`) {
		t.Errorf("got %s, %v", out, err)
	}
}

func TestBadCommandLines(t *testing.T) {
	dir := t.TempDir()
	pt := file("s4_dplr/model.pt")
	bad := filepath.Join(dir, "bad.pt")
	if err := os.WriteFile(bad, []byte("\x80\x02cposix\nsystem\n."), 0o644); err != nil {
		t.Fatal(err)
	}
	x, y := file("s4_dplr/x.npy"), file("s4_dplr/y.npy")
	for want, args := range map[string][]string{
		"want a checkpoint or the directory of a model":                     {},
		"want OUT, -inspect or -check":                                      {pt},
		"want IN and OUT":                                                   {pt, "a", "b"},
		"no such file":                                                      {dir + "/none.pt", "x"},
		"config.json":                                                       {dir, "x.safetensors"},
		"prenorm, whether blocks normalise":                                 {pt, dir + "/out"},
		"option prenorm: want true or false, got maybe":                     {"-prenorm=maybe", pt, dir + "/out"},
		"want name=value":                                                   {"-set", "x", pt, "x"},
		"want options among":                                                {"-set", "x=1", pt, dir + "/out"},
		"-to: want dir or safetensors":                                      {"-to", "onnx", pt, "x"},
		"-dtype: want float32 or float64":                                   {"-dtype", "int8", pt, "x"},
		"-style: want example or sequence":                                  {"-style", "x", pt, "x"},
		"-tolerance: want a number from 0, got NaN":                         {"-tolerance", "NaN", pt, "x"},
		"want two files, x.npy y.npy":                                       {"-check", "x.npy"},
		"-raw: want IN and OUT, and no -check":                              {"-raw", pt},
		"-raw: a model has its options in config.json":                      {"-raw", dir, "x.safetensors"},
		"flag provided but not defined: -x":                                 {"-x"},
		"want a file of torch.save or of safetensors":                       {bad, dir + "/out"},
		"y.npy: want shape [3 5], that of the outputs, got [3 40 3]":        {"-prenorm", "-check", x, filepath.Join(dir, "y.npy"), pt},
		"want an input with 3 axes, features (B, L, F) or token ids (B, L)": {"-prenorm", "-check", y, y, pt},
		"no such file or directory":                                         {"-prenorm", pt, filepath.Join(dir, "none", "out.safetensors")},
	} {
		if strings.HasPrefix(want, "y.npy: want shape") {
			b, err := os.ReadFile(x)
			if err == nil {
				err = os.WriteFile(filepath.Join(dir, "y.npy"), b, 0o644)
			}
			if err != nil {
				t.Fatal(err)
			}
		}
		if _, _, err := convert(args...); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: got error %v, want %q", args, err, want)
		}
	}
	if out, _, err := convert("-h"); !errors.Is(err, flag.ErrHelp) || !strings.Contains(out, "usage: s4convert") || !strings.Contains(out, "-prenorm") {
		t.Errorf("-h: got %q, %v", out, err)
	}
	if names, err := filepath.Glob(filepath.Join(dir, "out*")); err != nil || len(names) > 0 {
		t.Errorf("left behind: %v, %v", names, err)
	}
}
