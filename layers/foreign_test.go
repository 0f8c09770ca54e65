package layers_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"

	G "gorgonia.org/gorgonia"
	"gorgonia.org/tensor"

	"github.com/gorgonia-s4/s4/layers"
	"github.com/gorgonia-s4/s4/param"
)

// foreignConfig makes a mixer of another package, whose methods are the functions
// that it has; where one is nil, the method does what it should.
type foreignConfig struct {
	features []int
	build    func(b *layers.Builder, l *foreign) (layers.Layer, error)
	validate func() error

	fwd      func(x *G.Node) (*G.Node, error)
	state    func(x *G.Node) (*G.Node, G.Nodes, error)
	snapshot func() (layers.Snapshot, error)
	session  func(batch int) (layers.Session, error)
	step     func(u *tensor.Dense) (*tensor.Dense, error)
}

func (c foreignConfig) Validate() error {
	if c.validate != nil {
		return c.validate()
	}
	return nil
}

func (c foreignConfig) Features() (in, out int) {
	if c.features != nil {
		return c.features[0], c.features[1]
	}
	return 2, 2
}

func (c foreignConfig) Build(b *layers.Builder) (layers.Layer, error) {
	l := &foreign{c: c}
	if c.build != nil {
		return c.build(b, l)
	}
	var err error
	l.Base, err = b.Done()
	return l, err
}

type foreign struct {
	*layers.Base
	c foreignConfig
}

func (l *foreign) Fwd(x *G.Node) (*G.Node, error) { return l.FwdLengths(x, nil) }

func (l *foreign) FwdLengths(x, _ *G.Node) (*G.Node, error) {
	if l.c.fwd != nil {
		return l.c.fwd(x)
	}
	return G.Tanh(x)
}

func (l *foreign) StateShapes(batch int) []layers.StateShape {
	return []layers.StateShape{{Name: "s", Shape: tensor.Shape{batch, 2}}}
}

func (l *foreign) FwdState(x *G.Node, x0 G.Nodes) (*G.Node, G.Nodes, error) {
	if l.c.state != nil {
		return l.c.state(x)
	}
	return x, x0, nil
}

func (l *foreign) Snapshot() (layers.Snapshot, error) {
	if l.c.snapshot != nil {
		return l.c.snapshot()
	}
	return l, nil
}

func (l *foreign) NewSession(batch int) (layers.Session, error) {
	if l.c.session != nil {
		return l.c.session(batch)
	}
	return &foreignSession{c: l.c, state: layers.State{{Name: "s", Value: floats(batch, 2)}}}, nil
}

// foreignSession hands out its own state, which no session should.
type foreignSession struct {
	c     foreignConfig
	state layers.State
}

func (s *foreignSession) Step(u *tensor.Dense) (*tensor.Dense, error) {
	if s.c.step != nil {
		return s.c.step(u)
	}
	return u, nil
}

func (s *foreignSession) State() layers.State { return s.state }
func (s *foreignSession) Reset()              {}

func (s *foreignSession) SetState(x layers.State) error {
	if len(x) != 1 || x[0].Name != "s" || !x[0].Value.Shape().Eq(s.state[0].Value.Shape()) {
		return fmt.Errorf("want a state %q", "s")
	}
	copy(s.state[0].Value.Float64s(), x[0].Value.Float64s())
	return nil
}

func floats(shape ...int) *tensor.Dense {
	return tensor.New(tensor.WithShape(shape...), tensor.Of(tensor.Float64))
}

// errorSays reports an error that does not say what is wanted.
func errorSays(t *testing.T, what string, err error, want string) {
	t.Helper()
	if err == nil || !strings.Contains(err.Error(), want) {
		t.Errorf("%s: got error %v, want %q", what, err, want)
	}
}

