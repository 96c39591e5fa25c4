// Package sinks is the contract of a destination: rows of the online store,
// records of an output log. A sink takes what it is given in the order given
// and says when it is safe; it decides nothing about values.
package sinks

import (
	"context"
	"errors"

	"github.com/freshet-dev/freshet/features"
)

// Version is a row's version (design.md 6). A row is replaced only by an equal
// or newer one, compared field by field in this order.
type Version struct {
	Incarnation uint32
	Batch       uint64
	Owner       uint32
	Seq         uint32
	AsOf        int64
}

// VersionedRow is a row and its version.
type VersionedRow struct {
	features.Row
	Version Version
}

// Writer is who writes, as the store's meta key tells it.
type Writer struct {
	// Run is what all owners of one run have in common: consumer group and cluster.
	// One that lives under another Run keeps its namespace; "" asks for none of it.
	Run      string
	SpecHash string
	Views    []*features.RowLayout
	AtLeast  uint32 // owner of the last commit: the new one is larger
	Proof    string // LossDetector.Proof at the last commit, "" if unknown
	// Incarnation is that of the last commit, 0 if there is none: the new one is
	// at least that, and larger in a first run.
	Incarnation uint32
	First       bool // the run starts without committed offsets: the incarnation is raised
}

// OnlineStore holds the newest row of every entity and view. One goroutine
// calls it at a time; another may call Alive beside it.
type OnlineStore interface {
	// TakeOver draws a new owner number, and raises the incarnation if this is
	// a first run; it writes the rest of meta. From then on nothing that an
	// owner before writes, or has on its way, is stored: its calls fail with a
	// Fatal error that is ErrLost.
	TakeOver(ctx context.Context, w Writer) (owner, incarnation uint32, err error)
	// Write stores the rows and returns once all are acknowledged. A key
	// comes at most once per call. After an error any of them may or may not
	// be stored; writing them again is harmless.
	Write(ctx context.Context, rows []VersionedRow) error
	// Alive says that the writer lives and that the stream's time is ms; it
	// holds for five seconds.
	Alive(ctx context.Context, ms int64) error
	Close() error
}

// LossDetector is an OnlineStore that notices when rows it has acknowledged are
// gone: a server without persistence was restarted, a replica that was behind
// took over. Its methods may be called beside all others.
type LossDetector interface {
	OnlineStore
	// Lost reports whether acknowledged rows may be missing, and the number of
	// the last loss. A take-over is one where the store cannot be held against
	// Writer.Proof. Until Whole, Alive fails with ErrRowsLost; Write goes on.
	Lost() (loss uint64, lost bool)
	// Whole says that every row was written since that loss.
	Whole(loss uint64)
	// Proof is what a later owner's Writer must hold for the rows acknowledged
	// so far.
	Proof() string
}

// Witness is an OnlineStore that tells how far its writers had come.
type Witness interface {
	OnlineStore
	// NewestBatch is that of the newest rows, committed or not; 0 where nothing is
	// known.
	NewestBatch(ctx context.Context) (uint64, error)
}

// VersionCounter is an OnlineStore that looks at the versions that stand where it
// writes. Versions may be called beside all other methods.
type VersionCounter interface {
	OnlineStore
	Versions() VersionCounts
}

// VersionCounts count rows since the store was opened.
type VersionCounts struct {
	Equal  int64 // the same version with the same bytes stood there
	Stale  int64 // a newer one stood there: not replaced
	Differ int64 // the same version with other bytes: an alarm, some value is not deterministic
}

// Record is one record for a log.
type Record struct {
	Topic   string
	Key     []byte // nil: none
	Value   []byte
	Headers []Header
	Time    int64 // ms
}

// Header is one record header.
type Header struct {
	Key   string
	Value []byte
}

// Log is an append-only destination: a Kafka cluster, a file.
type Log interface {
	// Produce appends the records, in order per key, and returns once all are
	// acknowledged; the records and their bytes are the caller's again then.
	// A *TooLarge error says which ones were refused for their size: the
	// others are stored.
	Produce(ctx context.Context, records []Record) error
	Close() error
}

// Transaction is a Log whose records count only once the positions of the source
// are committed with them.
type Transaction interface {
	Log
	// Abort voids what was produced since the last commit. Until it is sent
	// again, or Forget is called, nothing is committed.
	Abort(ctx context.Context)
	// Forget gives up what was voided: it will not be sent again.
	Forget()
}

// ErrAborted is what errors of a Transaction's Produce are: what was produced
// since the last commit is void, and all of it must be sent again.
var ErrAborted = errors.New("the transaction was aborted")

// ErrLost is what errors of an OnlineStore are once another writer has taken
// over: nothing of ours is stored any more.
var ErrLost = errors.New("another writer has taken over the online store")

// ErrRowsLost is the error of Alive while rows are missing that the store has
// lost.
var ErrRowsLost = errors.New("the online store has lost rows, which are being written again")

// TooLarge is the error of Produce for records refused for their size, by
// their index.
type TooLarge struct{ Indexes []int }

func (e *TooLarge) Error() string { return "record too large for the log" }

// Fatal is the error of a destination that trying again cannot help: refused
// credentials, a missing permission, a key that holds something else. Every
// other error may pass, and what was to be written may be written again.
type Fatal struct {
	Err          error
	Unauthorised bool // it is about credentials or permissions
}

func (e *Fatal) Error() string { return e.Err.Error() }

// Unwrap gives the cause.
func (e *Fatal) Unwrap() error { return e.Err }
