package serve

import (
	"fmt"
	"log/slog"
	"net/url"
	"strings"
	"time"
)

// Config says who may ask for how much. The zero value is usable: of numbers and
// durations 0 is the default in parentheses.
type Config struct {
	Model      string // the id that clients ask for ("s4")
	Version    string // of its parameters, a check sum: states of another are refused
	Parameters int    // of the model, for metrics

	Key     string   // what clients have to send as a bearer token; "": nothing
	Origins []string // of pages that may call the API, as "https://example.org"; none by default
	Hosts   []string // names under which the server may be asked; none: any, or on a loopback address those of the machine itself

	MaxConnections int   // at once (1024); more wait until they are accepted
	MaxHeader      int   // bytes of a header (16 KiB)
	MaxBody        int   // bytes of a body (1 MiB), but for that of a session
	MaxBodies      int64 // bytes of all bodies that are being read, but for the first 8 KiB of each (64 MiB)
	MaxPrompt      int   // tokens of a prompt (65536)
	MaxTokens      int   // tokens that are written for one choice (4096)
	MaxChoices     int   // prompts times the larger of n and best_of (16)

	MaxSessions     int           // (1024)
	MaxSessionBytes int64         // of all states (256 MiB)
	MaxState        int           // bytes of one (16 MiB)
	SessionAge      time.Duration // since it was last asked for (1 h)

	HeaderTimeout  time.Duration // for a client to send a header (10 s)
	BodyTimeout    time.Duration // ... and a body (30 s)
	WriteTimeout   time.Duration // ... and to take what has been written (30 s)
	IdleTimeout    time.Duration // between two requests of a connection (60 s)
	RequestTimeout time.Duration // for a text to be written (10 min)
	Notice         time.Duration // for which a server that goes down still answers that it does (0)
	Grace          time.Duration // for texts to be ended behind that (30 s)

	Log *slog.Logger // nil: nothing is logged
}

// withDefaults returns the configuration with its zeros replaced.
func (c Config) withDefaults() Config {
	orElse(&c.Model, "s4")
	orElse(&c.MaxConnections, 1024)
	orElse(&c.MaxHeader, 16<<10)
	orElse(&c.MaxBody, 1<<20)
	orElse(&c.MaxBodies, 64<<20)
	orElse(&c.MaxPrompt, 1<<16)
	orElse(&c.MaxTokens, 4096)
	orElse(&c.MaxChoices, 16)
	orElse(&c.MaxSessions, 1024)
	orElse(&c.MaxSessionBytes, 256<<20)
	orElse(&c.MaxState, 16<<20)
	orElse(&c.SessionAge, time.Hour)
	orElse(&c.HeaderTimeout, 10*time.Second)
	orElse(&c.BodyTimeout, 30*time.Second)
	orElse(&c.WriteTimeout, 30*time.Second)
	orElse(&c.IdleTimeout, time.Minute)
	orElse(&c.RequestTimeout, 10*time.Minute)
	orElse(&c.Grace, 30*time.Second)
	orElse(&c.Log, slog.New(slog.DiscardHandler))
	return c
}

// orElse sets what is zero.
func orElse[T comparable](v *T, other T) {
	var zero T
	if *v == zero {
		*v = other
	}
}

// Validate reports a limit that is negative, and an origin that is none.
func (c Config) Validate() error {
	for _, f := range []struct {
		name string
		v    int64
	}{
		{"Parameters", int64(c.Parameters)}, {"MaxConnections", int64(c.MaxConnections)}, {"MaxHeader", int64(c.MaxHeader)},
		{"MaxBody", int64(c.MaxBody)}, {"MaxBodies", c.MaxBodies}, {"MaxPrompt", int64(c.MaxPrompt)}, {"MaxTokens", int64(c.MaxTokens)},
		{"MaxChoices", int64(c.MaxChoices)}, {"MaxSessions", int64(c.MaxSessions)}, {"MaxSessionBytes", c.MaxSessionBytes},
		{"MaxState", int64(c.MaxState)},
	} {
		if f.v < 0 {
			return fmt.Errorf("serve: Config: want %s >= 0, got %d", f.name, f.v)
		}
	}
	for _, f := range []struct {
		name string
		v    time.Duration
	}{
		{"SessionAge", c.SessionAge}, {"HeaderTimeout", c.HeaderTimeout}, {"BodyTimeout", c.BodyTimeout}, {"WriteTimeout", c.WriteTimeout},
		{"IdleTimeout", c.IdleTimeout}, {"RequestTimeout", c.RequestTimeout}, {"Notice", c.Notice}, {"Grace", c.Grace},
	} {
		if f.v < 0 {
			return fmt.Errorf("serve: Config: want %s >= 0, got %v", f.name, f.v)
		}
	}
	for _, o := range c.Origins {
		if u, err := url.Parse(o); err != nil || u.Scheme == "" || u.Host == "" || u.Scheme+"://"+u.Host != o {
			return fmt.Errorf("serve: Config: want Origins as https://example.org, got %q", o)
		}
	}
	for _, h := range c.Hosts {
		if h == "" || strings.ContainsAny(h, "/ ") {
			return fmt.Errorf("serve: Config: want Hosts as example.org, got %q", h)
		}
	}
	return nil
}
