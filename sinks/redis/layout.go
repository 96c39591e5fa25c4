// Package redis keeps the online store in Redis: one hash per entity and view,
// in the public layout of version 1. Store writes it, Reader reads it. Neither
// decides about values: what has no value has no field, and _status says why.
package redis

import (
	"fmt"
	"math"
	"strconv"
	"strings"

	"github.com/freshet-dev/freshet/config/spec"
	"github.com/freshet-dev/freshet/features"
	"github.com/freshet-dev/freshet/features/event"
	"github.com/freshet-dev/freshet/sinks"
	"github.com/freshet-dev/freshet/sinks/mask"
	"github.com/freshet-dev/freshet/sinks/record"
)

// layoutVersion is the version of the layout that this package writes and
// reads. A change of it is a major release.
const layoutVersion = "1"

// The fields of a row that are not features.
const (
	fieldVersion = "_v"
	fieldAsOf    = "_as_of"
	fieldStatus  = "_status"
	suffixAt     = "_at" // of a moving value: the event time it is for
)

// keys names everything of one namespace.
type keys struct {
	namespace string
	tokens    *mask.Tokens
}

func (k keys) meta() string      { return "freshet:" + k.namespace + ":meta" }
func (k keys) alive() string     { return "freshet:" + k.namespace + ":alive" }
func (k keys) fence() string     { return "freshet:" + k.namespace + ":fence" }
func (k keys) heartbeat() string { return "freshet:" + k.namespace + ":heartbeat" }

// heartbeatOf is the heartbeat of the node of a cluster that has the slot of tag.
func (k keys) heartbeatOf(tag int) string { return k.heartbeat() + ":{" + strconv.Itoa(tag) + "}" }

// row is freshet:<namespace>:{<entity>:<token>}:<view>@<version>. The braces
// put all views of an entity into one slot of a cluster.
func (k keys) row(v *spec.View, key string) string {
	return k.rowPrefix(v) + k.tokens.RedisKey(v.Entity, key) + rowSuffix(v)
}

func (k keys) rowPrefix(v *spec.View) string {
	return "freshet:" + k.namespace + ":{" + v.Entity.Name + ":"
}

func rowSuffix(v *spec.View) string { return "}:" + v.Pinned() }

// versionDigits is the length of a version as text.
const versionDigits = 8 + 16 + 8 + 8 + 16

// appendVersion appends a version as hexadecimal text of fixed width, so that
// texts compare as versions do. No number of it is negative: event times are
// of this century (S12).
func appendVersion(b []byte, v sinks.Version) []byte {
	b = appendHex(b, uint64(v.Incarnation), 8)
	b = appendHex(b, v.Batch, 16)
	b = appendHex(b, uint64(v.Owner), 8)
	b = appendHex(b, uint64(v.Seq), 8)
	return appendHex(b, uint64(v.AsOf), 16)
}

func appendHex(b []byte, n uint64, width int) []byte {
	const digits = "0123456789abcdef"
	for shift := 4 * (width - 1); shift >= 0; shift -= 4 {
		b = append(b, digits[n>>shift&15])
	}
	return b
}

// parseVersion reads what appendVersion wrote.
func parseVersion(text string) (sinks.Version, error) {
	if len(text) != versionDigits {
		return sinks.Version{}, fmt.Errorf("version %q has %d digits, not %d", text, len(text), versionDigits)
	}
	var numbers [5]uint64
	at := 0
	for i, width := range [...]int{8, 16, 8, 8, 16} {
		n, err := strconv.ParseUint(text[at:at+width], 16, 64)
		if err != nil {
			return sinks.Version{}, fmt.Errorf("version %q: %w", text, err)
		}
		numbers[i] = n
		at += width
	}
	return sinks.Version{
		Incarnation: uint32(numbers[0]),
		Batch:       numbers[1],
		Owner:       uint32(numbers[2]),
		Seq:         uint32(numbers[3]),
		AsOf:        int64(numbers[4]),
	}, nil
}

// appendValue appends a value as the store shows it: numbers in their shortest
// decimal form, decimals in major units (S13), times in RFC 3339 with three
// digits and Z (S12), strings as they are, lists and maps as JSON.
func appendValue(b []byte, v event.Value, scale int) []byte {
	switch v.Kind() {
	case event.String:
		return append(b, v.Str()...)
	case event.Int:
		return strconv.AppendInt(b, v.Int(), 10)
	case event.Bool:
		return strconv.AppendBool(b, v.Bool())
	case event.Timestamp:
		return record.AppendTime(b, v.Int())
	}
	if v.Kind() == event.List || v.Kind() == event.Map {
		return record.AppendJSON(b, v, scale)
	}
	number, ok := v.Number(scale)
	if !ok {
		panic("sinks/redis: a value of a kind that the layout has no text for")
	}
	return appendNumber(b, number)
}

// appendNumber appends the shortest text that reads back as f, with an exponent
// only where JSON writers have one.
func appendNumber(b []byte, f float64) []byte {
	if f == math.Trunc(f) && math.Abs(f) < 1<<53 {
		return strconv.AppendInt(b, int64(f), 10) // most features are counts
	}
	if magnitude := math.Abs(f); magnitude < 1e-6 || magnitude >= 1e21 {
		return strconv.AppendFloat(b, f, 'e', -1, 64)
	}
	return strconv.AppendFloat(b, f, 'f', -1, 64)
}

// appendStatuses appends the columns that are not PRESENT, as name=STATUS,
// comma-separated, in the order of the columns.
func appendStatuses(b []byte, row *features.Row) []byte {
	start := len(b)
	for i, status := range row.Statuses {
		if status == features.Present {
			continue
		}
		if len(b) > start {
			b = append(b, ',')
		}
		b = append(b, row.Layout.Columns[i].Feature.Short...)
		b = append(b, '=')
		b = append(b, status.String()...)
	}
	return b
}

// parseStatuses reads what appendStatuses wrote, into statuses by column;
// columns that are not mentioned are left alone.
func parseStatuses(text string, layout *features.RowLayout, statuses []features.Status) error {
	if text == "" {
		return nil
	}
	for part := range strings.SplitSeq(text, ",") {
		name, word, ok := strings.Cut(part, "=")
		status, known := statusNamed(word)
		if !ok || !known {
			return fmt.Errorf("status %q is not name=STATUS", part)
		}
		for i, column := range layout.Columns {
			if column.Feature.Short == name {
				statuses[i] = status
			}
		}
	}
	return nil
}

func statusNamed(word string) (features.Status, bool) {
	for s := features.NoEntity; s <= features.Present; s++ {
		if s.String() == word {
			return s, true
		}
	}
	return 0, false
}
