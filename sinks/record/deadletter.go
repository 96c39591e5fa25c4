package record

import (
	"strconv"
	"strings"
	"time"

	"github.com/freshet-dev/freshet/config/spec"
	"github.com/freshet-dev/freshet/sinks"
)

// The names of the headers of a dead letter.
const (
	HeaderReason    = "freshet.dlq.reason"
	HeaderError     = "freshet.dlq.error"
	HeaderSource    = "freshet.dlq.source"
	HeaderPartition = "freshet.dlq.partition"
	HeaderOffset    = "freshet.dlq.offset"
	HeaderTimestamp = "freshet.dlq.timestamp"
	HeaderDLQSpec   = "freshet.dlq.spec"
	HeaderAttempts  = "freshet.dlq.attempts"
)

// ReasonTooLarge is the reason that is not the engine's (S8): the log refused
// the enriched record for its size.
const ReasonTooLarge = "too_large"

// ReasonPanic is the pipeline's: applying the record has ended the process,
// twice.
const ReasonPanic = "panic"

// DeadLetterTopic is the topic of a source's dead letters.
func DeadLetterTopic(s *spec.Spec, src *spec.Source) string {
	return s.Namespace + "." + src.Name + ".dlq.v1"
}

// Refused is a record that goes to the dead letters. Its bytes are read, not
// kept.
type Refused struct {
	Source    *spec.Source
	Partition int32
	Offset    int64
	Time      int64 // the log's own clock, ms
	HasTime   bool
	Key       []byte
	Value     []byte
	Names     []string // of CSV cells, with Texts; nil: Value is decoded
	Texts     []string
	Oversized int // true length of a value that was cut; 0: whole

	Reason   string
	Field    string // "" when it is not one field's fault
	Detail   string // holds no value of the record
	Position int    // byte in the payload, or with Names the place of the text; -1 unknown
	Attempts int
}

// DeadLetters encodes refused records. One goroutine.
type DeadLetters struct {
	spec    []byte
	topics  map[*spec.Source]string
	payload payloadMasker
}

// NewDeadLetters encodes for the sources of s.
func NewDeadLetters(s *spec.Spec, privacy Privacy) *DeadLetters {
	d := &DeadLetters{spec: []byte(SpecRef(s)), topics: map[*spec.Source]string{}, payload: payloadMasker{privacy: privacy}}
	for _, src := range s.Sources {
		d.topics[src] = DeadLetterTopic(s, src)
	}
	return d
}

// Encode makes the dead letter of r: why and where in the headers, the payload
// masked in the value. Its bytes are its own. The key is a keyed hash of the
// input's key, so that records of one key stay together and none is shown.
func (d *DeadLetters) Encode(r *Refused) sinks.Record {
	rec := sinks.Record{Topic: d.topics[r.Source], Value: d.payload.mask(r), Headers: []sinks.Header{
		{Key: HeaderReason, Value: []byte(r.Reason)},
		{Key: HeaderError, Value: []byte(errorText(r))},
		{Key: HeaderSource, Value: []byte(r.Source.Name)},
		{Key: HeaderPartition, Value: strconv.AppendInt(nil, int64(r.Partition), 10)},
		{Key: HeaderOffset, Value: strconv.AppendInt(nil, r.Offset, 10)},
		{Key: HeaderDLQSpec, Value: d.spec},
		{Key: HeaderAttempts, Value: strconv.AppendInt(nil, int64(max(r.Attempts, 1)), 10)},
		{Key: HeaderContentType, Value: []byte(ContentType)},
	}}
	if r.HasTime {
		rec.Headers = append(rec.Headers, sinks.Header{Key: HeaderTimestamp, Value: AppendTime(nil, r.Time)})
	}
	if len(r.Key) > 0 {
		rec.Key = []byte(d.payload.hash(string(r.Key)))
	}
	return rec
}

// errorText says what was wrong, where: "amount: is not a number, byte 17", or
// in a CSV row "amount: is not a number, column 3".
func errorText(r *Refused) string {
	var b strings.Builder
	if r.Field != "" {
		b.WriteString(r.Field + ": ")
	}
	b.WriteString(r.Detail)
	switch {
	case r.Position < 0:
	case r.Names != nil:
		b.WriteString(", column " + strconv.Itoa(r.Position+1))
	default:
		b.WriteString(", byte " + strconv.Itoa(r.Position))
	}
	return b.String()
}

// DeadLetter is a dead letter as a reader sees it. Time is zero where the
// input's log had no clock.
type DeadLetter struct {
	Reason    string    `json:"reason"`
	Error     string    `json:"error"`
	Source    string    `json:"source"`
	Partition int32     `json:"partition"`
	Offset    int64     `json:"offset"`
	Time      time.Time `json:"timestamp"`
	Spec      string    `json:"spec"`
	Attempts  int       `json:"attempts"`
	Payload   []byte    `json:"-"`
}

// ReadDeadLetter reads a dead letter; header gives a header's text, "" where
// there is none. It reports false for a record that is no dead letter.
func ReadDeadLetter(header func(name string) string, value []byte) (DeadLetter, bool) {
	d := DeadLetter{
		Reason: header(HeaderReason), Error: header(HeaderError), Source: header(HeaderSource),
		Spec: header(HeaderDLQSpec), Payload: value,
	}
	partition, errP := strconv.ParseInt(header(HeaderPartition), 10, 32)
	offset, errO := strconv.ParseInt(header(HeaderOffset), 10, 64)
	if d.Reason == "" || d.Source == "" || errP != nil || errO != nil {
		return DeadLetter{}, false
	}
	d.Partition, d.Offset = int32(partition), offset
	d.Attempts, _ = strconv.Atoi(header(HeaderAttempts)) // 0: not said
	if t := header(HeaderTimestamp); t != "" {
		d.Time, _ = time.Parse(timeLayout, t) // zero: not said
	}
	return d, true
}
