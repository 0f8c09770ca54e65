package main

import (
	"bytes"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
)

// results are samples with what is made of them.
type results struct {
	options
	samples    []sample
	processors int
	points     []point
	transports []string
	costs      map[string]cost // by transport
	modelled   []modelled
}

// write writes the report of the samples that there are.
func write(o options) error {
	samples, err := readSamples(o.samplesFile())
	if err != nil {
		return err
	}
	if len(samples) == 0 {
		return fmt.Errorf("%s: want samples, got none", o.samplesFile())
	}
	r, err := o.conclude(samples, runtime.NumCPU())
	if err != nil {
		return err
	}
	t := r.table()
	if err := os.WriteFile(filepath.Join(o.out, "scaling.md"), t, 0o644); err != nil {
		return err
	}
	if _, err := os.Stdout.Write(t); err != nil {
		return err
	}
	return r.picture(filepath.Join(o.out, "scaling.png"))
}

// conclude fits the models.
func (o options) conclude(samples []sample, processors int) (*results, error) {
	r := &results{options: o, samples: samples, processors: processors, costs: map[string]cost{}}
	for _, s := range samples {
		if s.kind != reduceKind {
			continue
		}
		ms, err := messages(s.parameters, s.wire == "bfloat16", o.bucket*(1<<20))
		if err != nil {
			return nil, err
		}
		r.points = append(r.points, point{s, ms})
		if !slices.Contains(r.transports, s.transport) {
			r.transports = append(r.transports, s.transport)
		}
	}
	for _, t := range r.transports {
		if ps := r.fitted(t); len(ps) > 0 {
			r.costs[t] = fit(ps)
		}
	}
	for _, a := range architectures {
		of := func(threads int) []sample {
			return r.steps(func(s sample) bool { return s.model == a.name && s.ranks == 1 && s.threads == threads })
		}
		single, ok1 := fitLine(of(1))
		whole, ok2 := fitLine(of(r.threads()))
		if ok1 && ok2 {
			r.modelled = append(r.modelled, modelled{a, of(1)[0].parameters, single, whole})
		}
	}
	return r, nil
}

// modelled is a model whose steps are lines.
type modelled struct {
	architecture
	parameters    int
	single, whole line // with one thread, and with all
}

// model returns that of a name.
func (r *results) model(name string) (modelled, bool) {
	for _, m := range r.modelled {
		if m.name == name {
			return m, true
		}
	}
	return modelled{}, false
}

// threads are those of a rank that has the machine for itself.
func (r *results) threads() int {
	n := 1
	for _, s := range r.samples {
		if s.ranks == 1 {
			n = max(n, s.threads)
		}
	}
	return n
}

// fitted are the points of a transport whose ranks have a processor each.
func (r *results) fitted(transport string) []point {
	return slices.DeleteFunc(slices.Clone(r.points), func(p point) bool {
		return p.transport != transport || p.ranks > r.processors
	})
}

// steps are the samples of steps that are such.
func (r *results) steps(are func(sample) bool) []sample {
	return slices.DeleteFunc(slices.Clone(r.samples), func(s sample) bool { return s.kind != stepKind || !are(s) })
}

// table is the report in Markdown.
func (r *results) table() []byte {
	var b bytes.Buffer
	fmt.Fprintf(&b, "%d processors, %s %s/%s; a bucket of %g MiB\n", r.processors, runtime.Version(), runtime.GOOS, runtime.GOARCH, r.bucket)
	r.sumTable(&b)
	r.costTable(&b)
	r.stepTable(&b)
	r.projection(&b)
	return b.Bytes()
}

// sumTable is the measured sums, and what the cost model says beside them.
func (r *results) sumTable(b *bytes.Buffer) {
	b.WriteString("\n## Sum of the gradients\n\nMeasured, and behind it how much of that the fitted model of cost says. ")
	b.WriteString("In parentheses: more ranks than processors, which are not fitted.\n\n| transport | ranks | on the wire |")
	rule := "|---|--:|---|"
	for _, n := range r.parameters {
		fmt.Fprintf(b, " %s |", short(n))
		rule += "--:|"
	}
	b.WriteString("\n" + rule + "\n")
	for _, t := range r.transports {
		for _, ranks := range r.ranks {
			for _, wire := range []string{"float32", "bfloat16"} {
				row, any := "", false
				for _, n := range r.parameters {
					cell := "-"
					for _, p := range r.points {
						if p.transport == t && p.ranks == ranks && p.wire == wire && p.parameters == int(n) {
							any, cell = true, seconds(p.seconds)+r.ratio(p)
						}
					}
					row += " " + cell + " |"
				}
				if any {
					fmt.Fprintf(b, "| %s | %d | %s |%s\n", t, ranks, wire, row)
				}
			}
		}
	}
}

