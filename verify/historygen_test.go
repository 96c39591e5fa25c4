package verify

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"pgregory.net/rapid"

	"github.com/freshet-dev/freshet/verify/oracle"
)

// step is one thing that happens to a history: a record arrives, then perhaps
// the touched rows are read, and some row at some later time.
type step struct {
	record oracle.Record
	rows   bool
	reads  []read
}

// history is what happens to one engine. Its sources were read from since on,
// or from their start where since is 0.
type history struct {
	steps []step
	since int64
	few   int // events of an entity without a running state: changes no value
	crash *crash
}

// read is a read of now of a view's row, later than its newest event by after.
type read struct {
	view  int
	key   string
	after time.Duration
}

// origin is the time of a history's first event.
var origin = time.Date(2026, 1, 5, 10, 0, 0, 0, time.UTC).UnixMilli()

// historian draws the records of one history, aiming at the spec's edges.
type historian struct {
	t       *rapid.T
	spec    *genSpec
	offsets map[[2]int]int64
	newest  map[[2]int]int64 // by source and partition, as if all were accepted
	times   []int64          // of all records so far
	wide    int              // of a crowd: how many different values there are
	sent    []sentRecord
	reversals
}

type sentRecord struct {
	source int
	time   int64
	fields []string
}

func drawHistory(t *rapid.T, g *genSpec, length, partitions int) []step {
	h := &historian{t: t, spec: g, offsets: map[[2]int]int64{}, newest: map[[2]int]int64{}}
	steps := make([]step, 0, length)
	for range length {
		s := step{record: h.record(partitions), rows: chance(t, "read rows", 6)}
		if chance(t, "read", 5) {
			s.reads = append(s.reads, read{
				view:  rapid.IntRange(0, len(g.views)-1).Draw(t, "view"),
				key:   "",
				after: pick(t, "after", append([]time.Duration{0, time.Millisecond, time.Second}, g.instants...)...),
			})
			s.reads[0].key = drawKey(t, g.views[s.reads[0].view].entity)
		}
		steps = append(steps, s)
	}
	return steps
}

var cards = []string{"c1", "c12", "c,%"}

func drawKey(t *rapid.T, entity string) string {
	card, user := pick(t, "card", cards...), strconv.Itoa(rapid.IntRange(1, 2).Draw(t, "user"))
	switch entity {
	case "card":
		return card
	case "user":
		return user
	case "pair":
		return oracle.Key([]string{card, user})
	}
	return pick(t, "yes", "true", "false")
}

func (h *historian) record(partitions int) oracle.Record {
	t := h.t
	source := rapid.IntRange(0, len(h.spec.sources)-1).Draw(t, "source")
	partition := rapid.IntRange(0, partitions-1).Draw(t, "partition")
	id := [2]int{source, partition}
	r := oracle.Record{Source: source, Partition: int32(partition), Offset: h.offsets[id], Time: oracle.NoTime}
	h.offsets[id]++

	var said sentRecord
	if len(h.sent) > 0 && chance(t, "again", 6) {
		said = h.again()
		r.Source = said.source
		if r.Source != source { // its own log has its own offsets
			h.offsets[id]--
			id[0] = r.Source
			r.Offset = h.offsets[id]
			h.offsets[id]++
		}
	} else {
		said = sentRecord{source: source, time: h.time(id)}
		said.fields = h.fields(h.spec.sources[source])
		if h.at != 0 {
			said.time, h.at = h.at, 0
		}
	}
	h.sent = append(h.sent, said)
	h.times = append(h.times, said.time)
	h.newest[id] = max(h.newest[id], said.time)
	if chance(t, "log time", 3) {
		ahead := pick(t, "ahead", append([]time.Duration{0, 10 * time.Minute}, h.spec.instants...)...)
		r.Time = said.time - ahead.Milliseconds() - int64(rapid.IntRange(-1, 1).Draw(t, "edge"))
	}
	r.Value = h.encode(h.spec.sources[r.Source], said)
	return r
}

// again repeats an earlier record: the same bytes' worth, sometimes stamped
// again.
func (h *historian) again() sentRecord {
	said := h.sent[rapid.IntRange(0, len(h.sent)-1).Draw(h.t, "which")]
	if chance(h.t, "stamped again", 2) {
		said.time += h.instant()
	}
	return said
}

// instant is zero, a millisecond, a second or an edge of the spec, give or
// take a millisecond.
func (h *historian) instant() int64 {
	t := h.t
	d := pick(t, "instant", append([]time.Duration{0, 0, time.Millisecond, time.Second, time.Second}, h.spec.instants...)...).Milliseconds()
	if chance(t, "edge", 4) {
		d += int64(pick(t, "off", -1, 1))
	}
	return d
}

