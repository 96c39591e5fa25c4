package event

import (
	"slices"
	"strconv"
	"strings"

	"github.com/freshet-dev/freshet/config/spec"
)

// The bounds of one record.
const (
	// MaxRecordBytes is the longest record that is looked at: a longer one is
	// refused before a byte of it is read.
	MaxRecordBytes = 1 << 20
	// MaxDepth is how deep objects and arrays may nest, declared or not.
	MaxDepth = 64
	// MaxInt is the largest magnitude of an int: beyond it doubles, which
	// expressions and outputs use, cannot tell neighbours apart (S14).
	MaxInt = 1 << 53
	// MaxSummed is the largest magnitude of a double that is summed (S20).
	MaxSummed = 1e15
)

// Decoder reads the records of one source. One goroutine each: it reuses its
// buffers.
//
// JSON is read in one pass over the bytes. The whole record must be one valid
// JSON object: in UTF-8, nothing behind it, no deeper than MaxDepth. A declared
// string must not escape half a surrogate pair: replacing it, as many readers
// do, would make different keys equal. Names are compared byte by byte after unescaping. A declared
// name that occurs twice makes the record ambiguous, so it is refused; twice an
// undeclared one is not looked at, since nothing reads it. Only declared fields
// become values: numbers from their text, never through a double on the way to
// a decimal or an int.
type Decoder struct {
	root      *node
	fields    []plan             // the declared fields
	required  []int              // places of those that every record has
	width     int                // of Event.Values: with the computed fields
	timestamp int                // place of the timestamp field, -1 without one: rows of a table
	id        int                // place of the id field, -1 without one
	byName    map[string][]*plan // by path with dots, or else by name
	byField   []*plan            // by place in Source.Fields; nil: computed
	unknown   []int64

	// The state of one record.
	raw    []byte
	pos    int
	record uint64 // stamps what this record has already named
	ev     *Event
	rej    Rejection
	schema bool // rej holds a schema violation; the rest is still checked for syntax
	halved bool // the last escaped string had half a surrogate pair
	arena  arena
}

// plan is how one declared field is read.
type plan struct {
	*spec.Field
	seen   uint64 // the last record that named it, of DecodeTexts
	summed bool
	enum   []string // sorted
}

// node is one level of the declared paths: what lies under one name. Records
// repeat their order, so the name that comes next is most often the one that
// came next in the record before.
type node struct {
	name     string
	written  string // the name in quotes with its colon, as most records have it; "" where it would be escaped
	seen     uint64 // the last record that named it
	plans    []*plan
	text     *plan   // the only one, where that is a string that may be any
	children []*node // as declared
	table    []*node // children by hash of the name; a power of two
	same     *node   // the next of the same hash

	last  *node // the child that was read last; nil: none yet
	next  *node // the child that is expected
	first *node // the child that the record before began with
	then  *node // the sibling that came behind it in the record before
}

// NewDecoder compiles the decoder of a source's declared fields.
func NewDecoder(src *spec.Source) *Decoder {
	d := &Decoder{
		root:    &node{},
		width:   len(src.Fields),
		id:      -1,
		byName:  make(map[string][]*plan),
		byField: make([]*plan, len(src.Fields)),
		unknown: make([]int64, len(src.Fields)),
	}
	for _, f := range src.Fields {
		if f.Expr == nil && f.Table == "" {
			d.fields = append(d.fields, newPlan(f))
		}
	}
	for i := range d.fields {
		p := &d.fields[i]
		path := p.Path
		if len(path) == 0 {
			path = []string{p.Name}
		}
		at := d.root
		for _, name := range path {
			at = at.child(name)
		}
		at.plans = append(at.plans, p)
		joined := strings.Join(path, ".")
		d.byName[joined] = append(d.byName[joined], p)
		d.byField[p.Index] = p
		if !p.Optional {
			d.required = append(d.required, p.Index)
		}
	}
	d.root.index()
	for i := range d.fields {
		p := &d.fields[i]
		if _, taken := d.byName[p.Name]; !taken {
			d.byName[p.Name] = []*plan{p}
		}
	}
	d.timestamp = -1
	if src.TimestampField != nil {
		d.timestamp = src.TimestampField.Index
	}
	if src.IDField != nil {
		d.id = src.IDField.Index
	}
	return d
}

func newPlan(f *spec.Field) plan {
	enum := slices.Clone(f.Enum)
	slices.Sort(enum)
	return plan{Field: f, enum: enum}
}

// child finds or makes the node of a name. It is used while compiling only.
func (n *node) child(name string) *node {
	for _, c := range n.children {
		if c.name == name {
			return c
		}
	}
	c := &node{name: name}
	if plainBytes([]byte(name)) == len(name) {
		c.written = `"` + name + `":`
	}
	if len(n.children) == 0 {
		n.first = c
	} else {
		n.children[len(n.children)-1].then = c
	}
	n.children = append(n.children, c)
	return c
}

