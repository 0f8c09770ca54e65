package golden

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestDefaultSet(t *testing.T) {
	cs, err := Default()
	if err != nil {
		t.Fatal(err)
	}
	files, err := filepath.Glob("testdata/*.tar.gz")
	if err != nil {
		t.Fatal(err)
	}
	sum := 0
	for _, name := range files {
		of, err := Open(name)
		if err != nil {
			t.Fatal(err)
		}
		if filepath.Base(name) == "golden.tar.gz" && len(of) != 184 {
			t.Errorf("%s: got %d cases, want 184", name, len(of))
		}
		sum += len(of)
	}
	if len(cs) != sum {
		t.Fatalf("got %d cases, want %d, those of %d files", len(cs), sum, len(files))
	}
	c := Cases(t, "s4d_kernel")[0]
	if c.Name != "s4d_00_zoh_H1_N4_L8" || c.Int("L", 0) != 8 || c.String("disc") != "zoh" {
		t.Fatalf("unexpected first case %s: L=%d disc=%q", c.Name, c.Int("L", 0), c.String("disc"))
	}
	if k := c.F(t, "K"); len(k) != 8 {
		t.Fatalf("K has %d elements, want 8", len(k))
	}
}

// npy returns the bytes of an array with the given header and body.
func npy(header string, body int) []byte {
	d := append([]byte("\x93NUMPY\x01\x00"), byte(len(header)), byte(len(header)>>8))
	return append(append(d, header...), make([]byte, body)...)
}

func TestOpenDirectory(t *testing.T) {
	dir := t.TempDir()
	if err := os.Mkdir(filepath.Join(dir, "case"), 0o755); err != nil {
		t.Fatal(err)
	}
	if _, err := Open(dir); err == nil || !strings.Contains(err.Error(), "no case") {
		t.Errorf("empty set: got error %v", err)
	}
	a := filepath.Join(dir, "case", "a.npy")
	if err := os.WriteFile(a, npy("{'descr': '<f8', 'fortran_order': False, 'shape': (2, 3), }", 48), 0o644); err != nil {
		t.Fatal(err)
	}
	if _, err := Open(dir); err == nil || !strings.Contains(err.Error(), "no meta.json") {
		t.Errorf("no meta.json: got error %v", err)
	}
	if err := os.WriteFile(filepath.Join(dir, "case", "meta.json"), []byte(`{"kind":"k","L":3}`), 0o644); err != nil {
		t.Fatal(err)
	}
	cs, err := Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	if len(cs) != 1 || cs[0].Kind != "k" || len(cs[0].Arrays["a"].F) != 6 {
		t.Errorf("got %+v", cs[0])
	}
}

func TestParseNPYRefusesDamage(t *testing.T) {
	for name, d := range map[string][]byte{
		"empty":     nil,
		"magic":     []byte("NUMPY 12345"),
		"header":    npy("{'descr': '<f8', 'fortran_order': False, 'shape': (2, 3), }", 48)[:20],
		"dtype":     npy("{'descr': '<f4', 'fortran_order': False, 'shape': (2, 3), }", 24),
		"order":     npy("{'descr': '<f8', 'fortran_order': True, 'shape': (2, 3), }", 48),
		"truncated": npy("{'descr': '<f8', 'fortran_order': False, 'shape': (2, 3), }", 47),
		"long":      npy("{'descr': '<f8', 'fortran_order': False, 'shape': (2, 3), }", 56),
		"huge":      npy("{'descr': '<f8', 'fortran_order': False, 'shape': (9000000000, 9000000000), }", 8),
	} {
		if _, err := ParseNPY(d); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
}

func TestMetadataOfAnotherTypeIsAnError(t *testing.T) {
	c := &Case{Name: "x", Meta: map[string]any{"L": 8.5, "H": 3.0, "disc": "zoh", "rate": nil}}
	if v, err := c.Integer("H"); v != 3 || err != nil {
		t.Errorf("integer: got %d, %v", v, err)
	}
	if v, err := c.Number("L"); v != 8.5 || err != nil {
		t.Errorf("number: got %g, %v", v, err)
	}
	if v, err := c.Text("disc"); v != "zoh" || err != nil {
		t.Errorf("string: got %q, %v", v, err)
	}
	if v := c.Int("L", 7); v != 7 {
		t.Errorf("Int of 8.5: got %d, want the default", v)
	}
	_, fraction := c.Integer("L")
	_, text := c.Integer("disc")
	_, null := c.Number("rate")
	_, absent := c.Number("N")
	_, number := c.Text("H")
	for want, err := range map[string]error{
		`want "L" an integer, got 8.5`:      fraction,
		`want "disc" an integer, got "zoh"`: text,
		`want "rate" a number, got null`:    null,
		`want "N" a number, got none`:       absent,
		`want "H" a string, got 3`:          number,
	} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got error %v, want one with %q", err, want)
		}
	}
}
