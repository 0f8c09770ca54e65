package experiment

import (
	"encoding/json"
	"flag"
	"fmt"
	"reflect"
	"slices"
	"strconv"
	"strings"

	"github.com/gorgonia-s4/s4/layers"
	"github.com/gorgonia-s4/s4/layers/hippo"
	"github.com/gorgonia-s4/s4/ops"
	"github.com/gorgonia-s4/s4/ops/attention"
	"github.com/gorgonia-s4/s4/ops/hippornn"
	"github.com/gorgonia-s4/s4/ops/mega"
	"github.com/gorgonia-s4/s4/ops/retention"
	"github.com/gorgonia-s4/s4/ops/ssm"
	"github.com/gorgonia-s4/s4/ops/vandermonde"
)

// usages are fields of layers with what help says of them.
var usages = []struct {
	key     string
	usage   string
	choices []string
}{
	{"activation", "after the kernels, or in the layer", words(ops.Activations())},
	{"mixing", "of the features, after the activation", words([]layers.Mixing{layers.MixGLU, layers.MixLinear, layers.MixNone, layers.MixHalfGLU1, layers.MixHalfGLU2})},
	{"bottleneck", "divide the features of the state space model by so much, by a linear map before it; 0: none", nil},
	{"gate", "of a state space layer: times as many features as -d-model behind it, by gates that the input opens; 0: none. Of transformer and feedforward: a gated linear unit", nil},
	{"gate_activation", "of the gates of -gate; empty: gelu", nil},
	{"mult_activation", "of the product of -gate; empty: identity", nil},
	{"untied_dropout", "drop every element by itself, not a feature of an example at all steps", nil},
	{"d_state", "state size (N), of s4d and s4 even", nil},
	{"n_ssm", "number of independent state matrices; 0: one for each feature", nil},
	{"channels", "kernels for each feature", nil},
	{"init", "start of the state matrix", words(inits())},
	{"rank", "low-rank corrections; 0: as many as -init needs", nil},
	{"disc", "discretisation", words([]ssm.Disc{ssm.ZOH, ssm.Bilinear})},
	{"fixed_b", "B = 1, not learned", nil},
	{"off_by_one", "let the second kernel start one step ahead, as the reference does; off without -bidirectional", nil},
	{"dt", "what has a step size of its own: a feature, each state of one, or (dss) the real and the imaginary part of one", words([]layers.StepSizes{layers.DtPerFeature, layers.DtPerState, layers.DtPerPart})},
	{"dt_min", "smallest initial step size", nil},
	{"dt_max", "largest initial step size", nil},
	{"dt_transform", "step size from its parameter", words([]ssm.Transform{ssm.Exp, ssm.Softplus})},
	{"a_transform", "decay rate from its parameter", words(ssm.Transforms())},
	{"version", "of the kernel of dss", words([]vandermonde.DSSVersion{vandermonde.DSSSoftmax, vandermonde.DSSExp, vandermonde.DSSExpReIm, vandermonde.DSSExpNoScale, vandermonde.DSSClip, vandermonde.DSSClipNoScale})},
	{"detach_shift", "leave a factor of the gradient of dss out, as the published code does", nil},
	{"alpha", "of the generalised bilinear transform of lssl, from 0.5 (bilinear, 0 too) to 1 (backward Euler)", nil},
	{"r_min", "smallest modulus that a pole starts with", nil},
	{"r_max", "largest modulus that a pole starts with; 0: 1", nil},
	{"max_phase", "largest angle that a pole starts with; 0: 6.28", nil},
	{"blocks", "blocks of the state matrix at the start; 0: 1", nil},
	{"full", "store all states, not one of each conjugate pair", nil},
	{"output_init", "start of the output matrix of s5", words([]layers.OutputInit{layers.OutputTruncated, layers.OutputLecun, layers.OutputNormal})},
	{"unclipped", "leave the real parts of the state matrix as they are, an error where one is not negative; without it they are kept negative", nil},
	{"expand", "inner channels for each feature; 0: 2", nil},
	{"dt_rank", "rank of the map to step sizes; 0: a sixteenth of -d-model, rounded up", nil},
	{"bias", "maps into the layer and out of it with a bias", nil},
	{"no_conv_bias", "convolution without a bias", nil},
	{"lr", "learning rate of dt, A and B, of dss also of C, of longconv of the kernels", nil},
	{"lr_dt", "learning rate of dt; 0: -lr-ssm", nil},
	{"lr_a", "learning rate of A; 0: -lr-ssm", nil},
	{"lr_b", "learning rate of B; 0: -lr-ssm", nil},
	{"lr_c", "learning rate of C; 0: that of all others", nil},
	{"decay", "how fast heads of retention forget", words(retention.Decays())},
	{"scores", "of retention", words(retention.AllScores())},
	{"shape", "lengths of the axes of the images or volumes, `32x32` or 8x16x16; empty: of a square", nil},
	{"trank", "products of kernels of the axes whose mean is the kernel; 0: 1", nil},
	{"axis_kernel", "whose kernels the axes have", words([]layers.AxisKernel{layers.AxisS4D, layers.AxisS4})},
	{"band_limit", "leave out states that oscillate faster than so much of half the sampling rate; 0: none", nil},
	{"two_way", "comma-separated `list` of axes, 0 and on, that see both ways where the others do not", nil},
	{"head_norm", "of the output of each head of retention", words(retention.Norms())},
	{"function", "what makes weights of scores in mega", words(mega.Functions())},
	{"relative_bias", "of relative positions in mega", words(layers.RelativeBiases())},
	{"init_std", "deviation of weights, gamma and biases of positions of mega at the start; 0: 0.02", nil},
	{"truncation", "lags of the kernels of moving averages; 0: all", nil},
	{"heads", "heads of attention or retention", nil},
	{"inner", "features of all queries, of all keys and of all values of attention; 0: -d-model", nil},
	{"form", "how scores become weights", words([]attention.Form{attention.Softmax, attention.Linear})},
	{"rotary", "pairs of features of queries and keys that the position turns: interleaved or half; empty: none", nil},
	{"theta", "base of the angles of -rotary; 0: 10000", nil},
	{"positions", "of transformer and position: sinusoidal or learned, of transformer also none; of retnet and retention: rotary_linspace, xpos or none", nil},
	{"attention_dropout", "dropout of the weights of the softmax", nil},
	{"ff_dropout", "dropout inside the feed-forward network", nil},
	{"norm_eps", "added to the variance of norms inside the layer; 0: the layer's default", nil},
	{"no_bias", "linear maps, or convolutions, without a bias", nil},
	{"no_attention_bias", "linear maps of the attention without a bias", nil},
	{"v_width", "features of values and gate of retention; 0: twice -d-model", nil},
	{"unscaled_keys", "keys of retention without the factor of one by the root of the features of a head", nil},
	{"window", "steps that a step of attention sees, itself included; 0: all", nil},
	{"ff", "width of the feed-forward network inside the layer; 0: the layer's default", nil},
	{"hidden", "features of the state, of ckconv inside the network of its kernels; 0: the layer's default", nil},
	{"layers", "recurrent layers, one on the output of the other; 0: 1", nil},
	{"relu", "max(v, 0) in place of tanh", nil},
	{"chunk", "steps in a chunk: of mega what a step sees at most, 0: 128, -1: all; of retention how it is computed alone", nil},
	{"z_dim", "features of queries and keys of mega (Z); 0: half of -d-model", nil},
	{"v_dim", "features of values of mega (V); 0: twice -d-model", nil},
	{"measure", "what the memory is of: legs, all of the past; legt or lmu, a window of it; empty: legs", nil},
	{"memory_size", "signals that the memory is of (M); 0: 1", nil},
	{"memory_order", "coefficients of each signal of the memory (N); 0: as many as features of the state", nil},
	{"step", "length of a step in windows of -measure legt or lmu; 0: 0.01", nil},
	{"update_order", "what a step of hippo-rnn updates first: the memory (code) or the state (paper)", words([]hippornn.Order{hippornn.Code, hippornn.Paper})},
	{"no_gate", "the state of hippo-rnn without a gate", nil},
	{"memory_to_signal", "let what is written to the memory depend on it", nil},
	{"hidden_to_hidden", "let the state enter its candidate and its gate", nil},
	{"lmu", "the cell of the Legendre memory unit", nil},
	{"reservoir", "features of the reservoir (R); 0: 4 times -d-model", nil},
	{"spectral_radius", "largest modulus of an eigenvalue of the reservoir's weights; 0: 0.9", nil},
	{"density", "probability that a weight of the reservoir is not 0; 0: 0.1", nil},
	{"leak", "part of the reservoir's state that is new at each step; 0: 1", nil},
	{"input_scale", "bound of the reservoir's weights of the input and of its biases; 0: 1", nil},
	{"kernel", "taps of a kernel; 0: the layer's default", nil},
	{"levels", "residual blocks of tcn; 0: 8", nil},
	{"depth", "convolutions of convnet in a row; 0: 2", nil},
	{"dilation", "steps from one tap to the next; 0: 1", nil},
	{"dilation_base", "taps of level i of tcn are this to the power of i steps apart; 0: 2", nil},
	{"groups", "parts into which conv1d cuts the features; 0: 1", nil},
	{"stride", "steps of the input for each of the output; in a block 1, as 0 is", nil},
	{"weight_norm", "learn direction and norm of the kernels of each output", nil},
	{"no_weight_norm", "learn the kernels of tcn themselves, not their norms and directions", nil},
	{"siren", "start the network of the kernels as the paper of ckconv intends, not as its code does", nil},
	{"omega_0", "factor of the angles inside the sines of ckconv; 0: 30", nil},
	{"follow_lr", "comma-separated `list` of dt, A, B (of longconv kernel) whose learning rate is that of -lr", nil},
}

