package statespaces

import (
	"errors"
	"fmt"
	"maps"
	"math"
	"reflect"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/gorgonia-s4/s4/layers"
	"github.com/gorgonia-s4/s4/models"
	"github.com/gorgonia-s4/s4/ops"
)

// Inspection is what the names and shapes of a checkpoint and the options of its
// training say.
type Inspection struct {
	Layout Layout
	// Assumed are the options that nothing says, with the value that is taken.
	Assumed []string
	// Unknown are the tensors that are no part of a model here.
	Unknown []string

	cfg       models.ClassifierConfig
	err       error   // why there is no cfg
	bandlimit float64 // 0: none
}

// Inspect says what is known of the model of a checkpoint. It is an error if that is
// none of those that package statespaces knows.
func (c *Checkpoint) Inspect(opts ...Option) (*Inspection, error) {
	o, err := newOptions(opts)
	if err != nil {
		return nil, fmt.Errorf("statespaces: %w", err)
	}
	in, err := c.inspect(o)
	if err != nil {
		return nil, fmt.Errorf("statespaces: %w", err)
	}
	return in, nil
}

// Config returns the configuration of the model. Where names and shapes do not say
// it, it is as the options of the training say, and else the default of the public
// code, see Inspect: but it is an error if none of them says whether blocks normalise
// before their layer. It is another if a tensor is no part of the model.
func (c *Checkpoint) Config(opts ...Option) (models.ClassifierConfig, error) {
	in, err := c.Inspect(opts...)
	if err == nil {
		err = in.check()
	}
	if err != nil {
		return models.ClassifierConfig{}, err
	}
	return in.cfg, nil
}

// Config returns the configuration of the model: see Checkpoint.Config.
func (in *Inspection) Config() (models.ClassifierConfig, error) { return in.cfg, in.check() }

// check reports why there is no model.
func (in *Inspection) check() error {
	if len(in.Unknown) > 0 {
		return fmt.Errorf("statespaces: want tensors of a model that is known, got %q", short(in.Unknown))
	}
	return in.err
}

// reader reads a state dict.
type reader struct {
	hyper
	byName map[string]Tensor // by names without wrappings
	theirs map[string]string // the names in the file
	taken  map[string]bool   // what has been read
	layout Layout
}

// The wrappings that are seen through wherever they stand, and in front of all
// names.
const compiled = "_orig_mod."

var wrappings = []string{"module.", "model.", "net.", "_orig_mod."}

// newReader takes the wrappings off the names of a state dict.
func newReader(ts []Tensor, h hyper) (*reader, error) {
	r := &reader{hyper: h, byName: map[string]Tensor{}, theirs: map[string]string{}, taken: map[string]bool{}}
	prefix := commonWrapping(ts)
	for _, t := range ts {
		name := strings.ReplaceAll(strings.TrimPrefix(t.Name, prefix), compiled, "")
		if other, ok := r.theirs[name]; ok {
			return nil, fmt.Errorf("want one tensor %s, got %q and %q", name, other, t.Name)
		}
		r.theirs[name] = t.Name
		r.byName[name] = t
	}
	return r, nil
}

// commonWrapping returns the wrappings that all names begin with.
func commonWrapping(ts []Tensor) string {
	prefix := ""
	for {
		more := ""
		for _, w := range wrappings {
			if !slices.ContainsFunc(ts, func(t Tensor) bool { return !strings.HasPrefix(t.Name, prefix+w) }) {
				more = w
				break
			}
		}
		if more == "" {
			return prefix
		}
		prefix += more
	}
}

// blockName is the name of something in a block: what the blocks are called, the
// number of the block, and the rest.
var (
	blockName   = regexp.MustCompile(`^((?:[a-z]+\.)?(?:s4_layers|layers|blocks|s4_blocks))\.(\d{1,4})\.(.+)$`)
	normName    = regexp.MustCompile(`^norms\.(\d{1,4})\.(.+)$`)
	lastName    = regexp.MustCompile(`^(?:[a-z]+\.)?norm\.(?:norm\.)?([a-z_]+)$`)
	encoderName = regexp.MustCompile(`^encoder\.(?:\d+\.){0,2}([a-z]+)$`)
	decoderName = regexp.MustCompile(`^decoder\.(?:\d+\.){0,2}(?:output_transform\.)?([a-z]+)$`)
)

// parts are the tensors of a part of a model: names by what the part calls them.
type parts map[string]string

