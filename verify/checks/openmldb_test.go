package checks

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"math"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"sort"
	"strconv"
	"strings"
	"testing"

	"github.com/freshet-dev/freshet/config/spec"
)

// mldbCase is one window case of OpenMLDB's own suite.
type mldbCase struct {
	File     string                `json:"file"`
	ID       string                `json:"id"`
	Columns  columns               `json:"columns"`
	Events   [][]any               `json:"events"`
	Windows  map[string]mldbWindow `json:"windows"`
	Select   [][]any               `json:"select"`
	Expected [][]any               `json:"expected"`
}

// columns are "name type" each; two cases write them as one text.
type columns []string

func (c *columns) UnmarshalJSON(raw []byte) error {
	var text string
	if json.Unmarshal(raw, &text) == nil {
		*c = strings.Split(strings.ReplaceAll(text, ":", " "), ", ")
		return nil
	}
	return json.Unmarshal(raw, (*[]string)(c))
}

type mldbWindow struct {
	Part    []string `json:"part"`
	TS      string   `json:"ts"`
	Kind    string   `json:"kind"`
	Start   string   `json:"start"`
	End     *string  `json:"end"`
	SOpen   bool     `json:"sopen"`
	EOpen   bool     `json:"eopen"`
	XTime   bool     `json:"xtime"`
	XRow    bool     `json:"xrow"`
	MaxSize any      `json:"maxsize"`
	Inst    bool     `json:"inst"`
}

// epochShift moves order columns that are not times of our century into it:
// their differences are what windows see.
const epochShift = 1_577_836_800_000 // 2020-01-01

// firstTime is 2000-01-01, before which S12 accepts no event.
const firstTime = 946_684_800_000

// TestOpenMLDBCases runs every case that the language can express and requires
// that every other one is refused by validate, never answered.
func TestOpenMLDBCases(t *testing.T) {
	path := data(t, "openmldb_window_cases.jsonl")
	cases := readCases(t, path)
	dir := t.TempDir()
	expressed, rows, refused := 0, 0, map[string]int{}
	judged, values := 0, 0
	for _, c := range cases {
		name := c.File + " " + c.ID
		if reason := c.notExpressible(); reason != "" {
			refused[reason]++
			c.mustBeRefused(t, write(t, dir, translate(c).yaml()))
			continue
		}
		x := translate(c)
		s := load(t, write(t, dir, x.yaml()))
		st := newStream(t, s, 1000)
		got := x.run(t, st)
		if missing := unmatched(got, c.Expected); missing != "" {
			t.Errorf("%s: %s\n%s", name, missing, x.yaml())
		}
		expressed++
		rows += len(c.Expected)
		judged += st.judged
		values += st.values
	}
	t.Attr("counted", fmt.Sprintf("%d of %d cases expressed, %d rows equal; %d values of %d records equal the oracle's; not expressed: %v",
		expressed, len(cases), rows, values, judged, refused))
	if expressed == 0 {
		t.Error("no case was expressed")
	}
}

func readCases(t *testing.T, path string) []*mldbCase {
	raw, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	var cases []*mldbCase
	lines := bufio.NewScanner(bytes.NewReader(raw))
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		c := &mldbCase{}
		d := json.NewDecoder(bytes.NewReader(lines.Bytes()))
		d.UseNumber()
		if err := d.Decode(c); err != nil {
			t.Fatal(err)
		}
		c.numbersFromTexts()
		cases = append(cases, c)
	}
	return cases
}

// numbersFromTexts undoes that two cases write all their values as texts.
func (c *mldbCase) numbersFromTexts() {
	for i, column := range c.Columns {
		if _, kind, _ := strings.Cut(column, " "); kind == "string" || kind == "date" || kind == "bool" {
			continue
		}
		for _, e := range c.Events {
			if text, ok := e[i].(string); ok {
				e[i] = json.Number(text)
			}
		}
	}
	for i, s := range c.Select {
		if s[0] == "col" && (c.kind(s[1].(string)) == "string" || c.kind(s[1].(string)) == "date") {
			continue
		}
		for _, row := range c.Expected {
			if text, ok := row[i].(string); ok {
				row[i] = json.Number(text)
			}
		}
	}
}