// What a foreign mixer does wrong when it is made is an error that names it.
func TestForeignBuilds(t *testing.T) {
	other := func(name string) func(b *layers.Builder, l *foreign) (layers.Layer, error) {
		return func(b *layers.Builder, l *foreign) (layers.Layer, error) {
			return layers.New(b.Graph(), b.Dtype(), layers.NormConfig{DModel: 2}, layers.WithName(name))
		}
	}
	made := func(f func(b *layers.Builder)) func(b *layers.Builder, l *foreign) (layers.Layer, error) {
		return func(b *layers.Builder, l *foreign) (_ layers.Layer, err error) {
			f(b)
			l.Base, err = b.Done()
			return l, err
		}
	}
	one := func() *tensor.Dense { return floats(1) }
	for want, c := range map[string]foreignConfig{
		`layers: foreign "block.layer": a panic at foreign_test.go:`:                        {build: func(*layers.Builder, *foreign) (layers.Layer, error) { panic("as asked for") }},
		`layers: foreign "block.layer": as asked for`:                                       {build: func(*layers.Builder, *foreign) (layers.Layer, error) { return nil, errors.New("as asked for") }},
		`to return a layer named "block.layer", which embeds what Done returned, got <nil>`: {build: func(*layers.Builder, *foreign) (layers.Layer, error) { return nil, nil }},
		`named "block.layer", which embeds what Done returned, got *layers_test.foreign`:    {build: func(*layers.Builder, *foreign) (layers.Layer, error) { return (*foreign)(nil), nil }},
		`got *layers.Norm`: {build: other("elsewhere")},
		`want a mixer, which has FwdLengths, got a *layers.Dropout`:                          {build: func(b *layers.Builder, l *foreign) (layers.Layer, error) { return layers.DropoutConfig{}.Build(b) }},
		`want a mixer with at least 1 feature, got layers_test.foreignConfig with -3`:        {features: []int{-3, -3}},
		`a block keeps its 2 features`:                                                       {features: []int{2, 3}},
		`layers: Block "block": a panic at foreign_test.go:`:                                 {validate: func() error { panic(1) }},
		`want a shape of at least one axis, none shorter than 1, got ()`:                     {build: made(func(b *layers.Builder) { b.Param("w", param.Hint{}, layers.Ones) })},
		`block.layer.w: want a shape of at least one axis, none shorter than 1, got (2, -1)`: {build: made(func(b *layers.Builder) { b.Param("w", param.Hint{}, layers.Ones, 2, -1) })},
		`want at most 2147483647 elements in block.layer.w`:                                  {build: made(func(b *layers.Builder) { b.Param("w", param.Hint{}, layers.Ones, 1<<30, 1<<30) })},
		`parameter "block.layer.w": want an Init, got nil`:                                   {build: made(func(b *layers.Builder) { b.Param("w", param.Hint{}, nil, 2) })},
		`want a name of the parameter or buffer, got an empty one`:                           {build: made(func(b *layers.Builder) { b.Param("", param.Hint{}, layers.Ones, 2) })},
		`Child: want a name, got an empty one`:                                               {build: made(func(b *layers.Builder) { _, _ = b.Child("", layers.DropoutConfig{}) })},
		`layers: Layer "block.layer.in": want a configuration, got nil`:                      {build: made(func(b *layers.Builder) { _, _ = b.Child("in", nil) })},
		`layers: Layer "block.layer.pointer": want a configuration, got nil`:                 {build: made(func(b *layers.Builder) { _, _ = b.Child("pointer", (*layers.S4DConfig)(nil)) })},
		`buffer "block.layer.v": want a function that makes it, got nil`:                     {build: made(func(b *layers.Builder) { b.Buffer("v", nil, 1) })},
		`block.layer.v: want shape (1), got ()`:                                              {build: made(func(b *layers.Builder) { b.Buffer("v", func() *tensor.Dense { return nil }, 1) })},
		`block.layer.v: want shape (3), got (1)`:                                             {build: made(func(b *layers.Builder) { b.Buffer("v", one, 3) })},
		`block.layer.v: want a row-major tensor of float32, float64, int64 or int, got bool of shape (1`: {build: made(func(b *layers.Builder) {
			b.Buffer("v", func() *tensor.Dense { return tensor.New(tensor.WithShape(1), tensor.Of(tensor.Bool)) }, 1)
		})},
		`want parameters and buffers of different names, got "block.layer.v" twice`: {build: made(func(b *layers.Builder) { b.Buffer("v", one, 1); b.Buffer("v", one, 1) })},
		`want parameters and buffers of different names, got "block.layer.w" twice`: {build: made(func(b *layers.Builder) { b.Param("w", param.Hint{}, layers.Ones, 1); b.Buffer("w", one, 1) })},
	} {
		_, err := layers.NewBlock(G.NewGraph(), tensor.Float64, layers.BlockConfig{Mixer: c})
		errorSays(t, "NewBlock", err, want)
	}
	_, err := (foreignConfig{}).Build(&layers.Builder{})
	errorSays(t, "the zero Builder", err, "want one that New, Child or Clone made")
	_, err = layers.New(G.NewGraph(), tensor.Float64, nil)
	errorSays(t, "no configuration", err, "want a configuration, got nil")
	_, err = layers.NewBlock(G.NewGraph(), tensor.Float64, layers.BlockConfig{Mixer: (*layers.S4DConfig)(nil)})
	errorSays(t, "a nil pointer", err, "want a Mixer, got none")
}

