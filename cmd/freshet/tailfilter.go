package main

import (
	"fmt"
	"strings"
	"time"

	"github.com/freshet-dev/freshet/config/spec"
	"github.com/freshet-dev/freshet/sinks/record"
)

const filterHelp = `  freshet tail -f 'score >= 0.7 && event.amount > 100'
  freshet tail -f 'reasons.contains("CARD_TESTING") && event.country in ["DE", "FR"]'
  freshet tail -f 'features.card_velocity.txn_count_1m >= 3 || delay_ms > 1000'

Filters are expressions in the language of the specs (CEL; all numbers are doubles). Names:
  event.FIELD               a field of the event, masked as in the record
  features.VIEW.FEATURE     a feature of the record
  entities.ENTITY           the token of an entity
  score, band, model        those of the model given by --model, by default the first
  reasons                   the model's reason codes, separated by spaces
  source, event_id          where the event came from, and its id
  delay_ms                  time from the event to its scored record
  partition, offset         the place of the record in its topic

If a name has no value, the filter does not match; present(x) tests for a value. A misspelt name or a wrong
type is refused before the first record is read.`

// tailFilter decides which records are shown: the expression, and the short
// forms of common ones.
type tailFilter struct {
	expr     *spec.Expr
	bands    map[string]bool
	reasons  map[string]bool
	model    string
	minScore float64
	hasMin   bool
	until    time.Time // zero: none; of the record's event time
}

// newFilterExpr checks an expression against everything that a record of the
// sources can hold.
func newFilterExpr(text string, s *spec.Spec, sources []*spec.Source) (*spec.Expr, error) {
	if text == "" {
		return nil, nil
	}
	names := []spec.Name{
		{Text: "score", Type: spec.Double}, {Text: "band", Type: spec.String}, {Text: "model", Type: spec.String},
		{Text: "reasons", Type: spec.String}, {Text: "source", Type: spec.String}, {Text: "event_id", Type: spec.String},
		{Text: "delay_ms", Type: spec.Double}, {Text: "partition", Type: spec.Double}, {Text: "offset", Type: spec.Double},
	}
	taken := make(map[string]bool)
	add := func(name string, t spec.Type) {
		if !taken[name] {
			taken[name] = true
			names = append(names, spec.Name{Text: name, Type: asNumber(t)})
		}
	}
	for _, source := range sources {
		for _, f := range source.Fields {
			add("event."+f.Name, f.Type)
		}
	}
	for _, view := range s.Views {
		for _, f := range view.Features {
			if f.Served {
				add("features."+f.Full(), f.Type)
			}
		}
	}
	for _, service := range s.Services {
		for _, d := range service.Derived {
			add("features."+service.Name+"."+d.Name, d.Type)
		}
	}
	for _, entity := range s.Entities {
		add("entities."+entity.Name, spec.String)
	}
	e, err := spec.CompileExpr(text, names)
	if err != nil {
		return nil, &problem{code: exitUsage, err: fmt.Errorf("--filter %s\n%w", text, err), next: "freshet help filters"}
	}
	if e.Type != spec.Bool {
		return nil, usage("--filter %s: it gives a %s, and must be true or false", text, typeName(e.Type, 0))
	}
	return e, nil
}

func asNumber(t spec.Type) spec.Type {
	if t == spec.Int || t == spec.Decimal {
		return spec.Double
	}
	return t
}

// matches reports whether a line is to be shown.
func (f *tailFilter) matches(l *tailLine) bool {
	score := l.scoreOf(f.model)
	switch {
	case f.model != "" && score == nil,
		len(f.bands) > 0 && (score == nil || !f.bands[score.Band]),
		f.hasMin && (score == nil || score.Score == nil || *score.Score < f.minScore),
		!f.until.IsZero() && l.record.EventTime.After(f.until):
		return false
	}
	if len(f.reasons) > 0 && !anyReason(score, f.reasons) {
		return false
	}
	if f.expr == nil {
		return true
	}
	value, ok := f.expr.Interpret(func(name spec.Name) (any, bool) { return l.lookup(name, score) })
	truth, isBool := value.(bool)
	return ok && isBool && truth
}

func anyReason(score *record.ModelScore, wanted map[string]bool) bool {
	if score == nil {
		return false
	}
	for _, reason := range score.Reasons {
		if wanted[reason.Code] {
			return true
		}
	}
	return false
}

// lookup gives the value of a filter's name.
func (l *tailLine) lookup(name spec.Name, score *record.ModelScore) (any, bool) {
	switch name.Text {
	case "partition":
		return float64(l.partition), true
	case "offset":
		return float64(l.offset), true
	case "delay_ms":
		return float64(l.delay().Milliseconds()), true
	case "source":
		return l.record.Source, true
	case "event_id":
		return l.record.EventID, true
	case "score", "band", "model", "reasons":
		return scoreName(name.Text, score)
	}
	scope, rest, _ := strings.Cut(name.Text, ".")
	switch scope {
	case "entities":
		token, ok := l.record.Entities[rest]
		return token, ok
	case "event":
		return typed(l.record.Event[rest], name.Type)
	}
	return typed(l.record.Features[rest], name.Type)
}

func scoreName(name string, score *record.ModelScore) (any, bool) {
	if score == nil {
		return nil, false
	}
	switch name {
	case "band":
		return score.Band, score.Band != ""
	case "model":
		bare, _, _ := strings.Cut(score.Model, "@")
		return bare, true
	case "reasons":
		return strings.Join(reasonCodes(score), " "), true
	}
	if score.Score == nil {
		return nil, false
	}
	return *score.Score, true
}

// typed is a JSON value as an expression sees it; one of another type (a
// masked number) is no value.
func typed(value any, t spec.Type) (any, bool) {
	switch x := value.(type) {
	case float64:
		return x, t == spec.Double
	case bool:
		return x, t == spec.Bool
	case string:
		if t != spec.Timestamp {
			return x, t == spec.String
		}
		at, err := time.Parse(time.RFC3339Nano, x)
		return at, err == nil
	}
	return nil, false
}

func reasonCodes(score *record.ModelScore) []string {
	var codes []string
	for _, reason := range score.Reasons {
		codes = append(codes, reason.Code)
	}
	return codes
}
