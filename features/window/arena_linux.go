package window

import (
	"syscall"
	"unsafe"
)

// adviseHuge asks for huge pages below words that were not touched yet. Without
// them everything works, slower: an error is none.
func adviseHuge(words []uint64) {
	const huge, adviceHuge = 2 << 20, 14 // MADV_HUGEPAGE
	bytes := unsafe.Slice((*byte)(unsafe.Pointer(unsafe.SliceData(words))), 8*len(words))
	first := -uintptr(unsafe.Pointer(unsafe.SliceData(words))) & (huge - 1)
	last := (uintptr(len(bytes)) - first) &^ (huge - 1)
	_ = syscall.Madvise(bytes[first:first+last], adviceHuge)
}
