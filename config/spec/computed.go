package spec

import (
	"slices"
	"strings"

	"cel.dev/cel-go/common/ast"
)

// computedFields reads the fields that are computed once per event.
func (r *resolver) computedFields(s *Source, n node) {
	declared := len(s.Fields)
	exprs := map[*Field]node{}
	for _, e := range r.bounded(r.mapping(n, "`computed_fields` of source "+s.Name).entries, MaxFields, n, "computed fields of source "+s.Name) {
		r.name(e.key, e.name, "computed field")
		if other, taken := s.Field(e.name); taken {
			r.errorf(e.key, "rename one of them", "computed field %s has the name of a declared field: see line %d", e.name, other.Pos.Line)
			continue
		}
		f := &Field{Name: e.name, Optional: true, Pos: e.key.pos()}
		s.Fields = append(s.Fields, f)
		r.computedField(f, r.object(e.value, computedBlock, "computed field "+e.name), exprs)
	}
	computed := s.Fields[declared:]
	ordered, circle := stableOrder(computed, fieldName, func(f *Field) []string {
		if n, ok := exprs[f]; ok {
			return r.mentions(n.Value)
		}
		return []string{f.TableKey}
	})
	copy(computed, ordered)
	if circle != nil {
		r.errorf(n, "break it: one of them must stand on declared fields", "computed fields go round in a circle: %s", arrows(circle))
	}
	for i, f := range s.Fields {
		f.Index = i
	}
	for _, f := range computed {
		if n, ok := exprs[f]; ok {
			f.Expr = r.expression(r.fieldEnv(s), n, "computed field "+f.Name, computedType(f.Type))
			r.lintPersonal(f, n)
		} else if f.Table != "" {
			r.tableKey(s, f)
		}
	}
}

// lintPersonal warns of a text that is made of a personal one: records would
// carry it as it is.
func (r *resolver) lintPersonal(f *Field, n node) {
	if f.Expr == nil || f.Type != String || f.PII {
		return
	}
	for _, name := range f.Expr.Names {
		if name.Field != nil && name.Field.PII && name.Type == String {
			r.warnf(n, "write pii: true beside it", "computed field %s is made of the personal field %s, and leaves as it is", f.Name, name.Field.Name)
			return
		}
	}
}

// computedType is the type that the expression of a computed field must have.
func computedType(t Type) Type {
	if t == Int || t == Decimal {
		return Double
	}
	return t
}

func (r *resolver) computedField(f *Field, m *mapping, exprs map[*Field]node) {
	f.Description = m.text("description")
	r.fieldType(f, m)
	f.Unit = m.text("unit")
	r.pii(f, m)
	table, hasTable := m.get("table")
	if hasTable {
		r.lookup(f, m, table)
		if m.has("expr") {
			n, _ := m.nullable("expr")
			r.errorf(n, "remove one of them", "computed field %s has an `expr` and a `table`", f.Name)
		}
	} else if n, ok := m.need("expr", "expr: 'amount / 2'"); ok {
		if f.Type == Int || f.Type == Decimal {
			at, _ := m.nullable("type")
			r.errorf(at, "write type: double", "computed field %s is %s, but every computed number is a double", f.Name, f.Type.withArticle())
		}
		exprs[f] = n
	}
	for _, key := range []string{"optional", "enum", "strict", "path", "text"} {
		if n, ok := m.nullable(key); ok {
			r.errorf(n, "leave it out", "`%s` is for declared fields; %s is computed", key, f.Name)
		}
	}
	m.finish()
}

func (r *resolver) lookup(f *Field, m *mapping, n node) {
	name, ok := r.text(n, "`table`")
	if !ok {
		return
	}
	f.Table, f.TableKey, f.TableColumn = name, m.text("key"), m.text("column")
	m.need("key", "key: FIELD")
	m.need("column", "column: COLUMN")
	t, ok := find(r.spec.Tables, func(t *Table) bool { return t.Name == name })
	if !ok {
		r.unknown(n, "table", name, namesOf(r.spec.Tables, func(t *Table) string { return t.Name }))
		return
	}
	at, has := m.nullable("column")
	for _, c := range t.Columns {
		if c.Name != f.TableColumn {
			continue
		}
		if c.Type != f.Type || c.Scale != f.Scale {
			r.errorf(at, "declare the field so", "column %s of table %s is %s, computed field %s %s", c.Name, name, c.Type.withArticle(), f.Name, f.Type.withArticle())
		}
		return
	}
	if has && f.TableColumn != "" {
		var columns []string
		for _, c := range t.Columns {
			columns = append(columns, c.Name)
		}
		r.unknown(at, "column of table "+name, f.TableColumn, columns)
	}
}

