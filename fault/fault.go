// Package fault marks the places where a process can be made to fail, so that a
// harness may do it there and not only at random. In a usual build a mark is an
// empty function that the compiler leaves out; with the build tag "fault" the
// variable FRESHET_FAULT arms some of them:
//
//	FRESHET_FAULT=end-sent:3:kill,rows-acked:1:stop
//
// kills the process with SIGKILL the third time it has sent the end of a
// transaction, and stops it with SIGSTOP the first time its rows are
// acknowledged.
package fault

// The places, in the order in which a batch passes them. Each is crossed
// between the two things that its name stands between.
const (
	Claimed   = "claimed"      // the partitions and the owner number are ours; nothing is rebuilt
	Rebuilt   = "rebuilt"      // the state is there again; nothing has been emitted
	Applied   = "applied"      // a step is computed; nothing of it has left
	RowsAcked = "rows-acked"   // the online store has a step's rows; records may be on their way
	Sent      = "records-sent" // the output log has a step's records; rows may be on their way
	Left      = "step-left"    // rows, records and dead letters of a step are acknowledged
	Added     = "offsets-added"
	EndAsked  = "end-asked" // the end of the transaction is about to be sent
	EndSent   = "end-sent"  // it is answered; nobody here knows yet
	Committed = "committed" // the loop has not heard of it yet
)

// The places of a checkpoint.
const (
	FileWritten   = "file-written"   // under its temporary name, not synced
	FileSynced    = "file-synced"    // not renamed
	FileRenamed   = "file-renamed"   // its folder not synced
	ManifestReady = "manifest-ready" // all files are there, the manifest is not
	ManifestNamed = "manifest-named" // it is there; what is older is not removed
)

// Points are all places: a harness shows that it has been at each.
func Points() []string {
	return []string{Claimed, Rebuilt, Applied, RowsAcked, Sent, Left, Added, EndAsked, EndSent, Committed,
		FileWritten, FileSynced, FileRenamed, ManifestReady, ManifestNamed}
}
