package main

import "golang.org/x/sys/unix"

// threadSwitches is how often this thread has lost its core. The caller has locked
// it.
func threadSwitches() int64 {
	var u unix.Rusage
	if err := unix.Getrusage(unix.RUSAGE_THREAD, &u); err != nil {
		return 0
	}
	return u.Nvcsw + u.Nivcsw
}
