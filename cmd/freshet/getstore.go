package main

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/freshet-dev/freshet/config"
	"github.com/freshet-dev/freshet/config/spec"
	"github.com/freshet-dev/freshet/features"
	"github.com/freshet-dev/freshet/features/aggregate"
	"github.com/freshet-dev/freshet/features/event"
	"github.com/freshet-dev/freshet/sinks/mask"
	"github.com/freshet-dev/freshet/sinks/record"
	"github.com/freshet-dev/freshet/sinks/redis"
)

func (a *app) getFromStore(ctx context.Context, s *spec.Spec, settings *config.Settings, given []string, f *getFlags) error {
	g, err := newGetting(s, settings, given, f.service)
	if err != nil {
		return err
	}
	if err := g.read(ctx, settings); err != nil {
		return err
	}
	if f.format == "json" {
		return writeJSON(a.out, g.document())
	}
	return g.table(a)
}

// getting is one read of one entity's rows.
type getting struct {
	spec    *spec.Spec
	entity  *spec.Entity
	key     string
	layouts []*features.RowLayout
	only    map[*spec.Feature]bool // nil: all
	service *spec.Service          // nil: in the order of the views

	rows   []redis.StoredRow
	alive  bool
	stream int64 // ms, of alive
	now    time.Time
}

func newGetting(s *spec.Spec, settings *config.Settings, given []string, service string) (*getting, error) {
	g := &getting{spec: s, now: time.Now()}
	var err error
	if g.entity, g.key, err = parseEntity(s, given[0]); err != nil {
		return nil, err
	}
	plan, err := features.Compile(s, features.Served)
	if err != nil {
		return nil, err
	}
	for _, name := range given[1:] {
		if strings.Contains(name, "=") {
			return nil, usage("%s: the online store is read of one ENTITY=KEY at a time; ask again for the other", name)
		}
		if err := g.want(name); err != nil {
			return nil, err
		}
	}
	if g.service, err = serviceNamed(s, service); err != nil {
		return nil, err
	}
	for _, layout := range plan.Rows() {
		if layout.View.Entity == g.entity && g.wants(layout) {
			g.layouts = append(g.layouts, layout)
		}
	}
	if !slices.ContainsFunc(g.cells(), func(c cell) bool { return c.of != nil }) {
		return nil, failed(fmt.Errorf("no served feature of entity %s", g.entity.Name), "freshet features -o wide")
	}
	return g, nil
}

// want adds a feature by full or short name, or by pattern.
func (g *getting) want(name string) error {
	if g.only == nil {
		g.only = make(map[*spec.Feature]bool)
	}
	var known []string
	found := false
	for _, view := range g.spec.Views {
		if view.Entity != g.entity {
			continue
		}
		for _, f := range view.Features {
			known = append(known, f.Full(), f.Short)
			if f.Full() == name || f.Short == name || strings.ContainsAny(name, "*?[") && matches(name, f.Full()) {
				g.only[f] = true
				found = true
			}
		}
	}
	if found {
		return nil
	}
	if near := config.Nearest(name, known); near != "" {
		return usage("no feature %s of entity %s (did you mean %s?)", name, g.entity.Name, near)
	}
	return &problem{code: exitUsage, err: fmt.Errorf("no feature %s of entity %s", name, g.entity.Name), next: "freshet features"}
}

// wants reports whether the row of a view is needed: also what is not stored has the
// status of its row.
func (g *getting) wants(layout *features.RowLayout) bool {
	return slices.ContainsFunc(layout.View.Features, g.shows)
}

// shows reports whether a feature is part of the answer.
func (g *getting) shows(f *spec.Feature) bool {
	return (g.only == nil || g.only[f]) && (g.service == nil || slices.Contains(g.service.Features, f))
}

