package spec

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"strconv"
	"strings"
	"time"
)

// digest gathers parts one by one, each with its length, so that no two specs
// write the same bytes.
type digest struct{ *bytes.Buffer }

func (d digest) put(parts ...any) {
	for _, p := range parts {
		text := fmt.Sprint(p)
		d.WriteString(strconv.Itoa(len(text)))
		d.WriteByte(':')
		d.WriteString(text)
	}
}

func (d digest) expr(e *Expr) {
	if e == nil {
		d.put("no expression")
		return
	}
	d.put(e.Text)
}

func (d digest) field(f *Field) {
	if f == nil {
		d.put("no field")
		return
	}
	d.put(f.Name)
}

// hashOf is the sha256 of everything that decides a value.
func hashOf(s *Spec) string {
	d := digest{&bytes.Buffer{}}
	d.put("freshet spec 1", s.Namespace)
	for _, source := range s.Sources {
		d.source(source)
	}
	for _, t := range s.Tables {
		d.put("table", t.Name, t.Key, t.Columns)
	}
	for _, e := range s.Entities {
		d.put("entity", e.Name, strings.Join(e.Key, ","), e.PII)
	}
	for _, v := range s.Views {
		d.view(v)
	}
	for _, service := range s.Services {
		d.service(service)
	}
	for _, m := range s.Models {
		d.model(m)
	}
	sum := sha256.Sum256(d.Bytes())
	return hex.EncodeToString(sum[:])
}

// WithTables is the spec as it runs with the content of its tables, each by the
// sha256 of its file, in the order of Tables: a copy whose Hash covers them
// too, since they decide values like the rest. Without tables it is s.
func (s *Spec) WithTables(contents []string) *Spec {
	if len(contents) == 0 {
		return s
	}
	running := *s
	if s.logic == "" {
		running.logic = s.Hash
	}
	d := digest{&bytes.Buffer{}}
	d.put("freshet spec with tables 1", running.logic)
	for _, content := range contents {
		d.put(content)
	}
	sum := sha256.Sum256(d.Bytes())
	running.Hash = hex.EncodeToString(sum[:])
	return &running
}

func (d digest) source(s *Source) {
	d.put("source", s.Name, s.AllowedLateness, s.MaxAhead, s.DedupWindow)
	for _, f := range []*Field{s.TimestampField, s.IDField, s.Retracts, s.RetractsTimeField} {
		d.field(f)
	}
	d.expr(s.Filter)
	for _, f := range s.Fields {
		d.put("field", f.Name, f.Type, f.Scale, f.TimeUnit, strings.Join(f.Path, "."), f.Optional, f.Strict, f.Text,
			strings.Join(f.Enum, ","), f.PII, f.Mask, f.Table, f.TableKey, f.TableColumn)
		d.expr(f.Expr)
	}
}

func (d digest) view(v *View) {
	d.put("view", v.Pinned(), v.Source.Name, v.Entity.Name, v.TTL, v.Granularity, v.EventBudget, v.DistinctBudget)
	d.expr(v.Filter)
	for _, f := range v.Features {
		d.put("feature", f.Short, f.HasDefault, f.Default, f.Hidden, f.Served)
		d.expr(f.Expr)
		if f.Def != nil {
			d.definition(f.Def, f.Window)
		}
	}
}

func (d digest) definition(x *Definition, w Window) {
	d.put(x.Aggregation, w.Kind, w.Length, w.N, x.Delay, x.ExcludeCurrent, x.MinCount, x.Q, x.Per, x.N, x.Limit, x.Top)
	if agg, _ := AggregationOf(x.Aggregation); agg.Unit {
		d.put(x.Unit)
	} else {
		d.put(time.Duration(0))
	}
	for _, e := range []*Expr{x.Value, x.Filter, x.Numerator} {
		d.expr(e)
	}
	for _, f := range []*Field{x.Field, x.OrderBy, x.By} {
		d.field(f)
	}
}

func (d digest) service(s *Service) {
	d.put("service", s.Name, s.Version, s.On.Name, s.MaxStaleness)
	for _, q := range s.RequestFields {
		d.put("request", q.Name, q.Type)
	}
	for i, f := range s.Features {
		d.put(f.View.Pinned(), f.Short, s.Categories[i].Name)
	}
	for _, x := range s.Derived {
		d.put("derived", x.Name, x.HasDefault, x.Default)
		d.expr(x.Expr)
	}
}

func (d digest) model(m *Model) {
	d.put("model", m.Name, m.Version, m.Service.Name, m.Runtime, m.OnError, m.MaxReasons, m.Shadow, m.Artifact)
	d.expr(m.Score)
	for _, b := range m.Bands {
		d.put("band", b.Name, b.Min)
	}
	for _, rule := range m.Rules {
		d.put("rule", rule.Code, rule.HasWeight, rule.Weight)
		d.expr(rule.When)
	}
}
