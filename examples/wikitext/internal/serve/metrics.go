package serve

import (
	"cmp"
	"net/http"
	"runtime"
	"runtime/debug"
	"strconv"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"
)

// metrics are what Prometheus is told.
type metrics struct {
	handler  http.Handler
	requests *prometheus.CounterVec
	seconds  *prometheus.HistogramVec
	first    prometheus.Histogram
	written  prometheus.Counter
	panics   prometheus.Counter
}

// times are the bounds of what takes between milliseconds and minutes.
var times = []float64{.001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10, 25, 60, 150, 600}

// newMetrics returns the metrics of a server, in a registry of their own.
func newMetrics(s *Server) *metrics {
	m := &metrics{
		requests: prometheus.NewCounterVec(prometheus.CounterOpts{Name: "s4_http_requests_total", Help: "Requests, by route and status; 499 is a client that left."}, []string{"route", "code"}),
		seconds:  prometheus.NewHistogramVec(prometheus.HistogramOpts{Name: "s4_http_request_duration_seconds", Help: "From the header of a request to the end of its answer.", Buckets: times}, []string{"route"}),
		first:    prometheus.NewHistogram(prometheus.HistogramOpts{Name: "s4_time_to_first_token_seconds", Help: "From the header of a request to the first token of its first choice.", Buckets: times}),
		written:  prometheus.NewCounter(prometheus.CounterOpts{Name: "s4_http_tokens_total", Help: "Tokens that requests were given."}),
		panics:   prometheus.NewCounter(prometheus.CounterOpts{Name: "s4_http_panics_total", Help: "Requests whose handler has panicked."}),
	}
	r := prometheus.NewRegistry()
	r.MustRegister(m.requests, m.seconds, m.first, m.written, m.panics, gauges{s},
		collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	m.handler = promhttp.HandlerFor(r, promhttp.HandlerOpts{})
	return m
}

// observe counts a request.
func (m *metrics) observe(route string, status int, took time.Duration) {
	m.requests.WithLabelValues(route, strconv.Itoa(status)).Inc()
	m.seconds.WithLabelValues(route).Observe(took.Seconds())
}

// answer answers GET /metrics.
func (m *metrics) answer(w http.ResponseWriter, r *http.Request) error {
	m.handler.ServeHTTP(w, r)
	return nil
}

// gauges are read when they are asked for.
type gauges struct{ s *Server }

// gauge describes what gauges has.
func gauge(name, help string, labels ...string) *prometheus.Desc {
	return prometheus.NewDesc(name, help, labels, nil)
}

var (
	rowsDesc      = gauge("s4_engine_rows", "Texts that are being written.")
	maxRowsDesc   = gauge("s4_engine_rows_max", "Texts that can be written at once.")
	ingestDesc    = gauge("s4_engine_ingesting", "Prompts that are being read.")
	queueDesc     = gauge("s4_engine_queue", "Texts that wait to be written.")
	maxQueueDesc  = gauge("s4_engine_queue_max", "Texts that may wait.")
	tokensDesc    = gauge("s4_engine_tokens_total", "Tokens that have been written.")
	promptDesc    = gauge("s4_engine_prompt_tokens_total", "Tokens of prompts that have been read.")
	endsDesc      = gauge("s4_engine_requests_total", "Texts, by how they came to their end; busy were never begun.", "end")
	stepDesc      = gauge("s4_engine_step_duration_seconds", "Of one step of all rows: with s4_engine_tokens_total, how many are stepped together.")
	sessionsDesc  = gauge("s4_sessions", "Sessions that are kept.")
	sessBytesDesc = gauge("s4_session_bytes", "Bytes of their states.")
	droppedDesc   = gauge("s4_sessions_dropped_total", "Sessions that were forgotten with time or for want of room.")
	connDesc      = gauge("s4_http_connections", "Open connections.")
	activeDesc    = gauge("s4_http_requests_active", "Requests that are being answered.")
	bodyDesc      = gauge("s4_http_body_bytes", "Bytes of bodies that are being read.")
	readyDesc     = gauge("s4_ready", "1 while new requests are taken.")
	modelDesc     = gauge("s4_model_info", "1; what the model is.", "model", "vocab", "parameters")
	buildDesc     = gauge("s4_build_info", "1; what the program is.", "version", "revision", "go")
)

func (g gauges) Describe(to chan<- *prometheus.Desc) { prometheus.DescribeByCollect(g, to) }

func (g gauges) Collect(to chan<- prometheus.Metric) {
	value := func(d *prometheus.Desc, kind prometheus.ValueType, v float64, labels ...string) {
		to <- prometheus.MustNewConstMetric(d, kind, v, labels...)
	}
	const is, adds = prometheus.GaugeValue, prometheus.CounterValue
	e := g.s.engine.Stats()
	value(rowsDesc, is, float64(e.Rows))
	value(maxRowsDesc, is, float64(e.MaxRows))
	value(ingestDesc, is, float64(e.Ingesting))
	value(queueDesc, is, float64(e.Queued))
	value(maxQueueDesc, is, float64(e.MaxQueue))
	value(tokensDesc, adds, float64(e.Tokens))
	value(promptDesc, adds, float64(e.PromptTokens))
	value(endsDesc, adds, float64(e.Stopped), "stop")
	value(endsDesc, adds, float64(e.Length), "length")
	value(endsDesc, adds, float64(e.Cancelled), "cancelled")
	value(endsDesc, adds, float64(e.Failed), "failed")
	value(endsDesc, adds, float64(e.Busy), "busy")
	buckets, below := map[float64]uint64{}, uint64(0)
	for i, b := range e.StepTime.Bounds {
		below += e.StepTime.Counts[i]
		buckets[b] = below
	}
	to <- prometheus.MustNewConstHistogram(stepDesc, e.StepTime.Count, e.StepTime.Sum, buckets)
	n, bytes, dropped := g.s.sessions.stats()
	value(sessionsDesc, is, float64(n))
	value(sessBytesDesc, is, float64(bytes))
	value(droppedDesc, adds, float64(dropped))
	open, ready := 0, 1.
	if l := g.s.listener.Load(); l != nil {
		open = l.open()
	}
	if g.s.down.Load() {
		ready = 0
	}
	value(connDesc, is, float64(open))
	value(activeDesc, is, float64(g.s.active.Load()))
	value(bodyDesc, is, float64(g.s.bodies.held.Load()))
	value(readyDesc, is, ready)
	value(modelDesc, is, 1, g.s.cfg.Model, strconv.Itoa(g.s.tokenizer.Vocab()), strconv.Itoa(g.s.cfg.Parameters))
	value(buildDesc, is, 1, build()...)
}

// build says what the program was built from.
func build() []string {
	version, revision := "", ""
	if b, ok := debug.ReadBuildInfo(); ok {
		version = b.Main.Version
		for _, s := range b.Settings {
			if s.Key == "vcs.revision" {
				revision = s.Value
			}
		}
	}
	return []string{cmp.Or(version, "unknown"), cmp.Or(revision, "unknown"), runtime.Version()}
}
