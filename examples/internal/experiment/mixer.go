package experiment

import (
	"encoding/json"
	"errors"
	"reflect"
	"slices"
	"strings"
	"sync"

	"github.com/gorgonia-s4/s4/layers"
)

// Mixer is the configuration of a sequence layer of any kind that the registry of
// package layers knows, by the keys that its fields have in JSON. In JSON it is the
// object that a block of a stack has as its mixer: {"kind": "s4d", "d_model": 64}.
type Mixer struct {
	kind   string
	fields []field
	values map[string]json.RawMessage // of the keys that are set
}

// field is a field of a configuration that one word can set.
type field struct {
	key  string // in JSON
	name string // in Go
	typ  reflect.Type
}

// zeros holds what newMixer has made, by kind.
var zeros sync.Map

// newMixer returns the configuration of a kind whose fields are all 0.
func newMixer(kind string) (Mixer, error) {
	if z, ok := zeros.Load(kind); ok {
		m := z.(Mixer)
		return m.clone(), nil
	}
	var m Mixer
	text, err := json.Marshal(map[string]string{"kind": kind})
	if err == nil {
		err = m.UnmarshalJSON(text)
	}
	if err == nil {
		zeros.Store(kind, m.clone())
	}
	return m, err
}

// UnmarshalJSON implements json.Unmarshaler. A field that the kind does not have is
// an error.
func (m *Mixer) UnmarshalJSON(text []byte) error {
	cfg, err := decodeMixer(text)
	if err != nil {
		return err
	}
	return m.set(cfg)
}

// decodeMixer reads a configuration in JSON.
func decodeMixer(text []byte) (layers.MixerConfig, error) {
	if !json.Valid(text) {
		return nil, errors.New("want an object in JSON")
	}
	var b layers.BlockConfig
	if err := json.Unmarshal([]byte(`{"mixer":`+string(text)+`}`), &b); err != nil {
		return nil, err
	}
	if b.Mixer == nil {
		return nil, errors.New("want an object, got null")
	}
	return b.Mixer, nil
}

// encodeMixer writes a configuration in JSON, with its kind.
func encodeMixer(cfg layers.MixerConfig) (json.RawMessage, error) {
	text, err := json.Marshal(layers.BlockConfig{Mixer: cfg})
	if err != nil {
		return nil, err
	}
	var b struct {
		Mixer json.RawMessage `json:"mixer"`
	}
	return b.Mixer, json.Unmarshal(text, &b)
}

// set makes m the configuration cfg.
func (m *Mixer) set(cfg layers.MixerConfig) error {
	text, err := encodeMixer(cfg)
	if err != nil {
		return err
	}
	var head struct {
		Kind string `json:"kind"`
	}
	var values map[string]json.RawMessage
	if err := errors.Join(json.Unmarshal(text, &head), json.Unmarshal(text, &values)); err != nil {
		return err
	}
	delete(values, "kind")
	*m = Mixer{kind: head.Kind, fields: fieldsOf(cfg), values: values}
	for key, v := range values {
		if isZero(v) {
			delete(values, key)
		}
	}
	return nil
}

// isZero says whether a value in JSON is what a field that is not set has.
func isZero(v json.RawMessage) bool {
	return slices.Contains([]string{"0", `""`, "false", "null", "[]"}, string(v))
}

// MarshalJSON implements json.Marshaler. The fields are in the order of the
// configuration's.
func (m Mixer) MarshalJSON() ([]byte, error) {
	cfg, err := m.Config()
	if err != nil {
		return nil, err
	}
	return encodeMixer(cfg)
}

// Config returns the configuration.
func (m *Mixer) Config() (layers.MixerConfig, error) {
	all := map[string]any{"kind": m.kind}
	for key, v := range m.values {
		all[key] = v
	}
	text, err := json.Marshal(all)
	if err != nil {
		return nil, err
	}
	return decodeMixer(text)
}

// Kind returns the name of the kind.
func (m *Mixer) Kind() string { return m.kind }

// has says whether the kind has a field.
func (m *Mixer) has(key string) bool { return m.find(key) != nil }

func (m *Mixer) find(key string) *field {
	for i := range m.fields {
		if m.fields[i].key == key {
			return &m.fields[i]
		}
	}
	return nil
}

// put sets a field, if the kind has it, to a value that encodes as what it takes. 0
// unsets it.
func (m *Mixer) put(key string, v any) {
	if !m.has(key) {
		return
	}
	text, err := json.Marshal(v)
	if err != nil || isZero(text) {
		delete(m.values, key)
		return
	}
	m.values[key] = text
}

// integer, text and truth return a field, or 0 if it is not set.
func (m *Mixer) integer(key string) int { return get[int](m, key) }
func (m *Mixer) text(key string) string { return get[string](m, key) }
func (m *Mixer) truth(key string) bool  { return get[bool](m, key) }

func get[T any](m *Mixer, key string) (v T) {
	_ = json.Unmarshal(m.values[key], &v) // what is of another type reads as 0
	return v
}

// clone returns a configuration that shares nothing with m.
func (m *Mixer) clone() Mixer {
	c := *m
	c.values = make(map[string]json.RawMessage)
	for k, v := range m.values {
		c.values[k] = v
	}
	return c
}

// features returns the number of features.
func (m *Mixer) features() int { return max(m.integer("d_model"), m.integer("in")) }

// setFeatures sets the number of features of input and output.
func (m *Mixer) setFeatures(n int) {
	for _, key := range []string{"d_model", "in", "out"} {
		m.put(key, n)
	}
}

// The keys by which the kinds say whether a step sees those after it.
const (
	bidirectional = "bidirectional"
	same          = "same"
	causal        = "causal" // the contrary
)

// looksAhead says whether a step can see those after it, and whether it does.
func (m *Mixer) looksAhead() (can, does bool) {
	switch {
	case m.has(bidirectional):
		return true, m.truth(bidirectional)
	case m.has(same):
		return true, m.truth(same)
	case m.has(causal):
		return true, !m.truth(causal)
	}
	return false, false
}

// lookAhead lets a step see those after it, or not.
func (m *Mixer) lookAhead(v bool) {
	switch {
	case m.has(bidirectional):
		m.put(bidirectional, v)
	case m.has(same):
		m.put(same, v)
	default:
		m.put(causal, !v)
	}
}

// fieldsOf lists the fields of a configuration that a word can set: numbers, words,
// yes or no, and lists of them. It follows encoding/json in what their keys are.
func fieldsOf(cfg layers.MixerConfig) []field {
	t := reflect.TypeOf(cfg)
	if t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	var fs []field
	for _, f := range reflect.VisibleFields(t) {
		name, _, _ := strings.Cut(f.Tag.Get("json"), ",")
		switch {
		case !f.IsExported() || name == "-" || f.Anonymous && name == "":
			continue
		case name == "":
			name = f.Name
		}
		if settable(f.Type) && !slices.ContainsFunc(fs, func(g field) bool { return g.key == name }) {
			fs = append(fs, field{name, f.Name, f.Type})
		}
	}
	return fs
}

// settable says whether a word can set a value of a type.
func settable(t reflect.Type) bool {
	switch t.Kind() {
	case reflect.Bool, reflect.Int, reflect.Int64, reflect.Float32, reflect.Float64, reflect.String:
		return true
	case reflect.Slice:
		return t.Elem().Kind() == reflect.String || t.Elem().Kind() == reflect.Int
	}
	return false
}