func write(t *testing.T, dir, text string) string {
	path := filepath.Join(dir, "case.freshet.yaml")
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// notExpressible says why a case is none of ours, "" if it is.
func (c *mldbCase) notExpressible() string {
	for _, w := range c.Windows {
		switch {
		case w.Kind != "ROWS_RANGE" && w.Kind != "ROWS":
			return w.Kind + " frames"
		case w.SOpen || w.EOpen || w.XTime || w.XRow || w.Inst || w.MaxSize != nil:
			return "open, exclude, maxsize or instance frames"
		case w.End != nil && *w.End != "0":
			return "frames that end before the current row"
		}
		for _, e := range c.Events {
			if e[c.column(w.TS)] == nil {
				return "null in the order column"
			}
		}
	}
	for _, s := range c.Select {
		if s[0] != "agg" {
			continue
		}
		field := s[2].([]any)[0].(string)
		if s[1] != "count" && s[1] != "count_where" && s[1] != "distinct_count" && (c.kind(field) == "string" || c.kind(field) == "date") {
			return s[1].(string) + " of a " + c.kind(field)
		}
	}
	return ""
}

func (c *mldbCase) column(name string) int {
	for i, column := range c.Columns {
		if strings.HasPrefix(column, name+" ") {
			return i
		}
	}
	panic(fmt.Sprintf("case %s has no column %q", c.ID, name))
}

// kind is a column's type in OpenMLDB.
func (c *mldbCase) kind(name string) string {
	if name == "*" {
		return ""
	}
	_, kind, _ := strings.Cut(c.Columns[c.column(name)], " ")
	return kind
}

// mustBeRefused: what the language does not offer is refused by validate.
func (c *mldbCase) mustBeRefused(t *testing.T, path string) {
	_, diagnostics, err := spec.Load([]string{path})
	if err != nil {
		t.Fatal(err)
	}
	if !diagnostics.HasErrors() {
		t.Errorf("%s %s is not refused", c.File, c.ID)
	}
}

// translation is a case as a spec of ours.
type translation struct {
	c     *mldbCase
	order []string // order columns: each is one source, of the same events
	// feature is where each aggregation of the select list is found: source
	// and full name.
	feature map[int]struct {
		source int
		name   string
	}
	views []string
	keys  map[string]bool // columns that are keys: they travel as text too
}

func translate(c *mldbCase) *translation {
	x := &translation{c: c, keys: map[string]bool{}, feature: map[int]struct {
		source int
		name   string
	}{}}
	for _, name := range slices.Sorted(maps.Keys(c.Windows)) {
		w := c.Windows[name]
		source := slices.Index(x.order, w.TS)
		if source < 0 {
			source = len(x.order)
			x.order = append(x.order, w.TS)
		}
		for _, part := range w.Part {
			x.keys[part] = true
		}
		window, suffix, ttl := "", "", "36500d"
		switch {
		case w.Start == "UNBOUNDED":
		case w.Kind == "ROWS": // the current row and those before it
			n, err := strconv.Atoi(w.Start)
			if err != nil {
				panic(err)
			}
			window = fmt.Sprintf(", last: [%d]", n+1)
			suffix = fmt.Sprintf("_last%d", n+1)
		default:
			ms := milliseconds(w.Start) + 1 // closed on the left
			window = fmt.Sprintf(", windows: [%dms]", ms)
			suffix = fmt.Sprintf("_%dms", ms)
		}
		view := fmt.Sprintf("  %s: {version: 1, source: by_%s, entity: %s, ttl: %s, features: {\n", viewOf(name), w.TS, entityOf(w), ttl)
		for i, s := range c.Select {
			if s[0] != "agg" || s[3] != name {
				continue
			}
			view += fmt.Sprintf("    f%d: {%s%s},\n", i, x.aggregation(s), window)
			x.feature[i] = struct {
				source int
				name   string
			}{source, fmt.Sprintf("%s.f%d%s", viewOf(name), i, suffix)}
		}
		x.views = append(x.views, view+"  }}\n")
	}
	return x
}

// viewOf is a window's name as a view's; those without one there are __i1, __i2.
func viewOf(window string) string { return strings.TrimLeft(window, "_") }

// milliseconds of a frame's start: 2 is 2 ms, 2S two seconds.
func milliseconds(start string) int64 {
	units := map[byte]int64{'s': 1000, 'S': 1000, 'M': 60_000, 'H': 3_600_000, 'D': 86_400_000}
	unit, has := units[start[len(start)-1]]
	if !has {
		unit = 1
	} else {
		start = start[:len(start)-1]
	}
	n, err := strconv.ParseInt(start, 10, 64)
	if err != nil {
		panic(err)
	}
	return n * unit
}

func entityOf(w mldbWindow) string { return strings.Join(w.Part, "_and_") }

var comparison = regexp.MustCompile(`^(\w+)(<=|>=|!=|=|<|>)(.+)$`)

// aggregation is one item of the select list in our words. A sum of nothing is
// null there, 0 here unless its default says otherwise (S18).
func (x *translation) aggregation(s []any) string {
	name, args := s[1].(string), s[2].([]any)
	ours := map[string]string{"count": "count", "sum": "sum", "avg": "mean", "min": "min", "max": "max", "distinct_count": "count_distinct"}
	text := "aggregation: " + ours[strings.TrimSuffix(name, "_where")]
	if field := args[0].(string); field != "*" {
		text += ", field: " + field
	}
	if len(args) > 1 {
		m := comparison.FindStringSubmatch(args[1].(string))
		operator := m[2]
		if operator == "=" {
			operator = "=="
		}
		text += fmt.Sprintf(", filter: '%s %s %s'", m[1], operator, m[3])
	}
	if strings.HasPrefix(name, "sum") {
		text += ", default: null"
	}
	return text
}

func (x *translation) yaml() string {
	var b strings.Builder
	b.WriteString("version: 1\nnamespace: mldb\nsources:\n")
	types := map[string]string{"int": "int", "int32": "int", "smallint": "int", "bigint": "int", "float": "double", "double": "double",
		"string": "string", "date": "string", "bool": "bool", "timestamp": "timestamp"}
	for _, ts := range x.order {
		fmt.Fprintf(&b, "  by_%s:\n    type: kafka\n    topic: mldb\n    format: json\n    timestamp_field: at_%s\n    fields:\n      at_%s: {type: timestamp}\n", ts, ts, ts)
		for _, column := range x.c.Columns {
			name, kind, _ := strings.Cut(column, " ")
			fmt.Fprintf(&b, "      %s: {type: %s, optional: true}\n", name, types[kind])
			if x.keys[name] {
				fmt.Fprintf(&b, "      key_%s: {type: string}\n", name)
			}
		}
	}
	b.WriteString("entities:\n")
	entities := map[string]string{}
	for _, w := range x.c.Windows {
		var fields []string
		for _, part := range w.Part {
			fields = append(fields, "key_"+part)
		}
		entities[entityOf(w)] = "[" + strings.Join(fields, ", ") + "]"
	}
	for _, name := range slices.Sorted(maps.Keys(entities)) {
		fmt.Fprintf(&b, "  %s: {key: %s}\n", name, entities[name])
	}
	b.WriteString("feature_views:\n" + strings.Join(x.views, ""))
	return b.String()
}

// run feeds the events by each order column, as OpenMLDB's batch mode sees
// them, and returns the rows that the case selects.
func (x *translation) run(t *testing.T, s *stream) [][]any {
	rows := make([][]any, len(x.c.Events))
	for i := range rows {
		rows[i] = make([]any, len(x.c.Select))
	}
	for source, ts := range x.order {
		at := func(e []any) int64 {
			ms, err := e[x.c.column(ts)].(json.Number).Int64()
			if err != nil {
				t.Fatal(err)
			}
			if ms < firstTime {
				ms += epochShift
			}
			return ms
		}
		order := make([]int, len(x.c.Events))
		for i := range order {
			order[i] = i
		}
		sort.SliceStable(order, func(i, j int) bool { return at(x.c.Events[order[i]]) < at(x.c.Events[order[j]]) })
		for _, i := range order {
			s.apply(source, x.fields(x.c.Events[i], ts, at(x.c.Events[i])))
			for j, item := range x.c.Select {
				if item[0] == "col" {
					rows[i][j] = x.c.Events[i][x.c.column(item[1].(string))]
				} else if f := x.feature[j]; f.source == source {
					rows[i][j] = s.value(source, f.name)
				}
			}
		}
	}
	return rows
}

// fields are the members of an event's record. Times that S12 refuses are
// moved.
func (x *translation) fields(e []any, ts string, at int64) map[string]any {
	fields := map[string]any{"at_" + ts: at}
	for i, column := range x.c.Columns {
		name, kind, _ := strings.Cut(column, " ")
		if x.keys[name] {
			fields["key_"+name] = keyText(e[i])
		}
		if e[i] == nil {
			continue
		}
		fields[name] = e[i]
		if kind == "timestamp" {
			if ms, err := e[i].(json.Number).Int64(); err == nil && ms < firstTime {
				fields[name] = ms + epochShift
			}
		}
	}
	return fields
}

// keyText is a partition key as we are sent it. A null and an empty one are
// groups there and no entity here (S15): who wants such a group names it.
func keyText(v any) string {
	switch v {
	case nil:
		return "(null)"
	case "":
		return "(empty)"
	}
	return fmt.Sprint(v)
}

// unmatched compares two multisets of rows, floats within 1e-3 relative.
func unmatched(got, want [][]any) string {
	left := slices.Clone(got)
	for _, w := range want {
		i := slices.IndexFunc(left, func(g []any) bool { return sameRow(g, w) })
		if i < 0 {
			return fmt.Sprintf("expected %v, have %v", w, left)
		}
		left = slices.Delete(left, i, i+1)
	}
	if len(left) > 0 {
		return fmt.Sprintf("more than expected: %v", left)
	}
	return ""
}

func sameRow(got, want []any) bool {
	return slices.EqualFunc(got, want, func(g, w any) bool {
		x, ok := numeric(g)
		y, okWant := numeric(w)
		if ok != okWant || !ok {
			return g == w
		}
		return x == y || math.Abs(x-y) <= 1e-3*math.Abs(y)
	})
}

func numeric(v any) (float64, bool) {
	switch x := v.(type) {
	case float64:
		return x, true
	case json.Number:
		f, err := x.Float64()
		return f, err == nil
	}
	return 0, false
}
