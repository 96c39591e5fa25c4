package window

import (
	"encoding/binary"
	"unsafe"
)

// Words are words as bytes: eight each, the lowest first, wherever they begin.
type Words []byte

// Len is how many they are.
func (w Words) Len() int { return len(w) / 8 }

// At is one of them.
func (w Words) At(i int) uint64 { return binary.LittleEndian.Uint64(w[8*i:]) }

// Set changes one of them.
func (w Words) Set(i int, word uint64) { binary.LittleEndian.PutUint64(w[8*i:], word) }

// From is those from one on.
func (w Words) From(i int) Words { return w[8*i:] }

// likeMemory reports whether a word in memory is its bytes: then words are
// copied as they are.
var likeMemory = *(*byte)(unsafe.Pointer(&[]uint16{1}[0])) == 1

// AppendWords adds words as bytes.
func AppendWords(dst []byte, words []uint64) []byte {
	if likeMemory {
		return append(dst, bytesOf(words)...)
	}
	for _, word := range words {
		dst = binary.LittleEndian.AppendUint64(dst, word)
	}
	return dst
}

// CopyTo copies words out of bytes: as many as there is room for. There are so
// many.
func (w Words) CopyTo(words []uint64) {
	if likeMemory {
		copy(bytesOf(words), w)
		return
	}
	for i := range words {
		words[i] = w.At(i)
	}
}

func bytesOf(words []uint64) []byte {
	return unsafe.Slice((*byte)(unsafe.Pointer(unsafe.SliceData(words))), 8*len(words))
}
