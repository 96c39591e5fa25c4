package event

// NoTime is the absence of a record time.
const NoTime int64 = -1 << 63

// Event is one decoded record. It is reused from record to record; its strings
// alias the record's bytes.
type Event struct {
	Source     int // index in Spec.Sources
	Partition  int32
	Offset     int64
	RecordTime int64 // the log's own clock, ms: Kafka record time; NoTime for files
	Time       int64 // event time, ms
	ID         string
	Values     []Value // by spec.Field.Index: declared, then computed
}

// Reason is why a record was refused: exactly one, the first that holds in
// this order (S8).
type Reason uint8

// The reasons of S8. Decode, Schema, Future and Late are dead letters;
// Filtered and Duplicate are counted drops.
const (
	Accepted Reason = iota
	Decode
	Schema
	Future
	Filtered
	Late
	Duplicate
	numReasons
)

// NumReasons is the number of reasons, for tables indexed by them.
const NumReasons = int(numReasons)

var reasonNames = [...]string{"accepted", "decode", "schema", "future", "filtered", "late", "duplicate"}

func (r Reason) String() string { return reasonNames[r] }

// DeadLetter reports whether a record refused for r goes to the dead letters;
// the others are dropped and counted.
func (r Reason) DeadLetter() bool {
	return r == Decode || r == Schema || r == Future || r == Late
}

// Rejection is why and where a record was refused. Detail never holds a value
// of the record.
type Rejection struct {
	Reason Reason
	Field  string // "" when it is not one field's fault
	Detail string
	Offset int // byte offset in the payload, -1 unknown
}