// ratio is what the cost model says of a point in terms of what was measured.
func (r *results) ratio(p point) string {
	c, ok := r.costs[p.transport]
	switch text := fmt.Sprintf("%.2f", p.time(c)/p.seconds); {
	case !ok:
		return ""
	case p.ranks > r.processors:
		return " (" + text + ")"
	default:
		return " " + text
	}
}

// costTable is the fitted numbers.
func (r *results) costTable(b *bytes.Buffer) {
	b.WriteString("\n## Model of cost\n\nA message of m bytes takes latency + m / bandwidth; sums go by recursive doubling or round a ring, whichever is faster, and bfloat16 by two exchanges. ")
	b.WriteString("The exchange of short messages is not fitted: it is a check.\n\n")
	b.WriteString("| transport | latency | bandwidth | a number of bfloat16 | typical error | largest | exchange: measured | model |\n|---|--:|--:|--:|--:|--:|--:|--:|\n")
	for _, t := range r.transports {
		c, ok := r.costs[t]
		if !ok {
			continue
		}
		ps := r.fitted(t)
		worst := 0.0
		for _, p := range ps {
			worst = max(worst, math.Abs(math.Log(p.time(c)/p.seconds)))
		}
		measured, model := "-", "-"
		for _, s := range r.samples {
			if s.kind == voteKind && s.transport == t && s.ranks == ps[0].ranks {
				measured, model = seconds(s.seconds), seconds(c.vote(s.ranks))
			}
		}
		fmt.Fprintf(b, "| %s | %s | %.2f GB/s | %.2f ns | %.0f %% | x %.1f | %s | %s |\n", t, seconds(c.alpha), 1e-9/c.beta, 1e9*c.gamma,
			100*(math.Exp(misfit(c, ps))-1), math.Exp(worst), measured, model)
	}
}

// stepTable is the measured steps.
func (r *results) stepTable(b *bytes.Buffer) {
	all := r.steps(func(sample) bool { return true })
	if len(all) == 0 {
		return
	}
	fmt.Fprintf(b, "\n## A step of training\n\nClassifiers of S4 layers, state %d, sequences of %d. ", dState, r.length)
	b.WriteString("The model is the line through the steps of one rank, of the rows of a rank, and the cost of sum and exchange: what is above it is what ranks of one machine take from each other. ")
	b.WriteString("Efficiency is beside one rank with one thread: weak with a rank's rows, strong with all of them.\n\n")
	b.WriteString("| classifier | transport | ranks | threads of each | rows of all | step | model | step / model | weak | strong |\n|---|---|--:|--:|--:|--:|--:|--:|--:|--:|\n")
	for _, s := range all {
		a, known := r.model(s.model)
		l := a.single
		if s.threads > 1 {
			l = a.whole
		}
		model := l.at(float64(s.rows) / float64(s.ranks))
		weak, strong := "-", "-"
		if s.ranks > 1 {
			if c, ok := r.costs[s.transport]; ok {
				model += c.vote(s.ranks)
				if ms, err := messages(s.parameters, false, r.bucket*(1<<20)); err == nil {
					model += c.sum(s.ranks, false, ms)
				}
			}
			if s.threads == 1 {
				weak, strong = r.beside(s, s.rows/s.ranks, 1), r.beside(s, s.rows, float64(s.ranks))
			}
		}
		said, ratio := "-", "-"
		if known {
			said, ratio = seconds(model), fmt.Sprintf("%.2f", s.seconds/model)
		}
		fmt.Fprintf(b, "| %s | %s | %d | %d | %d | %s | %s | %s | %s | %s |\n", s.model, s.transport, s.ranks, s.threads, s.rows, seconds(s.seconds), said, ratio, weak, strong)
	}
}

// beside is how much of a step of ranks one rank with as many rows takes, shared by so
// many.
func (r *results) beside(s sample, rows int, by float64) string {
	for _, one := range r.steps(func(one sample) bool {
		return one.model == s.model && one.ranks == 1 && one.threads == 1 && one.rows == rows
	}) {
		return fmt.Sprintf("%.0f %%", 100*one.seconds/by/s.seconds)
	}
	return "-"
}