// index finds out how the values of a node are read and makes the tables of the
// names under it, once all are there.
func (n *node) index() {
	size := 1
	for size < 4*len(n.children) {
		size *= 2
	}
	n.table = make([]*node, size)
	if len(n.plans) == 1 && len(n.children) == 0 && n.plans[0].Type == spec.String && n.plans[0].enum == nil {
		n.text = n.plans[0]
	}
	for _, c := range n.children {
		at := &n.table[hashOf(c.name)&uint(size-1)]
		c.same, *at = *at, c
		c.index()
	}
}

// hashOf tells names apart that differ in their length or at their ends, as most
// of one record do.
func hashOf(name string) uint {
	if name == "" {
		return 0
	}
	return uint(len(name))*7 + uint(name[0])*5 + uint(name[len(name)-1])*3
}

// find is the child of a name in a record, nil where nothing under it is
// declared.
func (n *node) find(name []byte) *node {
	c := n.table[hashOf(alias(name))&uint(len(n.table)-1)]
	for c != nil && c.name != string(name) {
		c = c.same
	}
	if c == nil {
		return nil
	}
	if n.last == nil {
		n.first = c
	} else {
		n.last.then = c
	}
	n.last, n.next = c, c.then
	return c
}

// UnknownEnum counts, by spec.Field.Index, the values outside a field's enum
// that were accepted (S14). The caller may read and reset it between records.
func (d *Decoder) UnknownEnum() []int64 { return d.unknown }

// LimitSum makes values of a double field beyond MaxSummed in magnitude a
// schema rejection: the engine says which fields it sums (S20).
func (d *Decoder) LimitSum(f *spec.Field) {
	for i := range d.fields {
		if d.fields[i].Index == f.Index {
			d.fields[i].summed = true
		}
	}
}

// Decode reads one JSON record into ev: Values of the declared fields (those
// of computed fields become None), Time and ID. It returns nil, or why the
// record is refused; the rejection is reused by the next call, and ev is then
// half filled. Strings in ev alias raw, or memory that is never written again.
func (d *Decoder) Decode(raw []byte, ev *Event) *Rejection {
	d.begin(ev)
	switch {
	case len(raw) > MaxRecordBytes:
		return d.refuse(Decode, "", 0, "the record is longer than "+strconv.Itoa(MaxRecordBytes)+" bytes")
	case len(raw) == 0:
		return d.refuse(Decode, "", 0, "the record is empty")
	}
	d.raw, d.pos = raw, 0
	ok := d.document()
	d.raw = nil
	if !ok || d.schema {
		return &d.rej
	}
	return d.finish()
}

// begin makes ev empty and of the right width.
func (d *Decoder) begin(ev *Event) {
	if cap(ev.Values) < d.width {
		ev.Values = make([]Value, d.width)
	}
	ev.Values = ev.Values[:d.width]
	clear(ev.Values)
	ev.ID, ev.Time = "", 0
	d.ev = ev
	d.record++
	d.schema = false
}

// finish holds what was found against what is required.
func (d *Decoder) finish() *Rejection {
	ev := d.ev
	for _, i := range d.required {
		if !ev.Values[i].Has() {
			return d.refuse(Schema, d.byField[i].Name, -1, "a required field is missing or null")
		}
	}
	if d.timestamp < 0 {
		return nil
	}
	t := ev.Values[d.timestamp]
	if t.Kind() != Timestamp {
		return d.refuse(Schema, "", -1, "the record has no event time")
	}
	ev.Time = t.Int()
	if d.id >= 0 {
		ev.ID = d.text(ev.Values[d.id])
	}
	return nil
}

// text is an id as text: strings as they are, ints in decimal, other types in
// the one form that their value has. No value has no text.
func (d *Decoder) text(v Value) string {
	switch v.Kind() {
	case String:
		return v.Str()
	case Int, Timestamp, Decimal:
		return d.arena.keep(strconv.AppendInt(d.arena.scratch[:0], v.Int(), 10))
	case Double:
		return d.arena.keep(strconv.AppendFloat(d.arena.scratch[:0], v.Float(), 'g', -1, 64))
	case Bool:
		return strconv.FormatBool(v.Bool())
	}
	return ""
}

// refuse ends a record.
func (d *Decoder) refuse(r Reason, field string, offset int, detail string) *Rejection {
	d.rej = Rejection{Reason: r, Field: field, Detail: detail, Offset: offset}
	return &d.rej
}

// fail is refuse for a record that is not valid JSON, in the form that the
// scanning functions return.
func (d *Decoder) fail(offset int, detail string) bool {
	d.refuse(Decode, "", offset, detail)
	return false
}

// violate notes a schema violation. The first one counts, and only if the rest
// of the record is valid JSON: decode comes before schema (S8).
func (d *Decoder) violate(field string, offset int, detail string) {
	if !d.schema {
		d.schema = true
		d.refuse(Schema, field, offset, detail)
	}
}
