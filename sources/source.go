// Package sources is the contract of a partitioned log: records in order
// within a partition, positions that are committed, one owner of everything.
// It runs nothing and decodes nothing.
//
// # Does it fit Kinesis?
//
// A Kinesis shard is a partition that ends: a split or merge closes parents
// and opens children. The contract fits because nothing in it promises that
// partitions are fixed or numbered densely by the broker. A Kinesis consumer
// gives each shard the next free Partition number and remembers it with the
// shard id in Position.Token (the opaque text that Commit stores and Assigned
// returns); a Record's Offset is a count kept by the consumer per shard, and
// the token carries the sequence number and sub-sequence number that it stands
// for. A closed shard stops delivering, is listed in Poll.Ended once its last
// record was handed over, and its children are assigned only after that
// position was committed, so that per-key order holds across the split. Leases
// decide who is assigned, as group membership does on Kafka; Lost means the
// same on both. What Kinesis lacks is a commit that is atomic with the outputs:
// that is a capability of a connector pair, not of this contract.
package sources

import (
	"context"
	"errors"
)

// NoTime is the Time of a record whose log has no clock. It equals
// event.NoTime, which this package may not import.
const NoTime int64 = -1 << 63

// Record is one record of a log. Key, Value and Headers are owned by the
// consumer and stay valid until the next Poll.
type Record struct {
	Source    int // index in Spec.Sources
	Partition int32
	Offset    int64
	Time      int64 // the log's own clock in ms; NoTime where it has none
	Key       []byte
	Value     []byte
	Headers   []Header
	// Oversized is the true length of a value that was cut because it exceeds
	// the consumer's size cap; 0 otherwise. Such a record is a dead letter.
	Oversized int
	// Cells is set for a row of a CSV file, which features.Reader.ReadTexts
	// decodes; Value then holds the raw row, for the dead letters only. nil:
	// Value is in the source's own format.
	Cells *Cells
	// Damaged says why the record could not be cut from its log (a CSV row with
	// a stray quote, or of the wrong width); "" otherwise. Such a record is a
	// dead letter, reason decode; Value is what there was. It quotes no value.
	Damaged string
	// Future marks a record of a file that is from the future by the rule that
	// S11 has for logs without a clock. Where Time is set it is always false.
	Future bool
}

// Cells are the texts of one CSV row. Names is the file's header, one slice for
// all its rows; Texts is of the same length.
type Cells struct{ Names, Texts []string }

// Header is one record header.
type Header struct {
	Key   string
	Value []byte
}

// PartitionID names a partition of a source of the run.
type PartitionID struct {
	Source    int
	Partition int32
}

// Position says up to where a partition was processed.
type Position struct {
	PartitionID
	Next  int64  // the first offset not yet processed
	Token string // opaque to everyone but the consumer
}

// Assigned is what a consumer knows of a partition when it takes it over.
// Delivery starts where a Beginner is told, else at Start, the earliest retained record, whatever was
// committed: the pipeline replays [Start, Committed) silently (design.md 6).
type Assigned struct {
	PartitionID
	Start     int64 // earliest retained offset
	Committed int64 // next offset as committed; -1: never
	End       int64 // log end when assigned: below it is catching up
	Metadata  string
	Token     string
	// Cluster and TopicID are what the offsets are offsets of: where one of them
	// is another, the same offset is another record. "" where there is none.
	Cluster, TopicID string
}

// Poll is what one call of Consumer.Poll brings. Assignment changes come
// alone: a Poll that has Owned or Lost set has no records.
type Poll struct {
	Records []Record

	// Passed are the partitions whose position after this Poll's records lies
	// behind the last record's offset + 1: what is in between (markers of
	// transactions, aborted records) will never be handed over. Next may be
	// committed once those records were processed. A Poll may bring nothing
	// else. Without it a log that ends in a marker would never seem read to its
	// end.
	Passed []Position

	// Owned is set when this instance has just become the owner of all
	// partitions of all sources. Standby instances see neither.
	Owned []Assigned
	// Lost is true when the ownership is gone: everything not committed is
	// void, and the state must be dropped. Where a standby reads along, it says
	// the same of what was read so: it cannot go on from there.
	Lost bool
	// Standby is true while another instance owns everything and this one waits
	// for its turn. Such a Poll has nothing else, but what a Beginner brings.
	Standby bool
	// Standing is what a take-over would find now, of every partition, in a Poll
	// with Standby of a Beginner: once at first, and again whenever it was asked.
	Standing []Assigned
	// Ended is true when every input has ended: files only.
	Ended bool
}

// Consumer reads all sources of one run as one member of one group. Poll is
// called from one goroutine and Commit from one; they may run side by side.
type Consumer interface {
	// Poll waits until there is something to report, or ctx is done (then it
	// returns an empty Poll and no error). At most max records are returned,
	// each partition's in order. An error is fatal: the process must end.
	Poll(ctx context.Context, max int) (Poll, error)
	// Commit stores the positions with metadata, which Assigned returns to the
	// next owner. It returns once stored. ErrLost means that this instance is
	// no longer the owner: nothing was stored. Where the consumer shares a
	// transaction with the outputs, they are committed with the positions;
	// ErrAborted means that neither was.
	Commit(ctx context.Context, positions []Position, metadata string) error
	// Lag gives, per partition, how many records are known to lie ahead of
	// the last one that Poll has returned.
	Lag() map[PartitionID]int64
	// Close leaves the group, so that a standby takes over at once.
	Close(ctx context.Context) error
}

// Pauser is a Consumer that can hold partitions back. While a rebuild is under
// way the pipeline pauses a partition as soon as it delivers a record at or
// above its Committed, so that what was read ahead stays small while the others
// catch up; a consumer without Pause has it all kept in memory. Both are called
// from Poll's goroutine.
type Pauser interface {
	// Pause stops the delivery of a partition; what was delivered stays
	// delivered, and nothing is skipped.
	Pause(PartitionID)
	// Resume ends all pauses.
	Resume()
}

// Beginner is a Consumer that is told where to begin, and can read along while
// another instance owns everything: a standby that does has its state when its
// turn comes.
type Beginner interface {
	// Begin says where delivery begins; Start where from has nothing of a
	// partition. It is called from Poll's goroutine.
	//
	// After a Poll that has brought Owned it must be called, before the next Poll:
	// nothing is delivered without.
	//
	// After one that has brought Standing it may be: Polls with Standby bring
	// records from then on, committed or not, until a Poll has brought Lost or
	// Owned.
	Begin(from []Position) error
}

// Retainer is a Consumer that knows what its log still holds.
type Retainer interface {
	// Retained gives, per partition of which it is known, the earliest offset that
	// is retained and the end of the log, both as of a while ago.
	Retained() map[PartitionID]Extent
}

// Extent is a stretch of a log: offsets at or above Start and below End.
type Extent struct{ Start, End int64 }

// ErrAborted is returned by Commit when the transaction with the outputs was
// aborted: they must be sent again, then committed again.
var ErrAborted = errors.New("sources: the transaction was aborted")

// ErrLost is returned by Commit when the partitions belong to another
// instance by now.
var ErrLost = errors.New("sources: the partitions belong to another instance")
