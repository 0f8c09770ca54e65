package main

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"hash"
	"io"
	"io/fs"
	"os"
	"slices"

	"github.com/gorgonia-s4/s4/internal/atomicfile"
	"github.com/gorgonia-s4/s4/internal/strictjson"
	"github.com/gorgonia-s4/s4/layers"
	"github.com/gorgonia-s4/s4/models"
	"github.com/gorgonia-s4/s4/train/data/tokenizer"
)

// stateMagic begins a file of a state, in a line with a stateHead; the state follows as
// layers.State writes it.
const stateMagic = "wikitext state "

// maxState bounds a file of a state.
const maxState = 1 << 30

// stateHead says what a state is of.
type stateHead struct {
	Vocabulary string `json:"vocabulary"` // tokenizer.Fingerprint
	Model      string `json:"model"`      // sum of the configuration and the parameters
}

// head returns what states of the model are of.
func (t *trained) head() (stateHead, error) {
	print, err := tokenizer.Fingerprint(t.tokens)
	if err != nil {
		return stateHead{}, err
	}
	sum, err := sumOf(t.model)
	return stateHead{print, sum}, err
}

// sumOf returns a check sum of the configuration and the parameters of a model.
func sumOf(m *models.LanguageModel) (string, error) {
	h := sha256.New()
	if err := json.NewEncoder(h).Encode(m.Config()); err != nil {
		return "", err
	}
	for _, p := range m.Params() {
		fmt.Fprintln(h, p.Name)
		switch v := p.Node.Value().Data().(type) {
		case []float32:
			addNumbers(h, v)
		case []float64:
			addNumbers(h, v)
		}
	}
	return hex.EncodeToString(h.Sum(nil)), nil
}

// addNumbers adds numbers to a check sum, a few at a time.
func addNumbers[T float32 | float64](h hash.Hash, v []T) {
	for part := range slices.Chunk(v, 1<<12) {
		_ = binary.Write(h, binary.LittleEndian, part) // a hash takes all
	}
}

// saveState writes a state to a file, which it replaces as a whole.
func (t *trained) saveState(path string, x layers.State) error {
	of, err := t.head()
	if err != nil {
		return err
	}
	head, err := json.Marshal(of)
	if err != nil {
		return err
	}
	body, err := x.MarshalBinary()
	if err != nil {
		return err
	}
	return atomicfile.Write(path, 0o666, func(w io.Writer) error {
		_, err := fmt.Fprintf(w, "%s%s\n%s", stateMagic, head, body)
		return err
	})
}

// readState reads what saveState wrote; nil if there is no such file.
func (t *trained) readState(path string) (layers.State, error) {
	f, err := os.Open(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	defer f.Close()
	b, err := io.ReadAll(io.LimitReader(f, maxState+1))
	if err == nil && len(b) > maxState {
		err = fmt.Errorf("want at most %d bytes", maxState)
	}
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	of, err := t.head()
	if err != nil {
		return nil, err
	}
	x, err := decodeState(b, of)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return x, nil
}

// decodeState reads a state that is to be of a model.
func decodeState(b []byte, of stateHead) (layers.State, error) {
	line, body, ok := bytes.Cut(b, []byte{'\n'})
	text, is := bytes.CutPrefix(line, []byte(stateMagic))
	if !ok || !is {
		return nil, fmt.Errorf("want a state that generate has kept, which begins with %q", stateMagic)
	}
	var head stateHead
	if err := strictjson.Decode(text, &head); err != nil {
		return nil, err
	}
	switch {
	case head.Vocabulary != of.Vocabulary:
		return nil, fmt.Errorf("want a state of a model with the vocabulary %.16s, got one with %.16s", of.Vocabulary, head.Vocabulary)
	case head.Model != of.Model:
		return nil, errors.New("want a state of this model, got one of another")
	}
	var x layers.State
	err := x.UnmarshalBinary(body)
	return x, err
}