func (r *resolver) tableKey(s *Source, f *Field) {
	if f.TableKey == "" {
		return
	}
	file := r.sourceKeys[s].key.file
	key, ok := s.Field(f.TableKey)
	if !ok {
		r.at(file, f.Pos.Line, f.Pos.Col, didYouMean(f.TableKey, namesOf(s.Fields, fieldName)),
			"computed field %s is looked up by %s, and source %s has no such field", f.Name, f.TableKey, s.Name)
		return
	}
	if !isKey(key.Type) {
		r.at(file, f.Pos.Line, f.Pos.Col, "use a string, int or bool",
			"computed field %s is looked up by %s, which is %s", f.Name, key.Name, key.Type.withArticle())
		return
	}
	t, ok := find(r.spec.Tables, func(t *Table) bool { return t.Name == f.Table })
	if !ok {
		return
	}
	if c, ok := t.Column(t.Key); ok && isKey(c.Type) && c.Type != key.Type {
		r.at(file, f.Pos.Line, f.Pos.Col, "declare both alike", "computed field %s is looked up by %s, which is %s; the key %s of table %s is %s",
			f.Name, key.Name, key.Type.withArticle(), t.Key, t.Name, c.Type.withArticle())
	}
}

// isKey reports whether values of a type have a text that can be a key (S15).
func isKey(t Type) bool { return t == String || t == Int || t == Bool }

// tables reads the reference data.
func (r *resolver) tables() {
	for _, in := range r.kinds[tableKind] {
		t := &Table{Name: in.name, Pos: in.key.pos()}
		r.name(in.key, in.name, "table")
		m := r.object(in.value, tableBlock, "table "+t.Name)
		m.about(in.inherited)
		m.need("path", "path: "+t.Name+".csv")
		t.Path = m.connectionText("path")
		if n, ok := m.need("key", "key: "+t.Name); ok {
			t.Key, _ = r.text(n, "`key`")
		}
		t.Reload = m.duration("reload", 0)
		if n, ok := m.need("fields", "fields: {issuer: {type: string}}"); ok {
			for _, e := range r.mapping(n, "`fields` of table "+t.Name).entries {
				r.name(e.key, e.name, "column")
				f := &Field{Name: e.name}
				c := r.object(e.value, columnBlock, "column "+e.name)
				c.text("description")
				r.fieldType(f, c)
				c.finish()
				t.Columns = append(t.Columns, TableColumn{Name: f.Name, Type: f.Type, Scale: f.Scale})
			}
		}
		if c, ok := t.Column(t.Key); ok && !isKey(c.Type) {
			n, _ := m.nullable("key")
			r.errorf(n, "use a string, int or bool", "the key %s of table %s is %s", t.Key, t.Name, c.Type.withArticle())
		}
		m.finish()
		r.spec.Tables = append(r.spec.Tables, t)
	}
}

// mentions is the names in a text that may not even parse.
func (l *loader) mentions(text string) []string {
	if len(text) > MaxExprBytes {
		return nil
	}
	parsed, issues := l.base.Parse(text)
	if issues.Err() != nil {
		return nil
	}
	var names []string
	ast.PreOrderVisit(parsed.NativeRep().Expr(), ast.NewExprVisitor(func(e ast.Expr) {
		if name, _, ok := qualifiedName(e); ok && !slices.Contains(names, name) {
			names = append(names, name)
		}
	}))
	return names
}

// stableOrder puts each item after those it uses and keeps the order
// otherwise. circle is nil, or the names of one circle.
func stableOrder[T any](items []*T, name func(*T) string, uses func(*T) []string) (ordered []*T, circle []string) {
	const (
		unseen = iota
		open
		done
	)
	state := map[string]int{}
	byName := map[string]*T{}
	for _, x := range items {
		byName[name(x)] = x
	}
	var path []string
	var visit func(x *T)
	visit = func(x *T) {
		n := name(x)
		switch state[n] {
		case done:
			return
		case open:
			if circle == nil {
				circle = append(slices.Clone(path[slices.Index(path, n):]), n)
			}
			return
		}
		state[n], path = open, append(path, n)
		for _, u := range uses(x) {
			if y := byName[u]; y != nil {
				visit(y)
			}
		}
		path = path[:len(path)-1]
		state[n] = done
		ordered = append(ordered, x)
	}
	for _, x := range items {
		visit(x)
	}
	return ordered, circle
}

func arrows(names []string) string { return strings.Join(names, " -> ") }