// flagNames are the fields whose option has another name than they.
var flagNames = map[string]string{"lr": "lr-ssm"}

// general are the fields that options of all layers set.
var general = []string{"d_model", "in", "out", "norm", "prenorm", "dropout", bidirectional, same, causal, "frozen", "l_max", "max_len", "kind", "channels_last"}

func words[S ~string](list []S) []string {
	var all []string
	for _, s := range list {
		all = append(all, string(s))
	}
	return all
}

// inits lists the starts of all kinds.
func inits() []hippo.Init {
	var all []hippo.Init
	for _, s := range specials {
		for _, i := range s.inits {
			if !slices.Contains(all, i) {
				all = append(all, i)
			}
		}
	}
	return all
}

// flagName returns what the option of a field is called; "" if it has none.
func flagName(key string) string {
	if slices.Contains(general, key) {
		return ""
	}
	if name, ok := flagNames[key]; ok {
		return name
	}
	return strings.ReplaceAll(key, "_", "-")
}

// fieldFlag is an option that sets a field of the layer.
type fieldFlag struct {
	field
	flag    string
	takers  []string // the kinds that have the field
	usage   string
	choices []string
	mixer   *Mixer
	given   string // on the command line
}

// unknown is what help says of a field that only a layer from outside the library has.
const unknown = "%q of the layer's configuration"