// sorted is the model that names describe.
type sorted struct {
	encoder, decoder, last parts
	blocks, norms          map[int]parts
	sequence               bool // a model of the sequence kind
}

// sort sorts the names of the state dict.
func (r *reader) sort() sorted {
	s := sorted{parts{}, parts{}, parts{}, map[int]parts{}, map[int]parts{}, true}
	put := func(m map[int]parts, number, rest, name string) {
		i, _ := strconv.Atoi(number)
		if m[i] == nil {
			m[i] = parts{}
		}
		m[i][rest] = name
	}
	for name := range r.byName {
		if m := blockName.FindStringSubmatch(name); m != nil {
			put(s.blocks, m[2], m[3], name)
			if !strings.HasPrefix(m[3], "layer.") && !strings.HasPrefix(m[3], "norm.") {
				s.sequence = false
			}
		} else if m := normName.FindStringSubmatch(name); m != nil {
			put(s.norms, m[1], m[2], name)
			s.sequence = false
		} else if m := lastName.FindStringSubmatch(name); m != nil {
			s.last[m[1]] = name
		} else if m := encoderName.FindStringSubmatch(name); m != nil {
			s.encoder[m[1]] = name
		} else if m := decoderName.FindStringSubmatch(name); m != nil {
			s.decoder[m[1]] = name
		}
	}
	if !s.sequence {
		return s
	}
	for i, b := range s.blocks { // layer.* and norm.* of each
		inner := parts{}
		for rest, name := range b {
			if of, ok := strings.CutPrefix(rest, "norm."); ok {
				put(s.norms, strconv.Itoa(i), strings.TrimPrefix(of, "norm."), name)
			} else {
				inner[strings.TrimPrefix(rest, "layer.")] = name
			}
		}
		s.blocks[i] = inner
	}
	return s
}

func (c *Checkpoint) inspect(o *options) (*Inspection, error) {
	r, err := newReader(c.Tensors, hyper{set: o.set, file: c.HyperParameters})
	if err != nil {
		return nil, err
	}
	s := r.sort()
	if len(s.blocks) == 0 {
		return nil, fmt.Errorf("want blocks named s4_layers.I, layers.I or model.layers.I, got %q", short(slices.Sorted(maps.Keys(r.byName))))
	}
	in := &Inspection{}
	cfg, err := r.model(s)
	if err != nil && !errors.As(err, new(unsaid)) {
		return nil, err
	}
	in.cfg, in.err = cfg, err
	if in.err != nil {
		in.err = fmt.Errorf("statespaces: %w", in.err)
	} else if err := cfg.Validate(); err != nil {
		return nil, err
	}
	var said bool
	if in.bandlimit, said, err = r.number("bandlimit"); err != nil {
		return nil, err
	} else if said && !(in.bandlimit > 0) {
		return nil, fmt.Errorf("option bandlimit: want a number above 0, got %v", in.bandlimit)
	}
	in.Layout, in.Assumed = r.layout, r.assumed
	for _, name := range slices.Sorted(maps.Keys(r.byName)) {
		if !r.taken[name] {
			in.Unknown = append(in.Unknown, r.theirs[name])
		}
	}
	return in, nil
}

// unsaid is the error that nothing says an option.
type unsaid string

func (e unsaid) Error() string { return string(e) }

// model returns the configuration of a model, and fills the layout.
func (r *reader) model(s sorted) (models.ClassifierConfig, error) {
	cfg := models.ClassifierConfig{}
	width, err := r.encoder(s.encoder, &cfg)
	if err != nil {
		return cfg, err
	}
	var unknown error
	for i := range len(s.blocks) {
		if s.blocks[i] == nil {
			return cfg, fmt.Errorf("want blocks 0 to %d, got none of number %d", len(s.blocks)-1, i)
		}
		b, err := r.block(i, width, s)
		if err != nil && !errors.As(err, new(unsaid)) {
			return cfg, err
		}
		if unknown == nil {
			unknown = err
		}
		cfg.Stack.Blocks = append(cfg.Stack.Blocks, b)
	}
	if cfg.Stack.Norm, err = r.last(s, cfg.Stack.Blocks[0].PreNorm); err != nil {
		return cfg, err
	}
	if cfg.Classes, err = r.linear(s.decoder, "decoder", width); err != nil {
		return cfg, err
	}
	if cfg.Pool, err = r.pool(); err != nil {
		return cfg, err
	}
	repeat(&cfg.Stack)
	return cfg, unknown
}

