package checks

import (
	"encoding/json"
	"fmt"
	"math"
	"sort"
	"strconv"
	"strings"
	"time"

	"github.com/freshet-dev/freshet/config/spec"
	"github.com/freshet-dev/freshet/verify/oracle"
)

// timeLayout is how times leave the process (S12).
const timeLayout = "2006-01-02T15:04:05.000Z"

// relative is how far a value that was rounded may be off (S20).
const relative = 1e-9

// record compares one enriched record with the oracle's answer.
func (d *Dump) record(v *Verdict, o *output, want *oracle.Outcome) {
	place := o.Provenance.Place
	if at := time.UnixMilli(want.Time()).UTC().Format(timeLayout); o.EventTime != at {
		v.problem("%s: event time %s, oracle %s", place, o.EventTime, at)
	}
	if o.EventID != want.ID() {
		v.problem("%s: event id %q, oracle %q", place, o.EventID, want.ID())
	}
	src := d.Spec.Sources[indexOf(d.Spec, o.Source)]
	expected := 0
	for _, c := range oracle.Columns(d.Spec, src) {
		result := want.Value(c)
		v.Values++
		if !sameJSON(o.Features[c.Name], result) {
			v.problem("%s: %s is %s, oracle %v (%s)", place, c.Name, o.Features[c.Name], result.Value, result.Status)
		}
		status := o.Statuses[c.Name]
		if status == "" {
			status = oracle.Present
		}
		if status != result.Status {
			v.problem("%s: status of %s is %s, oracle %s", place, c.Name, status, result.Status)
		}
		if _, has := o.Features[c.Name]; has {
			expected++
		}
	}
	if len(o.Features) != expected {
		v.problem("%s: %d features that nobody asked for", place, len(o.Features)-expected)
	}
	d.entities(v, o, want)
	d.scores(v, o, src, want)
}

func indexOf(s *spec.Spec, source string) int {
	for i, src := range s.Sources {
		if src.Name == source {
			return i
		}
	}
	return 0
}

// entities compares the tokens of the record's entities.
func (d *Dump) entities(v *Verdict, o *output, want *oracle.Outcome) {
	if d.Token == nil {
		return
	}
	for _, e := range d.Spec.Entities {
		key, has := want.Key(e)
		token := ""
		if has {
			token = d.Token(e, key)
		}
		if got, listed := o.Entities[e.Name]; listed && got != token {
			v.problem("%s: entity %s is not the token of its key", o.Provenance.Place, e.Name)
		}
	}
}

func (d *Dump) scores(v *Verdict, o *output, src *spec.Source, want *oracle.Outcome) {
	byModel := map[string]score{}
	for _, s := range o.Scores {
		byModel[s.Model] = s
	}
	for _, m := range d.Spec.Models {
		if m.Service.On != src || m.Runtime != "expr" {
			continue
		}
		name := fmt.Sprintf("%s@%d", m.Name, m.Version)
		got, has := byModel[name]
		if !has {
			v.problem("%s: no score of %s", o.Provenance.Place, name)
			continue
		}
		expected := want.Score(m)
		var reasons []string
		for _, r := range got.Reasons {
			reasons = append(reasons, r.Code)
		}
		v.Values++
		sameScore := got.Score == nil && !expected.Has || got.Score != nil && expected.Has && math.Abs(*got.Score-expected.Value) <= relative
		if !sameScore || got.Band != expected.Band || strings.Join(reasons, ",") != strings.Join(expected.Reasons, ",") {
			v.problem("%s: %s says %s %s %v, oracle %v", o.Provenance.Place, name, scoreText(got.Score), got.Band, reasons, expected)
		}
	}
}

func scoreText(s *float64) string {
	if s == nil {
		return "null"
	}
	return strconv.FormatFloat(*s, 'g', -1, 64)
}

// sameJSON compares a value of a record with the oracle's; a value that is
// none is null or absent.
func sameJSON(raw json.RawMessage, want oracle.Result) bool {
	if want.Value == nil {
		return len(raw) == 0 || string(raw) == "null"
	}
	var got any
	if json.Unmarshal(raw, &got) != nil {
		return false
	}
	return sameOutside(got, want)
}