// fieldFlags lists the options of the fields of all kinds: those of usages in their order,
// then others. taken says which names others have; such a field is -mixer-NAME.
func fieldFlags(m *Mixer, taken func(name string) bool) ([]*fieldFlag, error) {
	var all []*fieldFlag
	for _, k := range usages {
		all = append(all, &fieldFlag{field: field{key: k.key}, usage: k.usage, choices: k.choices})
	}
	for _, kind := range kindNames() {
		z, err := newMixer(kind)
		if err != nil {
			return nil, err
		}
		for _, f := range z.fields {
			if flagName(f.key) == "" {
				continue
			}
			i := slices.IndexFunc(all, func(g *fieldFlag) bool { return g.key == f.key })
			if i < 0 {
				i, all = len(all), append(all, &fieldFlag{field: f, usage: fmt.Sprintf(unknown, f.key)})
			}
			if all[i].typ == nil || kind == m.kind {
				all[i].field = f
			}
			all[i].takers = append(all[i].takers, kind)
		}
	}
	all = slices.DeleteFunc(all, func(f *fieldFlag) bool { return len(f.takers) == 0 })
	for _, f := range all {
		f.mixer, f.flag = m, flagName(f.key)
		if taken(f.flag) {
			f.flag = "mixer-" + f.flag
		}
	}
	return all, nil
}

