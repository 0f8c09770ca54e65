package data

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"fmt"
	"io"
	"os"
)

// Form is what a path leads to, told by what is there and not by its name.
type Form int

// The forms.
const (
	Other Form = iota // a file of none of the other forms
	Folder
	Tar
	TarGzip
	Zip
	Parquet
	Gzip // a compressed file that is no archive
)

// String returns "a folder", "a tar", ...
func (f Form) String() string {
	switch f {
	case Other:
		return "another file"
	case Folder:
		return "a folder"
	case Tar:
		return "a tar"
	case TarGzip:
		return "a tar.gz"
	case Zip:
		return "a zip"
	case Parquet:
		return "a Parquet file"
	case Gzip:
		return "a gzip of something other than a tar"
	}
	return fmt.Sprintf("Form(%d)", int(f))
}

// Archive says whether Walk walks through the form: a folder, a tar, a tar.gz or a
// zip.
func (f Form) Archive() bool { return f == Folder || f == Tar || f == TarGzip || f == Zip }

// FormOf returns the form of what path leads to. What is neither a folder nor a
// regular file is an error.
func FormOf(path string) (Form, error) {
	info, err := os.Stat(path)
	if err != nil {
		return Other, err
	}
	if info.IsDir() {
		return Folder, nil
	}
	form := Other
	err = ReadFile(path, func(r io.Reader, _ int64) error {
		form = formOf(bufio.NewReader(r))
		return nil
	})
	return form, err
}

// formOf returns the form of a file by its first bytes, which it leaves unread
// unless they are of a gzip.
func formOf(r *bufio.Reader) Form {
	start, _ := r.Peek(tarBlock) // what there is, if it is shorter
	switch {
	case isTar(start):
		return Tar
	case bytes.HasPrefix(start, []byte("\x1f\x8b")):
		return gzipForm(r)
	case bytes.HasPrefix(start, []byte("PK\x03\x04")), bytes.HasPrefix(start, []byte("PK\x05\x06")):
		return Zip
	case bytes.HasPrefix(start, []byte("PAR1")):
		return Parquet
	}
	return Other
}

// gzipForm returns whether a gzip is that of a tar. A damaged one counts as such:
// who reads it says what is wrong with it.
func gzipForm(r io.Reader) Form {
	z, err := gzip.NewReader(r)
	if err != nil {
		return TarGzip
	}
	start, err := io.ReadAll(io.LimitReader(z, tarBlock))
	if err != nil || isTar(start) {
		return TarGzip
	}
	return Gzip
}

// The header of a member of a tar.
const (
	tarBlock      = 512
	tarSum        = 148 // where its checksum is: octal digits, then NUL or a blank
	tarSumDigits  = 8
	tarMagicStart = 257
)

// isTar says whether a block is the first of a tar: a header whose checksum is right.
func isTar(block []byte) bool {
	if len(block) < tarBlock {
		return false
	}
	want := 0
	for _, c := range bytes.Trim(block[tarSum:tarSum+tarSumDigits], " \x00") {
		if c < '0' || c > '7' {
			return false
		}
		want = want*8 + int(c-'0')
	}
	got := tarSumDigits * int(' ') // what stands for the checksum in its sum
	for i, c := range block[:tarBlock] {
		if i < tarSum || i >= tarSum+tarSumDigits {
			got += int(c)
		}
	}
	return got == want || string(block[tarMagicStart:tarMagicStart+5]) == "ustar"
}
