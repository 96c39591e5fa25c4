package spectest

import (
	"fmt"
	"regexp"
	"sort"
	"strconv"
	"strings"
	"time"

	"github.com/freshet-dev/freshet/config/spec"
	"github.com/freshet-dev/freshet/features"
	"github.com/freshet-dev/freshet/features/event"
	"github.com/freshet-dev/freshet/models"
)

// check compares one expectation. It is about an event where the entity has
// one at that time, else a read at that instant (1.10 item 5).
type check struct {
	runner  *Runner
	play    *play
	expect  *spec.Expect
	result  *Result
	current *record                      // nil: a read
	engine  *features.Engine             // of a read: as of its instant
	rows    map[*spec.View]*features.Row // of a read
	failure Failure
}

func (c *check) run() *Mistake {
	expect := c.expect
	c.rows = make(map[*spec.View]*features.Row)
	c.current = c.event()
	c.failure = Failure{Expect: expect, Of: c.describe()}
	if expect.Event != "" && c.current == nil {
		return &Mistake{expect.Pos, c.noEvent()}
	}
	for i := range expect.Features {
		if mistake := c.feature(&expect.Features[i]); mistake != nil {
			return mistake
		}
	}
	for i := range expect.Statuses {
		if mistake := c.status(&expect.Statuses[i]); mistake != nil {
			return mistake
		}
	}
	if mistake := c.models(); mistake != nil {
		return mistake
	}
	c.dropped()
	if len(c.failure.Mismatches) > 0 {
		c.result.Failures = append(c.result.Failures, c.failure)
	}
	return nil
}

// event is the accepted event that the expectation is about: the one of that
// id, or of the entity's events at that time the last in event order.
func (c *check) event() *record {
	var last *record
	for _, rec := range c.play.records {
		if rec.refused != event.Accepted {
			continue
		}
		if c.expect.Event != "" {
			if rec.id == c.expect.Event && (c.expect.Entity == nil || c.has(rec)) && (!c.expect.HasAt || rec.time == c.play.at(c.expect.At)) {
				return rec
			}
			continue
		}
		if rec.time == c.play.at(c.expect.At) && c.has(rec) {
			last = rec // offsets rise with arrival, so the last one is last in event order
		}
	}
	return last
}

// noEvent says why there is no event to be checked: none was accepted, or it is
// of another key than the expectation.
func (c *check) noEvent() string {
	for _, rec := range c.play.records {
		if rec.refused != event.Accepted || rec.id != c.expect.Event || c.has(rec) {
			continue
		}
		entity := c.expect.Entity.Name
		if key := c.play.keyOf(rec, c.expect.Entity); key != "" {
			return fmt.Sprintf("event %q is of %s=%s, not of %s=%s", rec.id, entity, key, entity, features.JoinKey(c.expect.Key))
		}
		return fmt.Sprintf("event %q has no %s, so it is not of %s=%s", rec.id, entity, entity, features.JoinKey(c.expect.Key))
	}
	return fmt.Sprintf("no accepted event has the id %q", c.expect.Event)
}

// has reports whether an accepted record is of the expectation's entity.
func (c *check) has(rec *record) bool {
	if c.expect.Entity == nil {
		return true
	}
	return c.play.keyOf(rec, c.expect.Entity) == features.JoinKey(c.expect.Key)
}

// keyOf is the entity key of a record, "" without one. Of refused records it
// is made from the texts as given.
func (p *play) keyOf(rec *record, entity *spec.Entity) string {
	if rec.keys != nil {
		for i, e := range p.runner.plan.Layout(rec.given.Source.Index).Entities {
			if e == entity {
				return rec.keys[i]
			}
		}
		return ""
	}
	var parts []string
	for _, name := range entity.Key {
		for _, v := range rec.given.Values {
			if v.Field.Name == name && !v.Null && v.Text != "" {
				parts = append(parts, v.Text)
			}
		}
	}
	if len(parts) != len(entity.Key) {
		return ""
	}
	return features.JoinKey(parts)
}

func (c *check) describe() string {
	var words []string
	if c.expect.Event != "" {
		words = append(words, "event "+c.expect.Event)
	} else {
		words = append(words, "at "+offset(c.expect.At))
	}
	if c.expect.Entity != nil {
		words = append(words, c.expect.Entity.Name+"="+features.JoinKey(c.expect.Key))
	}
	return strings.Join(words, "  ")
}

