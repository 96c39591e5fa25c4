package tailreader

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"slices"

	"github.com/segmentio/kafka-go/protocol"
	"github.com/segmentio/kafka-go/protocol/fetch"
)

// damage is an answer that cannot be read: asking again brings it again.
type damage struct{ error }

func (d *damage) Unwrap() error { return d.error }

// abortMarker is the type of a control record that ends an aborted transaction.
const abortMarker = 0

// decode takes an answer apart: the records at or behind next that a reader may
// see, and the position behind all that the answer holds.
//
// Aborted transactions come as a list of (producer, first offset). From its
// first offset on, what a producer wrote transactionally is aborted, until its
// abort marker; then it may write again. Batches of several producers are
// interleaved. The list covers transactions that began before the answer does.
func decode(a *fetch.ResponsePartition, next int64, uncommitted bool) ([]Message, int64, error) {
	stream, ok := a.RecordSet.Records.(*protocol.RecordStream)
	if !ok {
		if a.RecordSet.Records == nil {
			return nil, next, nil // nothing came
		}
		stream = &protocol.RecordStream{Records: []protocol.RecordReader{a.RecordSet.Records}}
	}
	pending := slices.Clone(a.AbortedTransactions)
	slices.SortFunc(pending, func(x, y fetch.ResponseTransaction) int { return cmp.Compare(x.FirstOffset, y.FirstOffset) })
	aborted := map[int64]bool{} // producers within an aborted transaction

	var out []Message
	for _, batch := range stream.Records {
		switch b := batch.(type) {
		case *protocol.ControlBatch:
			past, err := control(b, aborted)
			if err != nil {
				return nil, 0, &damage{err}
			}
			next = max(next, past)
		case *protocol.RecordBatch:
			for len(pending) > 0 && pending[0].FirstOffset <= b.BaseOffset {
				aborted[pending[0].ProducerID] = true
				pending = pending[1:]
			}
			hidden := !uncommitted && b.Attributes.Transactional() && aborted[b.ProducerID]
			messages, past, err := records(b, int(a.Partition), next, hidden)
			if err != nil {
				return nil, 0, &damage{err}
			}
			out, next = append(out, messages...), max(next, past, b.BaseOffset+1)
		default: // records from before Kafka 0.11, which knew no transactions
			messages, past, err := records(b, int(a.Partition), next, false)
			if err != nil {
				return nil, 0, &damage{err}
			}
			out, next = append(out, messages...), max(next, past)
		}
	}
	return out, next, nil
}

// control reads the markers of a batch: the end of a transaction of its
// producer. A commit marker ends none that is in aborted.
func control(b *protocol.ControlBatch, aborted map[int64]bool) (past int64, err error) {
	past = b.BaseOffset + 1
	for {
		marker, err := b.ReadControlRecord()
		if errors.Is(err, io.EOF) {
			return past, nil
		}
		if err != nil {
			return 0, fmt.Errorf("a transaction marker at offset %d: %w", b.BaseOffset, err)
		}
		past = max(past, marker.Offset+1)
		if marker.Type == abortMarker {
			delete(aborted, b.ProducerID)
		}
	}
}

// records reads a batch, and returns what of it lies at or behind from unless
// all of it is hidden.
func records(b protocol.RecordReader, partition int, from int64, hidden bool) ([]Message, int64, error) {
	var out []Message
	past := from
	for {
		r, err := b.ReadRecord()
		if errors.Is(err, io.EOF) {
			return out, past, nil
		}
		if err != nil {
			return nil, 0, fmt.Errorf("a record behind offset %d: %w", past, err)
		}
		m := Message{Partition: partition, Offset: r.Offset, Time: r.Time}
		if m.Key, err = bytesOf(r.Key); err != nil {
			return nil, 0, fmt.Errorf("the key at offset %d: %w", r.Offset, err)
		}
		if m.Value, err = bytesOf(r.Value); err != nil {
			return nil, 0, fmt.Errorf("the value at offset %d: %w", r.Offset, err)
		}
		past = max(past, r.Offset+1)
		if hidden || r.Offset < from {
			continue
		}
		for _, h := range r.Headers {
			m.Headers = append(m.Headers, Header{Key: h.Key, Value: h.Value})
		}
		out = append(out, m)
	}
}

// bytesOf copies and gives back what the library holds; nil stays nil.
func bytesOf(b protocol.Bytes) ([]byte, error) {
	if b == nil {
		return nil, nil
	}
	defer func() { _ = b.Close() }()
	return protocol.ReadAll(b)
}