// declare adds the option to a set.
func (f *fieldFlag) declare(fs *flag.FlagSet) {
	usage := f.usage
	if f.choices != nil {
		usage += ": `" + strings.Join(f.choices, ", ") + "`"
	}
	fs.Var(f, f.flag, usage)
}

// IsBoolFlag says whether the option stands for itself.
func (f *fieldFlag) IsBoolFlag() bool { return f.typ != nil && f.typ.Kind() == reflect.Bool }

// Arg names what the option takes, for help.
func (f *fieldFlag) Arg() string {
	switch f.typ.Kind() {
	case reflect.Bool:
		return ""
	case reflect.Slice:
		return "list"
	case reflect.Float32, reflect.Float64:
		return "float"
	case reflect.String:
		return "word"
	}
	return "int"
}

// String implements flag.Value.
func (f *fieldFlag) String() string {
	if f.mixer == nil {
		return ""
	}
	v := f.mixer.values[f.key]
	switch {
	case f.given != "" && !f.mixer.has(f.key):
		return f.given
	case len(v) == 0:
		return f.zero()
	case v[0] == '"':
		return f.mixer.text(f.key)
	case v[0] == '[':
		var list []any
		_ = json.Unmarshal(v, &list)
		return strings.Trim(strings.ReplaceAll(fmt.Sprint(list), " ", ","), "[]")
	}
	return string(v)
}

// zero returns a field that is not set.
func (f *fieldFlag) zero() string {
	switch f.typ.Kind() {
	case reflect.Bool:
		return "false"
	case reflect.String, reflect.Slice:
		return ""
	}
	return "0"
}

// Set implements flag.Value. An empty word is the default of the layer.
func (f *fieldFlag) Set(s string) error {
	if f.choices != nil && s != "" && !slices.Contains(f.choices, s) {
		return fmt.Errorf("want one of %s", strings.Join(f.choices, ", "))
	}
	f.given = s
	v, err := parseWord(s, f.typ)
	if err == nil && f.mixer.has(f.key) {
		f.mixer.put(f.key, v)
	}
	return err
}

// parseWord returns what a word of the command line says of a type.
func parseWord(s string, t reflect.Type) (any, error) {
	switch t.Kind() {
	case reflect.Bool:
		v, err := strconv.ParseBool(s)
		return v, parseError(err)
	case reflect.Int, reflect.Int64:
		v, err := strconv.Atoi(s)
		return v, parseError(err)
	case reflect.Float32, reflect.Float64:
		v, err := strconv.ParseFloat(s, 64)
		if err == nil && (v-v != 0) {
			return nil, fmt.Errorf("want a finite number")
		}
		return v, parseError(err)
	case reflect.Slice:
		return parseList(s, t.Elem())
	}
	return s, nil
}

// parseError is what the package flag says of it.
func parseError(err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("parse error")
}

func parseList(s string, t reflect.Type) (any, error) {
	var list []any
	if strings.TrimSpace(s) == "" {
		return list, nil
	}
	if t.Kind() == reflect.Int {
		s = strings.ReplaceAll(s, "x", ",") // 32x32
	}
	for _, item := range strings.Split(s, ",") {
		item = strings.TrimSpace(item)
		if item == "" {
			return nil, fmt.Errorf("want items separated by commas, got an empty one")
		}
		v, err := parseWord(item, t)
		if err != nil && t.Kind() == reflect.Int {
			err = fmt.Errorf("want whole numbers, got %q", item)
		}
		if err != nil {
			return nil, err
		}
		list = append(list, v)
	}
	return list, nil
}
