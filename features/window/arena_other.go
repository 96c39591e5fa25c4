//go:build !linux

package window

func adviseHuge([]uint64) {}