func (c *check) feature(want *spec.Want) *Mistake {
	got, mistake := c.value(want.Feature, want.Derived, want.Service, want.Pos)
	if mistake != nil {
		return mistake
	}
	if want.Missing {
		c.missing(want.Key, fullName(want.Feature, want.Derived, want.Service), valueText(got.value, got.scale))
		return nil
	}
	c.compare(holds(want, got.value, got.scale), func() Mismatch {
		m := Mismatch{Pos: want.Pos, Name: fullName(want.Feature, want.Derived, want.Service), Want: wantText(want),
			Got: valueText(got.value, got.scale), Why: c.whyOf(want.Feature, want.Derived)}
		if got.status != features.Present {
			m.Got += " (" + got.status.String() + ")"
		}
		return m
	})
	return nil
}

// fullName is that of a feature, or of a service's derived value.
func fullName(f *spec.Feature, d *spec.ServiceDerived, service *spec.Service) string {
	if f != nil {
		return f.Full()
	}
	return service.Name + "." + d.Name
}

// whyOf explains a feature, or a service's derived value.
func (c *check) whyOf(f *spec.Feature, d *spec.ServiceDerived) []string {
	if f != nil {
		return c.why(f)
	}
	return []string{c.formula(d.Expr)}
}

func (c *check) status(want *spec.WantStatus) *Mistake {
	got, mistake := c.value(want.Feature, want.Derived, want.Service, want.Pos)
	if mistake != nil {
		return mistake
	}
	if want.Missing {
		c.missing(want.Key, fullName(want.Feature, want.Derived, want.Service)+" status", got.status.String())
		return nil
	}
	c.compare(got.status.String() == want.Status, func() Mismatch {
		return Mismatch{Pos: want.Pos, Name: fullName(want.Feature, want.Derived, want.Service) + " status", Want: want.Status,
			Got: got.status.String(), Why: c.whyOf(want.Feature, want.Derived)}
	})
	return nil
}

// missing is a line without a value: it differs, and what came out can be
// written there.
func (c *check) missing(key spec.Position, name, got string) {
	c.result.Missing = append(c.result.Missing, spec.Fill{Key: key, Text: got})
	c.compare(false, func() Mismatch {
		return Mismatch{Pos: key, Name: name, Want: "nothing yet", Got: got}
	})
}

// compare counts one line and keeps it where it differs.
func (c *check) compare(same bool, mismatch func() Mismatch) {
	c.result.Checked++
	c.failure.Total++
	if same {
		c.failure.Matched++
		return
	}
	c.failure.Mismatches = append(c.failure.Mismatches, mismatch())
}

// seen is a value as the expectation sees it.
type seen struct {
	value  event.Value
	scale  int
	status features.Status
}

// value is that of a feature, or of a service's derived value.
func (c *check) value(f *spec.Feature, d *spec.ServiceDerived, service *spec.Service, pos spec.Position) (seen, *Mistake) {
	if c.current != nil {
		layout := c.runner.plan.Layout(c.current.given.Source.Index)
		for i, column := range layout.Columns {
			if f != nil && column.Feature == f && !column.Category.Listed || d != nil && column.Derived == d {
				return seen{c.current.enriched[i], column.Scale, c.current.statuses[i]}, nil
			}
		}
		name := ""
		if f != nil {
			name = f.Full()
		} else {
			name = service.Name + "." + d.Name
		}
		return seen{}, &Mistake{pos, fmt.Sprintf("%s is no part of what an event of %s is enriched with", name, c.current.given.Source.Name)}
	}
	if d != nil {
		return seen{}, &Mistake{pos, fmt.Sprintf("%s.%s needs an event, and %s is a read: no event of that entity has that time",
			service.Name, d.Name, c.describe())}
	}
	if f.EventBound {
		return seen{}, &Mistake{pos, fmt.Sprintf("%s needs an event, and %s is a read: no event of that entity has that time",
			f.Full(), c.describe())}
	}
	if c.expect.Entity == nil || f.View.Entity != c.expect.Entity {
		return seen{}, &Mistake{pos, fmt.Sprintf("%s is kept for %s: say entity: {%s: ...}", f.Full(), f.View.Entity.Name, f.View.Entity.Name)}
	}
	row := c.rows[f.View]
	if row == nil {
		if c.engine == nil {
			c.engine = c.play.asOf(c.expect.At)
		}
		row = new(features.Row)
		c.engine.Read(f.View, features.JoinKey(c.expect.Key), c.play.at(c.expect.At), row)
		for i := range row.Values {
			row.Values[i] = row.Values[i].Clone()
		}
		c.rows[f.View] = row
	}
	for i, column := range row.Layout.Columns {
		if column.Feature == f && !column.Category.Listed {
			return seen{row.Values[i], column.Scale, row.Statuses[i]}, nil
		}
	}
	panic("spectest: no column for " + f.Full())
}

