package data

import (
	"archive/tar"
	"archive/zip"
	"bufio"
	"compress/gzip"
	"fmt"
	"io"
	"os"

	"github.com/gorgonia-s4/s4/internal/ending"
)

// maxTail is the most bytes behind the end of a compressed tar: what its writer
// fills its last record with.
const maxTail = 16 << 20

// tar walks through the files of a tar.
func (w *walk) tar(zipped bool) error {
	file, err := os.Open(w.path)
	if err != nil {
		return err
	}
	defer file.Close()
	var r io.Reader = bufio.NewReaderSize(contextReader{w.ctx, file}, 1<<20)
	if zipped {
		if r, err = gzip.NewReader(r); err != nil {
			return w.at("", ending.Unexpected(err))
		}
	}
	last := "" // member, for errors behind it
	for t := tar.NewReader(r); ; {
		h, err := t.Next()
		if err == io.EOF {
			return w.tail(r)
		}
		if err != nil {
			return w.at(last, fmt.Errorf("the next member: %w", ending.Unexpected(err)))
		}
		last = h.Name
		if err := w.tarMember(h, t); err != nil {
			return err
		}
	}
}

// tail reads what is behind the end of a tar: the end of a gzip has a checksum.
func (w *walk) tail(r io.Reader) error {
	n, err := io.Copy(io.Discard, io.LimitReader(r, maxTail+1))
	if err == nil && n > maxTail {
		err = fmt.Errorf("want at most %d bytes behind the end of the tar, got more", maxTail)
	}
	if err != nil {
		return w.at("", ending.Unexpected(err))
	}
	return nil
}

// tarMember gives a file of a tar to f, and passes over folders.
func (w *walk) tarMember(h *tar.Header, t *tar.Reader) error {
	switch h.Typeflag {
	case tar.TypeReg:
	case tar.TypeDir, tar.TypeXGlobalHeader:
		return w.ctx.Err()
	case tar.TypeLink, tar.TypeSymlink:
		return w.at(h.Name, fmt.Errorf("want regular files, got a link to %q", h.Linkname))
	default:
		return w.at(h.Name, fmt.Errorf("want regular files, got type %q", h.Typeflag))
	}
	name, err := w.memberName(h.Name)
	if err != nil {
		return w.at(name, err)
	}
	return w.member(name, h.Size, t)
}

// zip walks through the files of a zip.
func (w *walk) zip() error {
	z, err := zip.OpenReader(w.path)
	if err != nil {
		return w.at("", reason(ending.Unexpected(err)))
	}
	defer z.Close()
	for _, f := range z.File {
		if err := w.zipMember(f); err != nil {
			return err
		}
	}
	return nil
}

// zipMember gives a file of a zip to f, and passes over folders.
func (w *walk) zipMember(f *zip.File) error {
	mode := f.Mode()
	if mode.IsDir() {
		return w.ctx.Err()
	}
	if !mode.IsRegular() {
		return w.at(f.Name, fmt.Errorf("want regular files, got mode %v", mode))
	}
	name, err := w.memberName(f.Name)
	if err != nil {
		return w.at(name, err)
	}
	r, err := f.Open()
	if err != nil {
		return w.at(name, ending.Unexpected(err))
	}
	defer r.Close()
	return w.member(name, int64(f.UncompressedSize64), r)
}
