package torch

import (
	"archive/zip"
	"bytes"
	"encoding/binary"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
)

// member is a member of an archive.
type member struct {
	name string
	data []byte
}

// archive returns a zip archive, stored or compressed.
func archive(t testing.TB, method uint16, members ...member) []byte {
	t.Helper()
	var b bytes.Buffer
	w := zip.NewWriter(&b)
	for _, m := range members {
		f, err := w.CreateHeader(&zip.FileHeader{Name: m.name, Method: method})
		if err == nil {
			_, err = f.Write(m.data)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// saved returns a file of the zip format.
func saved(t testing.TB, pickle string, members ...member) []byte {
	t.Helper()
	return archive(t, zip.Store, append([]member{{"m/data.pkl", []byte(pickle)}, {"m/byteorder", []byte("little")}}, members...)...)
}

// What pickles are made of.
const (
	proto     = "\x80\x02"
	floatType = "ctorch\nFloatStorage\n"
	v2        = "ctorch._utils\n_rebuild_tensor_v2\n"
)

// text returns the instruction that pushes a string.
func text(s string) string {
	return "X" + string(binary.LittleEndian.AppendUint32(nil, uint32(len(s)))) + s
}

// tuple returns the instructions that push a tuple of integers.
func tuple(ints ...int) string {
	s := "("
	for _, i := range ints {
		s += "\x8a\x08" + string(binary.LittleEndian.AppendUint64(nil, uint64(i)))
	}
	return s + "t"
}

// number returns the instruction that pushes an integer.
func number(i int) string {
	return "\x8a\x08" + string(binary.LittleEndian.AppendUint64(nil, uint64(i)))
}

// storageOf returns the instructions that push a storage.
func storageOf(class, key string, n int) string {
	return "(" + text("storage") + class + text(key) + text("cpu") + number(n) + "tQ"
}

// view returns the instructions that push a tensor.
func view(storage string, offset int, sizes, strides string) string {
	return v2 + "(" + storage + number(offset) + sizes + strides + "\x89" + "}" + "tR"
}

// dictOf returns a pickle of a dict with one entry.
func dictOf(name, value string) string { return proto + "}" + text(name) + value + "s." }

// floats returns the bytes of numbers.
func floats(vs ...float32) []byte {
	var b []byte
	for _, v := range vs {
		b = binary.LittleEndian.AppendUint32(b, math.Float32bits(v))
	}
	return b
}

// load reads a file and all tensors of its dict.
func load(b []byte) (Dict, error) {
	f, err := Read(bytes.NewReader(b), int64(len(b)))
	if err != nil {
		return nil, err
	}
	d, ok := f.Root.(Dict)
	if !ok {
		return nil, fmt.Errorf("root is a %T", f.Root)
	}
	_, ts, _ := d.Tensors()
	return d, f.Load(ts...)
}

func TestViews(t *testing.T) {
	storage := storageOf(floatType, "0", 6)
	data := member{"m/data/0", floats(0, 1, 2, 3, 4, 5)}
	for want, v := range map[string]string{
		"[0 1 2 3 4 5]": view(storage, 0, tuple(2, 3), tuple(3, 1)),
		"[0 3 1 4 2 5]": view(storage, 0, tuple(3, 2), tuple(1, 3)),
		"[4 5]":         view(storage, 4, tuple(2), tuple(1)),
		"[1 1 1]":       view(storage, 1, tuple(3), tuple(0)),
		"[3]":           view(storage, 3, tuple(), tuple()),
		"[]":            view(storage, 99, tuple(2, 0), tuple(5, 1)),
		"[1 3 5]":       view(storage, 1, tuple(3, 1), tuple(2, 7)),
	} {
		d, err := load(saved(t, dictOf("a", v), data))
		if err != nil {
			t.Errorf("%s: %v", want, err)
			continue
		}
		if got := fmt.Sprint(d[0].Value.(*Tensor).Data); got != want {
			t.Errorf("got %s, want %s", got, want)
		}
	}
}

func TestElements(t *testing.T) {
	bytesOf := func(n int) []byte {
		b := make([]byte, n)
		for i := range b {
			b[i] = byte(0x3c + i%3)
		}
		return b
	}
	for class, size := range map[string]int{
		"FloatStorage": 4, "DoubleStorage": 8, "HalfStorage": 2, "BFloat16Storage": 2, "ComplexFloatStorage": 8, "ComplexDoubleStorage": 16,
		"LongStorage": 8, "IntStorage": 4, "ShortStorage": 2, "CharStorage": 1, "ByteStorage": 1, "BoolStorage": 1,
	} {
		raw := bytesOf(2 * size)
		d, err := load(saved(t, dictOf("a", view(storageOf("ctorch\n"+class+"\n", "0", 2), 0, tuple(2), tuple(1))), member{"m/data/0", raw}))
		if err != nil {
			t.Errorf("%s: %v", class, err)
			continue
		}
		x := d[0].Value.(*Tensor)
		n := 1
		for _, s := range x.Shape() {
			n *= s
		}
		if got := reflect.ValueOf(x.Data).Len(); got != n {
			t.Errorf("%s: %d elements of shape %v", class, got, x.Shape())
		}
		if x.Dtype() == "float64" && x.Data.([]float64)[1] != math.Float64frombits(binary.LittleEndian.Uint64(raw[8:])) {
			t.Errorf("%s: got %v", class, x.Data)
		}
	}
	// Of a type that its storage does not have.
	v3 := "ctorch._utils\n_rebuild_tensor_v3\n(" + storageOf("ctorch.storage\nUntypedStorage\n", "0", 8) + number(1) + tuple(1) + tuple(1) + "\x89}ctorch\nfloat32\ntR"
	d, err := load(saved(t, dictOf("a", v3), member{"m/data/0", floats(1, 7)}))
	if err != nil || fmt.Sprint(d[0].Value.(*Tensor).Data) != "[7]" {
		t.Errorf("got %v, %v", d, err)
	}
	// Conjugated and negated when it is read.
	lazy := func(key string) string {
		return v2 + "(" + storageOf("ctorch\nComplexFloatStorage\n", "0", 1) + number(0) + tuple(1) + tuple(1) + "\x89}}" + text(key) + "\x88stR"
	}
	for key, want := range map[string]string{"conj": "[1 -2]", "neg": "[-1 -2]", "other": "[1 2]"} {
		d, err := load(saved(t, dictOf("a", lazy(key)), member{"m/data/0", floats(1, 2)}))
		if err != nil || fmt.Sprint(d[0].Value.(*Tensor).Data) != want {
			t.Errorf("%s: got %v, %v", key, d[0].Value, err)
		}
	}
}

func TestObjects(t *testing.T) {
	p := proto + "}" +
		text("space") + "cargparse\nNamespace\n)\x81}" + text("lr") + "G\x3f\xf0\x00\x00\x00\x00\x00\x00sb" + "s" +
		text("self") + "]q\x01h\x01a" + "s" +
		text("default") + "ccollections\ndefaultdict\n(c__builtin__\nint\ntR" + text("k") + "K\x05ss" +
		text("any") + "ctyping\nAny\ns" +
		text("parameter") + "ctorch._tensor\n_rebuild_from_type_v2\n(ctorch._utils\n_rebuild_parameter\nctorch.nn.parameter\nParameter\n(" + view(storageOf(floatType, "0", 1), 0, tuple(1), tuple(1)) + "\x88}t}tRs."
	d, err := load(saved(t, p, member{"m/data/0", floats(3)}))
	if err != nil {
		t.Fatal(err)
	}
	space, _ := d.Get("space")
	if o := space.(*Object); o.Class != "argparse.Namespace" || fmt.Sprint(o.State) != "[{lr 1}]" {
		t.Errorf("got %+v", o)
	}
	if self, _ := d.Get("self"); fmt.Sprint(self) != "[<nil>]" {
		t.Errorf("what holds itself: got %v", self)
	}
	def, _ := d.Get("default")
	if o := def.(*Object); fmt.Sprint(o.Items) != "[{k 5}]" {
		t.Errorf("got %+v", o)
	}
	if x, _ := d.Get("parameter"); fmt.Sprint(x.(*Tensor).Data) != "[3]" {
		t.Errorf("got %v", x)
	}
}

func TestHostileFiles(t *testing.T) {
	one := member{"m/data/0", floats(1)}
	tensorOf := func(v string) []byte { return saved(t, dictOf("a", v), one) }
	storage := storageOf(floatType, "0", 1)
	good := tensorOf(view(storage, 0, tuple(1), tuple(1)))
	if _, err := load(good); err != nil {
		t.Fatal(err)
	}
	deep := proto + strings.Repeat("(", maxMarks+2)
	long := "\x8b" + string(binary.LittleEndian.AppendUint32(nil, 1<<20)) + strings.Repeat("\x01", 1<<20)
	bomb := archive(t, zip.Deflate, member{"m/data.pkl", []byte(dictOf("a", view(storageOf(floatType, "0", 1<<23), 0, tuple(1<<23), tuple(1))))}, member{"m/data/0", make([]byte, 4<<23)})
	for _, c := range []struct {
		want string
		file []byte
	}{
		{"the pickle names the class posix.system, which is not one of those that are read", saved(t, dictOf("a", "cposix\nsystem\n("+text("true")+"tR"))},
		{"the pickle names the class os.system", saved(t, dictOf("a", text("os")+text("system")+"\x93("+text("true")+"tR"))},
		{"the pickle names the class builtins.eval", saved(t, dictOf("a", "cbuiltins\neval\n("+text("1")+"tR"))},
		{"the pickle names the class subprocess.Popen", saved(t, dictOf("a", "(isubprocess\nPopen\n"))},
		{"the pickle names the class torch.nn.modules.linear.Linear, which is not one of those that are read: it holds a module", saved(t, dictOf("a", "ctorch.nn.modules.linear\nLinear\n)\x81"))},
		{"torch._utils._rebuild_sparse_tensor, which is not one of those that are read: tensors of this kind are not supported", saved(t, dictOf("a", "ctorch._utils\n_rebuild_sparse_tensor\n"))},
		{"the pickle names the class torch.QInt8Storage", saved(t, dictOf("a", storageOf("ctorch\nQInt8Storage\n", "0", 1)))},
		{"want at most 1024 open marks and 131072 objects", saved(t, deep)},
		{"want at most 1024 open marks and 131072 objects", saved(t, strings.Repeat("}0", maxObjects+1))},
		{"want objects in at most 1000 others", saved(t, strings.Repeat("]", maxDepth+3)+strings.Repeat("a", maxDepth+2)+".")},
		{"want a pickle of at most 524288 instructions", saved(t, proto+strings.Repeat("N0", maxOps/2+1))},
		{"want an integer of 1 to 64 bytes, got 1048576", saved(t, dictOf("a", long))},
		{"want an integer of 1 to 64 bytes, got 0", saved(t, dictOf("a", "\x8a\x00"))},
		{"want a line of at most 4096 bytes", saved(t, dictOf("a", "I"+strings.Repeat("1", maxLine)+"\n"))},
		{"want 4294967295 bytes, got the last 9 of the file: truncated", saved(t, proto+"X\xff\xff\xff\xff123456789")},
		{"want 1152921504606846976 bytes", saved(t, proto+"\x8e\x00\x00\x00\x00\x00\x00\x00\x10")},
		{"want 72057594037927935 bytes, got the last 1", saved(t, proto+"\x95\xff\xff\xff\xff\xff\xff\xff\x00.")},
		{"byte 2: the file ends before the pickle does: truncated", saved(t, proto)},
		{`instruction 'ÿ': not one of a pickle`, saved(t, "\xff")},
		{`instruction '\u0082': not one of a pickle`, saved(t, proto+"\x82\x01.")},
		{"pickle: damaged: runtime error: index out of range", saved(t, proto+"}(K\x01u.")},
		{"pickle: the stack is empty", saved(t, ".")},
		{"pickle: the meta stack is empty", saved(t, "t.")},
		{"pickle: damaged: hash of unhashable type", saved(t, "ccollections\nOrderedDict\n)RC\x01xNs.")},
		{"want elements inside storage \"0\", which has 1, got sizes [2], strides [1], offset 0", tensorOf(view(storage, 0, tuple(2), tuple(1)))},
		{"want elements inside storage \"0\", which has 1, got sizes [], strides [], offset 1", tensorOf(view(storage, 1, tuple(), tuple()))},
		{"want sizes and strides from 0, got sizes [-1]", tensorOf(view(storage, 0, tuple(-1), tuple(1)))},
		{"want sizes and strides from 0, got sizes [1], strides [-1]", tensorOf(view(storage, 0, tuple(1), tuple(-1)))},
		{"an offset from 0", tensorOf(view(storage, -1, tuple(1), tuple(1)))},
		{"want as many strides as sizes", tensorOf(view(storage, 0, tuple(1, 1), tuple(1)))},
		{"overflow", tensorOf(view(storage, 0, tuple(math.MaxInt, math.MaxInt), tuple(math.MaxInt, 1)))},
		{"overflow", tensorOf(view(storage, 0, tuple(math.MaxInt, math.MaxInt), tuple(0, 0)))},
		{"want at most 64 axes, got 65", tensorOf(view(storage, 0, tuple(make([]int, 65)...), tuple(make([]int, 65)...)))},
		{"bytes in all, 16 times those of the file, got more", tensorOf(view(storage, 0, tuple(1<<20), tuple(0)))},
		{"want a number of elements that fits into the file, got 1073741824 of float32", tensorOf(view(storageOf(floatType, "0", 1<<30), 0, tuple(1), tuple(1)))},
		{"want a number of elements that fits into the file, got -1", tensorOf(view(storageOf(floatType, "0", -1), 0, tuple(1), tuple(1)))},
		{`zip: member "m/data/0": want the 8 bytes of 2 elements of float32, got 4`, tensorOf(view(storageOf(floatType, "0", 2), 0, tuple(1), tuple(1)))},
		{`zip: want a member "m/data/x", got none`, tensorOf(view(storageOf(floatType, "x", 1), 0, tuple(1), tuple(1)))},
		{`zip: want a member "m/data/../0", got none`, tensorOf(view(storageOf(floatType, "../0", 1), 0, tuple(1), tuple(1)))},
		{"want 1 elements of float32 as before, got 1 of float64", tensorOf(view(storage, 0, tuple(1), tuple(1)) + "0" + view(storageOf("ctorch\nDoubleStorage\n", "0", 1), 0, tuple(1), tuple(1)))},
		{"want a reference to a storage of 5 parts, got 1", tensorOf("(" + text("storage") + "tQ")},
		{"want a tuple that says which storage is meant, got a string", tensorOf(text("storage") + "Q")},
		{"want the class, key and size of a storage", tensorOf("(" + text("storage") + "NNNNtQ")},
		{"tensor: want a storage and an offset, got <nil> and <nil>", tensorOf(v2 + "(NN))\x89}tR")},
		{"tensor: want a tuple of integers, got <nil>", tensorOf(v2 + "(" + storage + "K\x00NN\x89}tR")},
		{"tensor: want 6 arguments, got 1", tensorOf(v2 + "(NtR")},
		{"want a number of elements that fits into the file", bomb},
		{`zip: want one member data.pkl`, archive(t, zip.Store, member{"a/data.pkl", []byte("N.")}, member{"b/data.pkl", []byte("N.")})},
		{`zip: more than one member "data.pkl"`, archive(t, zip.Store, member{"data.pkl", []byte("N.")}, member{"data.pkl", []byte("N.")})},
		{"zip: want a member data.pkl", archive(t, zip.Store, member{"x", nil})},
		{"a TorchScript archive", archive(t, zip.Store, member{"m/data.pkl", []byte("N.")}, member{"m/constants.pkl", nil})},
		{`want byte order little, got "big"`, archive(t, zip.Store, member{"m/data.pkl", []byte("N.")}, member{"m/byteorder", []byte("big")})},
		{`zip: member "m/byteorder": want at most 16 bytes, got 17`, archive(t, zip.Store, member{"m/data.pkl", []byte("N.")}, member{"m/byteorder", make([]byte, 17)})},
		{"zip: not a valid zip file", good[:len(good)-30]},
		{`zip: member "m/data.pkl": zip: checksum error`, bytes.Replace(good, []byte(text("a")), []byte(text("b")), 1)},
		{`want a file of torch.save`, []byte("{}")},
		{`want a file of torch.save`, nil},
	} {
		if d, err := load(c.file); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("got %v, error %v, want %q", d, err, c.want)
		}
	}
}

// legacy returns a file of the legacy format of a dict with one tensor.
func legacy(value string, keys string, storages []byte) []byte {
	return []byte(strings.Join([]string{proto + "\x8a\x0al\xfc\x9cF\xf9 j\xa8P\x19.", proto + "M\xe9\x03.", proto + "}" + text("little_endian") + "\x88s.", dictOf("a", value), proto + keys + ".", string(storages)}, ""))
}

// legacyStorage is storageOf in the legacy format.
func legacyStorage(key string, n int) string {
	return "(" + text("storage") + floatType + text(key) + text("cpu") + number(n) + "NtQ"
}

// prefixed returns the elements of a storage in the legacy format.
func prefixed(n uint64, data []byte) []byte {
	return append(binary.LittleEndian.AppendUint64(nil, n), data...)
}

func TestLegacyFiles(t *testing.T) {
	v := view(legacyStorage("k", 2), 0, tuple(2), tuple(1))
	keys := "]" + text("k") + "a"
	good := legacy(v, keys, prefixed(2, floats(4, 5)))
	d, err := load(good)
	if err != nil || fmt.Sprint(d[0].Value.(*Tensor).Data) != "[4 5]" {
		t.Fatalf("got %v, %v", d, err)
	}
	for n := range good {
		if _, err := load(good[:n]); err == nil {
			t.Errorf("cut to %d bytes: no error", n)
		}
	}
	// An empty tuple in a tuple twice, that in another twice, and so on: 2^40 of them.
	many := ")q\x000"
	for i := range byte(40) {
		many += "h" + string([]byte{i}) + "h" + string([]byte{i}) + "\x86q" + string([]byte{i + 1}) + "0"
	}
	many += "h\x28"
	for want, file := range map[string][]byte{
		`want version 1001 of the legacy format, got a []interface {}`:               bytes.Replace(good, []byte("M\xe9\x03"), []byte(many), 1),
		`keys of the storages: want those of the tensors, got a []interface {}`:      legacy(v, "]"+many+"a", nil),
		`storage "k": byte 199: want 2 elements, got 3`:                              legacy(v, keys, prefixed(3, floats(4, 5, 6))),
		`want 8 bytes, got the last 4 of the file: truncated`:                        legacy(v, keys, prefixed(2, floats(4))),
		`keys of the storages: want those of the tensors, got x`:                     legacy(v, "]"+text("x")+"a", nil),
		`keys of the storages: want a list, got a string`:                            legacy(v, text("x"), nil),
		`storage "k": want it in the list of storages, got none`:                     legacy(v, "]", nil),
		`storage "k": a view of another one`:                                         legacy(strings.Replace(v, "NtQ", ")tQ", 1), keys, nil),
		`object, byte`:                                                               legacy("cos\nsystem\n", keys, nil),
		`system: want byte order little, got big`:                                    bytes.Replace(good, []byte("\x88s."), []byte("\x89s."), 1),
		`want version 1001 of the legacy format, got 1002`:                           bytes.Replace(good, []byte("M\xe9\x03"), []byte("M\xea\x03"), 1),
		`want the magic number of torch.save`:                                        bytes.Replace(good, []byte("\x0al\xfc"), []byte("\x0am\xfc"), 1),
		`want a number of elements that fits into the file, got 4611686018427387904`: legacy(view(legacyStorage("k", 1<<62), 0, tuple(2), tuple(1)), keys, nil),
	} {
		if d, err := load(file); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got %v, error %v, want %q", d, err, want)
		}
	}
}

// files are the small checkpoints that are tested elsewhere.
func files(f *testing.F) [][]byte {
	paths, err := filepath.Glob("../../models/statespaces/testdata/checkpoints/*/model.*")
	if err != nil || len(paths) == 0 {
		f.Fatalf("want checkpoints, got none, %v", err)
	}
	var all [][]byte
	for _, p := range paths {
		b, err := os.ReadFile(p)
		if err != nil {
			f.Fatal(err)
		}
		all = append(all, b)
	}
	return all
}

// checkBound checks that what was read of a file is within its bound.
func checkBound(t *testing.T, d Dict, size int) {
	t.Helper()
	_, ts, _ := d.Tensors()
	total := 0
	for _, x := range ts {
		if v := reflect.ValueOf(x.Data); v.IsValid() {
			total += v.Len()
		}
	}
	if int64(total) > maxBytes(int64(size)) {
		t.Errorf("%d elements from %d bytes", total, size)
	}
}

// FuzzFile reads whole files.
func FuzzFile(f *testing.F) {
	for _, b := range files(f) {
		f.Add(b)
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		d, err := load(b)
		if err == nil {
			checkBound(t, d, len(b))
		}
	})
}