// A layer that embeds one of this package is not what the configuration of that
// makes.
func TestCloneOfAnEmbeddedLayer(t *testing.T) {
	s4d, err := layers.NewS4D(G.NewGraph(), tensor.Float64, layers.S4DConfig{DModel: 2})
	if err != nil {
		t.Fatal(err)
	}
	type mine struct{ *layers.S4D }
	_, err = layers.Clone(&mine{s4d}, G.NewGraph())
	errorSays(t, "Clone", err, "want its Build to return a *layers_test.mine, got a *layers.S4D")
}

// What a foreign mixer does wrong in a graph is an error that names its block.
func TestForeignMixersInAGraph(t *testing.T) {
	input := func(b *layers.Block) *G.Node {
		return G.NewTensor(b.Params()[0].Node.Graph(), tensor.Float64, 3, G.WithShape(1, 2, 3), G.WithName("x"))
	}
	for want, c := range map[string]foreignConfig{
		`layers: Block "block": Fwd: a panic at foreign_test.go:`:                 {fwd: func(*G.Node) (*G.Node, error) { panic(1) }},
		`layers: Block "block": Fwd: as asked for`:                                {fwd: func(*G.Node) (*G.Node, error) { return nil, errors.New("as asked for") }},
		`to keep shape and dtype, (1, 2, 3) of float64, got (3, 2, 1) of float64`: {fwd: func(x *G.Node) (*G.Node, error) { return G.Transpose(x, 2, 1, 0) }},
	} {
		b, err := layers.NewBlock(G.NewGraph(), tensor.Float64, layers.BlockConfig{Mixer: c})
		if err != nil {
			t.Fatal(err)
		}
		_, err = b.Fwd(input(b))
		errorSays(t, "Fwd", err, want)
	}
	away := G.NewMatrix(G.NewGraph(), tensor.Float64, G.WithShape(1, 2), G.WithName("s"))
	state := func(s ...*G.Node) foreignConfig {
		return foreignConfig{state: func(x *G.Node) (*G.Node, G.Nodes, error) { return x, s, nil }}
	}
	for want, c := range map[string]foreignConfig{
		`layers: Block "block": FwdState: a panic at foreign_test.go:`:                                       {state: func(*G.Node) (*G.Node, G.Nodes, error) { panic(1) }},
		`want the state x1 that a *layers_test.foreign returns to have 1 tensors, as its StateShapes, got 0`: state(),
		`want the state x1 that a *layers_test.foreign returns to have nodes, got nil for "s"`:               state(nil),
		`on the graph of the input, got "s" on another`:                                                      state(away),
		`want "s" of the state x1 that a *layers_test.foreign returns to be (1, 2), got (1, 2, 3)`:           {state: func(x *G.Node) (*G.Node, G.Nodes, error) { return x, G.Nodes{x}, nil }},
		`layers: Block "block": Fwd: want its mixer, a *layers_test.foreign, to return a node, got nil`:      {state: func(x *G.Node) (*G.Node, G.Nodes, error) { return nil, G.Nodes{G.Must(G.Sum(x, 2))}, nil }},
	} {
		b, err := layers.NewBlock(G.NewGraph(), tensor.Float64, layers.BlockConfig{Mixer: c})
		if err != nil {
			t.Fatal(err)
		}
		_, _, err = b.FwdState(input(b), nil)
		errorSays(t, "FwdState", err, want)
	}
	b, err := layers.NewBlock(G.NewGraph(), tensor.Float64, layers.BlockConfig{Mixer: foreignConfig{}})
	if err != nil {
		t.Fatal(err)
	}
	x := input(b)
	_, _, err = b.FwdState(x, G.Nodes{x, x})
	errorSays(t, "two states", err, "want the state x0 to have 1 tensors, as its StateShapes, got 2")
	_, _, err = b.FwdState(x, G.Nodes{x})
	errorSays(t, "a misshapen state", err, `want "s" of the state x0 to be (1, 2), got (1, 2, 3)`)
}

