package main

import (
	"context"
	"fmt"
	"io"
	"math"
	"net/http"
	"sort"
	"strings"
	"time"

	dto "github.com/prometheus/client_model/go"
	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/common/model"
	"github.com/spf13/cobra"

	"github.com/freshet-dev/freshet/config"
)

// statusTimeout bounds each question to the running instance.
const statusTimeout = 3 * time.Second

func (a *app) statusCommand() *cobra.Command {
	var format string
	cmd := &cobra.Command{
		Use:   "status",
		Short: "Show one screen of health, lag, freshness and dead letters",
		Long: `  freshet status
  freshet status --listen 10.0.0.7:9464
  freshet status -o json | jq '.sources[] | select(.lag_records > 1000)'

Asks a running instance, at its address for metrics and health (--listen, FRESHET_LISTEN), for its state, its
lag and what it dropped. Exits with 0 if it is ready, 1 if it is not, and 5 if it does not answer.`,
		Args: args(cobra.NoArgs),
		RunE: func(cmd *cobra.Command, _ []string) error {
			settings, err := a.settings(cmd)
			if err != nil {
				return err
			}
			if !settings.Listening() {
				return usage("listen is none: say --listen HOST:PORT of the instance to ask")
			}
			s, err := askInstance(cmd.Context(), settings.Listen)
			if err != nil {
				return unreachable(err, "is freshet run up, and its listen address "+settings.Listen+"?")
			}
			if format == "json" {
				err = writeJSON(a.out, s)
			} else {
				err = s.write(a.out, a.ink(a.out))
			}
			if err == nil && !s.Ready {
				return found("not ready")
			}
			return err
		},
	}
	offerOutput(cmd, &format, "table", "json")
	config.AddFlags(cmd.Flags(), "listen")
	return cmd
}

// instance is what one running instance says of itself.
type instance struct {
	Address     string             `json:"address"`
	Live        bool               `json:"live"`
	Ready       bool               `json:"ready"`
	State       string             `json:"state"`
	Startup     string             `json:"startup"`
	Active      bool               `json:"active"`
	StandbyLag  float64            `json:"standby_lag_records"`
	Namespace   string             `json:"namespace"`
	Spec        string             `json:"spec"`
	Version     string             `json:"version"`
	Commit      string             `json:"commit"`
	Restored    float64            `json:"restore_progress_ratio"`
	Batches     float64            `json:"batches_committed"`
	Sources     []sourceStatus     `json:"sources"`
	Views       []viewStatus       `json:"views"`
	Held        []stateStatus      `json:"held"`
	Scores      map[string]float64 `json:"scores"` // model/band
	StoreErrors float64            `json:"online_write_errors"`
}

type sourceStatus struct {
	Source     string             `json:"source"`
	Records    float64            `json:"records"`
	LagRecords float64            `json:"lag_records"`
	LagSeconds float64            `json:"lag_seconds"`
	Slowest    string             `json:"slowest_partition"`
	Watermark  float64            `json:"watermark_timestamp_seconds"`
	P99        *quantile          `json:"end_to_end_p99"`
	Refused    map[string]float64 `json:"refused"` // dead letters and drops, by reason
}

type viewStatus struct {
	View string    `json:"view"`
	Keys float64   `json:"keys"`
	P99  *quantile `json:"freshness_p99"`
}

// stateStatus is what the views of one entity over one source hold together.
type stateStatus struct {
	Source string  `json:"source"`
	Entity string  `json:"entity"`
	Bytes  float64 `json:"bytes"`
}

func askInstance(ctx context.Context, address string) (*instance, error) {
	ctx, cancel := context.WithTimeout(ctx, statusTimeout)
	defer cancel()
	s := &instance{Address: address}
	var err error
	if s.Live, _, err = ask(ctx, address, "/livez"); err != nil {
		return nil, err
	}
	if s.Ready, s.State, err = ask(ctx, address, "/readyz"); err != nil {
		return nil, err
	}
	if _, s.Startup, err = ask(ctx, address, "/startupz"); err != nil {
		return nil, err
	}
	_, text, err := ask(ctx, address, "/metrics")
	if err != nil {
		return nil, err
	}
	parser := expfmt.NewTextParser(model.LegacyValidation)
	families, err := parser.TextToMetricFamilies(strings.NewReader(text + "\n"))
	if err != nil {
		return nil, fmt.Errorf("http://%s/metrics is no metrics of freshet: %w", address, err)
	}
	s.fill(families)
	return s, nil
}