func (g *getting) read(ctx context.Context, settings *config.Settings) error {
	if settings.OnlineStore == "none" {
		return usage("online_store is none: there is nothing to read; say --online-store redis://HOST:PORT")
	}
	tokens, err := tokensFor(g.spec, settings.EntityKeySecret)
	if err != nil {
		if g.entity.PII {
			return err
		}
		tokens = mask.NewTokens(nil) // which this entity's key does not become
	}
	options, err := storeOptions(settings, g.spec, tokens)
	if err != nil {
		return err
	}
	reader, err := redis.OpenReader(options)
	if err != nil {
		return &problem{code: exitUsage, err: err}
	}
	defer func() { _ = reader.Close() }()
	ctx, cancel := context.WithTimeout(ctx, getTimeout)
	defer cancel()
	if g.entity.PII {
		if err := reader.CheckSecret(ctx); err != nil {
			return storeProblem(err, "freshet config view --origin   shows where online_store comes from")
		}
	}
	if g.rows, err = reader.Get(ctx, g.layouts, g.key); err != nil {
		return storeProblem(err, "freshet config view --origin   shows where online_store comes from")
	}
	g.stream, g.alive, err = reader.Alive(ctx)
	if err != nil {
		return storeProblem(err, "")
	}
	return nil
}

// cell is one value as it is shown.
type cell struct {
	name   string
	value  string
	has    bool
	status features.Status
	at     time.Time // zero: no row
	note   string
	of     *spec.Feature // nil: of another entity, or of a service
}

// cells are the values that were asked for: a service's vector, or else those of
// the entity in the order of the spec.
func (g *getting) cells() []cell {
	var cells []cell
	if g.service != nil {
		for i, f := range g.service.Features {
			switch {
			case g.only != nil && !g.only[f]:
			case f.View.Entity == g.entity:
				cells = append(cells, g.cell(f).inCategory(g.service.Categories[i]))
			default: // of another entity, whose key was not given
				cells = append(cells, cell{name: features.ColumnName(f, g.service.Categories[i]), status: features.NoEntity})
			}
		}
		for _, d := range g.service.Derived { // their inputs are the event's and the caller's
			cells = append(cells, cell{name: g.service.Name + "." + d.Name, status: features.NeedsEvent})
		}
		return cells
	}
	for _, view := range g.spec.Views {
		for _, f := range view.Features {
			if view.Entity == g.entity && f.Served && !f.Hidden && g.shows(f) {
				cells = append(cells, g.cell(f))
			}
		}
	}
	return cells
}

// cell finds the stored value of a feature. What has a meaning only with an
// event is not stored, and its status says so.
func (g *getting) cell(f *spec.Feature) cell {
	c := cell{name: f.Full(), of: f, status: features.NeedsEvent}
	for _, row := range g.rows {
		if row.Layout.View != f.View {
			continue
		}
		if !row.Found {
			c.status = g.unknown()
			return c
		}
		c.at = time.UnixMilli(row.AsOf).UTC()
		for i, column := range row.Layout.Columns {
			if column.Feature != f {
				continue
			}
			c.value, c.has, c.status = row.Texts[i], row.Has[i], row.Statuses[i]
			c.at, c.note = time.UnixMilli(row.At[i]).UTC(), g.age(f, row.At[i])
			if column.Moves {
				c.note = "moves with time; this is as of then"
			}
		}
		if g.stale(f) {
			c.status = min(c.status, features.Stale)
		}
	}
	return c
}

// unknown is the status of what has no row. Without a writer the row may be one
// that a server has lost and nobody has written anew.
func (g *getting) unknown() features.Status {
	if g.alive {
		return features.NotFound
	}
	return features.Stale
}

// inCategory is one value of a map, as a service lists it (S25): that of a category
// behind the top ones is not stored and has the feature's default, and where all are
// in the map, or there is none, any other has the value of an empty window.
func (c cell) inCategory(category spec.Category) cell {
	if !category.Listed {
		return c
	}
	c.name = features.ColumnName(c.of, category)
	if !c.has && (c.at.IsZero() || c.status == features.NeedsEvent) {
		return c // no row, or nothing that a row holds
	}
	var values map[string]json.RawMessage
	if err := json.Unmarshal([]byte(c.value), &values); c.has && err != nil {
		c.value, c.has, c.status = "", false, features.Error
		return c
	}
	value, has := values[category.Name]
	_, more := values[features.Other]
	d, agg := c.of.Def, aggregate.Find(c.of.Def.Aggregation)
	counted := agg != nil && agg.ZeroWhenEmpty && d.MinCount == 0 && !d.HasDefault // S18
	switch {
	case has && string(value) != "null":
		c.value = string(value)
	case !has && !more && counted:
		c.value = "0"
	default:
		c.value, c.status = literalJSON(d.Default), min(c.status, features.Default)
		c.has = d.HasDefault && d.Default.Type != spec.NoType
	}
	return c
}

