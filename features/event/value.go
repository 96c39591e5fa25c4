// Package event is what one record says once it is decoded: typed values in
// the order of the source's fields. It decodes (JSON, CSV cells, the texts of
// spec tests) and refuses; it keeps nothing and decides nothing about time.
package event

import (
	"math"
	"slices"
	"strconv"
	"strings"
	"unsafe"
)

// Kind is what a Value holds.
type Kind uint8

// None is "no value": missing, null, or not computable (S14, S17).
const (
	None Kind = iota
	String
	Int
	Double
	Bool
	Timestamp // milliseconds since 1970, UTC
	Decimal   // minor units; the field's Scale says how many digits
	List      // of values, in the order of the aggregation (list_last, list_distinct)
	Map       // from a category to a value (S25)
)

// Value is one typed value. The zero Value is no value. A string aliases the
// record it was decoded from, and lives as long as that record's batch; a list
// or map lives as long as its maker says. Values are compared by Equal, never
// by ==: at is an address.
//
// It is 24 bytes: a vector of a hundred of them is written for every event.
type Value struct {
	_    [0]func() // not comparable by ==
	kind Kind
	bits uint64         // the number; of texts, lists and maps how long they are
	at   unsafe.Pointer // their first byte, Value or Entry
}

// Entry is one category of a Map.
type Entry struct {
	Key   string
	Value Value
}

// OfString is a text. It is not copied.
func OfString(s string) Value {
	return Value{kind: String, bits: uint64(len(s)), at: unsafe.Pointer(unsafe.StringData(s))}
}

// OfList is a list. It is not copied.
func OfList(items []Value) Value {
	return Value{kind: List, bits: uint64(len(items)), at: unsafe.Pointer(unsafe.SliceData(items))}
}

// OfMap is a map, its entries in the order in which they are shown. They are
// not copied.
func OfMap(entries []Entry) Value {
	return Value{kind: Map, bits: uint64(len(entries)), at: unsafe.Pointer(unsafe.SliceData(entries))}
}

// OfInt is a whole number.
func OfInt(i int64) Value { return Value{kind: Int, bits: uint64(i)} }

// OfBool is a truth.
func OfBool(b bool) Value { return Value{kind: Bool, bits: b2u(b)} }

// OfTimestamp is a time in milliseconds since 1970, UTC.
func OfTimestamp(ms int64) Value { return Value{kind: Timestamp, bits: uint64(ms)} }

// OfDecimal is an amount in minor units, of a scale that the field knows.
func OfDecimal(minor int64) Value { return Value{kind: Decimal, bits: uint64(minor)} }

// OfDouble is a number; -0 becomes 0.
func OfDouble(f float64) Value {
	if f == 0 {
		f = 0 // -0 and 0 are one value (S21)
	}
	return Value{kind: Double, bits: math.Float64bits(f)}
}

// SetDouble makes v a number, like OfDouble. It writes no more of v than a
// number needs: a vector of them is written for every event.
func SetDouble(v *Value, f float64) {
	v.kind, v.bits = Double, math.Float64bits(f+0) // -0 + 0 is 0 (S21)
}

// SetUnsigned is SetDouble for a number that is not -0.
func SetUnsigned(v *Value, f float64) {
	v.kind, v.bits = Double, math.Float64bits(f)
}

// SetNumber makes v a copy of w, which is a number or no value at all.
func SetNumber(v, w *Value) {
	v.kind, v.bits = w.kind, w.bits
}

// Kind says what v holds; None is no value.
func (v Value) Kind() Kind { return v.kind }

// Has reports whether v is a value.
func (v Value) Has() bool { return v.kind != None }

// Str is the text of a String, "" of any other kind.
func (v Value) Str() string {
	if v.kind != String {
		return ""
	}
	return unsafe.String((*byte)(v.at), int(v.bits))
}

// Items are the values of a List, none of any other kind. The caller does not
// change them.
func (v Value) Items() []Value {
	if v.kind != List {
		return nil
	}
	return unsafe.Slice((*Value)(v.at), int(v.bits))
}

// Entries are the categories of a Map, none of any other kind. The caller does
// not change them.
func (v Value) Entries() []Entry {
	if v.kind != Map {
		return nil
	}
	return unsafe.Slice((*Entry)(v.at), int(v.bits))
}

// Equal reports whether two values are of one kind and the same: texts byte by
// byte, numbers by their bits, lists and maps entry by entry.
func (v Value) Equal(w Value) bool {
	if v.kind != w.kind || v.bits != w.bits {
		return false
	}
	switch v.kind {
	case String:
		return v.Str() == w.Str()
	case List:
		return slices.EqualFunc(v.Items(), w.Items(), Value.Equal)
	case Map:
		return slices.EqualFunc(v.Entries(), w.Entries(), func(a, b Entry) bool { return a.Key == b.Key && a.Value.Equal(b.Value) })
	}
	return true
}

// Clone is v with what it points at copied: texts, lists and maps that outlive
// what they were made of.
func (v Value) Clone() Value {
	switch v.kind {
	case String:
		return OfString(strings.Clone(v.Str()))
	case List:
		items := slices.Clone(v.Items())
		for i, item := range items {
			items[i] = item.Clone()
		}
		return OfList(items)
	case Map:
		entries := slices.Clone(v.Entries())
		for i, e := range entries {
			entries[i] = Entry{strings.Clone(e.Key), e.Value.Clone()}
		}
		return OfMap(entries)
	}
	return v
}

// Int is the number of an Int, the milliseconds of a Timestamp, the minor
// units of a Decimal.
func (v Value) Int() int64 { return int64(v.bits) }

// Float is the number of a Double.
func (v Value) Float() float64 { return math.Float64frombits(v.bits) }

// Bool is the truth of a Bool.
func (v Value) Bool() bool { return v.bits != 0 }

func b2u(b bool) uint64 {
	if b {
		return 1
	}
	return 0
}

// Pow10 holds the powers of ten that decimals are scaled by.
var Pow10 = [...]float64{1, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15}

// Number is v as the double that expressions and outputs see: decimals in
// major units, rounded once (S13). It reports false for strings, bools,
// timestamps and no value.
func (v Value) Number(scale int) (float64, bool) {
	switch v.kind {
	case Double:
		return v.Float(), true
	case Int:
		return float64(v.Int()), true
	case Decimal:
		return major(v.Int(), scale), true
	}
	return 0, false
}

// major is minor / 10^scale, rounded once. Up to 2^53 both are exact as doubles,
// and the division is the one rounding; beyond, the text is read as a whole.
func major(minor int64, scale int) float64 {
	if -MaxInt <= minor && minor <= MaxInt {
		return float64(minor) / Pow10[scale]
	}
	var room [32]byte
	text := append(strconv.AppendInt(room[:0], minor, 10), 'e', '-')
	f, _ := strconv.ParseFloat(string(strconv.AppendInt(text, int64(scale), 10)), 64)
	return f
}