// time is the event time of the next record of a partition: some distance
// ahead of or behind what came before, and mostly not later than its lateness
// allows behind all partitions.
func (h *historian) time(id [2]int) int64 {
	if len(h.times) == 0 {
		return origin
	}
	if at, is := h.keptPromise(); is {
		return at
	}
	t := h.t
	newest := h.newest[id]
	if h.spec.pace > 0 && !chance(t, "at an edge", 12) {
		return h.crowdedTime(id)
	}
	if newest == 0 || chance(t, "any anchor", 3) {
		newest = h.times[rapid.IntRange(max(0, len(h.times)-4), len(h.times)-1).Draw(t, "anchor")]
	}
	switch rapid.IntRange(0, 9).Draw(t, "direction") {
	case 0, 1:
		newest -= h.instant()
	case 2:
		newest -= h.spec.sources[id[0]].lateness.Milliseconds()
	case 3:
		newest -= h.spec.sources[id[0]].lateness.Milliseconds() + 1
	case 4, 5:
	default:
		newest += h.instant()
	}
	top := h.newest[[2]int{id[0], 0}]
	for p := range 3 {
		top = max(top, h.newest[[2]int{id[0], p}])
	}
	lateness := h.spec.sources[id[0]].lateness
	if lateness == 0 {
		lateness = 5 * time.Second
	}
	if !chance(t, "lagging", 12) {
		newest = max(newest, top-lateness.Milliseconds())
	}
	return max(newest, origin-1_000_000)
}

// fields draws the JSON members of a record but for its time.
func (h *historian) fields(s genSource) []string {
	t := h.t
	var members []string
	for _, f := range s.fields {
		if f.name == "at" || f.name == "undo" || f.name == "undone" {
			continue
		}
		if f.optional && chance(t, f.name+" missing", 4) {
			if chance(t, "null", 2) {
				members = append(members, fmt.Sprintf("%q:null", f.name))
			}
			continue
		}
		members = append(members, fmt.Sprintf("%q:%s", f.name, h.value(f)))
	}
	if s.retracts && chance(t, "retracting", h.often()) {
		members = h.retracting(s, members)
	}
	if chance(t, "undeclared", 6) {
		members = append(members, `"other":{"a":[1,{"b":null}]}`)
	}
	return members
}

// retracting makes a record of these members take another one back (S16): one
// that was sent, or will be, or never is; mostly with its keys and its time.
func (h *historian) retracting(s genSource, members []string) []string {
	t := h.t
	var said sentRecord
	switch {
	case h.spec.pace > 0:
		said = h.original()
	case len(h.sent) > 0 && !chance(t, "unknown", 5):
		said = h.sent[rapid.IntRange(0, len(h.sent)-1).Draw(t, "what")]
	}
	id := member(said.fields, "id")
	switch {
	case id == "" && h.spec.pace > 0:
		id, said = h.promise(s)
	case id == "":
		next := sentRecord{} // of the record after this one, or one later
		h.sent = append(h.sent, next)
		id = h.value(s.fields[0])
		h.sent = h.sent[:len(h.sent)-1]
	default:
		if h.spec.pace > 0 {
			h.aim(s, said)
		}
		for i, m := range members {
			for _, key := range []string{"card", "user", "ok"} {
				its := member(said.fields, key)
				if strings.HasPrefix(m, strconv.Quote(key)) && its != "" && !chance(t, "other key", 8) {
					members[i] = fmt.Sprintf("%q:%s", key, its)
				}
			}
		}
	}
	members = append(members, `"undo":`+id)
	for _, f := range s.fields {
		if f.name == "undone" && said.time != 0 && !chance(t, "no time", 3) {
			members = append(members, fmt.Sprintf("%q:%s", f.name, h.stamp(f, said.time+int64(pick(t, "off by", 0, 0, 0, 1)))))
		}
	}
	return members
}

// member is the text of one of the members of a record, "" of none.
func member(members []string, name string) string {
	for _, m := range members {
		if rest, is := strings.CutPrefix(m, strconv.Quote(name)+":"); is {
			return rest
		}
	}
	return ""
}

