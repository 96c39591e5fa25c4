package kafka

// progress is how far a partition was handed over, and how far it reaches. A
// log holds more than records: markers of transactions, and records of aborted
// ones. What of that lies behind the last record counts as handed over with it.
//
// Invariant: next <= past where tail >= 0.
type progress struct {
	start int64 // the earliest retained offset, as far as is known
	next  int64 // everything below was handed over, or is nothing to hand over
	end   int64 // the last stable offset, as far as is known
	tail  int64 // the last record that was fetched and not yet handed over; -1: none
	past  int64 // what next becomes when tail is handed over
}

// fetched notes a fetch up to past, whose last record is at lastData (-1:
// none), and reports whether the position moved at once.
func (p *progress) fetched(lastData, past, stable int64) bool {
	p.end = max(p.end, stable)
	p.tail, p.past = lastData, past
	if lastData < 0 {
		p.next = past
	}
	return lastData < 0
}

// handed notes that a record was handed over, and reports whether the position
// moved further than to the offset after it.
func (p *progress) handed(offset int64) bool {
	p.next = offset + 1
	if offset != p.tail {
		return false
	}
	p.next, p.tail = p.past, -1
	return p.next > offset+1
}

func (p *progress) behind() int64 { return max(0, p.end-p.next) }