// What a foreign mixer does wrong when it steps is an error, and the state of the
// other layers stays what it was.
func TestForeignSteps(t *testing.T) {
	returns := func(y *tensor.Dense) foreignConfig {
		return foreignConfig{step: func(*tensor.Dense) (*tensor.Dense, error) { return y, nil }}
	}
	for want, c := range map[string]foreignConfig{
		`layers: Block "stack.0": Recurrence: a panic at foreign_test.go:`:                                     {snapshot: func() (layers.Snapshot, error) { panic(1) }},
		`want Snapshot of a *layers_test.foreign to return a snapshot, got nil`:                                {snapshot: func() (layers.Snapshot, error) { return nil, nil }},
		`want NewSession of a *layers_test.foreign to return a session, got nil`:                               {session: func(int) (layers.Session, error) { return nil, nil }},
		`layers: Block "stack.0": Recurrence: a panic at`:                                                      {session: func(int) (layers.Session, error) { panic(1) }},
		`layers: Block "stack.0": Step: want its mixer to return (1, 2) of dtype float64, contiguous, got nil`: returns(nil),
		`got (2, 1) of dtype float64`:                                                                          returns(floats(2, 1)),
		`got (1, 3) of dtype float64`:                                                                          returns(floats(1, 3)),
		`contiguous, got (1, 2) of dtype float32`:                                                              returns(tensor.New(tensor.WithShape(1, 2), tensor.Of(tensor.Float32))),
	} {
		stack, err := layers.NewStack(G.NewGraph(), tensor.Float64, layers.StackConfig{Blocks: []layers.BlockConfig{{Mixer: c}}})
		if err != nil {
			t.Fatal(err)
		}
		r, err := stack.Recurrence(1)
		if err == nil {
			_, err = r.Step(floats(1, 2))
		}
		errorSays(t, "step", err, want)
	}
	r, err := layers.NewRecurrence(&foreign{c: returns(nil)}, 1)
	if err != nil {
		t.Fatal(err)
	}
	_, _, err = layers.ScanStates(r, floats(1, 2, 3))
	errorSays(t, "ScanStates", err, "want steps (1, features) of dtype float64, contiguous, got nil")

	// A session that hands out its own state finds it as it was.
	stack, err := layers.NewStack(G.NewGraph(), tensor.Float64, layers.StackConfig{Repeat: 2, Blocks: []layers.BlockConfig{{Mixer: foreignConfig{}}}})
	if err != nil {
		t.Fatal(err)
	}
	if r, err = stack.Recurrence(1); err != nil {
		t.Fatal(err)
	}
	for range 3 {
		s := r.State()
		if err := r.SetState(s); err != nil {
			t.Fatal(err)
		}
	}
	good := r.State().Clone()
	changed := good.Clone()
	changed[0].Value.Float64s()[0] = 1
	changed[1].Value = floats(1, 3)
	if err := r.SetState(changed); err == nil {
		t.Error("a misshapen state is no error")
	}
	if got := r.State()[0].Value.Float64s()[0]; got != 0 {
		t.Errorf("a state that was refused has been taken: %v", got)
	}
}

// Zero and nil values are errors wherever one can be returned.
func TestZeroValuesOfStates(t *testing.T) {
	var r layers.Recurrence
	_, err := r.Step(floats(1, 2))
	errorSays(t, "Step", err, "want one that NewRecurrence or Fork made")
	_, err = r.Fork(1)
	errorSays(t, "Fork", err, "want one that NewRecurrence or Fork made")
	errorSays(t, "Refresh", r.Refresh(), "want one that NewRecurrence or Fork made")
	errorSays(t, "SetState", r.SetState(nil), "want one that NewRecurrence or Fork made")

	view, err := floats(2, 4).Slice(nil, G.S(0, 2))
	if err != nil {
		t.Fatal(err)
	}
	scalar := tensor.New(tensor.FromScalar(1.0))
	made, err := layers.NewRecurrence(&foreign{}, 2)
	if err != nil {
		t.Fatal(err)
	}
	for want, v := range map[string]*tensor.Dense{
		"s: want a tensor (B, ...), got nil":                        nil,
		"s: want a tensor (B, ...), got () of dtype float64":        scalar,
		"s: want a contiguous row-major tensor, got strides [4  1]": view.(*tensor.Dense),
	} {
		want = strings.ReplaceAll(want, "[4  1]", "[4 1]")
		s := layers.State{{Name: "s", Value: v}}
		if n := s.Clone().Batch(); v != view && n != 0 {
			t.Errorf("%s: %d rows", want, n)
		}
		_, err := s.MarshalBinary()
		errorSays(t, "MarshalBinary", err, want)
		_, err = layers.JoinStates(s, s)
		errorSays(t, "JoinStates", err, want)
		_, err = s.Split(1, 1)
		errorSays(t, "Split", err, want)
		errorSays(t, "SetState", made.SetState(s), want)
	}
	_, err = layers.State{{Name: "s", Value: floats(2)}, {Name: "s", Value: floats(2)}}.MarshalBinary()
	errorSays(t, "two of one name", err, `tensor "s": more than one of this name`)
	_, err = layers.State{{Name: "a", Value: floats(2)}, {Name: "b", Value: floats(3)}}.Split(1, 1)
	errorSays(t, "different batches", err, "b: want sizes of 3 rows in all")
}

