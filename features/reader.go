package features

import (
	"math"
	"strings"

	"github.com/freshet-dev/freshet/config/spec"
	"github.com/freshet-dev/freshet/features/event"
	"github.com/freshet-dev/freshet/features/expr"
)

// Reader does everything about a record that needs no state, in the order of
// S8: decode, schema, from the future, computed fields, source filter. Each
// goroutine has its own.
type Reader struct {
	source    *sourcePlan
	decoder   *event.Decoder
	rejection event.Rejection
	missing   []int64 // by field: optional fields without a value
	unmatched []int64 // by field: keys that the table of a looked-up field has no row of
	tables    []*event.Table
	keys      keyBuffer
	env       expr.Env
}

// ReadCounts are by field name: values outside an enum that were accepted
// (S14), accepted records in which a field had no value (S17), and records
// whose key has no row in the table of a looked-up field.
type ReadCounts struct{ UnknownEnum, Missing, Unmatched map[string]int64 }

// NewReader is a reader of the records of a source.
func (p *Plan) NewReader(source int) *Reader {
	sp := p.sources[source]
	r := &Reader{source: sp, decoder: event.NewDecoder(sp.source), missing: make([]int64, len(sp.source.Fields)),
		unmatched: make([]int64, len(sp.source.Fields))}
	for _, in := range sp.limits {
		if in.field != nil {
			r.decoder.LimitSum(in.field)
		}
	}
	return r
}

// Read decodes value into ev, whose Source, Partition, Offset and RecordTime
// the caller has set. It returns nil where the record is accepted so far: late
// and duplicate are Engine.Admit's to decide. The rejection is reused by the
// next Read. ev's strings may alias value.
func (r *Reader) Read(value []byte, ev *event.Event) *event.Rejection {
	if rej := r.decoder.Decode(value, ev); rej != nil {
		return rej
	}
	return r.judge(ev)
}

// ReadTexts is Read for the cells of a CSV line.
func (r *Reader) ReadTexts(names []string, texts []string, ev *event.Event) *event.Rejection {
	if rej := r.decoder.DecodeTexts(names, texts, ev); rej != nil {
		return rej
	}
	return r.judge(ev)
}

// ReadGiven is Read for an event of a spec test: the texts of declared fields.
func (r *Reader) ReadGiven(fields []*spec.Field, texts []string, ev *event.Event) *event.Rejection {
	if rej := r.decoder.DecodeGiven(fields, texts, ev); rej != nil {
		return rej
	}
	return r.judge(ev)
}

// judge decides what comes behind the schema (S8).
func (r *Reader) judge(ev *event.Event) *event.Rejection {
	src := r.source.source
	if ev.RecordTime != event.NoTime && ev.Time > ev.RecordTime+src.MaxAhead.Milliseconds() {
		return r.refuse(event.Future, src.TimestampField.Name, "later than the record's own timestamp by more than max_ahead")
	}
	env := &r.env
	*env = expr.Env{Fields: ev.Values}
	for i := range r.source.computed {
		c := &r.source.computed[i]
		if c.program == nil {
			ev.Values[c.field.Index] = r.lookup(c, ev)
			continue
		}
		v, ok := c.program.Eval(env)
		if !ok {
			v = event.Value{}
		}
		ev.Values[c.field.Index] = computedValue(v, c.field)
	}
	if rej := r.checkSums(ev, env); rej != nil {
		return rej
	}
	if r.source.filter != nil {
		if holds, ok := r.source.filter.EvalBool(env); !ok || !holds {
			return r.refuse(event.Filtered, "", "the source's filter does not hold")
		}
	}
	for i := range ev.Values {
		if !ev.Values[i].Has() {
			r.missing[i]++
		}
	}
	return nil
}

// checkSums refuses computed and looked-up doubles that are summed and too
// large for it (S20); the decoder does so for declared ones.
func (r *Reader) checkSums(ev *event.Event, env *expr.Env) *event.Rejection {
	for i := range r.source.limits {
		in := &r.source.limits[i]
		if in.field != nil && in.field.Expr == nil && in.field.Table == "" {
			continue // the decoder's
		}
		if in.filter != nil {
			if lets, ok := in.filter.EvalBool(env); !ok || !lets {
				continue
			}
		}
		v, ok := in.eval(ev, env)
		if ok && v.Kind() == event.Double && math.Abs(v.Float()) > event.MaxSummed {
			return r.refuse(event.Schema, strings.TrimPrefix(in.name, "field "), "a summed value is beyond 1e15")
		}
	}
	return nil
}

// computedValue is an expression's result by the declared type of its field.
func computedValue(v event.Value, f *spec.Field) event.Value {
	if v.Kind() != event.Double {
		return v
	}
	switch f.Type {
	case spec.Int:
		if math.Abs(v.Float()) > 1<<53 {
			return event.Value{}
		}
		return event.OfInt(int64(v.Float()))
	case spec.Decimal:
		minor := v.Float() * event.Pow10[f.Scale]
		if math.Abs(minor) > 1<<53 {
			return event.Value{}
		}
		return event.OfDecimal(roundHalfAway(minor))
	}
	return v
}

// eval is the value of an input in an event.
func (in *inputPlan) eval(ev *event.Event, env *expr.Env) (event.Value, bool) {
	if in.field != nil {
		v := ev.Values[in.field.Index]
		return v, v.Has()
	}
	return in.program.Eval(env)
}

func (r *Reader) refuse(reason event.Reason, field, detail string) *event.Rejection {
	r.rejection = event.Rejection{Reason: reason, Field: field, Detail: detail, Offset: -1}
	return &r.rejection
}

// Counts are what Read saw since the reader was made.
func (r *Reader) Counts() ReadCounts {
	counts := ReadCounts{UnknownEnum: map[string]int64{}, Missing: map[string]int64{}, Unmatched: map[string]int64{}}
	unknown := r.decoder.UnknownEnum()
	for i, f := range r.source.source.Fields {
		if unknown[i] > 0 {
			counts.UnknownEnum[f.Name] = unknown[i]
		}
		if r.missing[i] > 0 {
			counts.Missing[f.Name] = r.missing[i]
		}
		if r.unmatched[i] > 0 {
			counts.Unmatched[f.Name] = r.unmatched[i]
		}
	}
	return counts
}
