// Package checkpoint keeps state on disk: one sequential file per group of keys
// and cycle, and behind each cycle a manifest that names the newest ones. It
// knows nothing of what the bytes mean, starts nothing and decides nothing
// about when: that is the pipeline's.
//
// A file is written under a temporary name, synced and renamed; the folder is
// synced before the manifest is written the same way, and once after it. A
// manifest and every file that it names are read back and verified before any
// older one goes. So whatever moment a machine stops at, the newest manifest
// that is whole names files that are whole, and there are older ones behind it.
//
// An error while writing ends its cycle: the files of the cycle are given up, no
// sync is tried twice (the second may succeed without having written anything),
// and what was there before stays.
package checkpoint
