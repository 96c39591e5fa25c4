package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/freshet-dev/freshet/config"
	"github.com/freshet-dev/freshet/config/spec"
	"github.com/freshet-dev/freshet/features"
	"github.com/freshet-dev/freshet/features/event"
	"github.com/freshet-dev/freshet/sinks/record"
)

// question is a read of the state that files lead to: as of a time, or with an
// event that is not applied.
type question struct {
	app      *app
	spec     *spec.Spec
	inputs   []input
	entities []askedEntity
	only     map[*spec.Feature]bool // nil: all that are not hidden
	service  *spec.Service          // nil: none
	at       int64                  // ms; math.MaxInt64: the newest event's time
	source   *spec.Source           // of the event; nil: a read at a time
	payload  []byte                 // the event
}

type askedEntity struct {
	entity *spec.Entity
	key    string
}

// answer is what a question leads to.
type answer struct {
	question *question
	replay   *replay
	at       time.Time
	cells    []answered
	entities []askedEntity
}

// answered is one value.
type answered struct {
	name   string
	value  json.RawMessage
	has    bool
	status features.Status
}

// newQuestion reads the arguments of get over files.
func (a *app) newQuestion(s *spec.Spec, given []string, f *getFlags, now time.Time) (*question, error) {
	q := &question{app: a, spec: s, at: math.MaxInt64}
	var err error
	if q.inputs, err = parseInputs(s, f.inputs); err != nil {
		return nil, err
	}
	if q.service, err = serviceNamed(s, f.service); err != nil {
		return nil, err
	}
	if f.at != "" {
		if f.event != "" {
			return nil, usage("--at %s and --event: the event has its own time; leave one of them out", f.at)
		}
		at, err := parseWhen("at", f.at, now)
		if err != nil {
			return nil, err
		}
		q.at = at.UnixMilli()
	}
	if f.event != "" {
		if err := q.readEvent(f.event); err != nil {
			return nil, err
		}
	}
	for i, text := range given {
		if !strings.Contains(text, "=") {
			given = given[i:]
			break
		}
		entity, key, err := parseEntity(s, text)
		if err != nil {
			return nil, err
		}
		for _, other := range q.entities {
			if other.entity == entity {
				return nil, usage("%s: %s=%s is asked for already: one key of an entity at a time; ask again for the other", text, entity.Name, other.key)
			}
		}
		q.entities = append(q.entities, askedEntity{entity, key})
		if i == len(given)-1 {
			given = nil
		}
	}
	if len(q.entities) == 0 && q.source == nil {
		return nil, usage("of which entity? say ENTITY=KEY, like %s=c1, or --event FILE", s.Entities[0].Name)
	}
	return q, q.want(given)
}

// readEvent reads the event of --event: FILE, or SOURCE=FILE.
func (q *question) readEvent(text string) error {
	path := text
	if name, rest, ok := strings.Cut(text, "="); ok {
		source, known := q.spec.Source(name)
		if !known {
			return usage("--event %s: no source %s: it is FILE, or SOURCE=FILE", text, name)
		}
		q.source, path = source, rest
	}
	switch {
	case q.source != nil && q.service != nil && q.service.On != q.source:
		return usage("--event %s: service %s reads events of %s", text, q.service.Name, q.service.On.Name)
	case q.source != nil:
	case q.service != nil:
		q.source = q.service.On
	case len(q.spec.Sources) == 1:
		q.source = q.spec.Sources[0]
	default:
		return usage("--event %s: of which source? say --event %s=%s, or --service", text, q.spec.Sources[0].Name, text)
	}
	var in io.Reader = q.app.in
	if path == "-" {
		if slices.ContainsFunc(q.inputs, func(in input) bool { return in.path == "-" }) {
			return usage("--event -: stdin is an input already")
		}
	} else {
		f, err := os.Open(path)
		if err != nil {
			return failed(fmt.Errorf("read the event: %w", err), "")
		}
		defer func() { _ = f.Close() }()
		in = f
	}
	data, err := io.ReadAll(io.LimitReader(in, event.MaxRecordBytes+1))
	if err != nil {
		return failed(fmt.Errorf("read the event: %w", err), "")
	}
	q.payload = bytes.TrimSpace(data)
	return nil
}

