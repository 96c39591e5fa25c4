package generate

import (
	"bytes"
	"time"
)

// damages make a good record one that is refused, each for another reason.
var damages = [...]func(value []byte, at time.Time) []byte{
	func(v []byte, _ time.Time) []byte { return v[:len(v)/2] },
	func([]byte, time.Time) []byte { return []byte("not a record") },
	func([]byte, time.Time) []byte { return nil },
	func(v []byte, _ time.Time) []byte { return append(v, '}') },
	func(v []byte, _ time.Time) []byte {
		return bytes.Replace(v, []byte(`"user-`), []byte("\"user-\xff"), 1)
	},
	func(v []byte, _ time.Time) []byte {
		return bytes.Replace(v, []byte(`"user_id":`), []byte(`"userid":`), 1)
	},
	func(v []byte, _ time.Time) []byte {
		return bytes.Replace(v, []byte(`"user_id":`), []byte(`"user_id":7,"was":`), 1)
	},
	func(v []byte, _ time.Time) []byte {
		return bytes.Replace(v, []byte(`"user_id":`), []byte(`"user_id":"user-0000000","user_id":`), 1)
	},
	func(v []byte, _ time.Time) []byte { return bytes.Replace(v, []byte(`Z"`), []byte(`"`), 1) },
	func(v []byte, at time.Time) []byte { return retime(v, time.Date(9999, 12, 31, 23, 0, 0, 0, time.UTC)) },
	fromFuture,
}

func fromFuture(v []byte, at time.Time) []byte { return retime(v, at.Add(48*time.Hour)) }

// futureEvery is how many records at least lie between two from the future. Two
// close together would look like the present to a reader without a clock (S11),
// and all that follow would be late.
const futureEvery = 1000

// damage makes a record one that is refused.
func (g *Generator) damage(e *Event, at time.Time) {
	n := g.r.IntN(len(damages))
	if n == len(damages)-1 { // fromFuture
		if g.made < g.noFuture {
			n--
		} else {
			g.noFuture = g.made + futureEvery
		}
	}
	e.Value = damages[n](e.Value, at)
}

// retime replaces a record's event time.
func retime(value []byte, to time.Time) []byte {
	const name = `"event_time":"`
	from := bytes.Index(value, []byte(name)) + len(name)
	end := from + bytes.IndexByte(value[from:], '"')
	text, _ := timestamp(to).MarshalText()
	return bytes.Replace(value, value[from:end], text, 1)
}