// ask gets one page. The answer 503 is an answer.
func ask(ctx context.Context, address, path string) (ok bool, body string, err error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+address+path, nil)
	if err != nil {
		return false, "", err
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return false, "", err
	}
	defer func() { _ = response.Body.Close() }()
	const enough = 16 << 20 // metrics of a thousand partitions are below 1 MiB
	text, err := io.ReadAll(io.LimitReader(response.Body, enough))
	if err != nil {
		return false, "", fmt.Errorf("read http://%s%s: %w", address, path, err)
	}
	return response.StatusCode == http.StatusOK, strings.TrimSpace(string(text)), nil
}

type families map[string]*dto.MetricFamily

func (s *instance) fill(f families) {
	bySource := make(map[string]*sourceStatus)
	of := func(name string) *sourceStatus {
		if bySource[name] == nil {
			bySource[name] = &sourceStatus{Source: name, Refused: map[string]float64{}}
		}
		return bySource[name]
	}
	f.each("freshet_build_info", func(l labels, _ float64) { s.Version, s.Commit = l["version"], l["commit"] })
	f.each("freshet_spec_info", func(l labels, _ float64) { s.Namespace, s.Spec = l["namespace"], l["spec"] })
	f.each("freshet_active", func(_ labels, v float64) { s.Active = v == 1 })
	f.each("freshet_standby_lag_records", func(_ labels, v float64) { s.StandbyLag = v })
	f.each("freshet_restore_progress_ratio", func(_ labels, v float64) { s.Restored = v })
	f.each("freshet_online_write_errors_total", func(_ labels, v float64) { s.StoreErrors += v })
	f.each("freshet_transactions_total", func(l labels, v float64) {
		if l["result"] == "committed" {
			s.Batches += v
		}
	})
	f.each("freshet_source_records_total", func(l labels, v float64) { of(l["source"]).Records += v })
	f.each("freshet_source_lag_records", func(l labels, v float64) { of(l["source"]).LagRecords += v })
	f.each("freshet_source_lag_seconds", func(l labels, v float64) {
		if source := of(l["source"]); v > source.LagSeconds {
			source.LagSeconds, source.Slowest = v, l["partition"]
		}
	})
	f.each("freshet_watermark_timestamp_seconds", func(l labels, v float64) {
		source := of(l["source"])
		source.Watermark = max(source.Watermark, v)
	})
	for _, name := range []string{"freshet_dlq_records_total", "freshet_records_dropped_total"} {
		f.each(name, func(l labels, v float64) {
			if v > 0 {
				of(l["source"]).Refused[l["reason"]] += v
			}
		})
	}
	s.Scores = make(map[string]float64)
	f.each("freshet_scores_total", func(l labels, v float64) { s.Scores[l["model"]+"/"+l["band"]] += v })
	s.fillViews(f)
	for name, source := range bySource {
		source.P99 = f.p99("freshet_end_to_end_duration_seconds", "source", name)
		s.Sources = append(s.Sources, *source)
	}
	sort.Slice(s.Sources, func(i, j int) bool { return s.Sources[i].Source < s.Sources[j].Source })
}

func (s *instance) fillViews(f families) {
	s.Views, s.Held = []viewStatus{}, []stateStatus{}
	f.each("freshet_state_bytes", func(l labels, v float64) {
		s.Held = append(s.Held, stateStatus{l["source"], l["entity"], v})
	})
	f.each("freshet_state_keys", func(l labels, v float64) {
		s.Views = append(s.Views, viewStatus{View: l["view"], Keys: v,
			P99: f.p99("freshet_feature_freshness_seconds", "view", l["view"])})
	})
}

// counts are what became of the records of an instance.
type counts struct {
	records float64
	refused map[string]float64 // drops and dead letters by reason
}

func countsOf(gathered []*dto.MetricFamily) counts {
	f := make(families)
	for _, family := range gathered {
		f[family.GetName()] = family
	}
	c := counts{refused: make(map[string]float64)}
	f.each("freshet_source_records_total", func(_ labels, v float64) { c.records += v })
	for _, name := range []string{"freshet_records_dropped_total", "freshet_dlq_records_total"} {
		f.each(name, func(l labels, v float64) {
			if v > 0 {
				c.refused[l["reason"]] += v
			}
		})
	}
	return c
}

type labels map[string]string

func labelsOf(m *dto.Metric) labels {
	l := make(labels)
	for _, pair := range m.GetLabel() {
		l[pair.GetName()] = pair.GetValue()
	}
	return l
}

// each visits the samples of a gauge or counter.
func (f families) each(name string, visit func(labels, float64)) {
	family := f[name]
	for _, m := range family.GetMetric() {
		value := m.GetGauge().GetValue() + m.GetCounter().GetValue() + m.GetUntyped().GetValue()
		visit(labelsOf(m), value)
	}
}

// quantile is known by the bucket that it lies in: at most so many seconds, or
// over it where the last bucket holds it.
type quantile struct {
	Seconds float64 `json:"seconds"`
	Over    bool    `json:"over"`
}

