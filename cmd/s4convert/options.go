package main

import (
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"maps"
	"os"
	"strconv"
	"strings"

	"gorgonia.org/tensor"

	"github.com/gorgonia-s4/s4/models/statespaces"
)

// options is everything that the command line sets.
type options struct {
	in, out   string
	to        string         // "dir", "safetensors", or "" for what out is
	hyper     map[string]any // options of the training script
	style     statespaces.Style
	dtype     string // "", "float32", "float64"
	inspect   bool
	raw       bool   // write the tensors as they are
	checkX    string // files of an input and the output for it
	checkY    string
	tolerance float64
}

const usage = `usage: s4convert [options] IN [OUT]

IN is a checkpoint of PyTorch (.pt, .ckpt, .safetensors), or the directory of a model.
OUT is the directory of a model, or a file that ends in .safetensors, for PyTorch.

`

// parseOptions reads the command line. -h prints the options and gives flag.ErrHelp.
func parseOptions(args []string, out io.Writer) (*options, error) {
	o := &options{hyper: map[string]any{}}
	fs := flag.NewFlagSet("s4convert", flag.ContinueOnError)
	fs.SetOutput(io.Discard)
	fs.StringVar(&o.to, "to", "", "what OUT is: dir or safetensors (default: as its name ends)")
	fs.Func("hyper", "JSON `file` of options of the training, which come before those of the checkpoint", o.readHyper)
	fs.BoolFunc("prenorm", "the blocks normalise before their layer; -prenorm=false: after the sum", func(s string) error { return o.setHyper("prenorm=" + s) })
	fs.Func("set", "an option of the training, as `name=value`, such as disc=bilinear or dt_transform=softplus; may be repeated", o.setHyper)
	fs.StringVar((*string)(&o.style), "style", "", "names to write where a model did not come with any: example or sequence (default example)")
	fs.StringVar(&o.dtype, "dtype", "", "type of the model: float32 or float64 (default: that of the checkpoint)")
	fs.BoolVar(&o.raw, "raw", false, "write the tensors of IN to safetensors as they are, of whatever module they are")
	fs.BoolVar(&o.inspect, "inspect", false, "print what is in IN")
	fs.Func("check", "run the model on `x.npy y.npy` and compare; what nothing says of the checkpoint is tried until it fits", o.setCheck)
	fs.Float64Var(&o.tolerance, "tolerance", 1e-5, "largest difference that -check allows")
	if err := fs.Parse(joinCheck(args)); err != nil {
		if errors.Is(err, flag.ErrHelp) {
			fmt.Fprint(out, usage)
			fs.SetOutput(out)
			fs.PrintDefaults()
		}
		return nil, err
	}
	return o, o.finish(fs.Args())
}

// joinCheck makes one argument of the two that follow -check.
func joinCheck(args []string) []string {
	var joined []string
	for i := 0; i < len(args); i++ {
		joined = append(joined, args[i])
		if (args[i] == "-check" || args[i] == "--check") && i+2 < len(args) && !strings.Contains(args[i+1], ",") {
			joined = append(joined, args[i+1]+","+args[i+2])
			i += 2
		}
	}
	return joined
}

func (o *options) setCheck(s string) error {
	x, y, ok := strings.Cut(s, ",")
	if !ok || x == "" || y == "" {
		return errors.New("want two files, x.npy y.npy")
	}
	o.checkX, o.checkY = x, y
	return nil
}

// readHyper reads options of a training from a file. Others than those that matter are
// left out.
func (o *options) readHyper(path string) error {
	text, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	var m map[string]any
	if err := json.Unmarshal(text, &m); err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	maps.Copy(o.hyper, statespaces.Options(m))
	return nil
}

// setHyper sets an option of a training: a value that is JSON is that, and any other a
// text.
func (o *options) setHyper(s string) error {
	k, v, ok := strings.Cut(s, "=")
	if !ok {
		return errors.New("want name=value")
	}
	var value any
	if json.Unmarshal([]byte(v), &value) != nil {
		value = v
	}
	if n, ok := value.(float64); ok && n == float64(int(n)) {
		value = int(n)
	}
	o.hyper[k] = value
	return nil
}

// finish checks the options and fills in what follows from others.
func (o *options) finish(args []string) error {
	switch {
	case len(args) == 0:
		return errors.New("want a checkpoint or the directory of a model: see -h")
	case len(args) > 2:
		return fmt.Errorf("want IN and OUT, got %q: options come before them", args)
	case o.raw && (len(args) != 2 || o.checkX != ""):
		return errors.New("-raw: want IN and OUT, and no -check")
	case len(args) == 1 && !o.inspect && o.checkX == "":
		return errors.New("want OUT, -inspect or -check")
	}
	o.in = args[0]
	if len(args) == 2 {
		o.out = args[1]
	}
	if o.to == "" {
		o.to = "dir"
		if strings.HasSuffix(o.out, ".safetensors") {
			o.to = "safetensors"
		}
	}
	switch {
	case o.to != "dir" && o.to != "safetensors":
		return fmt.Errorf("-to: want dir or safetensors, got %q", o.to)
	case o.dtype != "" && o.dtype != "float32" && o.dtype != "float64":
		return fmt.Errorf("-dtype: want float32 or float64, got %q", o.dtype)
	case o.style != "" && o.style != statespaces.Example && o.style != statespaces.Sequence:
		return fmt.Errorf("-style: want %s or %s, got %q", statespaces.Example, statespaces.Sequence, o.style)
	case !(o.tolerance >= 0):
		return fmt.Errorf("-tolerance: want a number from 0, got %s", strconv.FormatFloat(o.tolerance, 'g', -1, 64))
	}
	return nil
}

// as returns the type that -dtype asks for, or another.
func (o *options) as(other tensor.Dtype) tensor.Dtype {
	switch o.dtype {
	case "float32":
		return tensor.Float32
	case "float64":
		return tensor.Float64
	}
	return other
}
