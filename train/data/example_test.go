package data_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/gorgonia-s4/s4/train/data"
)

// check ends an Example with an error.
func check(errs ...error) {
	if err := errors.Join(errs...); err != nil {
		log.Fatal(err)
	}
}

// A loader of one's own: a folder or an archive of text files, one number in each line,
// is read once, and kept in the cache of the room.
func ExampleLoad() {
	dir, err := os.MkdirTemp("", "data")
	check(err)
	defer os.RemoveAll(dir)
	check(os.WriteFile(filepath.Join(dir, "a.txt"), []byte("1\n2\n"), 0o644), os.WriteFile(filepath.Join(dir, "b.txt"), []byte("\ufeff3\n"), 0o644))
	ctx, room := context.Background(), data.Room{Cache: filepath.Join(dir, "cache"), Limit: 2}
	checksum, err := room.Checksum(ctx, dir) // what the data depend on
	check(err)

	read := func() ([]int64, error) {
		var numbers []int64
		meter := room.Meter("read", 0)
		defer meter.Close()
		err := data.Walk(ctx, dir, data.Limits{Files: 10, File: 1 << 20}, func(m data.Member) error {
			if filepath.Ext(m.Name) != ".txt" {
				return nil
			}
			_, err := data.Lines(meter.Reader(m), 100, func(line int, text []byte) error {
				v, err := strconv.ParseInt(string(text), 10, 64)
				numbers = append(numbers, v)
				meter.Add(1)
				return err
			})
			return err
		})
		return numbers, err
	}
	load := func() []int64 {
		numbers, err := data.Load(room.Keep("numbers", "2", checksum), data.Kept[[]int64]{
			Make: func() ([]int64, error) { fmt.Println("made"); return read() },
			Save: func(d []int64) []data.Tensor { return []data.Tensor{{Name: "x", Shape: []int{len(d)}, Data: d}} },
			Restore: func(ts []data.Tensor) ([]int64, error) {
				return data.Elements[int64](ts, "x")
			},
		})
		check(err)
		return numbers[:room.Limited(len(numbers))]
	}
	fmt.Println(load(), load())
	var cache data.Cache = room.Keep("numbers", "2", checksum)
	fmt.Println(cache.Name, len(checksum))
	// Output:
	// made
	// [1 2] [1 2]
	// numbers 64
}

// Splits of any data, of which one is held out, and many examples decoded in parallel.
func ExampleSplits() {
	rest, held := data.HoldOut(10, 0.2, 1)
	parts := data.Splits[[]int]{Train: rest, Val: held, Test: []int{10, 11}}
	doubled, err := data.Map(parts, func(part []int) ([]int, error) {
		twice := make([]int, len(part))
		return twice, data.Each(context.Background(), len(part), func(i int) error {
			twice[i] = 2 * part[i]
			return nil
		})
	})
	check(err)
	for i, part := range doubled.All() {
		fmt.Println(data.SplitNames[i], len(part))
	}
	fmt.Println(doubled.Test)
	// Output:
	// train 8
	// val 2
	// test 2
	// [20 22]
}

// What a path leads to, and errors that say where they are.
func ExampleFormOf() {
	dir, err := os.MkdirTemp("", "data")
	check(err)
	defer os.RemoveAll(dir)
	file := filepath.Join(dir, "a.csv")
	check(os.WriteFile(file, []byte("\ufeff1\nx\n"), 0o644))
	for _, path := range []string{dir, file} {
		form, err := data.FormOf(path)
		check(err)
		switch form {
		case data.Folder, data.Tar, data.TarGzip, data.Zip:
			fmt.Println("walked through:", form.Archive())
		case data.Gzip, data.Parquet, data.Other:
			fmt.Println("one file:", !form.Archive())
		}
	}
	err = data.ReadFile(file, func(r io.Reader, size int64) error {
		text, err := data.Text(r).ReadString('\n')
		fmt.Printf("%q %v\n", text, err)
		return &data.LineError{Line: 2, Err: errors.New("want a number, got x")}
	})
	fmt.Println(strings.TrimPrefix(err.Error(), dir+string(filepath.Separator)))
	sum, err := data.Checksum(context.Background(), file)
	check(err)
	fmt.Println(sum[:8])
	// Output:
	// walked through: true
	// one file: true
	// "1\n" <nil>
	// a.csv:2: want a number, got x
	// 83e04efb
}
