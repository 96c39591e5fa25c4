package features_test

import (
	"bytes"
	"fmt"
	"runtime"
	"testing"

	"github.com/freshet-dev/freshet/features/event"
)

// What was admitted comes in pieces of one size, whatever that is, and takes the
// memory of a piece.
func TestAnAdmissionComesInPieces(t *testing.T) {
	r := newRun(t, specOf(wordy))
	for i := range 50_000 {
		x := sent{text: fmt.Sprintf(`{"at":%d,"id":"i%d","card":"c","user":"u","qty":1,"ok":true,"mcc":"m"}`, start.UnixMilli()+int64(i), i)}
		x.event.RecordTime, x.event.Offset = event.NoTime, int64(i)
		r.give(r.engine, x, nil)
	}
	a := r.engine.BeginSnapshot()
	if a.Size() < 16*50_000 {
		t.Fatalf("%d bytes for 50,000 ids", a.Size())
	}
	var whole []byte
	for chunk := range a.Chunks(1 << 30) {
		whole = append(whole, chunk...)
	}
	for _, size := range []int{1000, 4096, 100_003, a.Size(), a.Size() - 1} {
		var all []byte
		for chunk := range a.Chunks(size) {
			if len(chunk) != size && len(all)+len(chunk) != a.Size() {
				t.Fatalf("a piece of %d bytes at %d, want %d", len(chunk), len(all), size)
			}
			all = append(all, chunk...)
		}
		if !bytes.Equal(all, whole) || len(all) != a.Size() {
			t.Fatalf("pieces of %d bytes: %d in all, want %d", size, len(all), a.Size())
		}
	}
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	for range a.Chunks(32 << 10) {
	}
	runtime.ReadMemStats(&after)
	if n := after.TotalAlloc - before.TotalAlloc; n > 100<<10 {
		t.Errorf("%d bytes were taken for pieces of 32 KiB", n)
	}
	for range a.Chunks(1000) { // who has enough may stop
		break
	}
}
