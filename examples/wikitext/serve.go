package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"time"

	"github.com/gorgonia-s4/s4/examples/wikitext/internal/serve"
	"github.com/gorgonia-s4/s4/generate"
	"github.com/gorgonia-s4/s4/internal/option"
)

// serving is what the command line of serve sets.
type serving struct {
	run, address string
	quiet        bool
	cfg          serve.Config
	engine       generate.EngineConfig
}

// keyVariable is the variable of the environment with the key that clients have to send,
// which does not belong on a command line.
const keyVariable = "WIKITEXT_API_KEY"

// serveText answers requests for texts.
func serveText(ctx context.Context, args []string, _ io.Reader, out io.Writer) error {
	s := new(serving)
	fs := s.flags()
	if err := option.Parse(fs, args, func() {
		usage(fs, out, "serve -run DIR [options]", "Answer requests for texts over HTTP, by the common completions protocol: POST /v1/completions. The address itself is a page to try it. Clients have to send the key that the environment has as "+keyVariable+", if it has one.")
	}); err != nil {
		return err
	}
	s.cfg.Key = os.Getenv(keyVariable)
	if err := serveFields.Speak(errors.Join(s.cfg.Validate(), s.engine.Validate())); err != nil {
		return err
	}
	t, err := openRun(s.run)
	if err != nil {
		return err
	}
	l, err := net.Listen("tcp", s.address)
	if err != nil {
		return fmt.Errorf("-addr: %w", err)
	}
	fmt.Fprintf(out, "serving %s on http://%s/\n", s.run, l.Addr())
	err = s.serve(ctx, t, l)
	return errors.Join(err, ignore(l.Close(), net.ErrClosed))
}

// ignore returns an error that is not another.
func ignore(err, other error) error {
	if errors.Is(err, other) {
		return nil
	}
	return err
}

// serve answers the requests that come by a listener until the context ends.
func (s *serving) serve(ctx context.Context, t *trained, l net.Listener) error {
	s.engine.MaxPrompt, s.engine.MaxTokens = s.cfg.MaxPrompt, s.cfg.MaxTokens
	version, err := sumOf(t.model)
	if err != nil {
		return err
	}
	s.cfg.Version = version
	e, err := generate.NewEngine(t.model, t.tokens, s.engine)
	if err != nil {
		return serveFields.Speak(err)
	}
	if s.cfg.Model == "" {
		s.cfg.Model = filepath.Base(filepath.Clean(s.run))
	}
	for _, p := range t.model.Params() {
		s.cfg.Parameters += p.Node.Shape().TotalSize()
	}
	if !s.quiet {
		s.cfg.Log = slog.New(slog.NewTextHandler(os.Stderr, nil))
	}
	server, err := serve.New(e, t.tokens, s.cfg)
	if err == nil {
		err = server.Serve(ctx, l)
	}
	end, cancel := context.WithTimeout(context.WithoutCancel(ctx), engineEnd)
	defer cancel()
	return errors.Join(err, e.Close(end))
}

// engineEnd is how long an engine may take to end when the server has: nothing is
// written any more.
const engineEnd = 5 * time.Second

// flags declares the options.
func (s *serving) flags() *flag.FlagSet {
	fs, c, e := flag.NewFlagSet("wikitext", flag.ContinueOnError), &s.cfg, &s.engine
	fs.StringVar(&s.run, "run", "", "the `directory` of the run, or of its model")
	fs.StringVar(&s.address, "addr", "localhost:8080", "the `address` to listen at, HOST:PORT; port 0: a free one")
	fs.StringVar(&c.Model, "name", "", "the `name` that clients ask for (default: that of the directory)")
	option.Strings(fs, "origins", &c.Origins, "comma-separated `origins` of pages elsewhere that may ask, as https://example.org")
	option.Strings(fs, "hosts", &c.Hosts, "comma-separated `names` under which the server may be asked; empty: any, or with a loopback address those of the machine itself")
	fs.IntVar(&e.MaxRows, "rows", 64, "texts that are written at a time")
	fs.IntVar(&e.MaxQueue, "queue", 256, "requests that wait for that; more are turned away; -1: none")
	fs.IntVar(&c.MaxConnections, "max-connections", 1024, "connections at once")
	fs.IntVar(&c.MaxBody, "max-body", 1<<20, "bytes of a request")
	fs.IntVar(&c.MaxPrompt, "max-prompt", 1<<16, "tokens of a prompt")
	fs.IntVar(&c.MaxTokens, "max-tokens", 4096, "tokens of a text")
	fs.IntVar(&c.MaxSessions, "max-sessions", 1024, "sessions whose state is kept")
	fs.DurationVar(&c.SessionAge, "session-age", time.Hour, "`time` that a session is kept since it was last asked for")
	fs.DurationVar(&c.RequestTimeout, "timeout", 10*time.Minute, "most `time` for a request")
	fs.DurationVar(&c.Grace, "grace", 30*time.Second, "`time` for texts that are being written to end after Ctrl-C")
	fs.BoolVar(&s.quiet, "quiet", false, "no log on standard error")
	return fs
}

// serveFields are the options by the fields that they set.
var serveFields = option.Fields{
	"Origins": "-origins", "Hosts": "-hosts", "max_rows": "-rows", "max_queue": "-queue", "MaxConnections": "-max-connections", "MaxBody": "-max-body",
	"MaxPrompt": "-max-prompt", "MaxTokens": "-max-tokens", "MaxSessions": "-max-sessions", "SessionAge": "-session-age", "RequestTimeout": "-timeout", "Grace": "-grace",
}
