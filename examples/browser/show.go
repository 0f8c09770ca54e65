package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"time"

	"github.com/gorgonia-s4/s4/internal/option"
)

// show builds the page, and serves it unless it is to be written.
func show(ctx context.Context, args []string, out io.Writer) error {
	var address, dir string
	fs := flag.NewFlagSet("browser", flag.ContinueOnError)
	fs.StringVar(&address, "addr", "localhost:8080", "`address` to serve the page on; port 0: any that is free")
	fs.StringVar(&dir, "out", "", "write the page to a `directory`, and do not serve it")
	help := func() {
		fmt.Fprint(out, "usage: browser [options]\n       browser train [options]\n       (-h after the word lists them)\n\nServe a page that reads digits as they are drawn.\n\n")
		fs.VisitAll(func(f *flag.Flag) { option.Print(out, f) })
	}
	if err := option.Parse(fs, args, help); err != nil {
		return err
	}
	if dir != "" {
		if err := writeSite(ctx, dir); err != nil {
			return err
		}
		fmt.Fprintf(out, "the page is in %s: open it by a server of files\n", dir)
		return nil
	}
	return buildAndServe(ctx, address, out)
}

// buildAndServe builds the page in a temporary directory and serves it until ctx ends.
func buildAndServe(ctx context.Context, address string, out io.Writer) error {
	l, err := net.Listen("tcp", address)
	if err != nil {
		return fmt.Errorf("-addr: %w", err)
	}
	defer l.Close()
	dir, err := os.MkdirTemp("", "browser")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	fmt.Fprintln(out, "building the page: a minute the first time")
	if err := writeSite(ctx, dir); err != nil {
		return err
	}
	fmt.Fprintf(out, "open http://%s/ (Ctrl-C ends it)\n", l.Addr())
	s := &http.Server{Handler: siteHandler(dir), ReadHeaderTimeout: 10 * time.Second}
	stop := context.AfterFunc(ctx, func() { s.Close() })
	defer stop()
	if err := s.Serve(l); !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	return nil
}

// siteHandler serves the files of a directory, which a browser asks for again every time.
func siteHandler(dir string) http.Handler {
	files := http.FileServer(http.Dir(dir))
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Cache-Control", "no-cache")
		files.ServeHTTP(w, r)
	})
}