// repeat writes blocks that are all the same as one.
func repeat(c *layers.StackConfig) {
	for _, b := range c.Blocks[1:] {
		if !reflect.DeepEqual(b, c.Blocks[0]) {
			return
		}
	}
	if n := len(c.Blocks); n > 1 {
		c.Blocks, c.Repeat = c.Blocks[:1], n
	}
}

// take reads a tensor of a part: ours is its name here. Shapes are those of theirs
// that it may have, with an our shape for each.
func (r *reader) take(p parts, rest, ours string, negated bool, shape func(theirs []int) (ours []int, ok bool), want string) error {
	name, ok := p[rest]
	if !ok {
		return fmt.Errorf("want a tensor %s, %s, got none", rest, want)
	}
	t := r.byName[name]
	s, ok := shape(t.Shape)
	if !ok || slices.Contains(t.Shape, 0) {
		return fmt.Errorf("tensor %s: want %s, got shape %v", r.theirs[name], want, t.Shape)
	}
	r.taken[name] = true
	r.layout.Names = append(r.layout.Names, Name{Ours: ours, Shape: s, Theirs: []Part{{r.theirs[name], t.Shape}}, Negated: negated})
	return nil
}

// exactly accepts one shape, which is ours too.
func exactly(shape ...int) func([]int) ([]int, bool) { return as(shape, shape) }

// as accepts shapes of theirs that stand for ours.
func as(ours []int, theirs ...[]int) func([]int) ([]int, bool) {
	return func(got []int) ([]int, bool) {
		return ours, slices.ContainsFunc(theirs, func(s []int) bool { return slices.Equal(s, got) })
	}
}

// shape returns the shape of a tensor of a part, if there is one.
func (r *reader) shape(p parts, rest string) []int { return r.byName[p[rest]].Shape }

// encoder reads the encoder, a linear map or, without a bias, an embedding, and
// returns the number of its features.
func (r *reader) encoder(p parts, cfg *models.ClassifierConfig) (width int, err error) {
	w := r.shape(p, "weight")
	if len(w) != 2 {
		return 0, fmt.Errorf("want a tensor encoder.weight of 2 axes, that of a linear map or of an embedding, got shape %v", w)
	}
	if _, linear := p["bias"]; !linear {
		cfg.Vocab = w[0]
		return w[1], r.take(p, "weight", "encoder.weight", false, exactly(w...), "(tokens, features)")
	}
	cfg.Features = w[1]
	return w[0], errors.Join(
		r.take(p, "weight", "encoder.weight", false, exactly(w...), "(features, inputs)"),
		r.take(p, "bias", "encoder.bias", false, exactly(w[0]), "encoder.bias (features)"))
}

// linear reads a linear map of so many features and returns the number of those of
// its output.
func (r *reader) linear(p parts, ours string, in int) (out int, err error) {
	w := r.shape(p, "weight")
	if len(w) != 2 {
		return 0, fmt.Errorf("want a tensor %s.weight of 2 axes, got shape %v", ours, w)
	}
	want := fmt.Sprintf("(outputs, %d)", in)
	return w[0], errors.Join(
		r.take(p, "weight", ours+".weight", false, exactly(w[0], in), want),
		r.take(p, "bias", ours+".bias", false, exactly(w[0]), fmt.Sprintf("%s.bias (%d)", ours, w[0])))
}

// pools are the ways to pool, as an option or as the mode of a decoder.
var pools = map[string]ops.PoolMode{"mean": ops.PoolMean, "pool": ops.PoolMean, "last": ops.PoolLast, "first": ops.PoolFirst, "sum": ops.PoolSum}

func (r *reader) pool() (ops.PoolMode, error) {
	v, ok := r.set["pool"]
	if !ok {
		v, ok = r.under("decoder", "mode")
	}
	if !ok {
		r.assume("pool: mean")
		return ops.PoolMean, nil
	}
	s, _ := v.(string)
	if m, ok := pools[s]; ok {
		return m, nil
	}
	return "", fmt.Errorf("option pool: want mean, last, first or sum, got %v", v)
}

