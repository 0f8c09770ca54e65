package main

import (
	"bytes"
	"encoding/csv"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"time"

	"gonum.org/v1/plot"

	"github.com/gorgonia-s4/s4/internal/figure"
)

// write prints the table and, if there is a folder for them, writes the results.
func write(o options, rounds []round) error {
	t := table(o, rounds)
	if _, err := os.Stdout.Write(t); err != nil || o.out == "" {
		return err
	}
	if err := os.MkdirAll(o.out, 0o755); err != nil {
		return err
	}
	all, err := requestsCSV(rounds)
	if err != nil {
		return err
	}
	if err := os.WriteFile(filepath.Join(o.out, "load.md"), t, 0o644); err != nil {
		return err
	}
	if err := os.WriteFile(filepath.Join(o.out, "load.csv"), all, 0o644); err != nil {
		return err
	}
	return picture(filepath.Join(o.out, "load.png"), rounds)
}

// table is the rounds in Markdown.
func table(o options, rounds []round) []byte {
	var b bytes.Buffer
	fmt.Fprintf(&b, "%d requests, each with a prompt of %d bytes and at most %d tokens of an answer; times are p50 / p99 in ms\n\n", o.requests, o.prompt, o.tokens)
	b.WriteString("| clients | tokens/s | first token | next token | request | errors | lost | other |\n|--:|--:|--:|--:|--:|--:|--:|--:|\n")
	for _, r := range rounds {
		fmt.Fprintf(&b, "| %d | %.0f | %s | %s | %s | %d | %d | %d |\n", r.clients, r.speed(),
			halves(r.times(first)), halves(r.times(next)), halves(r.times(whole)), r.failed(), r.lost(), r.other())
	}
	return b.Bytes()
}

// halves prints the median and the 99th percentile in milliseconds.
func halves(sorted []time.Duration) string {
	if len(sorted) == 0 {
		return "-"
	}
	return ms(percentile(sorted, 50)) + " / " + ms(percentile(sorted, 99))
}

// ms prints a duration in milliseconds with three digits.
func ms(d time.Duration) string { return strconv.FormatFloat(d.Seconds()*1e3, 'g', 3, 64) }

// requestsCSV lists every request.
func requestsCSV(rounds []round) ([]byte, error) {
	var b bytes.Buffer
	records := [][]string{{"clients", "request", "tokens", "finish", "first_seconds", "whole_seconds", "error", "lost", "other"}}
	for _, r := range rounds {
		for i, a := range r.answers {
			problem := ""
			if a.err != nil {
				problem = a.err.Error()
			}
			records = append(records, []string{
				strconv.Itoa(r.clients), strconv.Itoa(i), strconv.Itoa(a.tokens), a.finish,
				strconv.FormatFloat(a.first.Seconds(), 'g', 6, 64), strconv.FormatFloat(a.whole.Seconds(), 'g', 6, 64),
				problem, strconv.FormatBool(a.lost), strconv.FormatBool(a.other),
			})
		}
	}
	err := csv.NewWriter(&b).WriteAll(records)
	return b.Bytes(), err
}

// picture draws tokens in a second and times against the number of clients.
func picture(path string, rounds []round) error {
	var clients, speed []float64
	for _, r := range rounds {
		if s := r.speed(); s > 0 {
			clients, speed = append(clients, float64(r.clients)), append(speed, s)
		}
	}
	if len(clients) == 0 {
		return figure.Save(path, []figure.Panel{figure.Message("tokens/s", "no answer")})
	}
	colours := figure.Series(3)
	left := figure.NewPlot("served", "clients", "tokens/s")
	figure.AddGrid(left)
	left.Add(figure.Line(clients, speed, colours[0], 1.6))
	right := figure.NewPlot("latency: p50, and p99 thin", "clients", "ms")
	figure.AddGrid(right)
	right.Legend.Top, right.Legend.Left = true, true
	for i, of := range []struct {
		title string
		times func(*answer) []time.Duration
	}{{"request", whole}, {"first token", first}, {"next token", next}} {
		for _, percent := range []int{50, 99} {
			var x, y []float64
			for _, r := range rounds {
				if t := percentile(r.times(of.times), percent); t > 0 {
					x, y = append(x, float64(r.clients)), append(y, t.Seconds()*1e3)
				}
			}
			if len(x) == 0 {
				continue
			}
			l := figure.Line(x, y, colours[i], 1.6)
			if percent == 99 {
				l.Width = 0.7
			}
			right.Add(l)
			if percent == 50 {
				right.Legend.Add(of.title, l)
			}
		}
	}
	for _, p := range []*plot.Plot{left, right} {
		figure.Decades(&p.X)
		figure.Decades(&p.Y)
	}
	return figure.Save(path, []figure.Panel{left, right})
}
