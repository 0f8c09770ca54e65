package layers

import (
	"bytes"
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"sync"

	G "gorgonia.org/gorgonia"
	"gorgonia.org/tensor"

	"github.com/gorgonia-s4/s4/internal/strictjson"
)

// Config is what layers of one kind are made from: a struct, as a rule one that
// encoding/json can encode, whose zero values are defaults.
type Config interface {
	// Validate reports the first field that is out of range.
	Validate() error
	// Build makes the layer. It is called on a configuration that is valid.
	Build(b *Builder) (Layer, error)
}

// New makes a layer of any configuration on graph g, with parameters of type dt
// (float32 or float64). Its name is the kind of the configuration in lower case
// unless an option says otherwise.
func New(g *G.ExprGraph, dt tensor.Dtype, cfg Config, opts ...Option) (Layer, error) {
	return newLayer[Layer](g, dt, cfg, opts)
}

// newLayer is New for a configuration whose layers are of type L.
func newLayer[L Layer](g *G.ExprGraph, dt tensor.Dtype, cfg Config, opts []Option) (L, error) {
	b := newBuilder(g, dt, cfg, opts)
	l, err := build(b, cfg)
	if err != nil {
		var none L
		return none, err
	}
	return as[L](b, l)
}

// Mixer is a layer that maps sequences to sequences, (B, In, L) to (B, Out, L):
// what a Block holds. A type of another package is one as well as those here. It
// is made by a MixerConfig.
//
// What else a mixer can do are interfaces of their own, asked for where they are
// needed: [Stateful], [Stepper], [Kernels], [Systems].
type Mixer interface {
	Layer
	// FwdLengths is Fwd for sequences padded on the right, of which the first
	// lengths[b] steps of row b count. lengths is (B) of dtype int, or nil. What
	// is behind them is not read, neither in the forward nor in the backward pass:
	// a Block has zeros there.
	FwdLengths(x, lengths *G.Node) (*G.Node, error)
}

// MixerConfig is what mixers of one kind are made from: the layer that it builds
// is a Mixer. RegisterMixer gives it a name in JSON.
type MixerConfig interface {
	Config
	// Features returns the number of features of input and output.
	Features() (in, out int)
}

// Freezable is a MixerConfig that can say which parameters are not learned, as
// WithFrozen asks for.
type Freezable interface {
	MixerConfig
	// WithFrozen returns the configuration with these parameters frozen and no
	// others.
	WithFrozen(names ...string) MixerConfig
}

// Stateful is a mixer that can go on from a state and returns the last one.
type Stateful interface {
	// StateShapes describes the state of a batch: the tensors in order. There is
	// none if the layer has no state, as Linear, or if it cannot go on from one as
	// it is configured, which FwdState then reports.
	StateShapes(batch int) []StateShape
	// FwdState is Fwd for a sequence that goes on from a state: x0 is the state
	// before the first step of x, in the order of StateShapes, or nil for the start
	// of a sequence, and x1 that after the last step. Gradients go through both.
	FwdState(x *G.Node, x0 G.Nodes) (y *G.Node, x1 G.Nodes, err error)
}

// Kernels is a mixer that is a convolution of each feature with kernels of its own. One of
// images, or of all pairs of features, is none.
type Kernels interface {
	// Kernel adds the kernels for a sequence length to the graph, (CH, H, L).
	Kernel(seqLen int) (*G.Node, error)
}

// Systems is a mixer that is a set of linear systems.
type Systems interface {
	// System returns a kernel, in [0, CH), of a feature, in [0, H), as a linear
	// system.
	System(kernel, feature int) (*System, error)
}

// ability returns a layer as an interface of what it can do. what names it in the
// error.
func ability[I any](l Layer, what string) (I, error) {
	a, ok := l.(I)
	if !ok {
		return a, fmt.Errorf("layer %q, a %T, cannot %s: it has no %v", l.Name(), l, what, reflect.TypeFor[I]())
	}
	return a, nil
}

// mixers is the registry of kinds.
var mixers = struct {
	sync.RWMutex
	decode map[string]func(text []byte) (MixerConfig, error)
	kinds  map[reflect.Type]string
}{decode: map[string]func([]byte) (MixerConfig, error){}, kinds: map[reflect.Type]string{}}

// kindKey is the field of a mixer in JSON that names its kind.
const kindKey = "kind"

// hasKind says whether a struct has a field that is kindKey in JSON, in which case
// does not count.
func hasKind(t reflect.Type) bool {
	for _, f := range reflect.VisibleFields(t) {
		name, _, _ := strings.Cut(f.Tag.Get("json"), ",")
		if f.IsExported() && strings.EqualFold(cmp.Or(name, f.Name), kindKey) {
			return true
		}
	}
	return false
}