// p99 is the bucket of the 99th percentile; nil where nothing was measured.
func (f families) p99(name, label, value string) *quantile {
	for _, m := range f[name].GetMetric() {
		h := m.GetHistogram()
		if labelsOf(m)[label] != value || h.GetSampleCount() == 0 {
			continue
		}
		rank := 0.99 * float64(h.GetSampleCount())
		last := 0.0
		for _, bucket := range h.GetBucket() {
			if math.IsInf(bucket.GetUpperBound(), 1) {
				break
			}
			last = bucket.GetUpperBound()
			if float64(bucket.GetCumulativeCount()) >= rank {
				return &quantile{Seconds: last}
			}
		}
		return &quantile{Seconds: last, Over: true}
	}
	return nil
}

func (s *instance) write(w io.Writer, ink ink) error {
	state := ink.good("ready")
	if !s.Ready {
		state = ink.bad("not ready")
	}
	role := "standby"
	if s.Active {
		role = "active"
	}
	role += ": " + strings.TrimPrefix(s.State, role+": ")
	if !s.Active && s.StandbyLag > 0 {
		role += fmt.Sprintf(", %s records behind the owner's commits", thousands(fmt.Sprintf("%.0f", s.StandbyLag)))
	}
	var b strings.Builder
	fmt.Fprintf(&b, "%s  %s  %s  (%s)\n", ink.bold(s.Namespace), state, role, s.Address)
	fmt.Fprintf(&b, "%s\n\n", ink.dim(strings.Join([]string{"freshet " + s.Version, "commit " + s.Commit, "spec " + clip(s.Spec, 13),
		fmt.Sprintf("%.0f batches", s.Batches), fmt.Sprintf("store errors %.0f", s.StoreErrors)}, "  ")))
	t := table{right: map[int]bool{1: true, 2: true, 3: true, 5: true}}
	t.add("SOURCE", "RECORDS", "LAG", "BEHIND", "WATERMARK", "P99", "REFUSED")
	for _, source := range s.Sources {
		behind := shortAge(time.Duration(source.LagSeconds * float64(time.Second)))
		if source.LagSeconds > 0 {
			behind += " (p" + source.Slowest + ")"
		}
		watermark := "-"
		if source.Watermark > 0 {
			watermark = time.UnixMilli(int64(source.Watermark * 1000)).UTC().Format(time.RFC3339)
		}
		t.add(ink.key(source.Source), thousands(fmt.Sprintf("%.0f", source.Records)), thousands(fmt.Sprintf("%.0f", source.LagRecords)), behind,
			watermark, source.P99.String(), counted(source.Refused))
	}
	if err := writeAll(w, b.String()); err != nil {
		return err
	}
	if err := t.write(w, ink); err != nil {
		return err
	}
	views := table{right: map[int]bool{1: true, 2: true}}
	views.add("VIEW", "KEYS", "FRESHNESS P99")
	for _, view := range s.Views {
		views.add(ink.key(view.View), thousands(fmt.Sprintf("%.0f", view.Keys)), view.P99.String())
	}
	if err := writeAll(w, "\n"); err != nil {
		return err
	}
	if err := views.write(w, ink); err != nil {
		return err
	}
	held := table{right: map[int]bool{1: true}}
	held.add("STATE", "SIZE")
	for _, log := range s.Held {
		held.add(ink.key(log.Entity)+" of "+log.Source, size(log.Bytes))
	}
	if err := writeAll(w, "\n"); err != nil {
		return err
	}
	if err := held.write(w, ink); err != nil {
		return err
	}
	if len(s.Scores) == 0 {
		return nil
	}
	return writeAll(w, "\nscores  "+counted(s.Scores)+"\n")
}

func writeAll(w io.Writer, text string) error {
	_, err := io.WriteString(w, text)
	return err
}

func (q *quantile) String() string {
	if q == nil {
		return "-"
	}
	sign := "≤ "
	if q.Over {
		sign = "> "
	}
	return sign + shortAge(time.Duration(q.Seconds*float64(time.Second)))
}

// counted is "late 3, schema 12", in the order of the names.
func counted(counts map[string]float64) string {
	var names, words []string
	for name, n := range counts {
		if n > 0 {
			names = append(names, name)
		}
	}
	sort.Strings(names)
	for _, name := range names {
		words = append(words, fmt.Sprintf("%s %.0f", name, counts[name]))
	}
	if len(words) == 0 {
		return "none"
	}
	return strings.Join(words, ", ")
}

func size(bytes float64) string {
	for _, unit := range []string{"B", "KiB", "MiB"} {
		if bytes < 1024 {
			return fmt.Sprintf("%.0f %s", bytes, unit)
		}
		bytes /= 1024
	}
	return fmt.Sprintf("%.1f GiB", bytes)
}