func (h *historian) value(f genField) string {
	t := h.t
	switch {
	case f.name == "id" && f.kind == "int":
		return strconv.Itoa(len(h.sent) + 1)
	case f.name == "id":
		return fmt.Sprintf("%q", "i"+strconv.Itoa(len(h.sent)+1))
	case f.name == "card":
		if chance(t, "no card", 12) {
			return `""`
		}
		return fmt.Sprintf("%q", pick(t, "card", cards...))
	case f.name == "mcc":
		return pick(t, "mcc", `"a"`, `"b"`, `"c"`, `"a"`, `"\u0061"`, `"z"`, `"other"`)
	case f.name == "pts":
		return pick(t, "pts", "0", "1", "2", "9007199254740992", "-9007199254740992", "9007199254740991")
	case f.name == "wei":
		return pick(t, "wei", "0", "1.25", "-3", "92233720368547758.07", `"-92233720368547758.07"`, "46116860184273879")
	case f.name == "item", f.name == "shop", f.name == "card" && h.spec.pace > 0:
		return h.crowdedValue(f)
	case f.name == "user":
		return strconv.Itoa(rapid.IntRange(1, 2).Draw(t, "user"))
	}
	switch f.kind {
	case "int":
		return pick(t, "int", "0", "1", "2", "3", "-1", "-0")
	case "bool":
		return pick(t, "bool", "true", "false")
	case "double":
		return pick(t, "double", "0", "0.5", "1", "-2.25", "3.75", "-0.0", "1e3", "0.1", "123456.789", "1e15", "-1e15", "999999999999999.9", "0.000001")
	case "decimal":
		texts := []string{"0", "1", "2", "-3", "10", "1e1", "7", "2.0000000", "0.99999999", "1.5", "-0.1", "2.25", "85.64999999999999", "0.125"}
		text := pick(t, "decimal", texts[:[]int{9, 11, 13, 14}[f.scale]]...)
		if chance(t, "quoted", 3) {
			return `"` + text + `"`
		}
		return text
	case "timestamp":
		return h.stamp(f, origin+int64(rapid.IntRange(-3, 3).Draw(t, "seen"))*1000)
	}
	panic("no value for " + f.kind)
}

// stamp is a time in one of the ways that S12 allows for a field.
func (h *historian) stamp(f genField, ms int64) string {
	t := h.t
	if chance(t, "epoch", 2) {
		switch f.unit {
		case "":
			return strconv.FormatInt(ms, 10)
		case "us":
			return strconv.FormatInt(ms*1000+int64(rapid.IntRange(0, 999).Draw(t, "us")), 10)
		case "ns":
			return strconv.FormatInt(ms*1_000_000+int64(rapid.IntRange(0, 999_999).Draw(t, "ns")), 10)
		case "s":
			if ms%1000 == 0 {
				return strconv.FormatInt(ms/1000, 10)
			}
		}
	}
	at := time.UnixMilli(ms).UTC()
	if chance(t, "zone", 3) {
		at = at.In(time.FixedZone("", 3600*rapid.IntRange(-11, 14).Draw(t, "hours")))
	}
	// More digits than a millisecond are floored away.
	return `"` + at.Format(pick(t, "layout", "2006-01-02T15:04:05.000", "2006-01-02T15:04:05.000", "2006-01-02T15:04:05.000999")) + at.Format("Z07:00") + `"`
}

// encode writes the record, and spoils some.
func (h *historian) encode(s genSource, said sentRecord) []byte {
	t := h.t
	members := append([]string{`"at":` + h.stamp(s.fields[timeField(s)], said.time)}, said.fields...)
	text := "{" + strings.Join(members, ",") + "}"
	if !chance(t, "spoiled", 25) {
		return []byte(text)
	}
	spoiled := []string{
		text[:len(text)-1], text + "x", text + text, strings.Replace(text, "{", `{"card":1,"card":2,`, 1),
		strings.Replace(text, `"at":`, `"AT":`, 1), strings.Replace(text, `"at":`, `"at":null,"was":`, 1),
		strings.Replace(text, `"amt":`, `"amt":"1.23456","was":`, 1), strings.Replace(text, `"amt":`, `"amt":true,"was":`, 1),
		strings.Replace(text, `"qty":`, `"qty":"1","was":`, 1), strings.Replace(text, `"qty":`, `"qty":9007199254740993,"was":`, 1),
		strings.Replace(text, `"qty":`, `"qty":1.5,"was":`, 1), strings.Replace(text, `"x":`, `"x":"1","was":`, 1),
		strings.Replace(text, `"x":`, `"x":2e15,"was":`, 1), strings.Replace(text, `"x":`, `"x":NaN,"was":`, 1),
		strings.Replace(text, `"card":`, `"card":7,"was":`, 1), strings.Replace(text, `"at":`, `"at":"2026-01-05T10:00:00","was":`, 1),
		strings.Replace(text, `"at":`, `"at":"1999-12-31T23:59:59.999Z","was":`, 1), strings.Replace(text, `"at":`, `"at":"2100-01-01T00:00:00Z","was":`, 1),
		strings.Replace(text, `"ok":`, `"ok":1,"was":`, 1), strings.Replace(text, `"ok":`, `"ok":"true","was":`, 1) + "}",
		strings.Replace(text, `"card":"`, "\"card\":\"\xff", 1), `null`, `[]`, ``, `{}`, `7`,
	}
	return []byte(spoiled[rapid.IntRange(0, len(spoiled)-1).Draw(t, "how")])
}

func timeField(s genSource) int {
	for i, f := range s.fields {
		if f.name == "at" {
			return i
		}
	}
	panic("no time field")
}