// The largest stack that a configuration may have is made, copied and stepped.
func TestLargestStack(t *testing.T) {
	cfg := layers.StackConfig{Repeat: layers.MaxBlocks, Blocks: []layers.BlockConfig{{Mixer: layers.LinearConfig{In: 1, Out: 1}}}}
	s, err := layers.NewStack(G.NewGraph(), tensor.Float32, cfg)
	if err != nil {
		t.Fatal(err)
	}
	if _, err = s.CloneTo(G.NewGraph()); err != nil {
		t.Fatal(err)
	}
	r, err := s.Recurrence(1)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := r.Step(tensor.New(tensor.WithShape(1, 1), tensor.Of(tensor.Float32))); err != nil {
		t.Fatal(err)
	}
	if n := len(s.Blocks()); n != layers.MaxBlocks {
		t.Errorf("want %d blocks, got %d", layers.MaxBlocks, n)
	}
}

// Configurations that a registry cannot keep, and JSON that means nothing.
func TestForeignKinds(t *testing.T) {
	errorSays(t, "a pointer", layers.RegisterMixer[*foreignConfig]("foreign"), `RegisterMixer "foreign": want a struct, got *layers_test.foreignConfig`)
	type kind struct {
		foreignConfig
		Sort string `json:"Kind"`
	}
	errorSays(t, "a field named kind", layers.RegisterMixer[kind]("foreign"), `want a struct without a field "kind" in JSON`)
	if err := registerText(); err != nil {
		t.Fatal(err)
	}
	_, err := json.Marshal(layers.BlockConfig{Mixer: textConfig{}})
	errorSays(t, "a text", err, `want a mixer configuration of kind "text" to be an object in JSON, got "text"`)
	pointer, err1 := json.Marshal(layers.BlockConfig{Mixer: &layers.LinearConfig{In: 1, Out: 1}})
	value, err2 := json.Marshal(layers.BlockConfig{Mixer: layers.LinearConfig{In: 1, Out: 1}})
	if err1 != nil || err2 != nil || string(pointer) != string(value) {
		t.Errorf("a pointer is %s, %v, a value %s, %v", pointer, err1, value, err2)
	}
	for text, want := range map[string]string{
		`{"blocks":[{"mixer":null}]}`: "StackConfig: BlockConfig: want a Mixer, got none",
		`{"blocks":[null]}`:           "StackConfig: BlockConfig: want a Mixer, got none",
		`{"blocks":[]}`:               "want at least one of Blocks",
		`{"blocks":[{"mixer":{"kind":"linear","in":1,"out":1}}],"nom":"x"}`: `unknown field "nom"`,
		`{"blocks":[{"mixer":{"kind":"linear","in":-1,"out":-1}}]}`:         "LinearConfig: want In >= 1, got -1",
	} {
		var c layers.StackConfig
		err := json.Unmarshal([]byte(text), &c)
		if err == nil {
			_, err = layers.NewStack(G.NewGraph(), tensor.Float64, c)
		}
		errorSays(t, text, err, want)
	}
}

// textConfig is a text in JSON.
type textConfig struct{ foreignConfig }

// registerText gives it a kind once, however often the tests run.
var registerText = sync.OnceValue(func() error { return layers.RegisterMixer[textConfig]("text") })

func (textConfig) MarshalText() ([]byte, error) { return []byte("text"), nil }