// literalJSON is a default that is no list or map, as JSON.
func literalJSON(l spec.Literal) string {
	v := event.OfDouble(l.Num)
	switch l.Type {
	case spec.String:
		v = event.OfString(l.Str)
	case spec.Bool:
		v = event.OfBool(l.Bool)
	}
	return string(record.AppendJSON(nil, v, 0))
}

// stale is no living writer, or a stream older than a service of the feature
// tolerates.
func (g *getting) stale(f *spec.Feature) bool {
	if !g.alive {
		return true
	}
	age := g.now.Sub(time.UnixMilli(g.stream))
	for _, service := range g.spec.Services {
		for _, listed := range service.Features {
			if listed == f && service.MaxStaleness > 0 && age > service.MaxStaleness {
				return true
			}
		}
	}
	return false
}

// age says where a row is older than the window that a value is for.
func (g *getting) age(f *spec.Feature, at int64) string {
	if !g.alive || f.Def == nil || f.Window.Kind != spec.Sliding {
		return ""
	}
	since := time.Duration(g.stream-at) * time.Millisecond
	if since >= f.Window.Length+f.Def.Delay {
		return "its window has passed since"
	}
	return ""
}

func (g *getting) table(a *app) error {
	ink := a.ink(a.out)
	words := []string{ink.bold(g.entity.Name + "=" + g.key)}
	if g.alive {
		words = append(words, "stream at "+time.UnixMilli(g.stream).UTC().Format(time.RFC3339),
			"staleness "+shortAge(g.now.Sub(time.UnixMilli(g.stream))))
	} else {
		words = append(words, ink.bad("no living writer: nothing below is to be trusted"))
	}
	if _, err := fmt.Fprintln(a.out, strings.Join(words, "  ")); err != nil {
		return err
	}
	t := table{right: map[int]bool{1: true}}
	t.add("FEATURE", "VALUE", "STATUS", "AS OF", "NOTE")
	for _, c := range g.cells() {
		status := c.status.String()
		if c.status == features.Present {
			status = ink.good(status)
		} else {
			status = ink.warn(status)
		}
		value, at := c.value, ""
		if !c.has {
			value = "-"
		}
		if !c.at.IsZero() {
			at = c.at.Format("15:04:05.000")
			if g.now.Sub(c.at) > 24*time.Hour {
				at = c.at.Format(time.RFC3339)
			}
		}
		t.add(ink.key(c.name), value, status, at, c.note)
	}
	return t.write(a.out, ink)
}

// document is the JSON form, in the words of the feature API.
func (g *getting) document() any {
	type doc struct {
		Entity      map[string]string `json:"entity"`
		Features    json.RawMessage   `json:"features"`
		Statuses    map[string]string `json:"statuses"` // those that are not PRESENT
		AsOf        map[string]string `json:"as_of"`
		Consistency string            `json:"consistency"`
		Alive       bool              `json:"alive"`
		StreamTime  string            `json:"stream_time,omitempty"`
		StalenessMS *int64            `json:"staleness_ms"`
	}
	d := doc{Entity: map[string]string{g.entity.Name: g.key}, Statuses: map[string]string{},
		AsOf: map[string]string{}, Consistency: "last", Alive: g.alive}
	if g.alive {
		at := time.UnixMilli(g.stream)
		d.StreamTime = at.UTC().Format("2006-01-02T15:04:05.000Z")
		ms := g.now.Sub(at).Milliseconds()
		d.StalenessMS = &ms
	}
	values := object{}
	for _, c := range g.cells() {
		values.add(c.name, c.json())
		if c.status != features.Present {
			d.Statuses[c.name] = c.status.String()
		}
		if !c.at.IsZero() {
			d.AsOf[c.name] = c.at.Format("2006-01-02T15:04:05.000Z")
		}
	}
	d.Features = values.json()
	return d
}

// json is the value as JSON: texts are stored bare, all else as it is written in
// JSON.
func (c cell) json() []byte {
	switch {
	case !c.has:
		return []byte("null")
	case c.of.Type == spec.String || c.of.Type == spec.Timestamp:
		return record.AppendJSON(nil, event.OfString(c.value), 0)
	}
	return []byte(c.value)
}