// FuzzPickle reads the zip format around a pickle.
func FuzzPickle(f *testing.F) {
	storage := storageOf(floatType, "0", 4)
	f.Add([]byte(dictOf("a", view(storage, 0, tuple(2, 2), tuple(2, 1)))))
	f.Add([]byte(dictOf("a", "cargparse\nNamespace\n)\x81}"+text("lr")+"K\x01sb")))
	f.Add([]byte(dictOf("a", "ccopy_reg\n_reconstructor\n(cargparse\nNamespace\nc__builtin__\nobject\nNtR")))
	f.Add([]byte("ccollections\nOrderedDict\n)R(" + text("a") + view(storage, 1, tuple(3), tuple(1)) + text("b") + "Nu."))
	f.Add([]byte("\x80\x04\x95\x05\x00\x00\x00\x00\x00\x00\x00]\x94(K\x01K\x02e\x8f\x94(K\x01\x90\x91."))
	f.Add([]byte("carray\n_array_reconstructor\n(carray\narray\nX\x01\x00\x00\x00iK\x08C\x04\x01\x00\x00\x00tR."))
	for _, b := range files(f) {
		r, err := zip.NewReader(bytes.NewReader(b), int64(len(b)))
		if err != nil {
			continue // legacy
		}
		m, err := r.Open("model/data.pkl")
		if err != nil {
			f.Fatal(err)
		}
		var p bytes.Buffer
		if _, err := p.ReadFrom(m); err != nil {
			f.Fatal(err)
		}
		f.Add(p.Bytes())
	}
	f.Fuzz(func(t *testing.T, p []byte) {
		b := saved(t, string(p), member{"m/data/0", floats(1, 2, 3, 4)})
		d, err := load(b)
		if err == nil {
			checkBound(t, d, len(b))
		}
	})
}
