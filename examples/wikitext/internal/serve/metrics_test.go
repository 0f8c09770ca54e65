package serve

import (
	"net/http"
	"strings"
	"testing"

	dto "github.com/prometheus/client_model/go"
	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/common/model"
)

// scrape reads the metrics as Prometheus does.
func (r *running) scrape(t *testing.T) map[string]*dto.MetricFamily {
	t.Helper()
	status, h, text := r.do(t, http.MethodGet, "/metrics", "", "Accept", "text/plain")
	if status != 200 || !strings.HasPrefix(h.Get("Content-Type"), "text/plain") {
		t.Fatalf("got %d, %v", status, h)
	}
	p := expfmt.NewTextParser(model.UTF8Validation)
	families, err := p.TextToMetricFamilies(strings.NewReader(text))
	if err != nil {
		t.Fatalf("%v in %s", err, text)
	}
	return families
}

// valueOf is the value of a metric with labels "name=value,...", in order.
func valueOf(t *testing.T, f *dto.MetricFamily, labels string) float64 {
	t.Helper()
	for _, m := range f.GetMetric() {
		var got []string
		for _, l := range m.GetLabel() {
			got = append(got, l.GetName()+"="+l.GetValue())
		}
		if strings.Join(got, ",") == labels {
			switch {
			case m.Counter != nil:
				return m.Counter.GetValue()
			case m.Gauge != nil:
				return m.Gauge.GetValue()
			case m.Histogram != nil:
				return float64(m.Histogram.GetSampleCount())
			}
		}
	}
	t.Errorf("%s{%s}: there is no such metric", f.GetName(), labels)
	return 0
}

func TestMetrics(t *testing.T) {
	t.Parallel()
	s, _ := alphabetServer(t, Config{Model: "small", Parameters: 123})
	s.post(t, "/v1/completions", `{"n":2,"max_tokens":5,"session":{"keep":true}}`)
	s.post(t, "/v1/completions", `{"n":0}`)
	s.do(t, http.MethodGet, "/some/path", "")
	s.do(t, http.MethodGet, "/another/path", "")
	f := s.scrape(t)
	for _, test := range []struct {
		name, labels string
		want         float64
	}{
		{"s4_http_requests_total", "code=200,route=/v1/completions", 1},
		{"s4_http_requests_total", "code=400,route=/v1/completions", 1},
		{"s4_http_requests_total", "code=404,route=other", 2},
		{"s4_http_request_duration_seconds", "route=/v1/completions", 2},
		{"s4_time_to_first_token_seconds", "", 1},
		{"s4_http_tokens_total", "", 10},
		{"s4_http_requests_active", "", 1},
		{"s4_http_body_bytes", "", 0},
		{"s4_http_panics_total", "", 0},
		{"s4_engine_rows", "", 0},
		{"s4_engine_rows_max", "", 1 << 20},
		{"s4_engine_step_duration_seconds", "", 5},
		{"s4_engine_requests_total", "end=busy", 0},
		{"s4_sessions", "", 2},
		{"s4_session_bytes", "", 16},
		{"s4_sessions_dropped_total", "", 0},
		{"s4_ready", "", 1},
		{"s4_model_info", "model=small,parameters=123,vocab=256", 1},
	} {
		if got := valueOf(t, f[test.name], test.labels); got != test.want {
			t.Errorf("%s{%s}: got %g, want %g", test.name, test.labels, got, test.want)
		}
	}
	b := f["s4_engine_step_duration_seconds"].GetMetric()[0].GetHistogram().GetBucket()
	if b[0].GetCumulativeCount() != 3 || b[1].GetCumulativeCount() != 4 {
		t.Errorf("got buckets %v, want 3 and 4 in all", b)
	}
	if n := valueOf(t, f["s4_http_connections"], ""); n < 1 {
		t.Errorf("got %g connections", n)
	}
	for _, name := range []string{"s4_build_info", "go_goroutines", "process_resident_memory_bytes", "process_open_fds"} {
		if f[name] == nil {
			t.Errorf("%s is missing", name)
		}
	}
}