// networks are those of the projection, for a model: float32 and bfloat16.
func (r *results) networks(m modelled) ([]network, error) {
	c := cost{alpha: r.latency.Seconds(), beta: 8e-9 / r.bandwidth}
	for _, t := range []string{shared, process} { // what a machine does with its own part
		if own, ok := r.costs[t]; ok {
			c.beta, c.gamma = c.beta+own.beta, own.gamma
			break
		}
	}
	var ns []network
	for _, half := range []bool{false, true} {
		ms, err := messages(m.parameters, half, r.bucket*(1<<20))
		if err != nil {
			return nil, err
		}
		ns = append(ns, network{c, m.whole, ms, half})
	}
	return ns, nil
}

// projection is what the models say of many machines.
func (r *results) projection(b *bytes.Buffer) {
	if len(r.modelled) == 0 {
		return
	}
	fmt.Fprintf(b, "\n## Projection to %d machines\n\n", r.machines)
	fmt.Fprintf(b, "This is computed, not measured: machines such as this one, all processors of each a rank, joined by a network of %v latency and %g Gbit/s, ", r.latency, r.bandwidth)
	b.WriteString("which no other traffic uses, with no machine slower than the others. To the time of a byte on the network that of one in memory is added. ")
	fmt.Fprintf(b, "Hidden: were all sums made while the backward pass runs, at best. Batch of %.0f %%: the smallest global batch at which so many machines are as efficient: ", 100*efficient)
	fmt.Fprintf(b, "a larger one gains less than the other %.0f %%, so that it is the largest that is worth its while to the machines. Whether the model learns as much from each of its sequences is a question of the data, and not answered here.\n", 100*(1-efficient))
	for _, m := range r.modelled {
		ns, err := r.networks(m)
		if err != nil {
			continue
		}
		fmt.Fprintf(b, "\n%s: %s parameters, %s + %s for each sequence; with a batch of %.0f, %d machines are efficient (bfloat16: %d)\n\n", m, short(float64(m.parameters)),
			seconds(m.whole.base), seconds(m.whole.row), m.batch, ns[0].machines(r.machines, m.batch), ns[1].machines(r.machines, m.batch))
		fmt.Fprintf(b, "| machines | sum | bfloat16 | step of batch %.0f | efficiency | bfloat16 | hidden | batch of %.0f %% | bfloat16 |\n|--:|--:|--:|--:|--:|--:|--:|--:|--:|\n", m.batch, 100*efficient)
		for p := 1; p <= r.machines; p *= 2 {
			row := fmt.Sprintf("| %d | %s | %s |", p, ns[0].sumOf(p), ns[1].sumOf(p))
			if float64(p) > m.batch {
				row += " - | - | - | - |"
			} else {
				row += fmt.Sprintf(" %s | %.0f %% | %.0f %% | %.0f %% |", seconds(ns[0].at(p, m.batch)), 100*ns[0].efficiency(p, m.batch),
					100*ns[1].efficiency(p, m.batch), 100*ns[0].at(1, m.batch)/float64(p)/ns[0].hidden(p, m.batch))
			}
			fmt.Fprintf(b, "%s %s | %s |\n", row, whole(ns[0].batch(p)), whole(ns[1].batch(p)))
		}
	}
}

// sumOf prints the time of a sum over p machines.
func (n network) sumOf(p int) string {
	if p == 1 {
		return "-"
	}
	return seconds(n.sum(p, n.half, n.messages))
}

// whole prints a number that may not be there.
func whole(n float64) string {
	if n == 0 {
		return "-"
	}
	return strconv.FormatFloat(n, 'f', 0, 64)
}

// short prints a number as 400 k or 1.2 M.
func short(n float64) string {
	for _, u := range []struct {
		of   float64
		name string
	}{{1e9, " G"}, {1e6, " M"}, {1e3, " k"}} {
		if n >= u.of {
			return strconv.FormatFloat(n/u.of, 'g', 3, 64) + u.name
		}
	}
	return strconv.FormatFloat(n, 'g', -1, 64)
}

// seconds prints a time with three digits.
func seconds(s float64) string {
	for _, u := range []struct {
		of   float64
		name string
	}{{1, " s"}, {1e-3, " ms"}} {
		if s >= u.of {
			return strconv.FormatFloat(s/u.of, 'g', 3, 64) + u.name
		}
	}
	return strconv.FormatFloat(s*1e6, 'g', 3, 64) + " µs"
}