// norm reads a normalisation and returns its kind: "" if there is none.
func (r *reader) norm(p parts, ours string, width int) (layers.NormKind, error) {
	if len(p) == 0 {
		return "", nil
	}
	if _, scalar := p["s"]; scalar {
		return "", fmt.Errorf("tensor %s: a layer norm of two numbers, m and s, as models with transposed true have it, is none of those here", r.theirs[p["s"]])
	}
	kind := layers.LayerNorm
	want := fmt.Sprintf("(%d)", width)
	errs := []error{
		r.take(p, "weight", ours+".weight", false, exactly(width), want),
		r.take(p, "bias", ours+".bias", false, exactly(width), want),
	}
	if _, ok := p["running_mean"]; ok {
		kind = layers.BatchNorm
		errs = append(errs,
			r.take(p, "running_mean", ours+".running_mean", false, exactly(width), want),
			r.take(p, "running_var", ours+".running_var", false, exactly(width), want))
		r.extra(p, "num_batches_tracked")
	}
	if v, ok := r.get("norm"); ok {
		if s, isText := v.(string); isText && s != string(kind) {
			errs = append(errs, fmt.Errorf("option norm: want %q as the tensors are, got %q", kind, s))
		}
	}
	return kind, errors.Join(errs...)
}

// extra keeps a tensor, if there is one, that has nothing to do with the output.
func (r *reader) extra(p parts, rest string) {
	name, ok := p[rest]
	if !ok {
		return
	}
	r.taken[name] = true
	t := r.byName[name]
	t.Name = r.theirs[name]
	r.layout.Extra = append(r.layout.Extra, t)
}

// last reads the normalisation after the blocks.
func (r *reader) last(s sorted, preNorm bool) (layers.NormKind, error) {
	kind, err := r.norm(s.last, "blocks.norm", r.width(s))
	if kind == "" && preNorm {
		kind = layers.NoNorm
	}
	return kind, err
}

// width returns the number of features of the model.
func (r *reader) width(s sorted) int {
	w := r.shape(s.encoder, "weight")
	if _, linear := s.encoder["bias"]; linear {
		return w[0]
	}
	return w[1]
}

// block reads a block of so many features.
func (r *reader) block(i, width int, s sorted) (layers.BlockConfig, error) {
	b := layers.BlockConfig{}
	ours := fmt.Sprintf("blocks.%d.", i)
	var err error
	if b.Mixer, err = r.mixer(s.blocks[i], ours+"layer.", width); err != nil {
		return b, fmt.Errorf("block %d: %w", i, err)
	}
	if b.Norm, err = r.norm(s.norms[i], ours+"norm", width); err != nil {
		return b, fmt.Errorf("block %d: norm: %w", i, err)
	}
	if err := r.residual(&b); err != nil {
		return b, err
	}
	if b.Dropout, _, err = r.number("dropout"); err != nil {
		return b, err
	}
	if tie, said, err := r.flag("tie_dropout"); err != nil {
		return b, err
	} else if said && b.Dropout > 0 {
		b.UntiedDropout = !tie
	}
	if b.Norm == "" {
		b.Norm = layers.NoNorm
		return b, nil
	}
	b.PreNorm, err = r.preNorm(s)
	return b, err
}

// residual reads whether blocks are residual.
func (r *reader) residual(b *layers.BlockConfig) error {
	v, ok := r.set["residual"]
	if !ok {
		v, ok = r.get("residual")
	}
	switch {
	case !ok, v == "R", v == "residual":
		return nil
	case v == nil, v == "none", v == "N", v == "F", v == "feedforward":
		b.NoResidual = true
		return nil
	}
	return fmt.Errorf("option residual: want R or none, got %v", v)
}

// preNorm reads whether blocks normalise before their layer: in the sequence models,
// those that do have another normalisation at the end.
func (r *reader) preNorm(s sorted) (bool, error) {
	yes, said, err := r.flag("prenorm")
	shown := len(s.last) > 0
	switch {
	case err != nil:
		return false, err
	case s.sequence && said && yes != shown:
		return false, fmt.Errorf("option prenorm: want %t, as the model has a norm after its blocks or has none, got %t", shown, yes)
	case said:
		return yes, nil
	case s.sequence || shown:
		return shown, nil
	}
	return false, unsaid("prenorm, whether blocks normalise before their layer or after the sum, cannot be known from names and shapes, and the checkpoint has no hyper parameter prenorm: want the option (PreNorm, or -prenorm)")
}

// number of steps that C of S4 is tuned to where nothing says it.
const defaultLength = 1024

// steps returns an option that is a number of steps, 0 where it is not said.
func (r *reader) steps(key string) (int, error) {
	v, _, err := r.number(key)
	if err == nil && (v < 0 || v != math.Trunc(v) || v > math.MaxInt32) {
		err = fmt.Errorf("option %s: want a number of steps, got %v", key, v)
	}
	return int(v), err
}
