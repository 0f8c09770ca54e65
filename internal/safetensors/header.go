package safetensors

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"strconv"
	"unicode/utf8"

	"github.com/gorgonia-s4/s4/internal/ending"
)

// parseHeader parses a header into its entries, in the order of the header,
// and the metadata. The numbers are not yet checked against each other.
//
// It walks the tokens rather than unmarshalling into structs because
// encoding/json lets repeated names overwrite each other and matches names
// without regard to case.
func parseHeader(header []byte) ([]entry, map[string]string, error) {
	if !utf8.Valid(header) {
		return nil, nil, errors.New("not UTF-8")
	}
	if !bytes.HasPrefix(header, []byte("{")) {
		return nil, nil, errors.New("want a JSON object that starts with the first byte")
	}
	p := parser{json.NewDecoder(bytes.NewReader(header))}
	p.dec.UseNumber()
	var entries []entry
	var metadata map[string]string
	err := p.object(func(name string) error {
		var err error
		if name == metadataKey {
			metadata, err = p.stringMap()
		} else {
			var e entry
			e, err = p.entry(name)
			entries = append(entries, e)
		}
		if err != nil {
			return fmt.Errorf("%q: %w", name, err)
		}
		return nil
	})
	if err != nil {
		return nil, nil, err
	}
	if _, err := p.dec.Token(); err != io.EOF {
		return nil, nil, errors.New("something other than spaces after the JSON object")
	}
	return entries, metadata, nil
}

// parser takes the tokens of the header one by one.
type parser struct{ dec *json.Decoder }

// token returns the next token; the header may not end before it.
func (p parser) token() (json.Token, error) {
	tok, err := p.dec.Token()
	return tok, ending.Unexpected(err)
}

// delim takes the token want.
func (p parser) delim(want json.Delim) error {
	tok, err := p.token()
	if err != nil {
		return err
	}
	if tok != want {
		return fmt.Errorf("want '%v', got %v", want, tok)
	}
	return nil
}

// object takes an object; member is called at every value with its name and
// takes the value. Names must differ.
func (p parser) object(member func(name string) error) error {
	if err := p.delim('{'); err != nil {
		return err
	}
	seen := make(map[string]bool)
	for p.dec.More() {
		name, err := p.string()
		if err != nil {
			return err
		}
		if seen[name] {
			return fmt.Errorf("more than one %q", name)
		}
		seen[name] = true
		if err := member(name); err != nil {
			return err
		}
	}
	return p.delim('}')
}

// string takes a string.
func (p parser) string() (string, error) {
	tok, err := p.token()
	if err != nil {
		return "", err
	}
	s, ok := tok.(string)
	if !ok {
		return "", fmt.Errorf("want a string, got %v", tok)
	}
	return s, nil
}

// integers takes an array of integers >= 0.
func (p parser) integers() ([]int64, error) {
	if err := p.delim('['); err != nil {
		return nil, err
	}
	ints := []int64{}
	for p.dec.More() {
		tok, err := p.token()
		if err != nil {
			return nil, err
		}
		num, ok := tok.(json.Number)
		if !ok {
			return nil, fmt.Errorf("want an integer, got %v", tok)
		}
		v, err := strconv.ParseUint(num.String(), 10, 63)
		if err != nil {
			return nil, fmt.Errorf("want an integer in [0, %d], got %s", int64(math.MaxInt64), num)
		}
		ints = append(ints, int64(v))
	}
	return ints, p.delim(']')
}

// stringMap takes an object of strings.
func (p parser) stringMap() (map[string]string, error) {
	m := make(map[string]string)
	err := p.object(func(name string) error {
		value, err := p.string()
		m[name] = value
		return err
	})
	return m, err
}

// entry takes what the header says of the tensor name.
func (p parser) entry(name string) (entry, error) {
	e := entry{name: name}
	var offsets []int64
	err := p.object(func(field string) error {
		switch field {
		case "dtype":
			name, err := p.string()
			if err != nil {
				return fmt.Errorf("dtype: %w", err)
			}
			e.dtype, err = dtypeNamed(name)
			return err
		case "shape":
			dims, err := p.integers()
			if err != nil {
				return fmt.Errorf("shape: %w", err)
			}
			e.shape = make([]int, len(dims))
			for i, d := range dims {
				if d > math.MaxInt {
					return fmt.Errorf("shape: want dimensions <= %d, got %d", math.MaxInt, d)
				}
				e.shape[i] = int(d)
			}
			return nil
		case "data_offsets":
			var err error
			offsets, err = p.integers()
			if err == nil && len(offsets) != 2 {
				err = fmt.Errorf("want 2 numbers, got %d", len(offsets))
			}
			if err != nil {
				return fmt.Errorf("data_offsets: %w", err)
			}
			e.begin, e.end = offsets[0], offsets[1]
			return nil
		default:
			return fmt.Errorf("unknown field %q", field)
		}
	})
	if err == nil && (e.dtype == nil || e.shape == nil || offsets == nil) {
		err = errors.New("want dtype, shape and data_offsets")
	}
	return e, err
}