func sameOutside(got any, want oracle.Result) bool {
	switch w := want.Value.(type) {
	case float64:
		g, ok := got.(float64)
		return ok && (g == w || math.Abs(g-w) <= relative*math.Abs(w)+1e-14*max(1, want.Mass))
	case time.Time:
		return got == w.UTC().Format(timeLayout)
	}
	return got == want.Value
}

// rows compares the online store with the oracle's reads.
func (d *Dump) rows(v *Verdict, judge *oracle.Oracle) {
	expected := map[string]oracle.Row{}
	for _, r := range judge.Rows() {
		if len(online(r.View)) > 0 {
			expected[d.rowKey(r)] = r
		}
	}
	var keys []string
	for key := range d.Rows {
		keys = append(keys, key)
	}
	sort.Strings(keys)
	for _, key := range keys {
		r, known := expected[key]
		if !known {
			v.problem("row %s: no event made it", key)
			continue
		}
		delete(expected, key)
		v.Rows++
		if d.Rows[key] == nil {
			continue
		}
		v.RowsCompared++
		d.row(v, key, r, d.Rows[key], judge)
	}
	for key := range expected {
		v.problem("row %s: missing", key)
	}
}

// rowKey is where a row lies (surfaces.md 4.2).
func (d *Dump) rowKey(r oracle.Row) string {
	return fmt.Sprintf("freshet:%s:{%s:%s}:%s", d.Spec.Namespace, r.View.Entity.Name, d.Token(r.View.Entity, r.Key), r.View.Pinned())
}

// online are the features that a view's row holds.
func online(v *spec.View) []*spec.Feature {
	var features []*spec.Feature
	for _, f := range v.Features {
		if f.Served && !f.Hidden && !f.EventBound {
			features = append(features, f)
		}
	}
	return features
}

func (d *Dump) row(v *Verdict, key string, r oracle.Row, hash map[string]string, judge *oracle.Oracle) {
	asOf, err := strconv.ParseInt(hash["_as_of"], 10, 64)
	newest, _ := judge.NewestOf(r.View, r.Key)
	if err != nil || asOf < newest {
		v.problem("row %s: _as_of %q, its newest event is at %d", key, hash["_as_of"], newest)
		return
	}
	statuses := map[string]string{}
	for _, pair := range strings.Split(hash["_status"], ",") {
		if name, status, ok := strings.Cut(pair, "="); ok {
			statuses[name] = status
		}
	}
	reading := judge.Read(r.View, r.Key, asOf)
	fields := 0
	for _, f := range online(r.View) {
		want := reading.Feature(f)
		v.RowValues++
		text, has := hash[f.Short]
		if has {
			fields++
		}
		if has != (want.Value != nil) || has && !sameText(text, want) {
			v.problem("row %s: %s is %q, oracle %v (%s)", key, f.Short, text, want.Value, want.Status)
		}
		status := statuses[f.Short]
		if status == "" {
			status = oracle.Present
		}
		if status != want.Status {
			v.problem("row %s: status of %s is %s, oracle %s", key, f.Short, status, want.Status)
		}
		if at, moves := hash[f.Short+"_at"]; moves {
			fields++
			if at != hash["_as_of"] {
				v.problem("row %s: %s_at is %s, the row is as of %d", key, f.Short, at, asOf)
			}
		}
	}
	for name := range hash {
		if strings.HasPrefix(name, "_") {
			fields++
		}
	}
	if fields != len(hash) {
		v.problem("row %s: %d fields that are no feature of it", key, len(hash)-fields)
	}
}

// sameText compares a field of a row with the oracle's value.
func sameText(text string, want oracle.Result) bool {
	switch w := want.Value.(type) {
	case float64:
		x, err := strconv.ParseFloat(text, 64)
		return err == nil && sameOutside(x, want)
	case bool:
		return text == strconv.FormatBool(w)
	case time.Time:
		return text == w.UTC().Format(timeLayout)
	}
	return text == want.Value
}
