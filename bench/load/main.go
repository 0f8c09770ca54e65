// Command load drives a server of the completions protocol with many clients at once
// and measures what they get:
//
//	go run ./examples/wikitext serve -run DIR -addr 127.0.0.1:8080
//	go run ./bench/load -url http://127.0.0.1:8080
//
// Every request has a prompt, a number of tokens and a seed of its own, and streams. All
// are sent three times and more: first one after the other, by one client, which gives
// the answers that are expected, and then by 4, 16 and 64 clients, each of which sends
// the next request as soon as it has its answer. It prints, for each number of clients,
//
//	tokens/s          of all clients together
//	first token       from the request to the first piece of text, median and 99th percentile
//	next token        from the first piece to the last, for each token behind the first
//	request           from the request to the end of the answer
//	errors            answers that are none, with the first of them
//	lost              answers that break off before their end
//	other             answers that are not those of the client that was alone
//
// as a table in Markdown, and writes load.md, load.csv, with every request, and load.png
// to -out. The exit status is 1 if there was an error, a lost answer or another one.
package main

import (
	"context"
	"flag"
	"fmt"
	"net/url"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/gorgonia-s4/s4/internal/option"
)

// options are the command line.
type options struct {
	url      string
	clients  []int
	requests int
	tokens   int
	prompt   int // bytes
	key      string
	timeout  time.Duration
	out      string
}

func main() {
	o, err := parse(os.Args[1:])
	if err == nil {
		err = run(option.UntilInterrupt(), o)
	}
	option.Exit("load", err)
}

func parse(args []string) (options, error) {
	var o options
	f := flag.NewFlagSet("load", flag.ContinueOnError)
	f.StringVar(&o.url, "url", "http://127.0.0.1:8080", "the server")
	clients := f.String("clients", "1,4,16,64", "comma-separated `numbers` of clients, the first of them 1")
	f.IntVar(&o.requests, "requests", 256, "requests of all clients together")
	f.IntVar(&o.tokens, "tokens", 64, "tokens of an answer at most")
	f.IntVar(&o.prompt, "prompt", 200, "`bytes` of a prompt")
	f.StringVar(&o.key, "key", os.Getenv("API_KEY"), "key of the server, if it wants one; by default API_KEY of the environment")
	f.DurationVar(&o.timeout, "timeout", 5*time.Minute, "of a request")
	f.StringVar(&o.out, "out", "", "`folder` of the results; none are written without")
	if err := f.Parse(args); err != nil {
		return o, err
	}
	if f.NArg() > 0 {
		return o, fmt.Errorf("want no arguments, got %q", f.Args())
	}
	for word := range strings.SplitSeq(*clients, ",") {
		n, err := strconv.Atoi(word)
		if err != nil || n < 1 {
			return o, fmt.Errorf("-clients: want numbers from 1 on, got %q", word)
		}
		o.clients = append(o.clients, n)
	}
	return o, o.validate()
}

func (o options) validate() error {
	u, err := url.Parse(o.url)
	switch {
	case err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "":
		return fmt.Errorf("-url: want http://HOST:PORT, got %q", o.url)
	case o.clients[0] != 1:
		return fmt.Errorf("-clients: want 1 first, whose answers the others are compared with, got %d", o.clients[0])
	case o.requests < slices.Max(o.clients):
		return fmt.Errorf("-requests: want at least one for each of %d clients, got %d", slices.Max(o.clients), o.requests)
	case o.tokens < 1:
		return fmt.Errorf("-tokens: want at least 1, got %d", o.tokens)
	case o.prompt < 1:
		return fmt.Errorf("-prompt: want at least 1, got %d", o.prompt)
	case o.timeout <= 0:
		return fmt.Errorf("-timeout: want a positive duration, got %v", o.timeout)
	}
	return nil
}

// run is all rounds. Those that there are when it is interrupted are written all the
// same.
func run(ctx context.Context, o options) error {
	var rounds []round
	var alone []answer
	c := newClient(o)
	for _, n := range o.clients {
		r := c.round(ctx, n, o.requests)
		if ctx.Err() != nil {
			break
		}
		if alone == nil {
			alone = r.answers
		}
		r.compare(alone)
		rounds = append(rounds, r)
		fmt.Fprintf(os.Stderr, "%d clients: %.0f tokens/s\n", n, r.speed())
		if r.failed() == o.requests {
			break // there is no such server
		}
	}
	if err := write(o, rounds); err != nil {
		return err
	}
	if ctx.Err() != nil {
		return ctx.Err()
	}
	for _, r := range rounds {
		if err := r.err(); err != nil {
			return err
		}
	}
	return nil
}
