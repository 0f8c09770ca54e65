package listops_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/gorgonia-s4/s4/train/data"
	"github.com/gorgonia-s4/s4/train/data/listops"
)

func TestReadHub(t *testing.T) {
	d, err := listops.ReadHub(t.Context(), "testdata/hub")
	if err != nil {
		t.Fatal(err)
	}
	for i, want := range []struct{ first, n int }{{0, 7}, {20, 2}, {30, 3}} {
		s := d.All()[i]
		if s.Len() != want.n {
			t.Errorf("part %d: %d examples, want %d", i, s.Len(), want.n)
			continue
		}
		for j := range s.Len() {
			a, b := (want.first+j)%10, (want.first+j)*7%10
			if got, want := s.Source(j), fmt.Sprintf("( ( ( [MAX %d ) %d ) ] )", a, b); got != want || s.Target(j) != max(a, b) {
				t.Errorf("part %d, example %d: got %q with %d, want %q with %d", i, j, got, s.Target(j), want, max(a, b))
			}
		}
	}
	for i, want := range map[int]string{2: "train-00000-of-00002.parquet: row 2", 3: "train-00001-of-00002.parquet: row 0", 6: "train-00001-of-00002.parquet: row 3"} {
		if got := d.Train.Origin(i); got != "testdata/hub: data/"+want {
			t.Errorf("example %d is from %q, want %q", i, got, want)
		}
	}
	if d, err := listops.ReadHub(t.Context(), "testdata"); d != nil || err != nil {
		t.Errorf("no such files: got %v, %v", d, err)
	}
}

func TestRead(t *testing.T) {
	d, err := listops.Read(t.Context(), "testdata/hub", data.Room{})
	if err != nil || d.Train.Len() != 7 {
		t.Fatalf("Parquet: got %v, %v", d, err)
	}
	dir := t.TempDir()
	if err := d.WriteDir(dir); err != nil {
		t.Fatal(err)
	}
	if d, err := listops.Read(t.Context(), dir, data.Room{}); err != nil || d.Train.Len() != 7 || !strings.Contains(d.Train.Origin(0), "basic_train.tsv:2") {
		t.Errorf("published files: got %v, %v", d, err)
	}
	for dir, want := range map[string]string{"testdata/none": "basic_train.tsv: no such file", "testdata": "basic_train.tsv: no such file", "testdata/bad": "row 1: source: "} {
		if _, err := listops.Read(t.Context(), dir, data.Room{}); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: got error %v, want %q", dir, err, want)
		}
	}
}

// Both formats end with the context, and at the limit of the room, before what is wrong
// behind it.
func TestReadInRoom(t *testing.T) {
	d, err := listops.Read(t.Context(), "testdata/hub", data.Room{})
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	if err := d.WriteDir(dir); err != nil {
		t.Fatal(err)
	}
	f, err := os.OpenFile(filepath.Join(dir, "basic_train.tsv"), os.O_APPEND|os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := f.WriteString("damaged"); err != nil {
		t.Fatal(err)
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	for _, path := range []string{"testdata/hub", dir} {
		if d, err := listops.Read(t.Context(), path, data.Room{Limit: 2}); err != nil || d.Train.Len() != 2 || d.Test.Len() != 2 || d.Train.Source(1) != "( ( ( [MAX 1 ) 7 ) ] )" {
			t.Errorf("%s: a limit of 2: got %v, %v", path, d, err)
		}
		if _, err := listops.Read(ctx, path, data.Room{}); !errors.Is(err, context.Canceled) {
			t.Errorf("%s: cancelled: got error %v", path, err)
		}
	}
}

func TestReadHubErrors(t *testing.T) {
	for dir, want := range map[string]string{
		"none":    "no such file",
		"missing": "testdata/missing: want files test-*.parquet, got none",
		"empty":   "testdata/empty/train.parquet: no examples, want at least one",
		"bad":     "testdata/bad/train.parquet: row 1: source: expression is cut off: 1 lists are not closed",
		"values":  "testdata/values/train.parquet: row 0: target: want a digit 0 to 9, got 10",
	} {
		if _, err := listops.ReadHub(t.Context(), "testdata/"+dir); err == nil || !strings.HasPrefix(err.Error(), "listops: ") || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: got error %v, want %q", dir, err, want)
		}
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := listops.ReadHub(ctx, "testdata/hub"); !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled: got error %v", err)
	}
}