func serviceNamed(s *spec.Spec, name string) (*spec.Service, error) {
	if name == "" {
		return nil, nil
	}
	var names []string
	for _, service := range s.Services {
		if service.Name == name {
			return service, nil
		}
		names = append(names, service.Name)
	}
	if near := config.Nearest(name, slices.Clone(names)); near != "" {
		return nil, usage("no feature service %s (did you mean %s?)", name, near)
	}
	return nil, usage("no feature service %s: the spec has %s", name, namesOrNone(names))
}

// namesOrNone is what the spec has of something, for a message.
func namesOrNone(names []string) string {
	if len(names) == 0 {
		return "none"
	}
	return strings.Join(names, ", ")
}

// want limits the answer to features by name or pattern.
func (q *question) want(names []string) error {
	for _, name := range names {
		g := getting{spec: q.spec, only: q.only}
		err := usage("no entity is asked for")
		for _, view := range q.spec.Views {
			if g.entity == view.Entity || !q.asks(view.Entity) {
				continue
			}
			g.entity = view.Entity
			if one := g.want(name); one == nil {
				err, q.only = nil, g.only
			} else if err != nil {
				err = one
			}
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// asks reports whether an entity is asked for: with an event, all of them are
// unless some are named.
func (q *question) asks(entity *spec.Entity) bool {
	return len(q.entities) == 0 || slices.ContainsFunc(q.entities, func(e askedEntity) bool { return e.entity == entity })
}

// shows reports whether a feature is part of the answer.
func (q *question) shows(f *spec.Feature) bool {
	if q.only != nil {
		return q.only[f]
	}
	return !f.Hidden && (q.service != nil || q.asks(f.View.Entity))
}

// answer replays the files and reads.
func (q *question) answer(ctx context.Context) (*answer, error) {
	q.app.tellEmpty(q.spec, q.inputs)
	r, err := q.app.replayFiles(ctx, q.spec, q.inputs, q.at)
	if err != nil {
		return nil, err
	}
	a := &answer{question: q, replay: r}
	if q.source != nil {
		err = a.withEvent()
	} else {
		err = a.asOf()
	}
	if err != nil {
		return nil, err
	}
	a.arrange()
	if len(a.cells) == 0 {
		return nil, failed(errors.New("no feature of these entities is in the answer"), "freshet features -o wide")
	}
	return a, nil
}

// asOf is the read of now, at q.at.
func (a *answer) asOf() error {
	q, r := a.question, a.replay
	at := q.at
	if at == math.MaxInt64 {
		if r.applied == 0 {
			return failed(errors.New("the inputs hold no accepted record: there is no time to read at"), "--at TIME")
		}
		at = r.newest
	}
	a.at, a.entities = time.UnixMilli(at).UTC(), q.entities
	var row features.Row
	for _, asked := range q.entities {
		for _, layout := range r.plan.Reads() {
			if layout.View.Entity != asked.entity {
				continue
			}
			r.engine.Read(layout.View, asked.key, at, &row)
			for i, column := range row.Layout.Columns {
				if q.shows(column.Feature) {
					a.add(column.Name(), row.Values[i], column.Scale, row.Statuses[i])
				}
			}
		}
	}
	return nil
}

// withEvent is the read with the event: as if it had just arrived.
func (a *answer) withEvent() error {
	q, r := a.question, a.replay
	reader := readersOf(r.plan, r.tables)[q.source.Index]
	ev := event.Event{Source: q.source.Index, RecordTime: event.NoTime}
	if refused := reader.Read(q.payload, &ev); refused != nil {
		why := refused.Detail
		if refused.Field != "" {
			why = refused.Field + ": " + why
		}
		if refused.Offset >= 0 {
			why += fmt.Sprintf(", byte %d", refused.Offset)
		}
		return failed(fmt.Errorf("the event would be refused (%s): %s", refused.Reason, why), "one JSON object, as source "+q.source.Name+" declares it")
	}
	out := r.plan.NewVector(q.source.Index)
	r.engine.ReadWith(&ev, out)
	layout := r.plan.Layout(q.source.Index)
	a.at = time.UnixMilli(ev.Time).UTC()
	for i, entity := range layout.Entities {
		if out.Keys[i] != "" {
			a.entities = append(a.entities, askedEntity{entity, out.Keys[i]})
		}
	}
	for _, asked := range q.entities {
		if !slices.Contains(a.entities, asked) {
			return usage("%s=%s: the event is of another one; leave it out, or say %s only with the event's key", asked.entity.Name, asked.key, asked.entity.Name)
		}
	}
	for i, column := range layout.Columns {
		shown := column.Derived != nil && column.Service == q.service
		if column.Feature != nil {
			shown = q.shows(column.Feature)
		}
		if shown && !a.has(column.Name) {
			a.add(column.Name, out.Values[i], column.Scale, out.Statuses[i])
		}
	}
	return nil
}

func (a *answer) has(name string) bool {
	return slices.ContainsFunc(a.cells, func(c answered) bool { return c.name == name })
}

func (a *answer) add(name string, v event.Value, scale int, status features.Status) {
	a.cells = append(a.cells, answered{name, record.AppendJSON(nil, v, scale), v.Has(), status})
}

// arrange puts the values in the order of the service's vector. A feature of an
// entity that was not asked for has no value.
func (a *answer) arrange() {
	q := a.question
	if q.service == nil {
		return
	}
	var names []string
	for i, f := range q.service.Features {
		names = append(names, features.ColumnName(f, q.service.Categories[i]))
	}
	for _, d := range q.service.Derived {
		names = append(names, q.service.Name+"."+d.Name)
	}
	missing := features.NoEntity
	var cells []answered
	for i, name := range names {
		if i >= len(q.service.Features) {
			missing = features.NeedsEvent // its inputs are the event's and the caller's
		} else if q.only != nil && !q.only[q.service.Features[i]] {
			continue
		}
		at := slices.IndexFunc(a.cells, func(c answered) bool { return c.name == name })
		if at < 0 {
			cells = append(cells, answered{name, json.RawMessage("null"), false, missing})
			continue
		}
		cells = append(cells, a.cells[at])
	}
	a.cells = cells
}

// words tell what the state was made of.
func (a *answer) words() string {
	refused := make(map[string]float64)
	for reason, n := range a.replay.refused {
		refused[event.Reason(reason).String()] = float64(n)
	}
	return fmt.Sprintf("%d records applied, refused %s", a.replay.applied, counted(refused))
}

func (a *answer) kind() string {
	if a.question.source != nil {
		return "with the event"
	}
	return "now"
}

func (a *answer) table(app *app) error {
	ink := app.ink(app.out)
	var words []string
	for _, e := range a.entities {
		words = append(words, ink.bold(e.entity.Name+"="+e.key))
	}
	words = append(words, a.kind()+", at "+a.at.Format("2006-01-02T15:04:05.000Z"))
	if _, err := fmt.Fprintln(app.out, strings.Join(words, "  ")); err != nil {
		return err
	}
	fmt.Fprintln(app.errs, a.words())
	t := table{right: map[int]bool{1: true}}
	t.add("FEATURE", "VALUE", "STATUS")
	for _, c := range a.cells {
		value, status := "-", ink.warn(c.status.String())
		if c.has {
			value = string(c.value)
			var text string
			if json.Unmarshal(c.value, &text) == nil {
				value = text
			}
		}
		if c.status == features.Present {
			status = ink.good(c.status.String())
		}
		t.add(ink.key(c.name), value, status)
	}
	return t.write(app.out, ink)
}

// document is the JSON form, in the words of the feature API. Values are an
// object in the order of the answer: with a service, of its vector.
func (a *answer) document(app *app) error {
	fmt.Fprintln(app.errs, a.words())
	entities := make(map[string]string)
	for _, e := range a.entities {
		entities[e.entity.Name] = e.key
	}
	values := object{}
	statuses := make(map[string]string)
	for _, c := range a.cells {
		values.add(c.name, c.value)
		if c.status != features.Present {
			statuses[c.name] = c.status.String()
		}
	}
	consistency := "now"
	if a.question.source != nil {
		consistency = "event"
	}
	return writeJSON(app.out, struct {
		Entity      map[string]string `json:"entity"`
		Features    json.RawMessage   `json:"features"`
		Statuses    map[string]string `json:"statuses"` // those that are not PRESENT
		AsOf        string            `json:"as_of"`
		Consistency string            `json:"consistency"`
	}{entities, values.json(), statuses, a.at.Format("2006-01-02T15:04:05.000Z"), consistency})
}