// RegisterMixer gives the configuration type C, a struct, a name in JSON: there a
// configuration of a block has "mixer": {"kind": name, ...} with the fields of C.
// It is called once, from an init function as a rule. A name or a type that is
// taken is an error. A configuration is found in JSON as a C, also where it was
// given as a pointer to one.
func RegisterMixer[C MixerConfig](kind string) error {
	t := reflect.TypeFor[C]()
	mixers.Lock()
	defer mixers.Unlock()
	switch {
	case kind == "":
		return errors.New("layers: RegisterMixer: want a name, got an empty one")
	case t.Kind() != reflect.Struct:
		return fmt.Errorf("layers: RegisterMixer %q: want a struct, got %v", kind, t)
	case hasKind(t):
		return fmt.Errorf("layers: RegisterMixer %q: want a struct without a field %q in JSON, which is the name of the kind, got %v", kind, kindKey, t)
	case mixers.decode[kind] != nil:
		return fmt.Errorf("layers: RegisterMixer: there is a kind %q already", kind)
	case mixers.kinds[t] != "":
		return fmt.Errorf("layers: RegisterMixer %q: %v is of kind %q already", kind, t, mixers.kinds[t])
	}
	mixers.kinds[t] = kind
	mixers.decode[kind] = func(text []byte) (MixerConfig, error) {
		var cfg C
		err := decodeFields(text, &cfg)
		return cfg, err
	}
	return nil
}

// MixerKinds lists the names of the registered kinds.
func MixerKinds() []string {
	mixers.RLock()
	defer mixers.RUnlock()
	var names []string
	for name := range mixers.decode {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}

func init() {
	for _, err := range []error{
		RegisterMixer[S4Config]("s4"), RegisterMixer[S4DConfig]("s4d"), RegisterMixer[DSSConfig]("dss"),
		RegisterMixer[LSSLConfig]("lssl"), RegisterMixer[S5Config]("s5"), RegisterMixer[S4NDConfig]("s4nd"), RegisterMixer[LRUConfig]("lru"), RegisterMixer[LinearConfig]("linear"),
		RegisterMixer[FeedForwardConfig]("feedforward"),
		RegisterMixer[LSTMConfig]("lstm"), RegisterMixer[GRUConfig]("gru"), RegisterMixer[RNNConfig]("rnn"), RegisterMixer[HiPPORNNConfig]("hippo-rnn"), RegisterMixer[ESNConfig]("esn"),
		RegisterMixer[Conv1DConfig]("conv1d"), RegisterMixer[TCNConfig]("tcn"), RegisterMixer[ConvNetConfig]("convnet"), RegisterMixer[LongConvConfig]("longconv"), RegisterMixer[MambaConfig]("mamba"), RegisterMixer[CKConvConfig]("ckconv"), RegisterMixer[CKBlockConfig]("ckblock"),
		RegisterMixer[AttentionConfig]("attention"), RegisterMixer[PositionConfig]("position"), RegisterMixer[TransformerConfig]("transformer"),
		RegisterMixer[RetentionConfig]("retention"), RegisterMixer[RetNetConfig]("retnet"),
		RegisterMixer[EMAConfig]("ema"), RegisterMixer[MegaAttentionConfig]("mega-attention"), RegisterMixer[MegaConfig]("mega"),
	} {
		if err != nil {
			panic(err)
		}
	}
}

// mixerJSON is a MixerConfig as an object with its kind.
type mixerJSON struct{ MixerConfig }

// MarshalJSON implements json.Marshaler.
func (m mixerJSON) MarshalJSON() ([]byte, error) {
	if isNil(m.MixerConfig) {
		return []byte("null"), nil
	}
	mixers.RLock()
	kind := mixers.kinds[structOf(m.MixerConfig)]
	mixers.RUnlock()
	if kind == "" {
		return nil, fmt.Errorf("layers: a mixer configuration of type %T has no kind: register it with RegisterMixer", m.MixerConfig)
	}
	fields, err := json.Marshal(m.MixerConfig)
	if err != nil {
		return nil, err
	}
	name, err := json.Marshal(kind)
	if err != nil {
		return nil, err
	}
	rest, ok := bytes.CutPrefix(fields, []byte("{"))
	if !ok {
		return nil, fmt.Errorf("layers: want a mixer configuration of kind %q to be an object in JSON, got %.40s", kind, fields)
	}
	out := append([]byte(`{"`+kindKey+`":`), name...)
	if len(rest) > 1 {
		return append(append(out, ','), rest...), nil
	}
	return append(out, '}'), nil
}

// UnmarshalJSON implements json.Unmarshaler.
func (m *mixerJSON) UnmarshalJSON(text []byte) error {
	if string(text) == "null" {
		m.MixerConfig = nil
		return nil
	}
	var head struct {
		Kind string `json:"kind"`
	}
	if err := json.Unmarshal(text, &head); err != nil {
		return fmt.Errorf("mixer: %w", err)
	}
	mixers.RLock()
	decode := mixers.decode[head.Kind]
	mixers.RUnlock()
	if decode == nil {
		return fmt.Errorf("mixer: want a kind, one of %s, got %q", strings.Join(MixerKinds(), ", "), head.Kind)
	}
	cfg, err := decode(text)
	if err != nil {
		return fmt.Errorf("mixer of kind %q: %w", head.Kind, err)
	}
	m.MixerConfig = cfg
	return nil
}

// decodeFields decodes an object into cfg, which has all its fields but the kind.
func decodeFields(text []byte, cfg any) error {
	var fields map[string]json.RawMessage
	if err := json.Unmarshal(text, &fields); err != nil {
		return err
	}
	delete(fields, kindKey)
	rest, err := json.Marshal(fields)
	if err != nil {
		return err
	}
	return strictjson.Decode(rest, cfg)
}