// models compares reasons, scores and bands.
func (c *check) models() *Mistake {
	for i := range c.expect.Reasons {
		want := &c.expect.Reasons[i]
		result, mistake := c.scored(want.Model, want.Pos)
		if mistake != nil {
			return mistake
		}
		got := codes(want.Model, result.Reasons)
		if want.Missing {
			c.missing(want.Key, want.Model.Name+" reasons", list(got))
			continue
		}
		c.compare(strings.Join(got, " ") == strings.Join(want.Codes, " "), func() Mismatch {
			return Mismatch{Pos: want.Pos, Name: want.Model.Name + " reasons", Want: list(want.Codes), Got: list(got),
				Why: c.whyReasons(want.Model, want.Codes, got)}
		})
	}
	for i := range c.expect.Scores {
		want := &c.expect.Scores[i]
		result, mistake := c.scored(want.Model, want.Pos)
		if mistake != nil {
			return mistake
		}
		if c.skipped(want.Model, want.Pos, "score") {
			continue
		}
		if want.Want.Missing {
			got := "null"
			if result.HasScore {
				got = number(result.Score)
			}
			c.missing(want.Want.Key, want.Model.Name+" score", got)
			continue
		}
		same := result.HasScore && holdsNumber(&want.Want, result.Score)
		if want.Want.Op == "" && want.Want.Value.Type == spec.NoType {
			same = !result.HasScore
		}
		c.compare(same, func() Mismatch {
			got := "no score"
			if result.HasScore {
				got = number(result.Score)
			}
			return Mismatch{Pos: want.Pos, Name: want.Model.Name + " score", Want: wantText(&want.Want), Got: got, Why: c.whyScore(want.Model)}
		})
	}
	for i := range c.expect.Bands {
		want := &c.expect.Bands[i]
		result, mistake := c.scored(want.Model, want.Pos)
		if mistake != nil {
			return mistake
		}
		if c.skipped(want.Model, want.Pos, "band") {
			continue
		}
		if want.Missing {
			c.missing(want.Key, want.Model.Name+" band", bandText(result.Band))
			continue
		}
		c.compare(result.Band == want.Band, func() Mismatch {
			return Mismatch{Pos: want.Pos, Name: want.Model.Name + " band", Want: want.Band, Got: result.Band, Why: c.whyScore(want.Model)}
		})
	}
	return nil
}

// scored is what a model said of the current event.
func (c *check) scored(m *spec.Model, pos spec.Position) (models.Result, *Mistake) {
	if c.current == nil {
		return models.Result{}, &Mistake{pos, fmt.Sprintf("%s scores events, and %s is a read: no event of that entity has that time", m.Name, c.describe())}
	}
	for i, layout := range c.runner.plan.Layout(c.current.given.Source.Index).Models {
		if layout.Model == m {
			return c.current.results[i], nil
		}
	}
	return models.Result{}, &Mistake{pos, fmt.Sprintf("%s does not score events of %s", m.Name, c.current.given.Source.Name)}
}

func (c *check) skipped(m *spec.Model, pos spec.Position, what string) bool {
	reason, absent := c.runner.absent[m]
	if absent {
		c.result.Skipped = append(c.result.Skipped, Skip{pos, what + " of " + m.Name, reason})
	}
	return absent
}

func (c *check) dropped() {
	if len(c.expect.Dropped) == 0 {
		return
	}
	by := c.expect.At
	if c.expect.Event != "" && c.current != nil {
		by = max(by, c.current.arrives)
	}
	counts := c.play.dropped(by)
	for i := range c.expect.Dropped {
		want := &c.expect.Dropped[i]
		if want.Missing {
			c.missing(want.Key, "dropped "+want.Reason, fmt.Sprint(counts[want.Reason]))
			continue
		}
		c.compare(counts[want.Reason] == want.Count, func() Mismatch {
			return Mismatch{Pos: want.Pos, Name: "dropped " + want.Reason, Want: fmt.Sprint(want.Count), Got: fmt.Sprint(counts[want.Reason]),
				Why: c.whyDropped(by)}
		})
	}
}

func (c *check) whyDropped(by time.Duration) []string {
	var lines []string
	for _, rec := range c.play.records {
		if rec.arrives <= by && rec.refused != event.Accepted {
			lines = append(lines, rec.name(c.play)+" "+rec.why())
		}
	}
	sort.Strings(lines)
	if len(lines) == 0 {
		return []string{"nothing had been dropped by then"}
	}
	return []string{"dropped by then: " + few(lines)}
}

var plainWord = regexp.MustCompile(`^[a-z][a-z_]*$`)

// bandText is a band's name as an author would write it.
func bandText(name string) string {
	if plainWord.MatchString(name) && name != "true" && name != "false" && name != "null" {
		return name
	}
	return strconv.Quote(name)
}

func codes(m *spec.Model, fired []int) []string {
	var out []string
	for _, i := range fired {
		out = append(out, m.Rules[i].Code)
	}
	return out
}

func list(items []string) string { return "[" + strings.Join(items, ", ") + "]" }
